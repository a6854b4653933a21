//! What happens next when nothing is being performed.

use std::time::Duration;

use crate::clock::{Deadline, Moment};

use super::{Loss, Refusal, State, schedule};

/// The longest `Retry-After` that is obeyed; a slip of the server must not end in a token that ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Outlook {
    /// A refresh when it is due.
    Scheduled,
    /// Another try after this many failures in a row.
    Retry { at: Deadline, failures: u32 },
    /// Nothing until the operator provides a grant: the refresh token is dead.
    Lost(Loss),
    /// Nothing until the operator changes the client or the request.
    Misconfigured(Refusal),
    /// Nothing until the operator provides a first grant.
    SignedOut,
}

impl State {
    /// A first try with the next tick, or when the server wants to be asked again.
    pub(super) fn soon(&self, now: Moment) -> Outlook {
        Outlook::Retry { at: self.soonest(now), failures: 0 }
    }

    pub(super) fn soonest(&self, now: Moment) -> Deadline {
        let quiet = self.quiet.filter(|quiet| !quiet.is_due(now));
        quiet.unwrap_or(Deadline::after(now, Duration::ZERO))
    }

    /// The exchange failed, or never began: again, later and later.
    pub(super) fn fail(&mut self, why: String, now: Moment) {
        let failures = self.failures() + 1;
        let wait = schedule::back_off(failures, &mut self.dice);
        self.retry(failures, wait, why, now);
    }

    /// The store failed before anything was sent.
    pub(super) fn fail_storing(&mut self, why: String, now: Moment) {
        let failures = self.failures() + 1;
        self.retry(failures, schedule::store_back_off(failures), why, now);
    }

    fn retry(&mut self, failures: u32, wait: Duration, why: String, now: Moment) {
        self.trouble = Some(why);
        self.outlook = Outlook::Retry { at: Deadline::after(now, wait), failures };
    }

    /// The server wants to be left alone.
    pub(super) fn wait_at_least(&mut self, pause: Duration, now: Moment) {
        let quiet = Deadline::after(now, pause.min(LONGEST_PAUSE));
        self.quiet = Some(quiet);
        if let Outlook::Retry { at, .. } = &mut self.outlook
            && at.remaining(now) < quiet.remaining(now)
        {
            *at = quiet;
        }
    }

    pub(super) fn failures(&self) -> u32 {
        match self.outlook {
            Outlook::Retry { failures, .. } => failures,
            _ => 0,
        }
    }

    pub(super) fn may_exchange(&self) -> bool {
        matches!(self.outlook, Outlook::Scheduled | Outlook::Retry { .. })
    }
}
