//! The answer to a request that has a flaw.

use crate::answer::{Answer, Code};
use crate::clock;
use crate::net::framing::Flaw;
use crate::telemetry::refusals;

/// The answer, which is also logged.
pub(super) fn refused(flaw: Flaw) -> Answer {
    tracing::debug!(%flaw, "a caller's message is malformed");
    let answer = Answer::from(flaw);
    refusals::log(answer.code().as_str(), &flaw.to_string(), None, clock::now().boot());
    answer
}

/// What the caller is told; an upstream's flaws are told as a
/// [`Failure`](crate::net::upstream::Failure).
impl From<Flaw> for Answer {
    fn from(flaw: Flaw) -> Self {
        let answer = |code| Self::new(code).message(format!("The request is malformed: {flaw}."));
        match flaw {
            Flaw::TargetTooLong => Self::new(Code::HeadTooLarge)
                .message("The request target is too long.")
                .hint("Send a shorter path and query; the limit is caller.max_target."),
            Flaw::TooLarge | Flaw::TooManyFields => answer(Code::HeadTooLarge).hint(
                "Send fewer or shorter fields; the limits are caller.max_head and max_fields.",
            ),
            Flaw::TrailersTooLarge => {
                answer(Code::HeadTooLarge).hint("Send no trailers; they are not passed on.")
            }
            Flaw::Late => Self::new(Code::CallerTimeout),
            Flaw::Version => answer(Code::VersionNotSupported),
            Flaw::Http2 => Self::new(Code::VersionNotSupported)
                .message("The sidecar speaks HTTP/1.1 to its callers, and this one speaks HTTP/2 unasked.")
                .hint("Switch HTTP/2 with prior knowledge off; with curl, leave out --http2-prior-knowledge."),
            Flaw::Tls => Self::new(Code::BadRequest)
                .message("This port speaks plain HTTP, and the caller began with TLS.")
                .hint("Write http:// in place of https://."),
            Flaw::Target => answer(Code::BadRequest)
                .hint("Leave out the fragment, which begins with #, and percent-encode spaces."),
            Flaw::Length
            | Flaw::RepeatedLength
            | Flaw::Coding
            | Flaw::RepeatedCoding
            | Flaw::TwoFramings
            | Flaw::CodingInHttp10 => answer(Code::BadRequest)
                .hint("Send one Content-Length, or one Transfer-Encoding with the value chunked."),
            _ => answer(Code::BadRequest),
        }
    }
}
