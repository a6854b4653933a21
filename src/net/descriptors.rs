//! File descriptors: raises the limit of the process as far as needed, and divides what there is.
//!
//! Callers must never take the last descriptor. Without one, a token exchange can neither connect nor
//! write its result, and a probe is not accepted: the token expires while callers sit idle. So a part
//! is kept for everything but callers, and the rest is divided between callers and their upstream
//! connections.

mod slots;

use std::fs;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

pub use slots::{Slot, Slots};

/// What a process is going to need descriptors for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Demand {
    /// Descriptors that are open already.
    pub open: usize,
    /// Sockets that will listen.
    pub listening: usize,
    /// Threads that serve callers.
    pub cores: usize,
    /// Kinds of listeners that are not for callers: admin and health.
    pub side_doors: usize,
    /// Callers that are allowed at a time.
    pub callers: usize,
}

/// Who may have how many descriptors.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Division {
    /// The limit of the process.
    pub limit: usize,
    /// Connections of callers.
    pub callers: usize,
    /// Connections to the upstream, with those being opened.
    pub upstream: usize,
    /// Unused upstream connections that each core may keep.
    pub idle: usize,
    /// Connections to each listener that is not for callers.
    pub side_door: usize,
}

/// The limit is too low to run at all.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the limit of open files is {limit}, but at least {least} are needed: raise it with `ulimit -n {enough}`, \
     LimitNOFILE={enough} of a service or --ulimit nofile={enough} of a container"
)]
pub struct TooFew {
    limit: usize,
    least: usize,
    enough: usize,
}

/// Epoll, its waker and its signals: what a runtime opens, rounded up.
const PER_RUNTIME: usize = 5;

/// One token exchange with its connection, its name lookup and its files, one check of the token, and
/// one reload of the configuration. None of them runs twice at a time.
const VITAL: usize = 16;

/// Least that callers and their upstream connections can do with.
const LEAST: usize = 5;

impl Demand {
    /// Descriptors for everything but callers and their upstream connections.
    fn reserve(&self, limit: usize) -> usize {
        // The cores, and the control thread.
        let runtimes = (self.cores + 1) * PER_RUNTIME;
        self.open + self.listening + runtimes + VITAL + self.side_doors * side_door(limit)
    }

    /// The limit that leaves nobody short. A caller needs its own connection and one to the upstream;
    /// as many again may be idle in the pools, and as many be looking up a name.
    pub fn wanted(&self) -> usize {
        self.reserve(usize::MAX) + self.callers.saturating_mul(4)
    }

    /// Divides the descriptors of a process with this limit.
    ///
    /// # Errors
    ///
    /// [`TooFew`] if nothing would be left for callers.
    pub fn divide(&self, limit: usize) -> Result<Division, TooFew> {
        let left = limit.saturating_sub(self.reserve(limit));
        if left < LEAST {
            let least = self.reserve(limit) + LEAST;
            return Err(TooFew { limit, least, enough: self.wanted() });
        }
        let callers = self.callers.min(left / 5 * 2 + left % 5 / 3);
        let upstream = left - callers;
        // Half of what is not in use may be idle; the other half is for lookups and second attempts.
        let idle = (upstream - callers) / 2 / self.cores.max(1);
        Ok(Division { limit, callers, upstream, idle, side_door: side_door(limit) })
    }
}

/// Enough for probes, a scraper and a few people; fewer where the limit is low.
fn side_door(limit: usize) -> usize {
    (limit / 8).clamp(8, 64)
}

/// Raises the limit of this process to `wanted`, as far as the system allows, and returns it. It is
/// never lowered.
pub fn raise(wanted: usize) -> usize {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    let count =
        |limit: Option<u64>| limit.map_or(usize::MAX, |it| it.try_into().unwrap_or(usize::MAX));
    let (soft, goal) = (count(current), wanted.min(count(maximum)));
    if soft >= goal {
        return soft;
    }
    let raised = Rlimit { current: u64::try_from(goal).ok(), maximum };
    match setrlimit(Resource::Nofile, raised) {
        Ok(()) => goal,
        Err(error) => {
            tracing::debug!(%error, "cannot raise the limit of open files");
            soft
        }
    }
}

/// How many descriptors this process has open.
pub fn open() -> usize {
    // The directory that is read counts as one, but is gone afterwards.
    let listed = fs::read_dir("/dev/fd").map(|entries| entries.count().saturating_sub(1));
    listed.unwrap_or(USUALLY_OPEN)
}

/// Where they cannot be counted: standard streams, the runtime of signals, and some that were inherited.
const USUALLY_OPEN: usize = 16;

#[cfg(test)]
mod tests {
    use super::*;

    const DEMAND: Demand = Demand { open: 8, listening: 6, cores: 2, side_doors: 1, callers: 1024 };

    #[test]
    fn with_enough_everybody_gets_what_is_configured() {
        let division = DEMAND.divide(DEMAND.wanted()).unwrap();
        assert_eq!(division.callers, 1024);
        assert!(division.upstream >= 3 * 1024, "{division:?}");
        assert!(division.idle >= 512, "{division:?}");
        assert_eq!(division.side_door, 64);
    }

    #[test]
    fn callers_and_their_connections_share_what_is_left() {
        let mut least = None;
        for limit in 0..=DEMAND.wanted() {
            let Ok(division) = DEMAND.divide(limit) else {
                assert_eq!(least, None, "{limit}");
                continue;
            };
            least.get_or_insert(limit);
            let Division { callers, upstream, idle, .. } = division;
            assert!(DEMAND.reserve(limit) + callers + upstream <= limit, "{division:?}");
            // With all pools full of idle connections, every caller still gets one to the upstream.
            assert!(callers > 0 && upstream > callers + idle * DEMAND.cores, "{division:?}");
        }
        assert!(least.unwrap() <= 64, "{least:?}");
    }

    #[test]
    fn a_limit_that_is_too_low_is_named_with_what_to_do() {
        let error = DEMAND.divide(20).unwrap_err().to_string();
        assert!(error.starts_with("the limit of open files is 20, but at least"), "{error}");
        assert!(error.contains("`ulimit -n 4"), "{error}");
    }

    #[test]
    fn a_limit_is_never_lowered() {
        let before = getrlimit(Resource::Nofile).current;
        raise(1);
        assert_eq!(getrlimit(Resource::Nofile).current, before);
    }
}
