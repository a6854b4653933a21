//! What the process can give to callers: as much as is configured, or as its limits leave.

use std::num::NonZero;
use std::thread;

use crate::admin::capacity::{Bound, Capacity as Shown};
use crate::config::Config;
use crate::net::descriptors::{self, Demand, Division, TooFew};
use crate::net::listen::{Listeners, Passed};
use crate::net::memory::{Budget, Cgroup};
use crate::net::serve::Limit;
use crate::net::upstream;

/// Descriptors and memory, divided.
#[derive(Debug)]
pub(super) struct Capacity {
    division: Division,
    cores: usize,
    memory: Budget,
    /// For everybody who shows it.
    shown: Shown,
}

impl Capacity {
    /// Raises the limits of the process as far as is needed, and divides what there is. To be called before
    /// the first socket is bound: with a limit that is too low, binding would fail for a reason that
    /// nobody understands.
    pub(super) fn claim(config: &Config, passed: &Passed) -> Result<Self, TooFew> {
        let demand = demand(config, passed);
        let division = demand.divide(descriptors::raise(demand.wanted()))?;
        if division.callers < demand.callers {
            tracing::warn!(
                open_files = division.limit,
                callers = division.callers,
                configured = demand.callers,
                "the limit of open files leaves room for fewer callers than caller.max_connections; \
                 further ones wait; raise it to {} (`ulimit -n`, LimitNOFILE=, --ulimit nofile=)",
                demand.wanted()
            );
        }
        let memory = budget(config);
        let allowed = [
            (demand.callers, Bound::Configuration),
            (division.callers, Bound::OpenFiles),
            (memory.connections(), Bound::Memory),
        ];
        let (callers, bound_by) =
            allowed.into_iter().min_by_key(|(callers, _)| *callers).unwrap_or(allowed[0]);
        if bound_by == Bound::Memory {
            tracing::warn!(
                memory = memory.limit(),
                callers,
                configured = demand.callers,
                "the memory limit leaves room for fewer callers than caller.max_connections; further ones wait"
            );
        }
        let shown = Shown {
            limit: Limit::of(callers, "proxy").within(memory.clone()),
            configured: demand.callers,
            bound_by,
            open_files: division.limit,
        };
        Ok(Self { division, cores: demand.cores, memory, shown })
    }

    /// What callers are limited by.
    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Connections to each listener that is not for callers.
    pub(super) fn side_door(&self) -> usize {
        self.division.side_door
    }

    /// The upstream, within what the process has.
    pub(super) fn upstream(&self, config: &upstream::Config) -> upstream::Config {
        let slots = descriptors::Slots::new(self.division.upstream);
        let idle = self.division.idle.min(self.memory.idle_connections() / self.cores);
        let memory = self.memory.clone();
        upstream::Config { max_idle: idle, slots, memory, ..config.clone() }
    }
}

/// The memory for callers: what is configured, or what the limit of the process leaves.
fn budget(config: &Config) -> Budget {
    let Cgroup { limit, counts_sockets } = Cgroup::of_process();
    let left = || limit.and_then(|limit| usize::try_from(limit).ok()).map(for_callers);
    let bytes = config.caller.max_memory.or_else(left);
    bytes.map_or_else(Budget::default, |bytes| {
        Budget::new(bytes, counts_sockets, config.proxy.replay_limit)
    })
}

/// What a memory limit leaves to callers. The sidecar itself has 8 MiB, its log up to 2 MiB, and the
/// allocator never fills its pages.
fn for_callers(limit: usize) -> usize {
    limit.saturating_sub(ITSELF).max(limit / 2)
}

const ITSELF: usize = 18 << 20;

/// Threads that serve callers.
pub(super) fn cores() -> NonZero<usize> {
    thread::available_parallelism().unwrap_or(NonZero::<usize>::MIN)
}

fn demand(config: &Config, passed: &Passed) -> Demand {
    let cores = cores().get();
    let sockets = |given: &[Listeners], configured: usize| match given.len() {
        0 => configured,
        given => given,
    };
    let listen = &config.listen;
    let admin = sockets(&passed.admin, listen.admin.len());
    let health = sockets(&passed.health, listen.health.len());
    let metrics = sockets(&passed.metrics, listen.metrics.len());
    Demand {
        open: descriptors::open(),
        listening: sockets(&passed.proxy, listen.proxy.len()) * cores + admin + health + metrics,
        cores,
        side_doors: [admin, health, metrics].into_iter().filter(|sockets| *sockets > 0).count(),
        callers: config.caller.max_connections,
    }
}
