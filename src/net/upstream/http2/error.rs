//! What an error of h2 says about one request: was it processed, and may it be sent again?

use h2::{Error, Reason};

use crate::net::upstream::failure::{Cause, Exposure};

/// What the upstream, or the connection, said about one stream.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum StreamEnd {
    /// REFUSED_STREAM: not processed (RFC 9113 §8.7).
    Refused,
    /// The stream is above the last one of a GOAWAY: not processed, whatever the code (RFC 9113 §6.8).
    GoneAway,
    /// The upstream wants HTTP/1.1 for this request (RFC 9113 §7).
    RequiresHttp1,
    /// The stream ended in another way, and the connection goes on.
    Reset,
    /// The connection broke.
    Broken,
}

impl StreamEnd {
    pub(super) fn of(error: &Error) -> Self {
        match error.reason() {
            Some(Reason::HTTP_1_1_REQUIRED) if error.is_remote() => Self::RequiresHttp1,
            Some(Reason::REFUSED_STREAM) if error.is_remote() && error.is_reset() => Self::Refused,
            // h2 reports a GOAWAY of the upstream only to the streams that it does not cover.
            _ if error.is_remote() && error.is_go_away() => Self::GoneAway,
            _ if error.is_reset() => Self::Reset,
            _ => Self::Broken,
        }
    }

    /// What the upstream can have seen of a request; `was_written` says whether a byte of it may have left.
    pub(super) fn exposure(self, was_written: bool) -> Exposure {
        match self {
            Self::Refused | Self::GoneAway | Self::RequiresHttp1 => Exposure::Refused,
            Self::Reset | Self::Broken if was_written => Exposure::Unanswered,
            Self::Reset | Self::Broken => Exposure::Unprocessed,
        }
    }
}

/// What went wrong, in words for the log and the answer.
pub(super) fn cause(error: &Error) -> Cause {
    let reason = error.to_string();
    // Our own side can have enough of a connection; that says nothing about the response.
    let had_enough = matches!(
        error.reason(),
        Some(Reason::ENHANCE_YOUR_CALM | Reason::NO_ERROR | Reason::CANCEL)
    );
    if error.is_library() && !error.is_io() && !had_enough {
        Cause::Protocol(reason)
    } else {
        Cause::Closed(reason)
    }
}
