//! How many connections there may be at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Config;
use crate::clock;

/// The limit of connections, shared by all cores.
#[derive(Clone, Debug)]
pub struct Limit(Arc<Places>);

/// How close to its limit the number of connections is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Occupancy {
    /// Connections that are allowed at a time.
    pub limit: usize,
    /// Connections that are open.
    pub open: usize,
    /// Connections that had to wait for a place since the start.
    pub waited: u64,
    /// When the last one of them began to wait.
    pub reached_at: Option<Timestamp>,
}

#[derive(Debug)]
struct Places {
    free: Arc<Semaphore>,
    limit: usize,
    waited: AtomicU64,
    /// Unix time in milliseconds; 0 before the first wait.
    reached: AtomicI64,
    /// Unix time in milliseconds of the last line in the log.
    logged: AtomicI64,
    /// The listener that has the limit.
    listener: &'static str,
}

/// Least time between two lines about the same limit.
const QUIET_MILLIS: i64 = 60_000;

impl Limit {
    /// Room for [`Config::max_connections`] callers.
    pub fn new(config: &Config) -> Self {
        Self::of(config.max_connections, "proxy")
    }

    /// Room for `limit` connections to the listener with this name.
    pub fn of(limit: usize, listener: &'static str) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        Self(Arc::new(Places {
            free: Arc::new(Semaphore::new(limit)),
            limit,
            waited: AtomicU64::new(0),
            reached: AtomicI64::new(0),
            logged: AtomicI64::new(0),
            listener,
        }))
    }

    /// How things are now.
    pub fn occupancy(&self) -> Occupancy {
        let Places { free, limit, waited, reached, .. } = &*self.0;
        let at = Some(reached.load(Ordering::Relaxed)).filter(|at| *at > 0);
        Occupancy {
            limit: *limit,
            open: limit.saturating_sub(free.available_permits()),
            waited: waited.load(Ordering::Relaxed),
            reached_at: at.and_then(|at| Timestamp::from_millisecond(at).ok()),
        }
    }

    /// A place for one connection, once there is one.
    pub(super) async fn place(&self) -> Option<OwnedSemaphorePermit> {
        if let Ok(place) = Arc::clone(&self.0.free).try_acquire_owned() {
            return Some(place);
        }
        self.0.reach();
        Arc::clone(&self.0.free).acquire_owned().await.ok()
    }
}

impl Places {
    /// Counts and reports that a connection has to wait.
    fn reach(&self) {
        self.waited.fetch_add(1, Ordering::Relaxed);
        let now = clock::wall().as_millisecond();
        self.reached.store(now, Ordering::Relaxed);
        let before = self.logged.load(Ordering::Relaxed);
        // A clock that was set back is no reason to stay silent.
        if before != 0 && (before..before + QUIET_MILLIS).contains(&now) {
            return;
        }
        let ours = self.logged.compare_exchange(before, now, Ordering::Relaxed, Ordering::Relaxed);
        if ours.is_ok() {
            tracing::warn!(
                listener = self.listener,
                limit = self.limit,
                waited = self.waited.load(Ordering::Relaxed),
                "connection limit reached; new connections wait until others close"
            );
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn who_has_to_wait_is_counted_and_gets_the_next_place() {
        let limit = Limit::of(1, "proxy");
        let first = limit.place().await.unwrap();
        assert_eq!((limit.occupancy().open, limit.occupancy().reached_at), (1, None));
        let waiting = limit.clone();
        let second = tokio::spawn(async move { waiting.place().await.is_some() });
        while limit.occupancy().waited == 0 {
            tokio::task::yield_now().await;
        }
        assert!(limit.occupancy().reached_at.is_some());
        drop(first);
        assert!(second.await.unwrap());
        assert_eq!((limit.occupancy().open, limit.occupancy().waited), (0, 1));
    }
}
