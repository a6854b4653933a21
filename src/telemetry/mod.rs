//! What the sidecar counts and how it logs.
//!
//! Counting must cost nothing on the way of a request, so every proxy core owns a [`Counters`] that no
//! other core writes; the [`Meter`] adds them up when somebody asks.

pub mod history;
pub mod log;
pub mod panics;
mod printable;
pub mod rate_limit;

use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, PoisonError};

use http::StatusCode;

/// All cores' counters. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug, Default)]
pub struct Meter(Arc<Mutex<Vec<Arc<Counters>>>>);

impl Meter {
    /// Counters for one more core.
    pub fn core(&self) -> Arc<Counters> {
        let counters = Arc::<Counters>::default();
        self.cores().push(Arc::clone(&counters));
        counters
    }

    /// The sum over all cores, as of about now.
    pub fn totals(&self) -> Totals {
        self.cores().iter().fold(Totals::default(), |sum, core| sum.plus(core))
    }

    fn cores(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Counters>>> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What one core counted. Aligned so that two cores never write to one cache line.
#[derive(Debug, Default)]
#[repr(align(128))]
pub struct Counters {
    answers: [AtomicU64; 5],
    own_answers: AtomicU64,
    unauthorized: AtomicU64,
    replays: AtomicU64,
    echoes: AtomicU64,
    in_flight: AtomicU64,
    connections: AtomicU64,
}

/// Where an answer came from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Origin {
    /// The upstream said it.
    Upstream,
    /// The sidecar said it itself.
    Sidecar,
}

impl Counters {
    /// A request's head has arrived.
    pub fn began(&self) {
        add(&self.in_flight, 1);
    }

    /// The request that [`began`](Self::began) is over, answered or not.
    pub fn ended(&self) {
        add(&self.in_flight, u64::MAX);
    }

    /// A caller is being given an answer.
    pub fn answered(&self, status: StatusCode, origin: Origin) {
        let class = usize::from(status.as_u16() / 100).clamp(1, 5) - 1;
        add(&self.answers[class], 1);
        if origin == Origin::Sidecar {
            add(&self.own_answers, 1);
        }
        if status == StatusCode::UNAUTHORIZED {
            add(&self.unauthorized, 1);
        }
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
}

/// Adding `u64::MAX` takes one away; a sum never depends on the order of relaxed additions.
fn add(counter: &AtomicU64, amount: u64) {
    counter.fetch_add(amount, Ordering::Relaxed);
}

/// Sums over all cores.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, serde::Serialize, serde::Deserialize)]
pub struct Totals {
    /// Answers given to callers.
    pub answers: u64,
    /// Of these, answers other than 2xx and 3xx.
    pub errors: u64,
    /// Of these, answers that the sidecar made itself.
    pub own_answers: u64,
    /// Answers with status 401 that callers saw.
    pub unauthorized: u64,
    /// Requests that went to the upstream a second time.
    pub replays: u64,
    /// Fields that were removed because the upstream had repeated the token in them.
    pub echoes: u64,
    /// Requests being worked on now.
    pub in_flight: u64,
    /// Callers' connections open now.
    pub connections: u64,
}

impl Totals {
    fn plus(self, core: &Counters) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        let classes = core.answers.each_ref().map(read);
        Self {
            answers: self.answers + classes.iter().sum::<u64>(),
            errors: self.errors + classes[3] + classes[4],
            own_answers: self.own_answers + read(&core.own_answers),
            unauthorized: self.unauthorized + read(&core.unauthorized),
            replays: self.replays + read(&core.replays),
            echoes: self.echoes + read(&core.echoes),
            in_flight: self.in_flight.wrapping_add(read(&core.in_flight)),
            connections: self.connections.wrapping_add(read(&core.connections)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn totals_add_up_over_cores() {
        let meter = Meter::default();
        let (one, two) = (meter.core(), meter.core());
        one.began();
        one.answered(StatusCode::OK, Origin::Upstream);
        two.answered(StatusCode::UNAUTHORIZED, Origin::Upstream);
        two.answered(StatusCode::BAD_GATEWAY, Origin::Sidecar);
        two.replayed();
        one.echoed();
        let totals = meter.totals();
        assert_eq!((totals.answers, totals.errors, totals.own_answers), (3, 2, 1));
        assert_eq!((totals.unauthorized, totals.replays, totals.in_flight), (1, 1, 1));
        assert_eq!(totals.echoes, 1);
        one.ended();
        assert_eq!(meter.totals().in_flight, 0);
    }
}
