//! Does the upstream refuse the access token, or only what one request asked for?
//!
//! A 401 is usually answered with an exchange. Where there can be none, because the grant is lost, the
//! authorization server does not answer, or a personal access token cannot be exchanged, one path that
//! always says 401 must not take a living token from everybody, and a dead token must not make the
//! callers see 401s for our own trouble. So the upstream is asked what is always allowed.

use std::time::Duration;

use crate::clock::{Deadline, Moment};

use super::super::current::Generation;
use super::{Action, Hurry, Kind, Life, Oracle, Outlook, Phase, State};

/// How often a token that seems to be dead is asked about again.
pub(super) const AGAIN: Duration = Duration::from_secs(300);

impl State {
    /// Whether a 401 is a question to the upstream, because there is no exchange that could cure it.
    pub(super) fn wants_check(&self) -> bool {
        self.kind != Kind::Fixed
            && match self.outlook {
                Outlook::Lost(_) | Outlook::Misconfigured(_) => true,
                Outlook::Retry { failures, .. } => failures > 0,
                Outlook::Scheduled | Outlook::SignedOut => false,
            }
    }

    /// Asks, unless it was asked about this token a moment ago.
    pub(super) fn check_if_new(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let interval = self.policy.unauthorized_interval;
        let generation = self.grant.as_ref().map(|grant| grant.generation);
        let is_new =
            |(at, of): (Moment, Generation)| Some(of) != generation || now.since(at) >= interval;
        if self.is_idle() && self.checked.is_none_or(is_new) {
            self.check(now, actions);
        }
    }

    /// Whether it is time to ask about a token that was taken for dead.
    pub(super) fn owes_check(&self, now: Moment) -> bool {
        let doomed = self.is_dead() || self.kind == Kind::Fixed && self.is_refused();
        self.is_idle() && doomed && self.check_at.is_some_and(|at| at.is_due(now))
    }

    fn is_idle(&self) -> bool {
        self.phase == Phase::Resting && self.life == Life::Going && self.grant.is_some()
    }

    pub(super) fn check(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.checked = self.grant.as_ref().map(|grant| (now, grant.generation));
        self.perform(Phase::Checking, Action::Probe { after: Duration::ZERO }, actions);
    }

    pub(super) fn was_checked(&mut self, oracle: Oracle, now: Moment, actions: &mut Vec<Action>) {
        let generation = self.grant.as_ref().map(|grant| grant.generation);
        match oracle {
            Oracle::Alive => {
                (self.refused, self.dead) = (None, None);
                self.breaker.unlearn();
            }
            Oracle::Dead => {
                (self.refused, self.dead) = (generation, generation);
                self.need_it_now(now);
                self.learn(now);
            }
            Oracle::Unclear => {}
        }
        self.check_at = Some(Deadline::after(now, AGAIN));
        self.rest(actions);
    }

    /// A token that worked has ended, and nobody said when it would: the next ones are replaced as soon.
    fn learn(&mut self, now: Moment) {
        if let Some(held) = self.held
            && self.outlook == Outlook::Scheduled
            && self.was_accepted()
        {
            self.breaker.learn(now.since(held), now);
            self.outlook = self.soon(now);
        }
    }

    /// Whether a request has proved that the access token works, or did.
    pub(super) fn was_accepted(&self) -> bool {
        self.accepted.is_some() && self.accepted == self.grant.as_ref().map(|it| it.generation)
    }

    /// A try that was put off because the access token served is due now.
    fn need_it_now(&mut self, now: Moment) {
        let soon = self.soonest(now);
        if self.hurry == Hurry::Reserved
            && let Outlook::Retry { at, .. } = &mut self.outlook
        {
            (*at, self.hurry) = (soon, Hurry::No);
        }
    }
}
