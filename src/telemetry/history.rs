//! The last hour, minute by minute: enough to see at a glance when something began.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::histogram::{Spread, TOTAL};
use super::{Meter, Tally, Totals};

/// What happened within one minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// When it began.
    pub at: Timestamp,
    /// Answers given to callers.
    pub answers: u64,
    /// Of these, answers with a 5xx status and those that the sidecar made itself.
    pub errors: u64,
    /// Median time from a request's head to the end of its answer, in milliseconds.
    pub median_ms: Option<f64>,
    /// The time that 99 of 100 requests stayed below, in milliseconds.
    pub p99_ms: Option<f64>,
}

/// The minutes of the last hour. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug)]
pub struct History(Arc<Mutex<Pages>>);

#[derive(Debug)]
struct Pages {
    /// Minutes that are over, the oldest first.
    over: VecDeque<Minute>,
    /// What had been counted when the present one began.
    mark: Mark,
}

#[derive(Clone, Copy, Debug)]
struct Mark {
    began: Timestamp,
    answers: u64,
    errors: u64,
    total: Spread,
}

/// Minutes that are kept beside the present one.
const KEPT: usize = 59;

const MINUTE: Duration = Duration::from_secs(60);

impl History {
    /// One that begins now, when nothing has been counted.
    pub fn begin(now: Timestamp) -> Self {
        let mark = Mark { began: now, answers: 0, errors: 0, total: Spread::empty(&TOTAL) };
        Self(Arc::new(Mutex::new(Pages { over: VecDeque::new(), mark })))
    }

    /// Turns the page every minute, for ever; `now` reads the wall clock.
    pub async fn keep(self, meter: Meter, now: fn() -> Timestamp) {
        loop {
            tokio::time::sleep(MINUTE).await;
            self.turn(&meter.tally(), now());
        }
    }

    /// The present minute is over.
    fn turn(&self, tally: &Tally, now: Timestamp) {
        let mut pages = self.pages();
        let minute = pages.mark.minute(tally);
        pages.over.push_back(minute);
        if pages.over.len() > KEPT {
            pages.over.pop_front();
        }
        pages.mark = Mark::of(tally, now);
    }

    /// The minutes, the oldest first; the last one is not over.
    pub fn minutes(&self, tally: &Tally) -> Vec<Minute> {
        let pages = self.pages();
        pages.over.iter().copied().chain([pages.mark.minute(tally)]).collect()
    }

    fn pages(&self) -> std::sync::MutexGuard<'_, Pages> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Mark {
    fn of(tally: &Tally, began: Timestamp) -> Self {
        let answers = Totals::from(tally).answers;
        Self { began, answers, errors: tally.failures(), total: tally.total }
    }

    /// What has happened since.
    fn minute(&self, tally: &Tally) -> Minute {
        let now = Self::of(tally, self.began);
        let spread = now.total.since(&self.total);
        let millis = |share| spread.quantile(share).map(|took| took.as_secs_f64() * 1e3);
        Minute {
            at: self.began,
            answers: now.answers.saturating_sub(self.answers),
            errors: now.errors.saturating_sub(self.errors),
            median_ms: millis(0.5),
            p99_ms: millis(0.99),
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::super::{Kind, Origin};
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    #[test]
    fn a_minute_has_what_happened_in_it() {
        let (meter, history) = (Meter::default(), History::begin(NOW));
        let core = meter.core();
        core.answered(Kind::Get, StatusCode::OK, Origin::Upstream);
        core.took(Duration::from_millis(4));
        history.turn(&meter.tally(), NOW);
        core.answered(Kind::Get, StatusCode::BAD_GATEWAY, Origin::Sidecar);
        let minutes = history.minutes(&meter.tally());
        let counts: Vec<_> = minutes.iter().map(|it| (it.answers, it.errors)).collect();
        assert_eq!(counts, [(1, 0), (1, 1)]);
        assert!(minutes[0].median_ms.is_some_and(|median| median > 2.5 && median <= 5.0));
        assert_eq!(minutes[1].median_ms, None);
    }

    #[test]
    fn an_hour_is_kept() {
        let (meter, history) = (Meter::default(), History::begin(NOW));
        for _ in 0..200 {
            history.turn(&meter.tally(), NOW);
        }
        assert_eq!(history.minutes(&meter.tally()).len(), 60);
    }
}
