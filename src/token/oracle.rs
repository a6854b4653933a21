//! The old access token as an oracle.
//!
//! On the probable server a refresh kills the old access token the moment it is processed (API.md §2,
//! rotation, 2). So after an answer was lost, a cheap request with that token tells whether the
//! exchange took place.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{Request, StatusCode};
use http_body_util::Full;

use crate::net::connect::Dial;

use super::current::Bearer;
use super::endpoint::{AGENT, Line};
use super::state::Oracle;

/// API.md §1: what a verification of a token calls; one row is enough.
const QUESTION: &str = "/api/v2/workspaces?per_page=1";

/// Longest time for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the upstream whether it still accepts the token.
pub(super) async fn ask(upstream: &Dial, bearer: &Bearer) -> Oracle {
    let request = Request::builder()
        .uri(QUESTION)
        .header(HOST, upstream.origin.authority().as_str())
        .header(AUTHORIZATION, bearer.field())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close")
        .body(Full::<Bytes>::default());
    let Ok(request) = request else { return Oracle::Unclear };
    let Ok(line) = Line::open(upstream).await else { return Oracle::Unclear };
    match line.send(request, LIMIT).await {
        Ok(reply) => verdict(reply.status),
        Err(_) => Oracle::Unclear,
    }
}

/// Authentication comes before the rights and before the rate limit (API.md §3), so 403 and 429 are
/// said only to a token that lives.
fn verdict(status: StatusCode) -> Oracle {
    match status {
        StatusCode::UNAUTHORIZED => Oracle::Dead,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => Oracle::Alive,
        status if status.is_success() => Oracle::Alive,
        _ => Oracle::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_a_401_is_a_death_and_only_a_judged_request_a_life() {
        for (status, expected) in [
            (200, Oracle::Alive),
            (403, Oracle::Alive),
            (429, Oracle::Alive),
            (401, Oracle::Dead),
            (302, Oracle::Unclear),
            (404, Oracle::Unclear),
            (503, Oracle::Unclear),
        ] {
            assert_eq!(verdict(StatusCode::from_u16(status).unwrap()), expected, "{status}");
        }
    }
}
