//! What requests see, and when those that met a 401 learn how it ended.

use std::time::Duration;

use crate::clock::Moment;

use super::super::current::{Access, Bearer, Generation, Renewal, Unavailable};
use super::super::grant::Grant;
use super::{Action, Kind, Outlook, Phase, State};

/// How long requests wait for a try that is planned, when their token is refused: less than they would
/// hold.
const PATIENCE: Duration = Duration::from_secs(5);

/// A token that has ended while its answer was on the way is replaced after a least pause; requests
/// hold over that.
const SOON: Duration = Duration::from_secs(1);

/// Whether requests wait for [`Action::Settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Waiting {
    Nobody,
    Requests,
}

/// What was published last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Shown {
    Ready(Generation),
    Hold,
    Unavailable(Unavailable),
}

impl State {
    /// Publishes what requests are to see, if it has changed; before anything is sent.
    pub(super) fn show(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let access = self.access(now);
        let shown = match &access {
            Access::Ready(bearer) => Shown::Ready(bearer.generation()),
            Access::Hold => Shown::Hold,
            Access::Unavailable(why) => Shown::Unavailable(*why),
        };
        if self.shown != Some(shown) {
            self.shown = Some(shown);
            actions.insert(0, Action::Publish(access));
        }
    }

    fn access(&self, now: Moment) -> Access {
        if self.is_holding(now) {
            return Access::Hold;
        }
        // A 401 for our own trouble helps no caller; that of a personal access token is the operator's.
        let dead = self.is_dead() && self.kind != Kind::Fixed;
        match &self.grant {
            Some(grant) if !dead && !self.is_expired(now) => Access::Ready(self.bearer(grant)),
            _ if matches!(self.outlook, Outlook::Misconfigured(_)) => {
                Access::Unavailable(Unavailable::Misconfigured)
            }
            _ if !self.may_exchange() => Access::Unavailable(Unavailable::SignInRequired),
            Some(_) => Access::Unavailable(Unavailable::Expired),
            None => Access::Unavailable(Unavailable::Pending),
        }
    }

    fn bearer(&self, grant: &Grant) -> Bearer {
        let renewal = match self.kind {
            Kind::Fixed => Renewal::Person,
            Kind::Rotating | Kind::Renewable => Renewal::Exchange,
        };
        grant.bearer().renewed_by(renewal)
    }

    /// Requests hold while the exchange that ends their token is on the wire, until the new token is
    /// durable; and, as long as nothing has failed, while there is no token that could be used and the
    /// next ticks or an operation under way may bring one.
    fn is_holding(&self, now: Moment) -> bool {
        let hopes = self.trouble.is_none() && !self.has_living_token(now);
        match self.phase {
            Phase::Unsaved { .. } | Phase::Resaving { .. } | Phase::Checking => false,
            Phase::Resting => {
                // Better to wait for a try that is planned than to be refused a moment before it.
                let replaced = self.is_dead() && self.may_exchange() && self.kind != Kind::Fixed;
                hopes && self.begins_within(SOON, now)
                    || replaced && self.begins_within(PATIENCE, now)
            }
            Phase::Sending if self.is_rotating() => true,
            Phase::Persisting { successor: Some(_), .. } => true,
            // Under way; a token that is known to be dead would only bring 401s meanwhile.
            _ => hopes || self.is_dead() && self.may_exchange(),
        }
    }

    pub(super) fn settle(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let at_rest =
            matches!(self.phase, Phase::Resting | Phase::Unsaved { .. } | Phase::Resaving { .. });
        if self.waiting == Waiting::Requests && at_rest && !self.retries_soon(now) {
            self.waiting = Waiting::Nobody;
            actions.push(Action::Settle);
        }
    }

    /// Whether a request that met a 401 does better to wait for the next try.
    fn retries_soon(&self, now: Moment) -> bool {
        match self.outlook {
            Outlook::Retry { at, .. } => self.is_refused() && at.remaining(now) <= PATIENCE,
            _ => false,
        }
    }
}
