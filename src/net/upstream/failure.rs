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
    /// Nothing, or it has said that it did nothing (RFC 9113 §8.7).
    Unprocessed,
    /// It was sent, at least in part, and not a byte came back.
    Unanswered,
    /// A response had begun.
    Begun,
}

impl Failure {
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

    pub(super) fn of(error: &hyper::Error, provenance: Provenance, exposure: Exposure) -> Self {
        let exposure = if is_refusal(error) { Exposure::Unprocessed } else { exposure };
        Self { cause: cause(error), provenance, exposure }
    }

    pub(super) fn timeout(provenance: Provenance) -> Self {
        Self { cause: Cause::Timeout, provenance, exposure: Exposure::Unanswered }
    }

    /// A connection that ended before anything was sent on it.
    pub(super) fn closed() -> Self {
        Self {
            cause: Cause::Closed("again and again".to_owned()),
            provenance: Provenance::New,
            exposure: Exposure::Unprocessed,
        }
    }
}

impl From<ConnectError> for Failure {
    fn from(error: ConnectError) -> Self {
        Self {
            cause: Cause::Connect(error),
            provenance: Provenance::New,
            exposure: Exposure::Unprocessed,
        }
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
            (_, Exposure::Unprocessed) => answer.hint("Nothing was processed: repeat the request."),
            _ => answer,
        }
    }
}

fn cause(error: &hyper::Error) -> Cause {
    let reason = innermost(error).to_string();
    if Flaw::behind(error).is_some()
        || error.is_parse()
        || h2_error(error).is_some_and(is_violation)
    {
        Cause::Protocol(reason)
    } else {
        Cause::Closed(reason)
    }
}

/// The upstream has broken the rules of HTTP/2. That our own side has had enough of a connection
/// says nothing about the answer.
fn is_violation(error: &h2::Error) -> bool {
    let has_enough = matches!(
        error.reason(),
        Some(h2::Reason::ENHANCE_YOUR_CALM | h2::Reason::NO_ERROR | h2::Reason::CANCEL)
    );
    error.is_library() && !error.is_io() && !has_enough
}

/// RFC 9113 §8.7: the upstream says that it has not touched the request. A connection that is being
/// closed in good order says so of every stream beyond its last one.
fn is_refusal(error: &hyper::Error) -> bool {
    h2_error(error).is_some_and(|h2| {
        h2.is_remote()
            && ((h2.is_reset() && h2.reason() == Some(h2::Reason::REFUSED_STREAM))
                || (h2.is_go_away() && h2.reason() == Some(h2::Reason::NO_ERROR)))
    })
}

/// Whether one exchange has failed and the others on its connection go on: its stream was reset, by
/// either side, or its content could not be sent. A stream that was refused is different: the
/// upstream will refuse the next one too.
pub(super) fn is_of_one_stream(error: &hyper::Error) -> bool {
    !is_refusal(error) && (error.is_user() || h2_error(error).is_some_and(h2::Error::is_reset))
}

fn h2_error(error: &hyper::Error) -> Option<&h2::Error> {
    error.source().and_then(|source| source.downcast_ref::<h2::Error>())
}

fn innermost(error: &hyper::Error) -> &dyn Error {
    let mut innermost: &dyn Error = error;
    while let Some(source) = innermost.source() {
        innermost = source;
    }
    innermost
}
