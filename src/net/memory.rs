//! Memory that all callers together may hold, shared by all cores.
//!
//! A caller that does not read its response holds what the upstream has sent already. Each of them is
//! bounded, but there may be a thousand, and where the process has a memory limit it would be killed
//! with everybody else's requests. So a connection reserves what it costs when it is accepted, and a
//! request what its response can hold at most before it is forwarded. Who finds nothing left waits.
//!
//! Without a limit nothing is counted, and nothing is slower.

mod cgroup;
mod purse;

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use tokio::sync::{OwnedSemaphorePermit, Semaphore};

use super::connect::Protocol;
use crate::clock;
use crate::telemetry::seldom::Seldom;

pub use cgroup::limit_of_process;
pub(super) use purse::{Held, Purse};

/// The memory for callers. Cheap to clone; every clone is the same budget. The default is no limit.
#[derive(Clone, Debug, Default)]
pub struct Budget(Option<Arc<Pool>>);

#[derive(Debug)]
struct Pool {
    limit: usize,
    free: Arc<Semaphore>,
    /// What one request can hold.
    request: AtomicUsize,
    /// Those who wait for memory now.
    waiting: AtomicUsize,
    /// Those who had to wait since the start.
    waited: AtomicUsize,
    log: Seldom,
}

/// Memory that may be used; it is free again when this is dropped.
#[derive(Debug, Default)]
pub struct Reservation {
    bytes: usize,
    _permit: Option<OwnedSemaphorePermit>,
}

/// Bytes in a permit.
const UNIT: usize = 1 << 10;

/// What a caller's connection costs while it is idle: its state, hyper's buffers and the kernel's.
pub(super) const CONNECTION: usize = 24 << 10;

/// What a request costs beside the content of its response: its head, its task and its state.
const REQUEST: usize = 16 << 10;

/// What an HTTP/1.1 connection to the upstream costs: hyper's buffers, those of TLS and the kernel's.
const HTTP1_CONNECTION: usize = 96 << 10;

/// What an HTTP/2 stream may have received ahead.
const HTTP2_STREAM: usize = 16 << 10;

/// Least and most content that waits for one caller in this process.
const CONTENT: (usize, usize) = (16 << 10, 64 << 10);

impl Budget {
    /// A budget of so many bytes.
    pub fn new(bytes: usize) -> Self {
        let pool = Pool {
            limit: bytes,
            free: Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))),
            request: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waited: AtomicUsize::new(0),
            log: Seldom::default(),
        };
        let budget = Self(Some(Arc::new(pool)));
        // Until the upstream speaks: the more expensive one.
        budget.speaks(Protocol::Http1);
        budget
    }

    /// The bytes of the budget; `None` without a limit.
    pub fn limit(&self) -> Option<usize> {
        self.0.as_ref().map(|pool| pool.limit)
    }

    /// The bytes that are reserved now.
    pub fn reserved(&self) -> usize {
        self.0
            .as_ref()
            .map_or(0, |pool| pool.limit.saturating_sub(pool.free.available_permits() * UNIT))
    }

    /// How many connections and requests had to wait for memory since the start.
    pub fn waited(&self) -> usize {
        self.0.as_ref().map_or(0, |pool| pool.waited.load(Ordering::Relaxed))
    }

    /// Connections of callers that fit into half of it, so that idle ones leave the other half to requests.
    pub fn connections(&self) -> usize {
        self.limit().map_or(usize::MAX, |limit| (limit / 2 / CONNECTION).max(1))
    }

    /// Idle HTTP/1.1 connections to the upstream that fit into an eighth of it.
    pub fn idle_connections(&self) -> usize {
        self.limit().map_or(usize::MAX, |limit| limit / 8 / HTTP1_CONNECTION)
    }

    /// Content of a response that may wait in this process until its caller reads; `None` without a limit.
    pub fn content(&self) -> Option<usize> {
        let share = self.limit()? / 1024;
        Some(share.clamp(CONTENT.0, CONTENT.1))
    }

    /// What an HTTP/2 upstream may send ahead on one stream; `None` without a limit. More can be granted
    /// to a stream that has a [`Reservation`] for it.
    pub fn stream_window(&self) -> Option<usize> {
        self.0.as_ref().map(|_| HTTP2_STREAM)
    }

    /// Tells what the upstream speaks: over HTTP/1.1, a request costs a connection of its own.
    pub(super) fn speaks(&self, protocol: Protocol) {
        let (Some(pool), Some(content)) = (&self.0, self.content()) else { return };
        let upstream = match protocol {
            Protocol::Http1 => HTTP1_CONNECTION,
            Protocol::Http2 => HTTP2_STREAM,
        };
        // What waits for the caller, one read more, and the same in the kernel.
        let bytes = REQUEST + upstream + 3 * content;
        pool.request.store(bytes, Ordering::Relaxed);
    }

    /// Reserves memory if there is any left.
    pub fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        let Some(pool) = &self.0 else { return Some(Reservation::default()) };
        let permit = Arc::clone(&pool.free).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Reservation { bytes, _permit: Some(permit) })
    }

    /// Reserves memory, and waits until there is enough. Who waits longest is served first.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        if let Some(reservation) = self.try_reserve(bytes) {
            return reservation;
        }
        let Some(pool) = &self.0 else { return Reservation::default() };
        let _waiting = Waiting::new(pool);
        // More than there is would never be free.
        let units = units(bytes.min(pool.limit));
        // It is never closed.
        let permit = Arc::clone(&pool.free).acquire_many_owned(units).await.ok();
        Reservation { bytes, _permit: permit }
    }

    /// What a request has to reserve now; `None` without a limit.
    fn request(&self) -> Option<usize> {
        self.0.as_ref().map(|pool| pool.request.load(Ordering::Relaxed))
    }

    /// Whether somebody waits, so that nothing must be kept for later.
    fn is_short(&self) -> bool {
        self.0.as_ref().is_some_and(|pool| pool.waiting.load(Ordering::Relaxed) > 0)
    }
}

fn units(bytes: usize) -> u32 {
    u32::try_from(bytes.div_ceil(UNIT)).unwrap_or(u32::MAX)
}

/// Somebody waits for as long as this lives.
struct Waiting<'a>(&'a Pool);

impl<'a> Waiting<'a> {
    fn new(pool: &'a Pool) -> Self {
        pool.waiting.fetch_add(1, Ordering::Relaxed);
        let waited = pool.waited.fetch_add(1, Ordering::Relaxed) + 1;
        if pool.log.is_due(clock::wall()) {
            tracing::warn!(
                bytes = pool.limit,
                waited,
                "memory for callers is used up; new requests wait until others end"
            );
        }
        Self(pool)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.waiting.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MIB: usize = 1 << 20;

    #[tokio::test]
    async fn nobody_gets_more_than_there_is_and_who_waits_gets_what_becomes_free() {
        let budget = Budget::new(MIB);
        let first = budget.try_reserve(MIB / 2).unwrap();
        let second = budget.try_reserve(MIB / 2).unwrap();
        assert_eq!(budget.reserved(), MIB);
        assert!(budget.try_reserve(1).is_none());
        let waiting = budget.clone();
        let third = tokio::spawn(async move { waiting.reserve(MIB / 2).await });
        while !budget.is_short() {
            tokio::task::yield_now().await;
        }
        drop(second);
        let third = third.await.unwrap();
        assert!(!budget.is_short());
        drop((first, third));
        assert_eq!((budget.reserved(), budget.waited()), (0, 1));
    }

    #[tokio::test]
    async fn more_than_there_is_does_not_wait_for_ever() {
        let budget = Budget::new(MIB);
        let all = budget.reserve(8 * MIB).await;
        assert_eq!(budget.reserved(), MIB);
        drop(all);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let budget = Budget::default();
        let much = budget.try_reserve(usize::MAX).unwrap();
        assert_eq!((budget.reserved(), budget.limit(), budget.content()), (0, None, None));
        drop(much);
    }

    #[test]
    fn idle_connections_leave_half_to_requests() {
        for mib in [8, 16, 48, 512] {
            let budget = Budget::new(mib * MIB);
            let idle = budget.connections() * CONNECTION;
            assert!(idle <= mib * MIB / 2, "{mib}");
            assert!(budget.request().unwrap() < mib * MIB / 2, "{mib}");
        }
    }
}
