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

mod adoption;
mod check;
mod doubt;
mod event;
mod exchange;
mod outlook;
mod schedule;
mod standing;
mod trigger;
mod view;

#[cfg(test)]
mod tests;

use crate::clock::{Deadline, Moment};
use crate::secret::Fingerprint;

pub use event::{Action, Ask, Doubtful, Event, Issue, Loss, Oracle, Outcome, Refusal, Taken};
pub use schedule::Dice;
pub use standing::Standing;

use doubt::Doubt;
use outlook::Outlook;
use schedule::Breaker;
use view::{Shown, Waiting};

use super::Refresh;
use super::bearer::RefreshToken;
use super::current::Generation;
use super::grant::{Grant, Seed};
use super::record::{Intent, Record};

/// How the credential behaves.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
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
    /// An intent that may be stored although nothing was sent: writing it was reported to have failed.
    unsent: Option<Intent>,
    grant: Option<Grant>,
    /// An exchange of the grant's refresh token whose answer never came.
    doubt: Option<Doubt>,
    /// A seed that is being exchanged. The grant stays in use until it has worked.
    pending: Option<Pending>,
    /// A seed that came while something was being performed. An exchange ends with the token with
    /// which it began, so the seed waits for the end.
    offered: Option<Seed>,
    due: Option<Deadline>,
    expiry: Option<Deadline>,
    phase: Phase,
    outlook: Outlook,
    /// The access token that the upstream refused, if it is still the current one.
    refused: Option<Generation>,
    /// The one that it refuses whatever is asked, as far as we know.
    dead: Option<Generation>,
    /// When that was asked last, of which token, and when it is to be asked again.
    checked: Option<(Moment, Generation)>,
    check_at: Option<Deadline>,
    /// What waits until nothing is being performed.
    wish: Wish,
    /// An exchange of another process that was announced and whose end was not seen.
    foreign: Foreign,
    life: Life,
    /// Since when the access token is in use here, and the newest one that a request proved to work.
    held: Option<Moment>,
    accepted: Option<Generation>,
    breaker: Breaker,
    client: Client,
    hurry: Hurry,
    /// Until when the server asked to be left alone.
    quiet: Option<Deadline>,
    /// When the last exchange began, whether or not it came to a request.
    begun: Option<Moment>,
    /// When the last request was sent.
    sent: Option<Moment>,
    waiting: Waiting,
    shown: Option<Shown>,
    trouble: Option<String>,
}

/// A seed on its way to become the grant.
#[derive(Clone, Debug)]
struct Pending {
    seed: Seed,
    /// An exchange of it whose answer never came.
    doubt: Option<Doubt>,
}

/// What came while something else was being performed that will not bring a token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Wish {
    Nothing,
    /// The operator wants a new token.
    Exchange,
    /// A 401 wants to know about the token.
    Check,
    /// A 401 wants to know whether a token that worked has ended, though its exchange is no time ago.
    Confirmation,
}

/// What another process was seen to be doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Foreign {
    Nothing,
    /// It has stored an intent. When its lock is free again, the exchange is over, or its process is.
    Exchange,
}

/// Whether anything new may begin.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Life {
    Going,
    Ending,
}

/// What the lock is wanted for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Purpose {
    Exchange,
    /// To see how the exchange of another process has ended.
    Inquiry,
}

/// Whether a refusal of the client still speaks of the client as it is configured.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Client {
    /// As when the exchange began.
    AsBegun,
    /// The operator has changed it since.
    Changed,
}

/// How urgent the next try of a failed exchange is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Hurry {
    /// As the back-off says.
    No,
    /// The operator wants a token now.
    Ordered,
    /// The next try was put off, because the access token serves meanwhile.
    Reserved,
}

/// The step that is being performed.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Phase {
    Resting,
    /// Waiting for the lock; the refresh token is this one.
    Opening {
        about: Fingerprint,
        purpose: Purpose,
    },
    Rehearsing,
    Connecting,
    /// Storing the intent; the store held this before.
    Intending {
        before: Box<Record>,
    },
    Sending,
    /// Storing the record for the first time; a successor is not in use before it is durable.
    Persisting {
        successor: Option<Grant>,
        since: Moment,
    },
    /// Storing failed, and is waiting for its next try.
    Unsaved {
        retry: Deadline,
        failures: u32,
        why: String,
    },
    /// Storing once more.
    Resaving {
        failures: u32,
        why: String,
    },
    /// Asking the upstream whether the old access token still works, after this first answer.
    Doubting {
        first: Option<Oracle>,
    },
    /// Asking the upstream whether it refuses the access token whatever is asked.
    Checking,
}

/// One step: what happened at `now` leads to a new state and to things to do, in this order.
pub fn step(mut state: State, event: Event, now: Moment) -> (State, Vec<Action>) {
    let mut actions = Vec::new();
    state.apply(event, now, &mut actions);
    state.take_up_seed(now);
    state.take_up_wish(now, &mut actions);
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
            unsent: None,
            grant: None,
            doubt: None,
            pending: None,
            offered: None,
            due: None,
            expiry: None,
            phase: Phase::Resting,
            outlook: Outlook::Scheduled,
            refused: None,
            dead: None,
            checked: None,
            check_at: None,
            wish: Wish::Nothing,
            foreign: Foreign::Nothing,
            life: Life::Going,
            held: None,
            accepted: None,
            breaker: Breaker::default(),
            client: Client::AsBegun,
            hurry: Hurry::No,
            quiet: None,
            begun: None,
            sent: None,
            waiting: Waiting::Nobody,
            shown: None,
            trouble: None,
        }
    }

    /// The state at start of a rotating credential with what its store holds.
    #[must_use]
    pub fn restored(mut self, now: Moment) -> Self {
        let mut record = self.record.clone();
        record.retract_announced();
        self.take(record, now);
        self
    }

    /// The grant in use.
    pub fn grant(&self) -> Option<&Grant> {
        self.grant.as_ref()
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

    /// When the next exchange is planned, whatever is being performed until then.
    pub fn next_attempt(&self) -> Option<Deadline> {
        match self.outlook {
            Outlook::Retry { at, .. } => Some(at),
            _ => self.next(),
        }
    }

    /// When the access token ends, if anybody told.
    pub fn expiry(&self) -> Option<Deadline> {
        self.expiry
    }

    /// Whether there is a token that has not ended, in use or about to be replaced.
    pub fn has_living_token(&self, now: Moment) -> bool {
        self.grant.is_some() && !self.is_expired(now)
    }

    /// Whether the end has begun.
    pub fn is_ending(&self) -> bool {
        self.life == Life::Ending
    }

    /// Whether a request is on the wire whose answer cannot be had again.
    pub fn is_sending(&self) -> bool {
        self.phase == Phase::Sending
    }

    /// Whether stopping now could lose something: a request is on the wire or a write is owed.
    pub fn must_finish(&self) -> bool {
        matches!(
            self.phase,
            Phase::Intending { .. }
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
            Event::Accepted(generation) => self.accepted = Some(generation),
            Event::Asked => self.asked(now, actions),
            Event::Seeded(seed) => self.seeded(seed),
            Event::Provided(issue) => self.provided(issue, now),
            Event::Reconfigured => self.reconfigured(now),
            Event::Seen(record) => self.seen(record, now),
            Event::Ending => self.life = Life::Ending,
            answer => self.proceed(answer, now, actions),
        }
    }

    fn is_rotating(&self) -> bool {
        self.kind == Kind::Rotating
    }

    /// The refresh token for the next exchange: a seed comes first.
    fn refresh_token(&self) -> Option<&RefreshToken> {
        match (&self.pending, &self.grant) {
            (Some(pending), _) => Some(pending.seed.token()),
            (None, Some(grant)) => grant.refresh.as_ref(),
            (None, None) => None,
        }
    }

    fn newest(&self) -> Generation {
        let held = self.grant.as_ref().map(|grant| grant.generation).unwrap_or_default();
        held.max(self.record.generation)
    }

    /// Whether the upstream refused the access token in use over a request.
    pub fn is_refused(&self) -> bool {
        self.refused.is_some() && self.refused == self.grant.as_ref().map(|grant| grant.generation)
    }

    fn is_dead(&self) -> bool {
        self.dead.is_some() && self.dead == self.grant.as_ref().map(|grant| grant.generation)
    }

    fn is_expired(&self, now: Moment) -> bool {
        self.expiry.is_some_and(|expiry| expiry.is_due(now))
    }
}
