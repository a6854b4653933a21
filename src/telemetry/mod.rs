//! What the sidecar counts and how it logs.
//!
//! Counting must cost nothing on the way of a request, so every proxy core owns a [`Counters`] that no
//! other core writes; the [`Meter`] adds them up when somebody asks.

mod counters;
pub mod histogram;
pub mod history;
pub mod log;
pub mod panics;
#[cfg(test)]
pub(crate) mod paper;
mod printable;
pub mod pulse;
pub mod rate_limit;
pub mod refusals;
pub mod seldom;
mod tally;
pub mod upstream_health;

use std::sync::{Arc, Mutex, PoisonError};

pub use counters::{Counters, Kind, Origin, REASONS};
pub use tally::{Tally, Totals};

use rate_limit::RateLimit;
use upstream_health::{UpstreamFailure, UpstreamHealth};

/// All cores' counters. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug, Default)]
pub struct Meter {
    cores: Arc<Mutex<Vec<Arc<Counters>>>>,
    upstream: UpstreamHealth,
}

impl Meter {
    /// Counters for one more core.
    pub fn core(&self) -> Arc<Counters> {
        let counters = Arc::new(Counters::new(self.upstream.clone()));
        self.cores().push(Arc::clone(&counters));
        counters
    }

    /// Everything, summed over all cores, as of about now.
    pub fn tally(&self) -> Tally {
        self.cores().iter().fold(Tally::default(), |sum, core| sum.plus(core))
    }

    /// The sums that people ask for first.
    pub fn totals(&self) -> Totals {
        Totals::from(&self.tally())
    }

    /// What the newest answer of the upstream said of its rate limit.
    pub fn rate_limit(&self) -> Option<RateLimit> {
        self.cores().iter().filter_map(|core| core.rate_limit.told()).max_by_key(|it| it.seen_at)
    }

    /// The attempts to reach the upstream that failed since its last response, if any did.
    pub fn upstream_failure(&self) -> Option<UpstreamFailure> {
        self.upstream.failure()
    }

    fn cores(&self) -> std::sync::MutexGuard<'_, Vec<Arc<Counters>>> {
        self.cores.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;

    use super::*;

    #[test]
    fn totals_add_up_over_cores() {
        let meter = Meter::default();
        let (one, two) = (meter.core(), meter.core());
        one.began();
        one.answered(Kind::Get, StatusCode::OK, Origin::Upstream);
        two.answered(Kind::Get, StatusCode::UNAUTHORIZED, Origin::Upstream);
        two.answered(Kind::Post, StatusCode::BAD_GATEWAY, Origin::Sidecar);
        two.answered(Kind::Post, StatusCode::SERVICE_UNAVAILABLE, Origin::Upstream);
        two.replayed();
        one.echoed();
        let totals = meter.totals();
        assert_eq!((totals.answers, totals.errors, totals.own_answers), (4, 3, 1));
        assert_eq!((totals.unauthorized, totals.replays, totals.in_flight), (1, 1, 1));
        assert_eq!((totals.echoes, meter.tally().failures()), (1, 2));
        one.ended();
        assert_eq!(meter.totals().in_flight, 0);
    }
}
