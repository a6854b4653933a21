//! What the state machine hears, and what it asks for.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::scope::ScopeSet;

use super::super::bearer::{AccessToken, RefreshToken};
use super::super::current::{Access, Generation};
use super::super::grant::Seed;
use super::super::record::Record;
use super::super::sign_in::Proof;
use super::schedule;

/// Something that happened.
#[derive(Clone, Debug)]
pub enum Event {
    /// Time has passed. Comes at least every second, and when something is due.
    Tick,
    /// The upstream answered 401 to a request that carried this token.
    Rejected(Generation),
    /// The upstream took this token from a request that had been refused with the one before.
    Accepted(Generation),
    /// The operator wants a new token now.
    Asked,
    /// The operator provided a seed.
    Seeded(Seed),
    /// The operator provided an access token that is used as it is.
    Provided(Issue),
    /// The operator changed how the client authenticates.
    Reconfigured,
    /// The record was seen to have changed; the lock is not ours.
    Seen(Record),
    /// The end has begun: what was not sent yet is not sent any more.
    Ending,
    /// Answers [`Action::Open`]: the lock is ours, and this is stored.
    Opened(Option<Record>),
    /// Answers [`Action::Open`]: another process holds the lock for longer than one exchange takes.
    Busy,
    /// Answers [`Action::Open`], [`Action::Rehearse`] or [`Action::Intend`]: the store cannot be
    /// read or written, and nothing was sent.
    Unwritable(String),
    /// Answers [`Action::Rehearse`]: the successor can be stored.
    Rehearsed,
    /// Answers [`Action::Connect`]: TLS is up.
    Connected,
    /// Answers [`Action::Connect`]: not one byte of a request has left.
    NotSent(String),
    /// Answers [`Action::Intend`].
    Intended,
    /// Answers [`Action::Send`].
    Answered(Outcome),
    /// Answers [`Action::Persist`]: it is durable.
    Persisted,
    /// Answers [`Action::Persist`]: it may or may not be stored.
    NotPersisted(String),
    /// Answers [`Action::Probe`].
    Probed(Oracle),
}

/// How an exchange that was sent ended.
#[derive(Clone, Debug)]
pub enum Outcome {
    /// Tokens.
    Granted(Issue),
    /// The server will not, and repeating changes nothing.
    Refused(Refusal),
    /// The server would not take part just now.
    Throttled {
        /// How long it asks to be left alone.
        retry_after: Option<Duration>,
        /// Whether it may have taken part nevertheless.
        taken: Taken,
        /// What it said, in our words.
        detail: String,
    },
    /// Not one byte of the request has left after all.
    NotSent(String),
    /// The request left, and no usable answer came.
    InDoubt {
        /// What happened, in our words.
        why: String,
        /// How little came.
        doubtful: Doubtful,
    },
}

/// Whether an exchange that the server turned away may have taken place.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Taken {
    /// The answer says no.
    No,
    /// No token endpoint answers like this: the request went elsewhere.
    Elsewhere,
    /// A gateway says the same of a request that it had passed on.
    Perhaps,
}

/// How little of an answer came.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Doubtful {
    /// None.
    Silence,
    /// One that cannot be read, or a gateway's word that it has none.
    Unreadable,
    /// The server reports an error of its own.
    ServerError,
}

/// What a successful answer brings: RFC 6749 §5.1.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Issue {
    /// `access_token`.
    pub access: AccessToken,
    /// `refresh_token`; without one the old one stays in use (RFC 6749 §6).
    pub refresh: Option<RefreshToken>,
    /// `expires_in`, or what the token says of itself.
    pub life: Option<Duration>,
    /// `scope`, or what the token says of itself.
    pub scope: Option<ScopeSet>,
}

impl Issue {
    /// When the access token ends, if it was asked for at `issued`. A life of zero says nothing: a token
    /// that is dead at birth would be replaced without end.
    pub(in crate::token) fn expires(&self, issued: Timestamp) -> Option<Timestamp> {
        let life = self.life.filter(|life| !life.is_zero())?;
        Some(schedule::later(issued, life))
    }
}

/// An error answer that is final: RFC 6749 §5.2 and API.md §2.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Refusal {
    /// The refresh token is revoked, expired, unknown or another client's.
    DeadGrant,
    /// The client id or secret is wrong, or the client may not use this grant.
    Client,
    /// The server did not accept the form of the request, or the scope in it.
    Request,
}

/// What the old access token says about an exchange in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Oracle {
    /// It still works: the exchange was not processed by a server that retires it at a refresh.
    Alive,
    /// It was refused.
    Dead,
    /// Nobody could be asked, or the answer says nothing.
    Unclear,
}

/// Why a grant cannot be used any more.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Loss {
    /// The server refused the refresh token out of the blue: revoked, expired or replaced elsewhere.
    Refused,
    /// The server refused it after an answer had been lost: it was spent, its successor never came.
    AnswerLost,
    /// The operator signed out: not even the access token is used any more.
    SignedOut,
}

/// Something to be done. Those from [`Open`](Self::Open) to [`Probe`](Self::Probe) take time and are
/// answered by an event; at most one of them is asked for at a time.
#[derive(Clone, Debug)]
pub enum Action {
    /// Take the store's lock, then read the record again.
    Open,
    /// Make sure that a successor can be stored.
    Rehearse,
    /// Connect to the token endpoint, TLS included.
    Connect,
    /// Store the record with its intent.
    Intend(Box<Record>),
    /// Send the request on the connection that was made.
    Send(Ask),
    /// Store the record.
    Persist(Box<Record>),
    /// Ask the upstream whether the current access token works, after a pause.
    Probe {
        /// How long to wait before.
        after: Duration,
    },
    /// Let the lock and the connection go.
    Close,
    /// Show this to requests.
    Publish(Access),
    /// Tell the requests that reported a 401 what was published.
    Settle,
}

/// What to ask the token endpoint for.
#[derive(Clone, Debug)]
pub enum Ask {
    /// RFC 6749 §6.
    Refresh(RefreshToken),
    /// RFC 6749 §4.4.2.
    ClientCredentials,
    /// RFC 6749 §4.1.3, for a sign-in; the machine itself never asks for it.
    Code(Proof),
}
