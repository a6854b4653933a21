//! Everything that was counted, added up over all cores.

use std::sync::atomic::{AtomicU64, Ordering};

use super::counters::{CLASSES, Counters, Kind, Origin, REASONS};
use super::histogram::{ADDED, Spread, TOTAL};

/// Sums over all cores, for metrics.
#[derive(Clone, Debug)]
pub struct Tally {
    answers: [[[u64; Origin::ALL.len()]; CLASSES]; Kind::ALL.len()],
    /// The sidecar's own answers by reason.
    pub own: [u64; REASONS],
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
    /// Bytes of content from callers.
    pub received: u64,
    /// Bytes of content to callers.
    pub sent: u64,
    /// Connections that were made to the upstream.
    pub opened: u64,
    /// Those of them that are open now.
    pub open: u64,
    /// Requests that went out on a connection that had served before.
    pub reused: u64,
    /// From the heads of requests to the last bytes of their answers.
    pub total: Spread,
    /// What the sidecar added to that.
    pub added: Spread,
}

/// The sums that people ask for first.
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

impl Default for Tally {
    fn default() -> Self {
        Self {
            answers: Default::default(),
            own: [0; REASONS],
            unauthorized: 0,
            replays: 0,
            echoes: 0,
            in_flight: 0,
            connections: 0,
            received: 0,
            sent: 0,
            opened: 0,
            open: 0,
            reused: 0,
            total: Spread::empty(&TOTAL),
            added: Spread::empty(&ADDED),
        }
    }
}

impl Tally {
    pub(super) fn plus(mut self, core: &Counters) -> Self {
        let read = |counter: &AtomicU64| counter.load(Ordering::Relaxed);
        for (sums, kind) in self.answers.iter_mut().zip(&core.answers) {
            for (sums, class) in sums.iter_mut().zip(kind) {
                for (sum, count) in sums.iter_mut().zip(class) {
                    *sum += read(count);
                }
            }
        }
        for (sum, count) in self.own.iter_mut().zip(&core.own) {
            *sum += read(count);
        }
        for (sum, count) in [
            (&mut self.unauthorized, &core.unauthorized),
            (&mut self.replays, &core.replays),
            (&mut self.echoes, &core.echoes),
            (&mut self.in_flight, &core.in_flight),
            (&mut self.connections, &core.connections),
            (&mut self.received, &core.received),
            (&mut self.sent, &core.sent),
            (&mut self.opened, &core.opened),
            (&mut self.open, &core.open),
            (&mut self.reused, &core.reused),
        ] {
            *sum = sum.wrapping_add(read(count));
        }
        self.total = self.total.plus(&core.total.spread());
        self.added = self.added.plus(&core.added.spread());
        self
    }

    /// The answers, each count with its kind, its class from 1 to 5, and its origin.
    pub fn answers(&self) -> impl Iterator<Item = (Kind, usize, Origin, u64)> {
        self.answers.iter().zip(Kind::ALL).flat_map(|(classes, kind)| {
            classes.iter().zip(1..).flat_map(move |(origins, class)| {
                let origins = origins.iter().zip(Origin::ALL);
                origins.map(move |(count, origin)| (kind, class, origin, *count))
            })
        })
    }

    /// Answers that mean that something is out of order, not that a caller asked for what is not there:
    /// those of the class 5xx, and all that the sidecar made itself.
    pub fn failures(&self) -> u64 {
        let fails = |class, origin| class == 5 || origin == Origin::Sidecar;
        self.counted(fails)
    }

    fn counted(&self, which: impl Fn(usize, Origin) -> bool) -> u64 {
        let answers = self.answers().filter(|(_, class, origin, _)| which(*class, *origin));
        answers.map(|(.., count)| count).sum()
    }
}

impl From<&Tally> for Totals {
    fn from(tally: &Tally) -> Self {
        Self {
            answers: tally.counted(|_, _| true),
            errors: tally.counted(|class, _| class > 3),
            own_answers: tally.counted(|_, origin| origin == Origin::Sidecar),
            unauthorized: tally.unauthorized,
            replays: tally.replays,
            echoes: tally.echoes,
            in_flight: tally.in_flight,
            connections: tally.connections,
        }
    }
}
