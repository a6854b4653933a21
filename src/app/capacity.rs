//! What the process can give to callers: as much as is configured, or as its limits leave.

use std::num::NonZero;
use std::thread;

use crate::config::Config;
use crate::net::descriptors::{self, Demand, Division, TooFew};
use crate::net::listen::{Listeners, Passed};
use crate::net::serve;
use crate::net::upstream;

/// Descriptors, divided.
#[derive(Clone, Debug)]
pub(super) struct Capacity {
    division: Division,
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
        Ok(Self { division })
    }

    /// Descriptors, and who may have them.
    pub(super) fn division(&self) -> &Division {
        &self.division
    }

    /// Limits of callers, lowered where the process has less than they allow.
    pub(super) fn callers(&self, config: &serve::Config) -> serve::Config {
        let max_connections = config.max_connections.min(self.division.callers);
        serve::Config { max_connections, ..config.clone() }
    }

    /// The upstream, within what the process has.
    pub(super) fn upstream(&self, config: &upstream::Config) -> upstream::Config {
        let slots = descriptors::Slots::new(self.division.upstream);
        upstream::Config { max_idle: self.division.idle, slots, ..config.clone() }
    }
}

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
