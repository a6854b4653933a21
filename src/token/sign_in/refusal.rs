//! Why a token endpoint does not take a code: API.md §2, "Errors", for league 8 and 9, and RFC 6749 §5.2.

use std::time::Duration;

use http::{HeaderMap, StatusCode};
use jiff::Timestamp;

use super::super::endpoint::{ErrorTexts, classify};
use super::super::state::{Issue, Outcome, Refusal};
use super::error::SignInError;
use super::told::Told;

/// How long to wait where nobody says.
const A_MINUTE: Duration = Duration::from_secs(60);

/// What became of the exchange of a code, from an answer whose head arrived.
pub(super) fn granted(
    status: StatusCode,
    fields: &HeaderMap,
    content: &[u8],
    now: Timestamp,
) -> Result<Issue, SignInError> {
    match classify(status, fields, content, now) {
        Outcome::Granted(issue) if issue.refresh.is_none() => Err(SignInError::NoRefreshToken),
        Outcome::Granted(issue) => Ok(issue),
        Outcome::Refused(refusal) => Err(refused(refusal, &ErrorTexts::of(fields, content))),
        other => Err(unanswered(other)),
    }
}

/// What became of it when there is no answer, or none that settles it.
pub(super) fn unanswered(outcome: Outcome) -> SignInError {
    match outcome {
        Outcome::Throttled { detail, retry_after, .. } => {
            SignInError::Throttled { detail, after: retry_after.unwrap_or(A_MINUTE) }
        }
        Outcome::NotSent(why) => SignInError::NotSent(why),
        Outcome::InDoubt { why, .. } => SignInError::AnswerLost(why),
        Outcome::Granted(_) | Outcome::Refused(_) => SignInError::Request(Told::default()),
    }
}

/// Servers tell the reasons apart in words alone. `hint` is league's, and exact; the description is
/// elsewhere all there is, and may be the long sentence of RFC 6749 that names every reason at once.
fn refused(refusal: Refusal, told: &ErrorTexts) -> SignInError {
    let description = told.description.as_str();
    let reason = if told.hint.is_empty() { description } else { told.hint.as_str() };
    let reason = reason.to_ascii_lowercase();
    let says = |words: &str| reason.contains(words);
    match told.code.as_str() {
        "invalid_client" => SignInError::Client,
        "unauthorized_client" | "unsupported_grant_type" => {
            SignInError::GrantType(Told::new(description))
        }
        "invalid_scope" => SignInError::Scope,
        _ if refusal == Refusal::Client => SignInError::Client,
        _ if says("code_verifier") || says("pkce") => SignInError::Verifier,
        _ if says("redirect uri") || says("redirect_uri") => SignInError::RedirectUri,
        _ if says("code has been revoked") => SignInError::CodeUsed,
        _ if says("code has expired") => SignInError::CodeExpired,
        _ if ["cannot decrypt", "cannot validate", "code was not issued"].into_iter().any(says) => {
            SignInError::CodeUnknown
        }
        "invalid_grant" => SignInError::CodeRefused(Told::new(description)),
        _ => SignInError::Request(Told::new(description)),
    }
}
