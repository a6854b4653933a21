//! The heart: what to do about the token, decided without I/O and without a clock.
//!
//! A refresh with a single-use token is not idempotent, so each of its steps is an [`Action`] that the
//! refresher performs and answers with an [`Event`]. [`step`] is the only way from one state to the
//! next; a crash between any two steps restarts into the truth, because what a restart must know is
//! stored before it is acted upon.
//!
//! ```text
//!            due, 401, asked, seed                     Unwritable, Busy, NotSent: nothing was sent
//! Resting ──────────────────────▶ Opening ─▶ Rehearsing ─▶ Connecting ─▶ Intending ──▶ back off
//!    ▲                               │                                       │
//!    │ newer record: adopted         │ stored intent                         ▼
//!    ├───────────────────────────────┘       │                            Sending   requests hold
//!    │                                       ▼           InDoubt             │
//!    │          alive: not processed      Doubting ◀─────────────────────────┤
//!    ├────────────────────────────────────┤   │ dead: spent, one last try     │ Granted
//!    │                                    │   └────▶ Rehearsing               │ Refused
//!    │                                    ▼                                   │ Throttled
//!    │       Persisted                 Persisting ◀───────────────────────────┘
//!    └────────────────────────────────────┤ ▲
//!                              NotPersisted ▼ │ tried again for ever; tokens are in use meanwhile
//!                                         Unsaved
//! ```
//!
//! Client credentials rotate nothing: they go Resting → Connecting → Sending → Resting, and nobody
//! holds. A personal access token never leaves Resting. The connection is made before the intent is
//! written, so that a network that is down leaves no intent behind.

mod event;
mod exchange;
mod schedule;

use std::time::Duration;

use crate::clock::{Deadline, Moment};

pub use event::{Action, Ask, Doubtful, Event, Issue, Loss, Oracle, Outcome, Refusal};
pub use schedule::Dice;

use super::Refresh;
use super::current::{Access, Generation, Unavailable};
use super::grant::{Grant, Seed};
use super::record::Record;

/// How the credential behaves.
#[derive(Clone, Debug)]
pub enum Kind {
    /// Authorization code: single-use refresh tokens, kept in a store.
    Rotating,
    /// Client credentials: a new token at any time, the old one stays valid.
    Renewable,
    /// Personal access token: nothing to exchange.
    Fixed,
}

/// Everything that decides.
#[derive(Clone, Debug)]
pub struct State {
    kind: Kind,
    policy: Refresh,
    dice: Dice,
    /// What is in the store, as far as we know; only a rotating credential uses it.
    record: Record,
    grant: Option<Grant>,
    /// A seed that waits to be exchanged. The grant stays in use until it has worked.
    seed: Option<Seed>,
    due: Option<Deadline>,
    expiry: Option<Deadline>,
    phase: Phase,
    outlook: Outlook,
    doubt: Option<Doubt>,
    /// The access token that the upstream refused, if it is still the current one.
    refused: Option<Generation>,
    breaker: Breaker,
    waiting: Waiting,
    shown: Option<Shown>,
    trouble: Option<String>,
    sent: Option<Moment>,
}

/// The step that is being performed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Resting,
    Opening,
    Rehearsing,
    Connecting,
    Intending,
    Sending,
    /// Storing the record for the first time; a successor is not in use before it is durable.
    Persisting {
        successor: Option<Grant>,
    },
    /// Storing failed, and is waiting for its next try.
    Unsaved {
        retry: Deadline,
        failures: u32,
    },
    /// Storing once more.
    Resaving {
        failures: u32,
    },
    Doubting {
        first: Option<Oracle>,
    },
}

/// What happens next when nothing is being performed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Outlook {
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

/// An exchange of the current refresh token whose answer never came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Doubt {
    /// It may or may not be spent.
    Open,
    /// The oracle says it is spent; one more try has been decided on.
    LastTry,
}

/// Keeps a permanent 401 from turning into endless exchanges.
#[derive(Clone, Debug, Default)]
struct Breaker {
    /// The last exchange that a 401 caused.
    last: Option<Moment>,
    /// How many fresh tokens in a row were refused at once.
    refused: u32,
}

/// Whether requests wait for [`Action::Settle`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Waiting {
    Nobody,
    Requests,
}

/// What was published last.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Shown {
    Ready(Generation),
    Hold,
    Unavailable(Unavailable),
}

/// The state in one word, for status, readiness, metrics and log.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A token lives and its refresh is planned.
    Active,
    /// An exchange is going on.
    Refreshing,
    /// It is being found out whether the refresh token is spent.
    InDoubt,
    /// The last exchange failed; the next try is planned.
    Retrying,
    /// The new tokens are in use, but not stored yet.
    Unsaved,
    /// The refresh token is dead: sign in again or provide a new seed.
    Lost,
    /// The authorization server does not accept the client or its request.
    Misconfigured,
    /// There is no grant yet.
    SignedOut,
    /// The upstream refuses the personal access token.
    Rejected,
}

/// One step: what happened at `now` leads to a new state and to things to do, in this order.
pub fn step(mut state: State, event: Event, now: Moment) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    state.apply(event, now, &mut actions);
    state.show(now, &mut actions);
    state.settle(now, &mut actions);
    (state, actions)
}

impl State {
    /// The state at start. `record` is what the store holds of this app, or an empty record. Nothing
    /// happens before the first [`Event::Tick`].
    pub fn new(kind: Kind, policy: Refresh, record: Record, dice: Dice) -> Self {
        Self {
            kind,
            policy,
            dice,
            record,
            grant: None,
            seed: None,
            due: None,
            expiry: None,
            phase: Phase::Resting,
            outlook: Outlook::Scheduled,
            doubt: None,
            refused: None,
            breaker: Breaker::default(),
            waiting: Waiting::Nobody,
            shown: None,
            trouble: None,
            sent: None,
        }
    }

    /// The state at start of a rotating credential with what its store holds.
    #[must_use]
    pub fn restored(mut self, now: Moment) -> Self {
        let record = self.record.clone();
        self.take(record, now);
        self
    }

    /// The state in one word.
    pub fn standing(&self) -> Standing {
        match (&self.phase, &self.outlook, &self.kind) {
            (Phase::Doubting { .. }, _, _) => Standing::InDoubt,
            (Phase::Unsaved { .. } | Phase::Resaving { .. }, _, _) => Standing::Unsaved,
            (_, Outlook::Lost(_), _) => Standing::Lost,
            (_, Outlook::Misconfigured(_), _) => Standing::Misconfigured,
            (_, Outlook::SignedOut, _) => Standing::SignedOut,
            (Phase::Resting, Outlook::Retry { failures, .. }, _) if *failures > 0 => {
                if self.doubt.is_some() { Standing::InDoubt } else { Standing::Retrying }
            }
            (Phase::Resting, Outlook::Scheduled, Kind::Fixed) if self.is_refused() => {
                Standing::Rejected
            }
            (Phase::Resting, Outlook::Scheduled, _) if self.grant.is_some() => Standing::Active,
            _ => Standing::Refreshing,
        }
    }

    /// Why a grant was lost, when it was.
    pub fn loss(&self) -> Option<Loss> {
        match self.outlook {
            Outlook::Lost(loss) => Some(loss),
            _ => None,
        }
    }

    /// The grant in use.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
    }

    /// What went wrong last, until something goes right.
    pub fn trouble(&self) -> Option<&str> {
        self.trouble.as_deref()
    }

    /// When something is to be done next that no event announces; `None` if nothing is.
    pub fn next(&self) -> Option<Deadline> {
        match (&self.phase, &self.outlook) {
            (Phase::Resting, Outlook::Scheduled) => self.due,
            (Phase::Resting, Outlook::Retry { at, .. }) => Some(*at),
            (Phase::Unsaved { retry, .. }, _) => Some(*retry),
            _ => None,
        }
    }

    /// When the access token ends, if anybody told.
    pub fn expiry(&self) -> Option<Deadline> {
        self.expiry
    }

    /// Whether stopping now could lose something: a request is on the wire or a write is owed.
    pub fn must_finish(&self) -> bool {
        matches!(
            self.phase,
            Phase::Intending
                | Phase::Sending
                | Phase::Persisting { .. }
                | Phase::Unsaved { .. }
                | Phase::Resaving { .. }
        )
    }

    fn apply(&mut self, event: Event, now: Moment, actions: &mut Vec<Action>) {
        match event {
            Event::Tick => self.tick(now, actions),
            Event::Rejected(generation) => self.rejected(generation, now, actions),
            Event::Asked => self.asked(now, actions),
            Event::Seeded(seed) => self.seeded(seed, now),
            Event::Provided(issue) => self.provided(issue, now),
            Event::Reconfigured => self.reconfigured(now),
            Event::Seen(record) => self.seen(record, now),
            answer => self.proceed(answer, now, actions),
        }
    }

    fn tick(&mut self, now: Moment, actions: &mut Vec<Action>) {
        match (&self.phase, self.next()) {
            (Phase::Resting, Some(at)) if at.is_due(now) => self.begin(actions),
            (Phase::Resting, None) if self.wants_first_token() => self.begin(actions),
            (Phase::Unsaved { failures, .. }, Some(at)) if at.is_due(now) => {
                self.phase = Phase::Resaving { failures: *failures };
                actions.push(Action::Persist(Box::new(self.record.clone())));
            }
            _ => {}
        }
    }

    /// A renewable credential without any token has nothing that could be due.
    fn wants_first_token(&self) -> bool {
        matches!((&self.kind, &self.outlook), (Kind::Renewable, Outlook::Scheduled))
            && self.grant.is_none()
    }

    /// A 401 counts only if it speaks of the current token, and not more often than the breaker lets.
    fn rejected(&mut self, generation: Generation, now: Moment, actions: &mut Vec<Action>) {
        self.waiting = Waiting::Requests;
        if self.grant.as_ref().is_none_or(|grant| grant.generation != generation) {
            return;
        }
        self.refused = Some(generation);
        let exchangeable = !matches!(self.kind, Kind::Fixed)
            && self.phase == Phase::Resting
            && self.outlook == Outlook::Scheduled;
        if exchangeable && self.breaker.lets_through(&self.policy, now) {
            self.begin(actions);
        }
    }

    fn asked(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let stuck = matches!(self.outlook, Outlook::Lost(_) | Outlook::SignedOut);
        if self.phase != Phase::Resting || stuck || matches!(self.kind, Kind::Fixed) {
            return;
        }
        if !matches!(self.outlook, Outlook::Retry { .. }) {
            self.outlook = soon(now);
        }
        self.begin(actions);
    }

    fn seeded(&mut self, seed: Seed, now: Moment) {
        let known = self.record.seed == Some(seed.fingerprint())
            || self
                .grant
                .as_ref()
                .is_some_and(|grant| grant.refresh.as_ref() == Some(seed.token()));
        if !known {
            self.seed = Some(seed);
            self.outlook = soon(now);
        }
    }

    fn provided(&mut self, issue: Issue, now: Moment) {
        self.sent = None;
        let grant = self.successor(issue, now);
        self.trouble = None;
        self.hold(grant, now);
    }

    fn reconfigured(&mut self, now: Moment) {
        if matches!(self.outlook, Outlook::Misconfigured(_)) {
            self.outlook = soon(now);
        }
    }

    /// Another process that shares the store wrote it. While we hold the lock nobody else can have.
    fn seen(&mut self, record: Record, now: Moment) {
        if self.phase == Phase::Resting && record.revision > self.record.revision {
            // An intent without a lock of ours belongs to whoever is exchanging at this moment.
            let stays = record.intent.is_some() && record.generation == self.record.generation;
            if !stays {
                self.take(record, now);
            }
        }
    }

    /// Publishes what requests are to see, if it has changed; before anything is sent.
    fn show(&mut self, now: Moment, actions: &mut Vec<Action>) {
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
        if self.is_holding() {
            return Access::Hold;
        }
        let stuck = !matches!(self.outlook, Outlook::Scheduled | Outlook::Retry { .. });
        match &self.grant {
            Some(_) if matches!(self.outlook, Outlook::Lost(_)) && self.is_refused() => {
                Access::Unavailable(Unavailable::SignInRequired)
            }
            Some(grant) if !self.is_expired(now) => Access::Ready(grant.bearer()),
            _ if stuck => Access::Unavailable(Unavailable::SignInRequired),
            Some(_) => Access::Unavailable(Unavailable::Expired),
            None => Access::Unavailable(Unavailable::Pending),
        }
    }

    /// Requests hold while the exchange that ends their token is on the wire, until the new token is
    /// durable; and, for a moment, while the first token ever is being fetched.
    fn is_holding(&self) -> bool {
        match self.phase {
            Phase::Resting => false,
            Phase::Sending if matches!(self.kind, Kind::Rotating) => true,
            Phase::Persisting { successor: Some(_) } => true,
            _ => self.grant.is_none() && self.trouble.is_none(),
        }
    }

    fn settle(&mut self, now: Moment, actions: &mut Vec<Action>) {
        let at_rest = matches!(self.phase, Phase::Resting | Phase::Unsaved { .. });
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

    fn is_refused(&self) -> bool {
        self.refused.is_some() && self.refused == self.grant.as_ref().map(|grant| grant.generation)
    }

    fn is_expired(&self, now: Moment) -> bool {
        self.expiry.is_some_and(|expiry| expiry.is_due(now))
    }
}

impl Breaker {
    /// Lets an exchange through if the last one that a 401 caused is long enough ago. A fresh token
    /// that is refused within that time doubles it.
    fn lets_through(&mut self, policy: &Refresh, now: Moment) -> bool {
        let pause = schedule::breaker(policy, self.refused);
        match self.last {
            Some(last) if now.since(last) < pause => return false,
            Some(last) if now.since(last) < pause.saturating_mul(2) => self.refused += 1,
            _ => self.refused = 0,
        }
        self.last = Some(now);
        true
    }
}

/// How long a request that met a 401 waits for a try that is planned: less than it would hold.
const PATIENCE: Duration = Duration::from_secs(5);

/// A first try with the next tick.
fn soon(now: Moment) -> Outlook {
    Outlook::Retry { at: Deadline::after(now, Duration::ZERO), failures: 0 }
}
