//! What the code of an error means: RFC 6749 §5.2, and the words of servers that chose their own.

use super::super::state::Refusal;
use super::answer::{Found, squashed};

/// The meaning of an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Meaning {
    /// It is final.
    Final(Refusal),
    /// The server does not take part just now.
    Busy,
    /// The server failed, or means something that is not known.
    Unknown,
}

/// The refresh token, or the code of a sign-in, is not taken; the first is RFC 6749's, the last Slack's
/// and GitHub's.
const DEAD: [&str; 16] = [
    "invalidgrant",
    "invalidtoken",
    "invalidrefreshtoken",
    "refreshtokeninvalid",
    "refreshtokenexpired",
    "refreshtokenrevoked",
    "expiredtoken",
    "tokenexpired",
    "tokenrevoked",
    "interactionrequired",
    "loginrequired",
    "consentrequired",
    "badrefreshtoken",
    "badverificationcode",
    "invalidcode",
    "codealreadyused",
];

/// The client is not taken.
const CLIENT: [&str; 9] = [
    "invalidclient",
    "unauthorizedclient",
    "invalidclientid",
    "invalidclientsecret",
    "invalidclientcredentials",
    "incorrectclientcredentials",
    "badclientid",
    "badclientsecret",
    "unknownclient",
];

/// The request is not taken.
const REQUEST: [&str; 8] = [
    "invalidscope",
    "unsupportedgranttype",
    "invalidgranttype",
    "unsupportedresponsetype",
    "redirecturimismatch",
    "badredirecturi",
    "invalidredirecturi",
    "invalidtarget",
];

/// RFC 6749 §4.1.2.1, RFC 8628 §3.5, and the limits of others.
const BUSY: [&str; 7] = [
    "temporarilyunavailable",
    "serviceunavailable",
    "slowdown",
    "ratelimited",
    "ratelimitexceeded",
    "toomanyrequests",
    "requesttimeout",
];

/// What an error says. `is_unauthorized`: it came with status 401.
pub(super) fn meaning(error: &Found, is_unauthorized: bool) -> Meaning {
    let code = squashed(error.error().unwrap_or_default());
    let is_of = |codes: &[&str]| codes.contains(&code.as_str());
    if is_of(&DEAD) {
        return Meaning::Final(Refusal::DeadGrant);
    }
    if is_of(&CLIENT) {
        return Meaning::Final(Refusal::Client);
    }
    if is_of(&REQUEST) {
        return Meaning::Final(Refusal::Request);
    }
    if is_of(&BUSY) {
        return Meaning::Busy;
    }
    if code != "invalidrequest" {
        return Meaning::Unknown;
    }
    let hint = error.text("hint").unwrap_or_default();
    Meaning::Final(match () {
        // league 9 answers a missing secret with invalid_request and this hint.
        () if names_client(hint) => Refusal::Client,
        // league 8 refuses a dead refresh token like this; RFC 6749 would have it be invalid_grant.
        () if is_unauthorized || names_death(hint) => Refusal::DeadGrant,
        () => Refusal::Request,
    })
}

fn names_client(hint: &str) -> bool {
    hint.contains("`client_id`") || hint.contains("`client_secret`")
}

/// league's hints for a refresh token: API.md §2, "Errors".
fn names_death(hint: &str) -> bool {
    ["Token has been revoked", "Token has expired", "Cannot decrypt the refresh", "not linked to"]
        .into_iter()
        .any(|words| hint.contains(words))
}
