//! The steps of one exchange, in the order in which they are taken.

use std::time::Duration;

use crate::clock::{Deadline, Moment};

use super::super::current::Generation;
use super::super::grant::Grant;
use super::super::record::{Intent, Record};
use super::{
    Action, Ask, Doubt, Doubtful, Event, Issue, Kind, Loss, Oracle, Outcome, Outlook, Phase,
    Refusal, State, schedule,
};

/// The pause before each of the two questions to the oracle: a server that is slow to process the
/// exchange must have had its time.
const ORACLE_PAUSE: Duration = Duration::from_secs(2);

/// The longest `Retry-After` that is obeyed; a slip of the server must not end in a token that ends.
const LONGEST_PAUSE: Duration = Duration::from_secs(24 * 3600);

impl State {
    pub(super) fn begin(&mut self, actions: &mut Vec<Action>) {
        match self.kind {
            Kind::Rotating => self.perform(Phase::Opening, Action::Open, actions),
            Kind::Renewable => self.perform(Phase::Connecting, Action::Connect, actions),
            Kind::Fixed => {}
        }
    }

    /// The answer to the action of the present phase. One that comes late, for a phase that is over,
    /// changes nothing.
    pub(super) fn proceed(&mut self, answer: Event, now: Moment, actions: &mut Vec<Action>) {
        match (self.phase.clone(), answer) {
            (Phase::Opening, Event::Opened(stored)) => self.opened(stored, now, actions),
            (Phase::Opening, Event::Busy) => {
                self.fail("another process holds the state directory's lock".into(), now);
                self.rest(actions);
            }
            (Phase::Opening | Phase::Rehearsing | Phase::Intending, Event::Unwritable(why)) => {
                self.fail_storing(why, now);
                self.rest(actions);
            }
            (Phase::Rehearsing, Event::Rehearsed) => {
                self.perform(Phase::Connecting, Action::Connect, actions);
            }
            (Phase::Connecting, Event::Connected) => self.connected(now, actions),
            (Phase::Connecting, Event::NotSent(why)) => {
                self.fail(why, now);
                self.rest(actions);
            }
            (Phase::Intending, Event::Intended) => self.send(now, actions),
            (Phase::Sending, Event::Answered(outcome)) => self.answered(outcome, now, actions),
            (Phase::Persisting { successor }, Event::Persisted) => {
                self.succeed(successor, now);
                self.rest(actions);
            }
            (Phase::Persisting { successor }, Event::NotPersisted(why)) => {
                self.succeed(successor, now);
                self.postpone_saving(1, why, now);
            }
            (Phase::Resaving { .. }, Event::Persisted) => {
                self.trouble = None;
                self.rest(actions);
            }
            (Phase::Resaving { failures }, Event::NotPersisted(why)) => {
                self.postpone_saving(failures + 1, why, now);
            }
            (Phase::Doubting { first }, Event::Probed(oracle)) => {
                self.probed(first, oracle, now, actions);
            }
            _ => {}
        }
    }

    /// The lock is ours: what the store says now is the truth.
    fn opened(&mut self, stored: Option<Record>, now: Moment, actions: &mut Vec<Action>) {
        let mine = self.record.generation;
        if let Some(stored) = stored
            && stored.revision > self.record.revision
        {
            self.take(stored, now);
            let settled = self.doubt.is_none() && self.seed.is_none();
            if settled && self.record.generation > mine || !self.may_exchange() {
                self.rest(actions);
                return;
            }
        }
        match self.doubt {
            Some(Doubt::Open) if self.oracle_is_usable(now) => self.ask_oracle(None, actions),
            Some(Doubt::Open) if !self.policy.retry_in_doubt => {
                self.lose(Loss::AnswerLost, actions);
            }
            _ => self.perform(Phase::Rehearsing, Action::Rehearse, actions),
        }
    }

    fn connected(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let Some(token) = self.refresh_token() else {
            self.send(now, actions);
            return;
        };
        let mut record = self.record.clone();
        record.revision += 1;
        record.intent = Some(Intent { refresh_token: token.fingerprint(), at: now.wall() });
        self.record = record.clone();
        self.perform(Phase::Intending, Action::Intend(Box::new(record)), actions);
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
            Outcome::Refused(Refusal::DeadGrant) => self.grant_refused(now, actions),
            Outcome::Refused(refusal) => {
                self.trouble = Some(refusal.advice().into());
                self.outlook = Outlook::Misconfigured(refusal);
                self.close_intent(actions);
            }
            Outcome::Throttled { retry_after, detail } => {
                self.fail(detail, now);
                self.wait_at_least(retry_after.unwrap_or_default(), now);
                self.close_intent(actions);
            }
            Outcome::NotSent(why) => {
                self.fail(why, now);
                self.close_intent(actions);
            }
            Outcome::InDoubt { why, doubtful } => self.in_doubt(why, doubtful, now, actions),
        }
    }

    fn granted(&mut self, issue: Issue, now: Moment, actions: &mut Vec<Action>) {
        let successor = self.successor(issue, now);
        self.doubt = None;
        self.outlook = Outlook::Scheduled;
        if !matches!(self.kind, Kind::Rotating) {
            self.succeed(Some(successor), now);
            self.rest(actions);
            return;
        }
        if let Some(seed) = self.seed.take() {
            self.record.seed = Some(seed.fingerprint());
        }
        self.record.generation = successor.generation;
        self.record.grant = Some(successor.clone());
        self.record.loss = None;
        self.persist(Some(successor), actions);
    }

    /// An answer without a refresh token leaves the old one in use (RFC 6749 §6), and the scope too.
    pub(super) fn successor(&self, issue: Issue, now: Moment) -> Grant {
        let issued = self.sent.unwrap_or(now);
        let old = self.grant.as_ref().filter(|_| self.seed.is_none());
        let (refresh, refresh_issued) = match issue.refresh {
            Some(token) => (Some(token), issued.wall()),
            None => (
                self.refresh_token().cloned(),
                old.map_or(issued.wall(), |grant| grant.refresh_issued),
            ),
        };
        Grant {
            generation: self.newest().next(),
            access: issue.access,
            refresh,
            issued: issued.wall(),
            expires: issue.life.map(|life| issued.plus(life).wall()),
            refresh_issued,
            scope: issue.scope.or_else(|| old.and_then(|grant| grant.scope.clone())),
        }
    }

    /// A refused seed is remembered, so that it is not sent again, and the grant from before goes on.
    fn grant_refused(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let loss = if self.doubt.is_some() { Loss::AnswerLost } else { Loss::Refused };
        if let Some(seed) = self.seed.take() {
            self.record.seed = Some(seed.fingerprint());
            let usable = self.record.loss.is_none() && self.refresh_token().is_some();
            if usable {
                self.trouble = Some(
                    "the authorization server refused the new seed; the grant from before stays in use"
                        .into(),
                );
                self.doubt = None;
                self.outlook = Outlook::Scheduled;
                self.schedule(now);
                self.close_intent(actions);
                return;
            }
        }
        self.lose(loss, actions);
    }

    fn lose(&mut self, loss: Loss, actions: &mut Vec<Action>) {
        self.trouble = Some(loss.advice().into());
        self.outlook = Outlook::Lost(loss);
        self.doubt = None;
        self.record.loss = Some(loss);
        self.close_intent(actions);
    }

    fn in_doubt(
        &mut self,
        why: String,
        doubtful: Doubtful,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        let last_try = self.doubt == Some(Doubt::LastTry);
        if last_try && doubtful == Doubtful::Silence {
            self.lose(Loss::AnswerLost, actions);
            return;
        }
        if last_try || !matches!(self.kind, Kind::Rotating) {
            self.fail(why, now);
            self.rest(actions);
            return;
        }
        self.doubt = Some(Doubt::Open);
        self.trouble = Some(why.clone());
        if self.oracle_is_usable(now) {
            self.ask_oracle(None, actions);
        } else {
            self.still_unclear(why, now, actions);
        }
    }

    fn probed(
        &mut self,
        first: Option<Oracle>,
        oracle: Oracle,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        match (first, oracle) {
            (_, Oracle::Unclear) => {
                let why = "an answer of the token endpoint was lost, and the upstream cannot be \
                           asked whether the exchange took place";
                self.still_unclear(why.into(), now, actions);
            }
            (None, said) => self.ask_oracle(Some(said), actions),
            (Some(_), Oracle::Alive) => {
                self.doubt = None;
                self.fail("an exchange was lost on its way and did not take place".into(), now);
                self.close_intent(actions);
            }
            (Some(_), Oracle::Dead) => {
                self.refused = self.grant.as_ref().map(|grant| grant.generation);
                self.doubt = Some(Doubt::LastTry);
                if self.policy.retry_in_doubt {
                    self.perform(Phase::Rehearsing, Action::Rehearse, actions);
                } else {
                    self.lose(Loss::AnswerLost, actions);
                }
            }
        }
    }

    /// Nothing is known: the intent stays open, and the next try begins with the oracle if it can.
    fn still_unclear(&mut self, why: String, now: Moment, actions: &mut Vec<Action>) {
        if self.policy.retry_in_doubt || self.oracle_is_usable(now) {
            self.fail(why, now);
            self.rest(actions);
        } else {
            self.lose(Loss::AnswerLost, actions);
        }
    }

    fn ask_oracle(&mut self, first: Option<Oracle>, actions: &mut Vec<Action>) {
        self.perform(Phase::Doubting { first }, Action::Probe { after: ORACLE_PAUSE }, actions);
    }

    /// The old access token tells something only if nothing but the exchange can have ended it.
    fn oracle_is_usable(&self, now: Moment) -> bool {
        self.seed.is_none() && self.grant.is_some() && !self.is_refused() && !self.is_expired(now)
    }

    /// Stores that nothing is on the way any more. An open doubt keeps its intent, so that a restart
    /// knows of it; a credential without a store has none.
    fn close_intent(&mut self, actions: &mut Vec<Action>) {
        if matches!(self.kind, Kind::Rotating) && self.doubt.is_none() {
            self.persist(None, actions);
        } else {
            self.rest(actions);
        }
    }

    fn persist(&mut self, successor: Option<Grant>, actions: &mut Vec<Action>) {
        self.record.revision += 1;
        self.record.intent = None;
        let record = Box::new(self.record.clone());
        self.perform(Phase::Persisting { successor }, Action::Persist(record), actions);
    }

    fn succeed(&mut self, successor: Option<Grant>, now: Moment) {
        if let Some(grant) = successor {
            self.trouble = None;
            self.hold(grant, now);
        }
    }

    fn postpone_saving(&mut self, failures: u32, why: String, now: Moment) {
        self.trouble = Some(why);
        let retry = Deadline::after(now, schedule::store_back_off(failures));
        self.phase = Phase::Unsaved { retry, failures };
    }

    fn perform(&mut self, phase: Phase, action: Action, actions: &mut Vec<Action>) {
        self.phase = phase;
        actions.push(action);
    }

    fn rest(&mut self, actions: &mut Vec<Action>) {
        self.phase = Phase::Resting;
        actions.push(Action::Close);
    }

    fn fail(&mut self, why: String, now: Moment) {
        let failures = self.failures() + 1;
        let wait = schedule::back_off(failures, &mut self.dice);
        self.trouble = Some(why);
        self.outlook = Outlook::Retry { at: Deadline::after(now, wait), failures };
    }

    fn fail_storing(&mut self, why: String, now: Moment) {
        let failures = self.failures() + 1;
        let wait = schedule::store_back_off(failures);
        self.trouble = Some(why);
        self.outlook = Outlook::Retry { at: Deadline::after(now, wait), failures };
    }

    fn wait_at_least(&mut self, pause: Duration, now: Moment) {
        if let Outlook::Retry { at, .. } = &mut self.outlook
            && at.remaining(now) < pause
        {
            *at = Deadline::after(now, pause.min(LONGEST_PAUSE));
        }
    }

    fn failures(&self) -> u32 {
        match self.outlook {
            Outlook::Retry { failures, .. } => failures,
            _ => 0,
        }
    }

    fn may_exchange(&self) -> bool {
        matches!(self.outlook, Outlook::Scheduled | Outlook::Retry { .. })
    }

    /// The token for the next exchange: a seed comes first.
    fn refresh_token(&self) -> Option<&super::super::bearer::RefreshToken> {
        match (&self.seed, &self.grant) {
            (Some(seed), _) => Some(seed.token()),
            (None, Some(grant)) => grant.refresh.as_ref(),
            (None, None) => None,
        }
    }

    fn newest(&self) -> Generation {
        let held = self.grant.as_ref().map(|grant| grant.generation).unwrap_or_default();
        held.max(self.record.generation)
    }

    /// Takes over what a store holds.
    pub(super) fn take(&mut self, record: Record, now: Moment) {
        self.record = record;
        if let Some(seed) = &self.seed
            && self.record.seed == Some(seed.fingerprint())
        {
            self.seed = None;
        }
        self.doubt = self.record.intent.map(|_| Doubt::Open);
        self.trouble = None;
        match self.record.grant.clone() {
            Some(grant) if self.grant.as_ref() != Some(&grant) => self.hold(grant, now),
            Some(_) => {}
            None => {
                self.grant = None;
                self.due = None;
                self.expiry = None;
            }
        }
        self.outlook = match (&self.seed, self.record.loss, &self.record.grant) {
            (Some(_), _, _) => super::soon(now),
            (None, Some(loss), _) => {
                self.trouble = Some(loss.advice().into());
                Outlook::Lost(loss)
            }
            (None, None, None) if self.doubt.is_none() => Outlook::SignedOut,
            (None, None, _) if self.doubt.is_some() => super::soon(now),
            _ => Outlook::Scheduled,
        };
    }

    /// Takes a grant into use and plans its replacement.
    pub(super) fn hold(&mut self, grant: Grant, now: Moment) {
        self.grant = Some(grant);
        self.schedule(now);
    }

    fn schedule(&mut self, now: Moment) {
        let Some(grant) = &self.grant else { return };
        let fixed = matches!(self.kind, Kind::Fixed);
        let due = schedule::due(grant, &self.policy, &mut self.dice, now);
        self.due = (!fixed).then_some(due);
        // What a personal access token says of its end is shown, but not trusted.
        self.expiry = if fixed { None } else { schedule::expiry(grant, now) };
    }
}

impl Refusal {
    /// What happened and what to do, for people.
    pub fn advice(self) -> &'static str {
        match self {
            Self::DeadGrant => Loss::Refused.advice(),
            Self::Client => {
                "the authorization server does not accept this client: correct client_id and \
                 client_secret, or client_authentication"
            }
            Self::Request => {
                "the authorization server does not accept the request: check the scope and the grant \
                 types of the app"
            }
        }
    }
}

impl Loss {
    /// What happened and what to do, for people.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Refused => {
                "the authorization server refused the refresh token as revoked or expired: sign in \
                 again, or provide a new refresh token"
            }
            Self::AnswerLost => {
                "an answer of the authorization server was lost, and the refresh token was spent with \
                 it: sign in again, or provide a new refresh token"
            }
        }
    }
}
