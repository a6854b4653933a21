//! The exchanges that have ended: for people who ask what happened, and for the figures.

use std::collections::VecDeque;
use std::sync::Arc;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{Moment, Stopwatch};
use crate::telemetry::histogram::{EXCHANGE, Histogram};

use super::current::Generation;
use super::state::{Event, Outcome, Refusal};

/// An exchange that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How long it took, with its connection, in milliseconds.
    pub took_ms: u64,
    /// How.
    pub outcome: Ending,
    /// The generation that was in use then.
    pub generation: Generation,
    /// What went wrong, in our words.
    pub detail: Option<String>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With tokens.
    Granted,
    /// The server refused the grant.
    DeadGrant,
    /// The server refused the client.
    Client,
    /// The server refused the form of the request.
    Request,
    /// The server would not take part just then.
    Throttled,
    /// Nothing was sent.
    NotSent,
    /// Without an answer that can be used.
    InDoubt,
}

impl Ending {
    /// Each of them once, in the order in which they are counted.
    pub const ALL: [Self; 7] = [
        Self::Granted,
        Self::DeadGrant,
        Self::Client,
        Self::Request,
        Self::Throttled,
        Self::NotSent,
        Self::InDoubt,
    ];

    /// Its name, as it is serialized.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Granted => "granted",
            Self::DeadGrant => "dead_grant",
            Self::Client => "client",
            Self::Request => "request",
            Self::Throttled => "throttled",
            Self::NotSent => "not_sent",
            Self::InDoubt => "in_doubt",
        }
    }

    /// How it ended and what was wrong, if this is the end of one.
    fn of(event: &Event) -> Option<(Self, Option<String>)> {
        Some(match event {
            Event::NotSent(why) | Event::Answered(Outcome::NotSent(why)) => {
                (Self::NotSent, Some(why.clone()))
            }
            Event::Answered(Outcome::Granted(_)) => (Self::Granted, None),
            Event::Answered(Outcome::Refused(refusal)) => {
                let ending = match refusal {
                    Refusal::DeadGrant => Self::DeadGrant,
                    Refusal::Client => Self::Client,
                    Refusal::Request => Self::Request,
                };
                (ending, Some(refusal.advice().to_owned()))
            }
            Event::Answered(Outcome::Throttled { detail, .. }) => {
                (Self::Throttled, Some(detail.clone()))
            }
            Event::Answered(Outcome::InDoubt { why, .. }) => (Self::InDoubt, Some(why.clone())),
            _ => return None,
        })
    }
}

/// How many exchanges ended in each way since the start.
pub type Outcomes = [u64; Ending::ALL.len()];

/// The exchanges of one refresher.
#[derive(Debug)]
pub(super) struct Journal {
    /// When the one that is going on began to connect.
    began: Option<Stopwatch>,
    last: VecDeque<Ended>,
    outcomes: Outcomes,
    durations: Arc<Histogram>,
}

/// How many of them are shown.
const KEPT: usize = 10;

impl Journal {
    pub(super) fn new() -> Self {
        let durations = Arc::new(Histogram::new(&EXCHANGE));
        Self { began: None, last: VecDeque::new(), outcomes: Outcomes::default(), durations }
    }

    /// An exchange begins to connect.
    pub(super) fn begins(&mut self) {
        self.began = Some(Stopwatch::start());
    }

    /// Notes the end of an exchange, if the event is one.
    pub(super) fn hears(&mut self, event: &Event, generation: Generation, now: Moment) {
        let Some((outcome, detail)) = Ending::of(event) else { return };
        let took = self.began.take().map(Stopwatch::elapsed).unwrap_or_default();
        self.durations.record(took);
        self.outcomes[outcome as usize] += 1;
        if self.last.len() == KEPT {
            self.last.pop_front();
        }
        let took_ms = u64::try_from(took.as_millis()).unwrap_or(u64::MAX);
        self.last.push_back(Ended { at: now.wall(), took_ms, outcome, generation, detail });
    }

    /// The last ones, the oldest first.
    pub(super) fn last(&self) -> Vec<Ended> {
        self.last.iter().cloned().collect()
    }

    pub(super) fn outcomes(&self) -> Outcomes {
        self.outcomes
    }

    pub(super) fn durations(&self) -> &Arc<Histogram> {
        &self.durations
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::clock;

    #[test]
    fn the_last_ends_are_kept_and_all_are_counted() {
        let mut journal = Journal::new();
        for _ in 0..12 {
            journal.begins();
            journal.hears(&Event::Tick, Generation(1), clock::now());
            let end = Event::NotSent("no route to host".to_owned());
            journal.hears(&end, Generation(1), clock::now());
        }
        let refused = Event::Answered(Outcome::Refused(Refusal::DeadGrant));
        journal.hears(&refused, Generation(1), clock::now());
        let last = journal.last();
        assert_eq!((last.len(), last[9].outcome), (KEPT, Ending::DeadGrant));
        assert_eq!(journal.outcomes(), [0, 1, 0, 0, 0, 12, 0]);
        assert_eq!(journal.durations().spread().count(), 13);
    }

    #[test]
    fn a_name_is_the_serialized_one() {
        for ending in Ending::ALL {
            assert_eq!(serde_json::to_value(ending).unwrap(), ending.as_str());
        }
    }
}
