//! What sets the machine in motion: time, a 401, the operator, another process.

use std::time::Duration;

use crate::clock::{Deadline, Moment};

use super::super::bearer::RefreshToken;
use super::super::claims::Claims;
use super::super::current::Generation;
use super::super::grant::{Grant, Seed};
use super::super::record::Record;
use super::doubt::Doubt;
use super::view::Waiting;
use super::{
    Action, Client, Foreign, Hurry, Issue, Kind, Life, Outlook, Pending, Phase, Purpose, State,
    Wish,
};

impl State {
    pub(super) fn tick(&mut self, now: Moment, actions: &mut Vec<Action>) {
        match (&self.phase, self.next()) {
            _ if self.begins_within(Duration::ZERO, now) => self.begin(now, actions),
            (Phase::Resting, _) if self.owes_inquiry() => self.inquire(actions),
            (Phase::Resting, _) if self.owes_check(now) => self.check(now, actions),
            (Phase::Persisting { successor: Some(_), since }, _)
                if now.since(*since) >= DISK_PATIENCE =>
            {
                self.publish_unsaved(now);
            }
            (Phase::Unsaved { failures, why, .. }, Some(at)) if at.is_due(now) => {
                self.phase = Phase::Resaving { failures: *failures, why: why.clone() };
                actions.push(Action::Persist(Box::new(self.record.clone())));
            }
            _ => {}
        }
    }

    /// Whether a tick within this time begins an exchange.
    pub(super) fn begins_within(&self, span: Duration, now: Moment) -> bool {
        match self.next() {
            _ if self.phase != Phase::Resting || self.life == Life::Ending => false,
            Some(at) => at.remaining(now) <= span,
            None => self.wants_first_token(),
        }
    }

    /// A renewable credential without any token has nothing that could be due.
    fn wants_first_token(&self) -> bool {
        self.kind == Kind::Renewable && self.outlook == Outlook::Scheduled && self.grant.is_none()
    }

    /// A 401 counts only if it speaks of the current token, and not more often than the breaker lets.
    pub(super) fn rejected(
        &mut self,
        generation: Generation,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        self.waiting = Waiting::Requests;
        if self.grant.as_ref().is_none_or(|grant| grant.generation != generation) {
            return;
        }
        if self.wants_check() {
            self.wish = Wish::Check;
            return;
        }
        if self.refused != Some(generation) && self.kind == Kind::Fixed {
            let wait = self.policy.unauthorized_interval;
            self.check_at = Some(Deadline::after(now, wait));
        }
        self.refused = Some(generation);
        let untroubled = match self.outlook {
            Outlook::Scheduled => true,
            Outlook::Retry { failures: 0, .. } => self.soonest(now).is_due(now),
            _ => false,
        };
        let exchangeable = self.kind != Kind::Fixed
            && self.phase == Phase::Resting
            && self.life == Life::Going
            && untroubled;
        if !exchangeable {
            return;
        }
        let was_accepted = self.was_accepted();
        if self.breaker.lets_through(&self.policy, was_accepted, now) {
            self.begin(now, actions);
        } else if was_accepted {
            self.wish = Wish::Confirmation;
        }
    }

    /// The operator's wish is obeyed as soon as the server and the least time between exchanges allow.
    pub(super) fn asked(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let stuck = matches!(self.outlook, Outlook::Lost(_) | Outlook::SignedOut);
        if self.life == Life::Ending || stuck || self.kind == Kind::Fixed {
            return;
        }
        if self.phase != Phase::Resting {
            self.wish = Wish::Exchange;
            return;
        }
        self.hurry = Hurry::Ordered;
        let pause = self.begun.map_or(Duration::ZERO, |begun| {
            self.policy.unauthorized_interval.saturating_sub(now.since(begun))
        });
        let mut at = Deadline::after(now, pause.max(self.soonest(now).remaining(now)));
        if let Some(planned) = self.next() {
            at = at.earlier(planned, now);
        }
        // What was refused stays in the status until the next answer.
        let was_refused = matches!(self.outlook, Outlook::Misconfigured(_));
        let failures = if was_refused { 1 } else { self.failures() };
        self.outlook = Outlook::Retry { at, failures };
        self.tick(now, actions);
    }

    /// What waited for the end of something else. An exchange that has brought a token meanwhile is
    /// what the operator wanted.
    pub(super) fn take_up_wish(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if matches!(self.phase, Phase::Sending | Phase::Persisting { successor: Some(_), .. }) {
            self.wish = Wish::Nothing;
        }
        if self.phase != Phase::Resting {
            return;
        }
        match std::mem::replace(&mut self.wish, Wish::Nothing) {
            Wish::Nothing => {}
            Wish::Exchange => self.asked(now, actions),
            Wish::Check if self.wants_check() => self.check_if_new(now, actions),
            Wish::Confirmation if self.outlook == Outlook::Scheduled => {
                self.check_if_new(now, actions);
            }
            Wish::Check | Wish::Confirmation => {}
        }
    }

    /// The seed that the operator provided last counts, and it waits for the end of an exchange.
    pub(super) fn seeded(&mut self, seed: Seed) {
        self.offered = Some(seed).filter(|_| self.is_rotating());
    }

    /// Goes over to the seed that was provided, between exchanges. While the lock is waited for there
    /// is no exchange yet, and another process may be spending the seed from before.
    pub(super) fn take_up_seed(&mut self, now: Moment) {
        if !matches!(self.phase, Phase::Resting | Phase::Opening { .. }) {
            return;
        }
        let Some(seed) = self.offered.take() else { return };
        let held = self.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
        if self.record.has_seen(seed.fingerprint()) || held == Some(seed.token()) {
            // It is taken or refused already; one from before it is not to be tried any more.
            if self.pending.take().is_some() {
                self.outlook = self.outlook_after(true, now);
            }
        } else if self.pending.as_ref().is_none_or(|pending| pending.seed != seed) {
            let doubt = Doubt::about(Some(seed.token()), &self.record, None);
            self.pending = Some(Pending { seed, doubt });
            // It was about the token from before; with it, requests would not wait for this one.
            self.trouble = None;
            self.outlook = self.soon(now);
        }
    }

    /// The same token once more, as after a reload, does not make it good again.
    pub(super) fn provided(&mut self, issue: Issue, now: Moment) {
        if self.grant.as_ref().is_some_and(|grant| grant.access == issue.access) {
            return;
        }
        self.sent = None;
        // Another token, of which nothing is known but what it says itself.
        let (scope, expires) = (issue.scope.clone(), Claims::of(&issue.access).expires);
        let issued = self.successor(issue, now);
        // An end that has passed leaves no life that could be told as a span.
        let grant = Grant { scope, expires: expires.or(issued.expires), ..issued };
        self.trouble = None;
        self.hold(grant, now);
    }

    pub(super) fn reconfigured(&mut self, now: Moment) {
        self.client = Client::Changed;
        let is_ordered =
            self.hurry == Hurry::Ordered && matches!(self.outlook, Outlook::Retry { .. });
        if is_ordered || matches!(self.outlook, Outlook::Misconfigured(_)) {
            self.outlook = self.soon(now);
        }
    }

    /// Another process that shares the store wrote it. While we hold the lock nobody else can have.
    pub(super) fn seen(&mut self, record: Record, now: Moment) {
        if self.phase != Phase::Resting || record.revision <= self.record.revision {
            return;
        }
        // An intent without a lock of ours belongs to whoever is exchanging at this moment.
        let stays = record.intent.is_some() && record.generation == self.record.generation;
        if stays {
            self.foreign = Foreign::Exchange;
        } else {
            self.foreign = Foreign::Nothing;
            self.take(record, now);
        }
    }

    /// The end of another process's exchange is worth waiting for: it may have died over it.
    fn owes_inquiry(&self) -> bool {
        self.foreign == Foreign::Exchange && self.life == Life::Going && self.may_exchange()
    }

    fn inquire(&mut self, actions: &mut Vec<Action>) {
        self.foreign = Foreign::Nothing;
        if let Some(about) = self.refresh_token().map(RefreshToken::fingerprint) {
            let phase = Phase::Opening { about, purpose: Purpose::Inquiry };
            self.perform(phase, Action::Open, actions);
        }
    }

    /// The disk takes its time with tokens that are in memory: they are used.
    fn publish_unsaved(&mut self, now: Moment) {
        if let Phase::Persisting { successor, .. } = &mut self.phase {
            let successor = successor.take();
            self.succeed(successor, now);
            let why = "the disk has not stored the newest tokens for seconds".into();
            self.phase = Phase::Resaving { failures: 0, why };
        }
    }
}

/// How long requests hold for a disk that is slow to store tokens. Storing takes milliseconds, and the
/// hold of a request ten seconds.
const DISK_PATIENCE: Duration = Duration::from_secs(5);
