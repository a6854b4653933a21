//! What the process can give to callers: as much as is configured, or as its limits leave.

use std::iter;
use std::num::NonZero;
use std::thread;

use crate::admin::capacity::{Bound, Capacity as Shown};
use crate::config::Config;
use crate::net::descriptors::{self, Demand, Division, Slots, TooFew};
use crate::net::listen::{Listeners, Passed};
use crate::net::memory::{Budget, Cgroup};
use crate::net::serve::Limit;
use crate::net::upstream;

/// Descriptors and memory, divided.
#[derive(Debug)]
pub(super) struct Capacity {
    division: Division,
    slots: Slots,
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
        let memory = budgets(config, demand.cores);
        let allowed = [
            (demand.callers, Bound::Configuration),
            (division.callers, Bound::OpenFiles),
            (memory.iter().map(Budget::connections).fold(0, usize::saturating_add), Bound::Memory),
        ];
        let (callers, bound_by) =
            allowed.into_iter().min_by_key(|(callers, _)| *callers).unwrap_or(allowed[0]);
        if bound_by == Bound::Memory {
            tracing::warn!(
                callers,
                configured = demand.callers,
                "the memory limit leaves room for fewer callers than caller.max_connections; further ones wait"
            );
        }
        let shown = Shown {
            limit: Limit::of(callers, "proxy"),
            memory,
            configured: demand.callers,
            bound_by,
            open_files: division.limit,
        };
        let slots = Slots::new(division.upstream);
        Ok(Self { division, slots, shown })
    }

    /// What callers are limited by.
    pub(super) fn shown(&self) -> &Shown {
        &self.shown
    }

    /// Connections to each listener that is not for callers.
    pub(super) fn side_door(&self) -> usize {
        self.division.side_door
    }

    /// The limit of callers for a core.
    pub(super) fn limit(&self, core: usize) -> Limit {
        self.shown.limit.within(self.memory(core))
    }

    /// The upstream of a core, within what the process has.
    pub(super) fn upstream(&self, config: &upstream::Config, core: usize) -> upstream::Config {
        let (slots, memory) = (self.slots.clone(), self.memory(core));
        let max_idle = self.division.idle.min(memory.idle_connections());
        upstream::Config { max_idle, slots, memory, ..config.clone() }
    }

    fn memory(&self, core: usize) -> Budget {
        self.shown.memory.get(core).cloned().unwrap_or_default()
    }
}

/// The memory for callers of each core: an equal part of what is configured, or of what the limit of the
/// process leaves.
fn budgets(config: &Config, cores: usize) -> Vec<Budget> {
    let Cgroup { limit, counts_sockets } = Cgroup::of_process();
    let left = || limit.and_then(|limit| usize::try_from(limit).ok()).map(for_callers);
    let bytes = config.caller.max_memory.or_else(left);
    let budget = || match bytes {
        Some(bytes) => Budget::new(bytes / cores, counts_sockets, config.proxy.replay_limit),
        None => Budget::default(),
    };
    iter::repeat_with(budget).take(cores).collect()
}

/// What a memory limit leaves to callers: three quarters of what the sidecar itself does not need. The
/// allocator has the rest: where connections come and go, it holds up to 1.4 times what is in use.
fn for_callers(limit: usize) -> usize {
    limit.saturating_sub(ITSELF).max(limit / 2) / 4 * 3
}

/// The program, its threads and lines of the log that wait.
const ITSELF: usize = 14 << 20;

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
