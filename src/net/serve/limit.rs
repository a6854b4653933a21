//! How many connections there may be at a time.

use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicU64, Ordering};

use jiff::Timestamp;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::Config;
use crate::clock;
use crate::net::memory::{Budget, Reservation};
use crate::telemetry::seldom::Seldom;

/// The limit of connections, shared by all cores, and the memory for those of one core.
#[derive(Clone, Debug)]
pub struct Limit {
    places: Arc<Places>,
    memory: Budget,
}

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
    log: Seldom,
    /// The listener that has the limit.
    listener: &'static str,
}

/// A place for one connection; free again when this is dropped.
#[derive(Debug)]
pub(super) struct Place {
    _place: OwnedSemaphorePermit,
    _memory: Reservation,
}

impl Limit {
    /// Room for [`Config::max_connections`] callers.
    pub fn new(config: &Config) -> Self {
        Self::of(config.max_connections, "proxy")
    }

    /// Room for `limit` connections to the listener with this name.
    pub fn of(limit: usize, listener: &'static str) -> Self {
        let limit = limit.min(Semaphore::MAX_PERMITS);
        let places = Places {
            free: Arc::new(Semaphore::new(limit)),
            limit,
            waited: AtomicU64::new(0),
            reached: AtomicI64::new(0),
            log: Seldom::default(),
            listener,
        };
        Self { places: Arc::new(places), memory: Budget::default() }
    }

    /// The same, with this memory for the connections and their requests.
    #[must_use]
    pub fn within(&self, memory: Budget) -> Self {
        Self { places: Arc::clone(&self.places), memory }
    }

    /// The memory for the connections and their requests.
    pub fn memory(&self) -> &Budget {
        &self.memory
    }

    /// How things are now.
    pub fn occupancy(&self) -> Occupancy {
        let Places { free, limit, waited, reached, .. } = &*self.places;
        let at = Some(reached.load(Ordering::Relaxed)).filter(|at| *at > 0);
        Occupancy {
            limit: *limit,
            open: limit.saturating_sub(free.available_permits()),
            waited: waited.load(Ordering::Relaxed),
            reached_at: at.and_then(|at| Timestamp::from_millisecond(at).ok()),
        }
    }

    /// A place for one connection, once there is one.
    pub(super) async fn place(&self) -> Option<Place> {
        let free = &self.places.free;
        let place = match Arc::clone(free).try_acquire_owned() {
            Ok(place) => place,
            Err(_) => {
                self.places.reach();
                Arc::clone(free).acquire_owned().await.ok()?
            }
        };
        Some(Place { _place: place, _memory: self.memory.connection().await })
    }
}

impl Places {
    /// Counts and reports that a connection has to wait.
    fn reach(&self) {
        let now = clock::wall();
        let waited = self.waited.fetch_add(1, Ordering::Relaxed) + 1;
        self.reached.store(now.as_millisecond(), Ordering::Relaxed);
        if self.log.is_due(now) {
            tracing::warn!(
                listener = self.listener,
                limit = self.limit,
                waited,
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
