//! The exchanges that have ended, for people who ask what happened.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::current::Generation;

/// An exchange that has ended.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Ended {
    /// When.
    pub at: Timestamp,
    /// How long it took, in milliseconds.
    pub took_ms: u64,
    /// How.
    pub outcome: Ending,
    /// The generation that is in use since.
    pub generation: Generation,
    /// What went wrong, in our words.
    pub detail: Option<String>,
}

/// How an exchange ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Ending {
    /// With tokens.
    Granted,
    /// The server refused the grant.
    DeadGrant,
    /// The server refused the client.
    Client,
    /// The server refused the form of the request.
    Request,
    /// The server would not take part just then.
    Throttled,
    /// Nothing was sent.
    NotSent,
    /// Without an answer that can be used.
    InDoubt,
}

impl Ending {
    /// Each of them once.
    pub const ALL: [Self; 7] = [
        Self::Granted,
        Self::DeadGrant,
        Self::Client,
        Self::Request,
        Self::Throttled,
        Self::NotSent,
        Self::InDoubt,
    ];
}
