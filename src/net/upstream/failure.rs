//! Why there is no response, and whether the upstream may have acted on the request all the same.

use std::error::Error;

use crate::answer::{Answer, Code};
use crate::net::connect::ConnectError;
use crate::net::framing::Flaw;

/// A request without a response.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{cause}")]
pub struct Failure {
    cause: Cause,
    provenance: Provenance,
    exposure: Exposure,
    may_retry_at_once: bool,
    answered: u64,
}

/// What went wrong.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Cause {
    /// There was no connection to send it on.
    #[error("{0}")]
    Connect(#[from] ConnectError),
    /// The connection ended before the head of a response.
    #[error("the upstream closed the connection before it answered ({0})")]
    Closed(String),
    /// What came back was not HTTP.
    #[error("the upstream's answer is not HTTP ({0})")]
    Protocol(String),
    /// Nothing came back in time.
    #[error("the upstream did not answer in time")]
    Timeout,
}

/// Whether a connection had served before.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Provenance {
    /// It had not.
    New,
    /// It had: it may have been closed while it rested.
    Reused,
}

/// What the upstream can have seen of a request.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Exposure {
    /// Nothing: not a byte was sent.
    Unprocessed,
    /// The upstream has said that it did nothing (RFC 9113 §8.7).
    Refused,
    /// It was sent, at least in part, and not a byte came back.
    Unanswered,
    /// A response had begun.
    Begun,
}

impl Failure {
    pub(super) fn new(cause: Cause, provenance: Provenance, exposure: Exposure) -> Self {
        Self { cause, provenance, exposure, may_retry_at_once: false, answered: 0 }
    }

    /// Notes that a pause before the next attempt would help nobody.
    pub(super) fn retry_at_once(self) -> Self {
        Self { may_retry_at_once: true, ..self }
    }

    /// What went wrong.
    pub fn cause(&self) -> &Cause {
        &self.cause
    }

    /// Whether the connection had served before.
    pub fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// What the upstream can have seen of the request.
    pub fn exposure(&self) -> Exposure {
        self.exposure
    }

    /// Returns true if a pause before the next attempt would help nobody: it waits for a free stream, or speaks
    /// another protocol.
    pub fn may_retry_at_once(&self) -> bool {
        self.may_retry_at_once
    }

    /// Notes how many requests the upstream had answered by then.
    pub(super) fn after(self, answered: u64) -> Self {
        Self { answered, ..self }
    }

    /// How many requests the upstream had answered when this one failed, on this core. If it has grown since
    /// the last failure, the upstream serves others, and this one has its turn.
    pub fn answered(&self) -> u64 {
        self.answered
    }

    pub(super) fn http1(error: &hyper::Error, provenance: Provenance, exposure: Exposure) -> Self {
        Self::new(cause(error), provenance, exposure)
    }

    pub(super) fn timeout(provenance: Provenance) -> Self {
        Self::new(Cause::Timeout, provenance, Exposure::Unanswered)
    }

    /// An idle connection over which content of the response before came late, in place of a response.
    pub(super) fn late() -> Self {
        let cause = Cause::Closed("content of the response before came late".to_owned());
        Self::new(cause, Provenance::Reused, Exposure::Unanswered)
    }

    /// No connection took the request in time.
    pub(super) fn no_capacity() -> Self {
        Self::new(Cause::Timeout, Provenance::New, Exposure::Unprocessed)
    }

    /// Connections ended one after the other before anything could be sent on them.
    pub(super) fn closed(connections: usize) -> Self {
        let reason = format!("{connections} connections in a row");
        Self::new(Cause::Closed(reason), Provenance::New, Exposure::Unprocessed)
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self::new(Cause::Connect(error), Provenance::New, Exposure::Unprocessed)
    }
}

impl From<&Failure> for Answer {
    fn from(failure: &Failure) -> Self {
        let code = match &failure.cause {
            Cause::Connect(error) => return Self::from(error),
            Cause::Closed(_) => Code::UpstreamClosed,
            Cause::Protocol(_) => Code::UpstreamProtocol,
            Cause::Timeout => Code::UpstreamTimeout,
        };
        let answer = Self::new(code);
        match (&failure.cause, failure.exposure) {
            (Cause::Protocol(reason), _) => {
                answer.message(format!("The upstream's answer could not be understood: {reason}."))
            }
            (_, Exposure::Unprocessed | Exposure::Refused) => {
                answer.hint("Nothing was processed: repeat the request.")
            }
            _ => answer,
        }
    }
}

fn cause(error: &hyper::Error) -> Cause {
    let reason = innermost(error).to_string();
    if Flaw::behind(error).is_some() || error.is_parse() {
        Cause::Protocol(reason)
    } else {
        Cause::Closed(reason)
    }
}

fn innermost(error: &hyper::Error) -> &dyn Error {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
