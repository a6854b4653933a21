//! An exchange that left and was not answered: is the refresh token spent?
//!
//! On the probable server a refresh ends the old access token (API.md §2), so that token is asked: if
//! it works, nothing took place; if it is refused, the refresh token is spent, and one last try shows
//! whether the server honours it nevertheless. As long as nothing is known nothing is given up.
//!
//! A server that follows RFC 9700 §4.14.2 need not end the old access token, and its living on proves
//! nothing there. So the doubt stays open until the next exchange has its answer: a refusal then is
//! told as the loss that it is. Where the operator says that the server punishes reuse
//! (`retry_in_doubt = false`), an exchange without any answer is not repeated on that evidence at all.
//!
//! Whatever comes back, no refresh token is presented more than twice: a server that
//! cannot be understood would see a spent token again and again. The count is stored with the intent.

use std::time::Duration;

use crate::clock::{Deadline, Moment};

use super::super::bearer::RefreshToken;
use super::super::record::{Intent, Record};
use super::{Action, Doubtful, Hurry, Loss, Oracle, Outlook, Phase, State, check};

/// The pause before each of the two questions to the oracle: a server that is slow to process the
/// exchange must have had its time.
const ORACLE_PAUSE: Duration = Duration::from_secs(2);

/// How often a refresh token is presented to a server that may have taken it: once, and once more when
/// the answer cannot be used. Afterwards only a sign-in helps.
const PRESENTATIONS: u32 = 2;

/// Longest wait for the second presentation while the old access token serves. A server that failed, or
/// whoever answers in its place, has that long to recover before the last chance is taken.
const LONGEST_RESERVE: Duration = Duration::from_secs(600);

/// An exchange whose answer never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Doubt {
    /// What is stored of it.
    pub(super) intent: Intent,
    pub(super) stage: Stage,
    /// How little came back. Of an exchange before a restart that is not known: as little as can be.
    doubtful: Doubtful,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Stage {
    /// The token may or may not be spent.
    Open,
    /// The oracle says that it is not; the next exchange goes the usual way, and tells.
    Unlikely,
    /// The oracle says that it is spent; one more try has been decided on.
    LastTry,
}

impl Doubt {
    /// What the store says about a token, given what was known before.
    pub(super) fn about(
        token: Option<&RefreshToken>,
        record: &Record,
        known: Option<Self>,
    ) -> Option<Self> {
        let intent = record.announced(token?.fingerprint())?;
        let open = Self { intent, stage: Stage::Open, doubtful: Doubtful::Silence };
        Some(known.filter(|known| known.intent == intent).unwrap_or(open))
    }
}

impl State {
    /// What is in doubt about the token that is exchanged next. A seed's doubt is not the grant's.
    pub(super) fn doubt(&self) -> Option<Doubt> {
        match &self.pending {
            Some(pending) => pending.doubt,
            None => self.doubt,
        }
    }

    /// The exchange was turned away by somebody who may have passed it on. Nothing speaks for that, but
    /// a refusal that comes next is told as what it is.
    pub(super) fn doubt_a_little(&mut self) {
        if !self.is_rotating() || !self.policy.retry_in_doubt || self.doubt().is_some() {
            return;
        }
        self.take_for_doubtful(Stage::Unlikely, Doubtful::Silence);
    }

    /// The exchange that was announced is in doubt from now on.
    fn take_for_doubtful(&mut self, stage: Stage, doubtful: Doubtful) {
        let doubt = Doubt::about(self.refresh_token(), &self.record, None);
        *self.doubt_mut() = doubt.map(|doubt| Doubt { stage, doubtful, ..doubt });
    }

    /// Whether the refresh token was presented as often as it may be.
    pub(super) fn is_used_up(&self) -> bool {
        let token = self.refresh_token().filter(|_| self.is_rotating());
        token.is_some_and(|token| self.record.presentations(token.fingerprint()) >= PRESENTATIONS)
    }

    /// Puts the next try off while nobody needs it: the access token serves, and nobody ordered an
    /// exchange.
    pub(super) fn keep_for_later(&mut self, now: Moment) {
        let is_ordered = self.hurry == Hurry::Ordered;
        self.hurry = Hurry::No;
        if is_ordered || self.is_refused() || !self.has_living_token(now) {
            return;
        }
        // Where nobody knows when it ends, a 401 tells.
        let reserve = self.expiry.map_or(LONGEST_RESERVE, |end| end.remaining(now) / 4);
        let later = Deadline::after(now, reserve.min(LONGEST_RESERVE));
        if let Outlook::Retry { at, .. } = &mut self.outlook
            && at.remaining(now) < later.remaining(now)
        {
            *at = later;
            self.hurry = Hurry::Reserved;
        }
    }

    /// Whether it is still to be found out if the token is spent.
    pub(super) fn is_unclear(&self) -> bool {
        self.doubt().is_some_and(|doubt| doubt.stage != Stage::Unlikely)
    }

    fn doubt_mut(&mut self) -> &mut Option<Doubt> {
        match &mut self.pending {
            Some(pending) => &mut pending.doubt,
            None => &mut self.doubt,
        }
    }

    /// With the lock in hand: finds out about an exchange in doubt before there is another one.
    pub(super) fn reconsider(&mut self, now: Moment, actions: &mut Vec<Action>) {
        if self.is_used_up() {
            self.give_up(Loss::AnswerLost, now, actions);
            return;
        }
        match self.doubt().map(|doubt| doubt.stage) {
            Some(Stage::Open) if self.oracle_is_usable(now) => self.ask_oracle(None, actions),
            Some(Stage::Open) if !self.policy.retry_in_doubt => {
                self.give_up(Loss::AnswerLost, now, actions);
            }
            _ => self.perform(Phase::Rehearsing, Action::Rehearse, actions),
        }
    }

    pub(super) fn in_doubt(
        &mut self,
        why: String,
        doubtful: Doubtful,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        if self.is_used_up() {
            self.give_up(Loss::AnswerLost, now, actions);
            return;
        }
        if !self.is_rotating() {
            self.fail(why, now);
            self.rest(actions);
            return;
        }
        self.take_for_doubtful(Stage::Open, doubtful);
        self.trouble = Some(why.clone());
        if self.oracle_is_usable(now) {
            self.ask_oracle(None, actions);
        } else {
            self.still_unclear(why, now, actions);
        }
    }

    pub(super) fn probed(
        &mut self,
        first: Option<Oracle>,
        oracle: Oracle,
        now: Moment,
        actions: &mut Vec<Action>,
    ) {
        match (first, oracle) {
            // A token that has ended meanwhile is refused for that.
            (_, Oracle::Dead) if self.is_expired(now) => self.oracle_is_silent(now, actions),
            (_, Oracle::Unclear) => self.oracle_is_silent(now, actions),
            (None, said) => self.ask_oracle(Some(said), actions),
            (Some(_), Oracle::Alive) => self.unspent(now, actions),
            (Some(_), Oracle::Dead) => self.spent(now, actions),
        }
    }

    /// Or so it seems. Where reuse is punished, an answer is asked for as well: that of a server which
    /// failed and says so.
    fn unspent(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let doubtful = self.doubt().map(|doubt| doubt.doubtful);
        match (self.policy.retry_in_doubt, doubtful) {
            (false, Some(Doubtful::Silence | Doubtful::Unreadable)) => {
                self.give_up(Loss::AnswerLost, now, actions);
                return;
            }
            (false, _) => *self.doubt_mut() = None,
            (true, _) => {
                if let Some(doubt) = self.doubt_mut() {
                    doubt.stage = Stage::Unlikely;
                }
            }
        }
        self.fail("an exchange was lost on its way and seems not to have taken place".into(), now);
        if doubtful.is_some_and(|doubtful| doubtful != Doubtful::Silence) {
            self.keep_for_later(now);
        }
        self.close_intent(now, actions);
    }

    fn spent(&mut self, now: Moment, actions: &mut Vec<Action>) {
        self.refused = self.grant.as_ref().map(|grant| grant.generation);
        self.dead = self.refused;
        self.check_at = Some(Deadline::after(now, check::AGAIN));
        if !self.policy.retry_in_doubt {
            self.give_up(Loss::AnswerLost, now, actions);
            return;
        }
        if let Some(doubt) = self.doubt_mut() {
            doubt.stage = Stage::LastTry;
        }
        self.perform(Phase::Rehearsing, Action::Rehearse, actions);
    }

    fn oracle_is_silent(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let why = "an answer of the token endpoint was lost, and the upstream cannot be asked \
                   whether the exchange took place";
        self.still_unclear(why.into(), now, actions);
    }

    /// Nothing is known: the intent stays open, and the next try begins with the oracle if it can.
    fn still_unclear(&mut self, why: String, now: Moment, actions: &mut Vec<Action>) {
        if self.policy.retry_in_doubt || self.oracle_is_usable(now) {
            self.fail(why, now);
            self.rest(actions);
        } else {
            self.give_up(Loss::AnswerLost, now, actions);
        }
    }

    fn ask_oracle(&mut self, first: Option<Oracle>, actions: &mut Vec<Action>) {
        self.perform(Phase::Doubting { first }, Action::Probe { after: ORACLE_PAUSE }, actions);
    }

    /// The old access token tells something only if nothing but the exchange can have ended it.
    fn oracle_is_usable(&self, now: Moment) -> bool {
        self.pending.is_none()
            && self.grant.is_some()
            && !self.is_refused()
            && !self.is_expired(now)
    }
}
