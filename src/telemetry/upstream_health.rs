//! Whether the upstream answers: the attempts that failed since its last response.
//!
//! A response costs one load of a cache line that nobody writes while the upstream answers. Only an
//! attempt that failed, and the first response after it, take the lock.

use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// Attempts that got no response, with none that succeeded since.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct UpstreamFailure {
    /// When the first of them failed.
    pub since: Timestamp,
    /// When the last of them failed.
    pub last_at: Timestamp,
    /// How many failed.
    pub attempts: u64,
    /// Why the last one failed.
    pub reason: String,
}

/// The health of the upstream. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug, Default)]
pub struct UpstreamHealth(Arc<Inner>);

#[derive(Debug, Default)]
#[repr(align(128))]
struct Inner {
    /// Whether `failure` holds something; written under its lock.
    fails: AtomicBool,
    failure: Mutex<Option<UpstreamFailure>>,
}

impl UpstreamHealth {
    /// The upstream has answered, whatever it said.
    pub fn answered(&self) {
        if self.0.fails.load(Ordering::Relaxed) {
            self.recovered();
        }
    }

    /// An attempt got no response.
    #[cold]
    pub fn failed(&self, reason: &str, now: Timestamp) {
        let mut failure = self.failure_mut();
        let (since, attempts) = failure.as_ref().map_or((now, 0), |it| (it.since, it.attempts));
        let (attempts, reason) = (attempts + 1, reason.to_owned());
        *failure = Some(UpstreamFailure { since, last_at: now, attempts, reason });
        self.0.fails.store(true, Ordering::Relaxed);
    }

    #[cold]
    fn recovered(&self) {
        let mut failure = self.failure_mut();
        if let Some(UpstreamFailure { attempts, .. }) = failure.take() {
            tracing::info!(failed_attempts = attempts, "the upstream answers again");
        }
        self.0.fails.store(false, Ordering::Relaxed);
    }

    /// The attempts that failed since the last response, if any did.
    pub fn failure(&self) -> Option<UpstreamFailure> {
        self.failure_mut().clone()
    }

    fn failure_mut(&self) -> std::sync::MutexGuard<'_, Option<UpstreamFailure>> {
        self.0.failure.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(second: i64) -> Timestamp {
        Timestamp::from_second(second).unwrap()
    }

    #[test]
    fn failures_add_up_until_the_next_response() {
        let health = UpstreamHealth::default();
        assert_eq!(health.failure(), None);
        health.failed("no route", at(1));
        health.failed("refused", at(5));
        let reason = "refused".to_owned();
        let failure = UpstreamFailure { since: at(1), last_at: at(5), attempts: 2, reason };
        assert_eq!(health.failure(), Some(failure));
        health.answered();
        assert_eq!(health.failure(), None);
        health.failed("refused", at(9));
        assert_eq!(health.failure().map(|it| (it.since, it.attempts)), Some((at(9), 1)));
    }
}
