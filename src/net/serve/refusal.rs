//! The answer to a request that has a flaw.

use crate::answer::{Answer, Code};
use crate::net::framing::Flaw;

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
