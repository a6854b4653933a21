//! Memory that all callers together may hold.
//!
//! A caller that does not read its response holds what the upstream has sent already. Each of them is
//! bounded, but there may be a thousand, and where the process has a memory limit it would be killed
//! with everybody else's requests. So a connection reserves what it costs when it is accepted, and a
//! request what its response can hold at most before it is forwarded. Who finds nothing left waits.
//!
//! Each core has its part. Memory that one thread has freed is not always there for another (glibc keeps a
//! heap for each), so with one budget for all, every core could grow to the whole of it in turn.
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

pub use cgroup::Cgroup;
pub(super) use purse::{Held, Purse};

/// The memory for callers of one core. Cheap to clone; every clone is the same budget. The default is no
/// limit.
#[derive(Clone, Debug, Default)]
pub struct Budget(Option<Arc<Pool>>);

#[derive(Debug)]
struct Pool {
    limit: usize,
    counts_sockets: bool,
    /// Most content of a request that is kept for a replay.
    replay: usize,
    free: Arc<Semaphore>,
    /// Places for connections: they may have half of the memory, or idle ones could leave none to requests.
    places: Arc<Semaphore>,
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
    _place: Option<OwnedSemaphorePermit>,
}

/// Bytes in a permit.
const UNIT: usize = 1 << 10;

/// What a caller's connection costs while it is idle: its state, hyper's buffers and the kernel's.
const CONNECTION: usize = 22 << 10;

/// What a request costs beside the content of its response: its head, its task and its state.
const REQUEST: usize = 8 << 10;

/// Content of a request that costs nothing beside that.
const LITTLE: usize = 4 << 10;

/// What an upload can hold in hyper's buffers in both directions.
const UPLOAD: usize = 192 << 10;

/// What an HTTP/1.1 connection to the upstream costs.
const HTTP1_CONNECTION: usize = 24 << 10;

/// What TLS on it costs.
const TLS: usize = 48 << 10;

/// What an HTTP/2 stream costs beside what it has received ahead.
const HTTP2_STREAM: usize = 8 << 10;

/// What an HTTP/2 stream may have received ahead.
const HTTP2_WINDOW: u32 = 32 << 10;

/// Least and most content that waits for one caller in this process.
const CONTENT: (usize, usize) = (16 << 10, 64 << 10);

impl Budget {
    /// A budget of so many bytes, in which the kernel's buffers of sockets count or do not, for requests
    /// of which at most `replay` bytes of content are kept.
    pub fn new(bytes: usize, counts_sockets: bool, replay: usize) -> Self {
        let pool = Pool {
            limit: bytes,
            counts_sockets,
            replay,
            places: Arc::new(Semaphore::new((bytes / 2 / CONNECTION).max(1))),
            free: Arc::new(Semaphore::new((bytes / UNIT).min(Semaphore::MAX_PERMITS))),
            request: AtomicUsize::new(0),
            waiting: AtomicUsize::new(0),
            waited: AtomicUsize::new(0),
            log: Seldom::default(),
        };
        let budget = Self(Some(Arc::new(pool)));
        // Until the upstream speaks: the more expensive one.
        budget.speaks(Protocol::Http1, true);
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
        self.limit().map_or(usize::MAX, |limit| limit / 8 / (HTTP1_CONNECTION + TLS))
    }

    /// Content of a response that may wait in this process until its caller reads; `None` without a limit.
    pub fn content(&self) -> Option<usize> {
        let share = self.limit()? / 2048;
        Some(share.clamp(CONTENT.0, CONTENT.1))
    }

    /// What an HTTP/2 upstream may send ahead on one stream; `None` without a limit. More can be granted
    /// to a stream that has a [`Reservation`] for it.
    pub fn stream_window(&self) -> Option<u32> {
        self.0.as_ref().map(|_| HTTP2_WINDOW)
    }

    /// Tells what the upstream speaks: over HTTP/1.1, a request costs a connection of its own.
    pub(super) fn speaks(&self, protocol: Protocol, tls: bool) {
        let (Some(pool), Some(content)) = (&self.0, self.content()) else { return };
        let (upstream, received) = match protocol {
            Protocol::Http1 => (HTTP1_CONNECTION + if tls { TLS } else { 0 }, 4 * content),
            Protocol::Http2 => (HTTP2_STREAM + HTTP2_WINDOW as usize, 0),
        };
        // The kernel doubles what a socket may buffer, and goes over it by one packet.
        let kernel = if pool.counts_sockets { received + content / 2 * 5 } else { 0 };
        // What waits for the caller, and one read more.
        let bytes = REQUEST + upstream + 2 * content + kernel;
        pool.request.store(bytes, Ordering::Relaxed);
    }

    /// Reserves memory if there is any left.
    pub fn try_reserve(&self, bytes: usize) -> Option<Reservation> {
        let Some(pool) = &self.0 else { return Some(Reservation::default()) };
        let permit = Arc::clone(&pool.free).try_acquire_many_owned(units(bytes)).ok()?;
        Some(Reservation { bytes, _permit: Some(permit), _place: None })
    }

    /// Reserves memory, and waits until there is enough. Who waits longest is served first.
    pub async fn reserve(&self, bytes: usize) -> Reservation {
        if let Some(reservation) = self.try_reserve(bytes) {
            return reservation;
        }
        let Some(pool) = &self.0 else { return Reservation::default() };
        let _waiting = Waiting::new(pool);
        // Connections may have half of it for good: waiting for more could have no end.
        let units = units(bytes.min(pool.limit / 2));
        // It is never closed.
        let permit = Arc::clone(&pool.free).acquire_many_owned(units).await.ok();
        Reservation { bytes, _permit: permit, _place: None }
    }

    /// Memory for a connection of a caller, once there is some.
    pub(super) async fn connection(&self) -> Reservation {
        let Some(pool) = &self.0 else { return Reservation::default() };
        let place = match Arc::clone(&pool.places).try_acquire_owned() {
            Ok(place) => Some(place),
            Err(_) => {
                let _waiting = Waiting::new(pool);
                // It is never closed.
                Arc::clone(&pool.places).acquire_owned().await.ok()
            }
        };
        Reservation { _place: place, ..self.reserve(CONNECTION).await }
    }

    /// What a request with so much content has to reserve now; `None` without a limit.
    fn request(&self, content: u64) -> Option<usize> {
        let pool = self.0.as_ref()?;
        let content = usize::try_from(content).unwrap_or(usize::MAX);
        let upload = match content {
            ..=LITTLE => 0,
            // It is in buffers on the way in and on the way out, and kept.
            _ => content.saturating_mul(3).min(UPLOAD + pool.replay),
        };
        Some(pool.request.load(Ordering::Relaxed) + upload)
    }

    /// Whether somebody waits, so that nothing must be kept for later.
    pub(super) fn is_short(&self) -> bool {
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
        let budget = Budget::new(MIB, false, 0);
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
        let budget = Budget::new(MIB, false, 0);
        let all = budget.reserve(8 * MIB).await;
        assert_eq!(budget.reserved(), MIB / 2);
        drop(all);
    }

    #[tokio::test]
    async fn connections_leave_half_to_requests() {
        let budget = Budget::new(MIB, false, 0);
        let mut idle = Vec::new();
        for _ in 0..budget.connections() {
            idle.push(budget.connection().await);
        }
        assert!(budget.reserved() <= MIB / 2);
        let mut another = Box::pin(budget.connection());
        let waker = std::task::Waker::noop();
        assert!(another.as_mut().poll(&mut std::task::Context::from_waker(waker)).is_pending());
        drop(budget.reserve(MIB / 2).await);
        idle.pop();
        drop(another.await);
    }

    #[test]
    fn without_a_limit_nothing_is_counted() {
        let budget = Budget::default();
        let much = budget.try_reserve(usize::MAX).unwrap();
        assert_eq!((budget.reserved(), budget.limit(), budget.content()), (0, None, None));
        drop(much);
    }
}
