//! What one proxy core counts. No other core writes to it, so counting takes no lock and no turn.

use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use http::{HeaderMap, Method, StatusCode};
use jiff::Timestamp;

use super::histogram::{ADDED, Histogram, TOTAL};
use super::rate_limit::Noted;
use super::upstream_health::UpstreamHealth;

/// Room for the kinds of answers that the sidecar makes itself.
pub const REASONS: usize = 40;

/// What one core counted. Aligned so that two cores never write to one cache line.
#[derive(Debug)]
#[repr(align(128))]
pub struct Counters {
    pub(super) answers: [[[AtomicU64; Origin::COUNT]; CLASSES]; Kind::COUNT],
    pub(super) own: [AtomicU64; REASONS],
    pub(super) unauthorized: AtomicU64,
    pub(super) replays: AtomicU64,
    pub(super) echoes: AtomicU64,
    pub(super) in_flight: AtomicU64,
    pub(super) connections: AtomicU64,
    pub(super) received: AtomicU64,
    pub(super) sent: AtomicU64,
    pub(super) opened: AtomicU64,
    pub(super) open: AtomicU64,
    pub(super) reused: AtomicU64,
    pub(super) total: Histogram,
    pub(super) added: Histogram,
    pub(super) rate_limit: Noted,
    /// All cores share it: each of them may be the first that notices.
    upstream: UpstreamHealth,
}

/// Status classes, from 1xx to 5xx.
pub(super) const CLASSES: usize = 5;

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The upstream said it.
    Upstream,
    /// The sidecar said it itself.
    Sidecar,
}

impl Origin {
    const COUNT: usize = 2;

    /// Each of them once, in the order in which they are counted.
    pub const ALL: [Self; Self::COUNT] = [Self::Upstream, Self::Sidecar];

    /// Its label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Upstream => "upstream",
            Self::Sidecar => "sidecar",
        }
    }
}

/// A method, as far as methods are counted apart: a caller can make up as many as it likes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Kind {
    /// GET.
    Get,
    /// HEAD.
    Head,
    /// POST.
    Post,
    /// PUT.
    Put,
    /// PATCH.
    Patch,
    /// DELETE.
    Delete,
    /// OPTIONS.
    Options,
    /// Any other, and what could not be read.
    Other,
}

impl Kind {
    const COUNT: usize = 8;

    /// Each of them once, in the order in which they are counted.
    pub const ALL: [Self; Self::COUNT] = [
        Self::Get,
        Self::Head,
        Self::Post,
        Self::Put,
        Self::Patch,
        Self::Delete,
        Self::Options,
        Self::Other,
    ];

    /// Its label.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Get => "GET",
            Self::Head => "HEAD",
            Self::Post => "POST",
            Self::Put => "PUT",
            Self::Patch => "PATCH",
            Self::Delete => "DELETE",
            Self::Options => "OPTIONS",
            Self::Other => "other",
        }
    }
}

impl From<&Method> for Kind {
    fn from(method: &Method) -> Self {
        match *method {
            Method::GET => Self::Get,
            Method::HEAD => Self::Head,
            Method::POST => Self::Post,
            Method::PUT => Self::Put,
            Method::PATCH => Self::Patch,
            Method::DELETE => Self::Delete,
            Method::OPTIONS => Self::Options,
            _ => Self::Other,
        }
    }
}

impl Counters {
    pub(super) fn new(upstream: UpstreamHealth) -> Self {
        Self {
            answers: Default::default(),
            own: std::array::from_fn(|_| AtomicU64::new(0)),
            unauthorized: AtomicU64::new(0),
            replays: AtomicU64::new(0),
            echoes: AtomicU64::new(0),
            in_flight: AtomicU64::new(0),
            connections: AtomicU64::new(0),
            received: AtomicU64::new(0),
            sent: AtomicU64::new(0),
            opened: AtomicU64::new(0),
            open: AtomicU64::new(0),
            reused: AtomicU64::new(0),
            total: Histogram::new(&TOTAL),
            added: Histogram::new(&ADDED),
            rate_limit: Noted::default(),
            upstream,
        }
    }

    /// A request's head has arrived.
    pub fn began(&self) {
        add(&self.in_flight, 1);
    }

    /// The request that [`began`](Self::began) is over, answered or not.
    pub fn ended(&self) {
        add(&self.in_flight, u64::MAX);
    }

    /// A caller is being given an answer.
    pub fn answered(&self, kind: Kind, status: StatusCode, origin: Origin) {
        let class = usize::from(status.as_u16() / 100).clamp(1, CLASSES) - 1;
        add(&self.answers[kind as usize][class][origin as usize], 1);
        if status == StatusCode::UNAUTHORIZED {
            add(&self.unauthorized, 1);
        }
    }

    /// The answer is one of the sidecar's own, for this reason; reasons beyond the room for them are
    /// not counted apart.
    pub fn refused(&self, reason: usize) {
        if let Some(count) = self.own.get(reason) {
            add(count, 1);
        }
    }

    /// From the head of a request to the last byte of its answer.
    pub fn took(&self, total: Duration) {
        self.total.record(total);
    }

    /// From the head of a request to the head of its answer, less what the upstream took.
    pub fn added(&self, ours: Duration) {
        self.added.record(ours);
    }

    /// Content came from a caller.
    pub fn received(&self, bytes: usize) {
        add(&self.received, bytes as u64);
    }

    /// Content went to a caller.
    pub fn sent(&self, bytes: usize) {
        add(&self.sent, bytes as u64);
    }

    /// A request went to the upstream a second time.
    pub fn replayed(&self) {
        add(&self.replays, 1);
    }

    /// The upstream repeated the token in a field, which was removed.
    pub fn echoed(&self) {
        add(&self.echoes, 1);
    }

    /// A caller's connection was accepted.
    pub fn connected(&self) {
        add(&self.connections, 1);
    }

    /// The connection that [`connected`](Self::connected) has ended.
    pub fn disconnected(&self) {
        add(&self.connections, u64::MAX);
    }

    /// A connection to the upstream was made.
    pub fn opened(&self) {
        add(&self.opened, 1);
        add(&self.open, 1);
    }

    /// The connection that was [`opened`](Self::opened) has ended.
    pub fn closed(&self) {
        add(&self.open, u64::MAX);
    }

    /// A request goes out on a connection that has served before.
    pub fn reused(&self) {
        add(&self.reused, 1);
    }

    /// Whether the upstream answers.
    pub fn upstream(&self) -> &UpstreamHealth {
        &self.upstream
    }

    /// The upstream answered with these fields.
    pub fn notes_rate_limit(&self, fields: &HeaderMap, now: impl FnOnce() -> Timestamp) {
        self.rate_limit.note(fields, now);
    }
}

/// Adding `u64::MAX` takes one away; a sum never depends on the order of relaxed additions.
fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}
