//! The steps of one exchange, in the order in which they are taken.

use std::time::Duration;

use crate::clock::{Deadline, Moment};
use crate::secret::Fingerprint;

use super::super::bearer::RefreshToken;
use super::super::grant::Grant;
use super::super::record::{Intent, Record};
use super::schedule::Breaker;
use super::{
    Action, Ask, Client, Event, Foreign, Hurry, Issue, Kind, Life, Loss, Outcome, Outlook, Phase,
    Purpose, Refusal, State, Taken, schedule,
};

impl State {
    pub(super) fn begin(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.begun = Some(now);
        self.client = Client::AsBegun;
        match (self.kind, self.refresh_token().map(RefreshToken::fingerprint)) {
            (Kind::Rotating, None) => self.outlook = Outlook::SignedOut,
            (Kind::Rotating, Some(about)) => {
                let phase = Phase::Opening { about, purpose: Purpose::Exchange };
                self.perform(phase, Action::Open, actions);
            }
            (Kind::Renewable, _) => self.perform(Phase::Connecting, Action::Connect, actions),
            (Kind::Fixed, _) => {}
        }
    }

    /// The answer to the action of the present phase. One that comes late, for a phase that is over,
    /// changes nothing.
    pub(super) fn proceed(&mut self, answer: Event, now: Moment, actions: &mut Vec<Action>) {
        match (self.phase.clone(), answer) {
            (Phase::Opening { about, purpose }, Event::Opened(stored)) => {
                self.opened(stored, about, purpose, now, actions);
            }
            (Phase::Opening { purpose: Purpose::Inquiry, .. }, Event::Busy) => {
                self.foreign = Foreign::Exchange;
                self.rest(actions);
            }
            (Phase::Opening { .. }, Event::Busy) => {
                self.fail("another process holds the state directory's lock".into(), now);
                self.rest(actions);
            }
            (Phase::Opening { .. } | Phase::Rehearsing, Event::Unwritable(why)) => {
                self.fail_storing(why, now);
                self.rest(actions);
            }
            (Phase::Intending { before }, Event::Unwritable(why)) => {
                self.unsent = self.record.intent;
                self.record = *before;
                self.fail_storing(why, now);
                self.rest(actions);
            }
            (Phase::Rehearsing, Event::Rehearsed) if self.life == Life::Going => {
                self.perform(Phase::Connecting, Action::Connect, actions);
            }
            (Phase::Connecting, Event::Connected) if self.life == Life::Going => {
                self.connected(now, actions);
            }
            (Phase::Rehearsing, Event::Rehearsed) | (Phase::Connecting, Event::Connected) => {
                self.rest(actions);
            }
            (Phase::Connecting, Event::NotSent(why)) => {
                self.fail(why, now);
                self.rest(actions);
            }
            (Phase::Intending { .. }, Event::Intended) => self.send(now, actions),
            (Phase::Sending, Event::Answered(outcome)) => self.answered(outcome, now, actions),
            (Phase::Persisting { successor, .. }, Event::Persisted) => {
                self.succeed(successor, now);
                self.rest(actions);
            }
            (Phase::Persisting { successor, .. }, Event::NotPersisted(why)) => {
                self.succeed(successor, now);
                self.postpone_saving(1, why, now);
            }
            (Phase::Resaving { .. }, Event::Persisted) => self.rest(actions),
            (Phase::Resaving { failures, .. }, Event::NotPersisted(why)) => {
                self.postpone_saving(failures + 1, why, now);
            }
            (Phase::Doubting { first }, Event::Probed(oracle)) => {
                self.probed(first, oracle, now, actions);
            }
            (Phase::Checking, Event::Probed(oracle)) => self.was_checked(oracle, now, actions),
            _ => {}
        }
    }

    /// The lock is ours: what the store says now is the truth, unless it is older than what we stored.
    /// An exchange whose reason is gone does not take place.
    fn opened(
        &mut self,
        stored: Option<Record>,
        about: Fingerprint,
        purpose: Purpose,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        let mine = self.record.generation;
        if let Some(stored) = stored
            && stored.revision > self.record.revision
        {
            self.take(stored, now);
        }
        self.foreign = Foreign::Nothing;
        if self.record.generation > mine {
            // The exchange that a 401 caused was another process's: the next 401 deserves one.
            self.breaker = Breaker::default();
        }
        let other = self.refresh_token().map(RefreshToken::fingerprint) != Some(about);
        let moved = other || self.record.generation > mine || purpose == Purpose::Inquiry;
        let settled = self.doubt().is_none() && self.pending.is_none();
        if moved && settled || !self.may_exchange() || self.life == Life::Ending {
            self.rest(actions);
            return;
        }
        self.reconsider(now, actions);
    }

    fn connected(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let Some(token) = self.refresh_token() else {
            self.send(now, actions);
            return;
        };
        let intent = Intent { refresh_token: token.fingerprint(), at: now.wall() };
        let before = Box::new(self.record.clone());
        self.record.revision += 1;
        self.record.announce(intent);
        let record = Box::new(self.record.clone());
        self.perform(Phase::Intending { before }, Action::Intend(record), actions);
    }

    fn send(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.sent = Some(now);
        let ask = match self.refresh_token() {
            Some(token) => Ask::Refresh(token.clone()),
            None => Ask::ClientCredentials,
        };
        self.perform(Phase::Sending, Action::Send(ask), actions);
    }

    fn answered(&mut self, outcome: Outcome, now: Moment, actions: &mut Vec<Action>) {
        match outcome {
            Outcome::Granted(issue) => self.granted(issue, now, actions),
            Outcome::Refused(Refusal::DeadGrant) if self.is_rotating() => {
                let loss = if self.doubt().is_some() { Loss::AnswerLost } else { Loss::Refused };
                self.give_up(loss, now, actions);
            }
            // Without a refresh token no grant can be dead: the server means the request.
            Outcome::Refused(Refusal::DeadGrant) => {
                self.misconfigured(Refusal::Request, now, actions);
            }
            Outcome::Refused(refusal) => self.misconfigured(refusal, now, actions),
            Outcome::Throttled { retry_after, detail, taken } => {
                self.fail(detail, now);
                if taken != Taken::No && retry_after.is_none() {
                    self.keep_for_later(now);
                }
                self.wait_at_least(retry_after.unwrap_or_default(), now);
                // "Later" is no answer to the refresh token, or a maintenance of two requests would end the
                // grant: it is asked again however often it comes.
                if taken == Taken::Perhaps {
                    self.doubt_a_little();
                }
                self.turned_away(now, actions);
            }
            Outcome::NotSent(why) => {
                self.fail(why, now);
                self.turned_away(now, actions);
            }
            Outcome::InDoubt { why, doubtful } => self.in_doubt(why, doubtful, now, actions),
        }
    }

    fn granted(&mut self, issue: Issue, now: Moment, actions: &mut Vec<Action>) {
        let used = self.refresh_token().map(RefreshToken::fingerprint);
        let successor = self.successor(issue, now);
        self.outlook = Outlook::Scheduled;
        self.hurry = Hurry::No;
        if !self.is_rotating() {
            self.succeed(Some(successor), now);
            self.rest(actions);
            return;
        }
        if let Some(pending) = self.pending.take() {
            self.record.seed = Some(pending.seed.fingerprint());
        }
        self.doubt = None;
        let kept = successor.refresh.as_ref().map(RefreshToken::fingerprint);
        if let Some(used) = used {
            self.record.settled(used);
        }
        self.record.remember(used.filter(|used| Some(*used) != kept));
        self.record.generation = successor.generation;
        self.record.grant = Some(successor.clone());
        self.record.loss = None;
        self.persist(Some(successor), now, actions);
    }

    /// An answer without a refresh token leaves the old one in use (RFC 6749 §6), and the scope too.
    pub(super) fn successor(&self, issue: Issue, now: Moment) -> Grant {
        // A wall clock that was set back meanwhile must not make the token younger.
        let issued = self.sent.map_or(now.wall(), |sent| sent.wall().min(now.wall()));
        let old = self.grant.as_ref().filter(|_| self.pending.is_none());
        let expires = issue.expires(issued);
        let (refresh, refresh_issued) = match issue.refresh {
            Some(token) => (Some(token), issued),
            None => {
                let kept = old.map_or(issued, |grant| grant.refresh_issued);
                (self.refresh_token().cloned(), kept)
            }
        };
        Grant {
            generation: self.newest().next(),
            access: issue.access,
            refresh,
            issued,
            expires,
            refresh_issued,
            scope: issue.scope.or_else(|| old.and_then(|grant| grant.scope.clone())),
        }
    }

    /// The refresh token that was tried is dead. A seed is remembered, so that it is not sent again,
    /// and the grant from before goes on if it can.
    pub(super) fn give_up(&mut self, loss: Loss, now: Moment, actions: &mut Vec<Action>) {
        let tried = self.refresh_token().map(RefreshToken::fingerprint);
        self.record.remember(tried);
        if let Some(pending) = self.pending.take() {
            self.record.seed = Some(pending.seed.fingerprint());
            if self.record.loss.is_none() && self.refresh_token().is_some() {
                self.trouble = Some(
                    "the new refresh token is refused or spent; the grant from before stays in use"
                        .into(),
                );
                let urgent = self.doubt.is_some() || self.is_dead();
                self.outlook = if urgent { self.soon(now) } else { Outlook::Scheduled };
                self.persist(None, now, actions);
                return;
            }
        }
        if self.is_refused() && !self.is_dead() {
            // Both tokens are refused. That may be about one path: the upstream is asked at once.
            self.dead = self.refused;
            self.check_at = Some(Deadline::after(now, Duration::ZERO));
        }
        self.trouble = Some(loss.advice().into());
        self.outlook = Outlook::Lost(loss);
        self.doubt = None;
        self.record.loss = Some(loss);
        self.persist(None, now, actions);
    }

    /// A refusal waits for the operator, who may have acted while the exchange was on its way.
    fn misconfigured(&mut self, refusal: Refusal, now: Moment, actions: &mut Vec<Action>) {
        self.trouble = Some(refusal.advice().into());
        self.outlook = match self.client {
            Client::AsBegun => Outlook::Misconfigured(refusal),
            Client::Changed => self.soon(now),
        };
        self.turned_away(now, actions);
    }

    /// The server has not looked at the refresh token, so it was not presented.
    fn turned_away(&mut self, now: Moment, actions: &mut Vec<Action>) {
        match self.refresh_token().map(RefreshToken::fingerprint) {
            Some(token) if self.is_rotating() => {
                self.record.retract(token);
                self.persist(None, now, actions);
            }
            _ => self.rest(actions),
        }
    }

    /// Stores that nothing is on the way any more. An open doubt keeps its intent, so that a restart
    /// knows of it; a credential without a store has none.
    pub(super) fn close_intent(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.is_rotating() && self.doubt().is_none() {
            self.persist(None, now, actions);
        } else {
            self.rest(actions);
        }
    }

    /// Stores the record, with what is in doubt. That of a grant is kept while a seed is tried.
    fn persist(&mut self, successor: Option<Grant>, now: Moment, actions: &mut Vec<Action>) {
        self.record.revision += 1;
        let seeds = self.pending.as_ref().and_then(|pending| pending.doubt);
        self.record.settle([seeds, self.doubt].into_iter().flatten().map(|doubt| doubt.intent));
        let record = Box::new(self.record.clone());
        let phase = Phase::Persisting { successor, since: now };
        self.perform(phase, Action::Persist(record), actions);
    }

    pub(super) fn succeed(&mut self, successor: Option<Grant>, now: Moment) {
        if let Some(grant) = successor {
            self.trouble = None;
            self.hold(grant, now);
        }
    }

    fn postpone_saving(&mut self, failures: u32, why: String, now: Moment) {
        let retry = Deadline::after(now, schedule::store_back_off(failures));
        self.phase = Phase::Unsaved { retry, failures, why };
    }

    pub(super) fn perform(&mut self, phase: Phase, action: Action, actions: &mut Vec<Action>) {
        self.phase = phase;
        actions.push(action);
    }

    pub(super) fn rest(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::Resting;
        actions.push(Action::Close);
    }
}
