//! The old access token as an oracle.
//!
//! On the probable server a refresh kills the old access token the moment it is processed (API.md §2,
//! rotation, 2). So after an answer was lost, a cheap request with that token tells whether the
//! exchange took place.

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, CONNECTION, HOST, USER_AGENT};
use http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::Full;

use crate::net::connect::Dial;
use crate::net::login_redirect::LoginPages;
use crate::net::origin::Origin;

use super::current::Bearer;
use super::endpoint::{AGENT, Line};
use super::state::Oracle;

/// API.md §1: what a verification of a token calls; one row is enough.
const QUESTION: &str = "/api/v2/workspaces?per_page=1";

/// Longest time for an answer.
const LIMIT: Duration = Duration::from_secs(10);

/// Asks the upstream whether it still accepts the token.
pub(super) async fn ask(upstream: &Dial, login_pages: &LoginPages, bearer: &Bearer) -> Oracle {
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
        Ok(reply) => verdict(login_pages, &upstream.origin, reply.status, &reply.fields),
        Err(_) => Oracle::Unclear,
    }
}

/// Authentication comes before the rights and before the rate limit (API.md §3), so 403 and 429 are
/// said only to a token that lives. An API may send a redirect to its login page in place of a 401.
fn verdict(pages: &LoginPages, api: &Origin, status: StatusCode, fields: &HeaderMap) -> Oracle {
    match status {
        status if pages.refuse(api, &Method::GET, status, fields) => Oracle::Dead,
        StatusCode::FORBIDDEN | StatusCode::TOO_MANY_REQUESTS => Oracle::Alive,
        status if status.is_success() => Oracle::Alive,
        _ => Oracle::Unclear,
    }
}

#[cfg(test)]
mod tests {
    use http::header::LOCATION;

    use super::*;

    fn said(status: u16, location: &str) -> Oracle {
        let api = Origin::of(&"https://api.example".parse().unwrap()).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(LOCATION, location.parse().unwrap());
        let pages = LoginPages::new("https://as.example/authorize".parse().unwrap(), None);
        verdict(&pages, &api, StatusCode::from_u16(status).unwrap(), &fields)
    }

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
            assert_eq!(said(status, "https://elsewhere.example/login"), expected, "{status}");
        }
    }

    #[test]
    fn a_redirect_to_the_login_page_is_a_death() {
        for status in [302, 303, 307] {
            assert_eq!(said(status, "https://api.example/login"), Oracle::Dead, "{status}");
        }
        assert_eq!(said(301, "https://api.example/login"), Oracle::Unclear);
    }
}
