//! Browsers that arrive at the callback, and where they are sent from there.

use axum::body::Body;
use axum::http::header::{
    CACHE_CONTROL, COOKIE, HeaderValue, LOCATION, REFERRER_POLICY, SET_COOKIE,
};
use axum::http::{HeaderMap, StatusCode};
use axum::response::{IntoResponse, Response};
use url::form_urlencoded;

use super::waiting::LIFE;
use crate::answer::Answer;
use crate::secret::Secret;
use crate::token::sign_in::Redirection;

/// Cookies know no ports, so the name has that of the callback: several sidecars may have one host.
const COOKIE_NAME: &str = "webwork-sidecar-sign-in";

/// Why a browser comes.
pub(super) enum Arrival {
    /// For its cookie.
    Ticket(Secret),
    /// To hear how it ended, where the status page is not for browsers.
    End(String),
    /// From the authorization server.
    Answer { cookies: Vec<Secret> },
}

impl Arrival {
    pub(super) fn of(query: &str, fields: &HeaderMap) -> Self {
        let mut pairs = form_urlencoded::parse(query.as_bytes());
        match (pairs.next(), pairs.next()) {
            (Some((name, ticket)), None) if name == "begin" => {
                Self::Ticket(Secret::new(ticket.into_owned()))
            }
            (Some((name, word)), None) if name == "sign_in" => Self::End(word.into_owned()),
            _ => Self::Answer { cookies: cookies(fields) },
        }
    }
}

/// The values of our cookie: RFC 6265 §4.2.
fn cookies(fields: &HeaderMap) -> Vec<Secret> {
    let fields = fields.get_all(COOKIE).iter().filter_map(|value| value.to_str().ok());
    let pairs =
        fields.flat_map(|field| field.split(';')).filter_map(|it| it.trim().split_once('='));
    let ours = pairs.filter(|(name, _)| name.starts_with(COOKIE_NAME));
    ours.map(|(_, value)| Secret::new(value.to_owned())).collect()
}

/// 303: whatever the method was, the next one is GET (RFC 9110 §15.4.4).
pub(super) fn see_other(url: &str) -> Response {
    match HeaderValue::try_from(url) {
        Ok(location) => guarded((StatusCode::SEE_OTHER, [(LOCATION, location)]).into_response()),
        // Every URL here was made by a parser, which leaves ASCII alone.
        Err(_) => StatusCode::INTERNAL_SERVER_ERROR.into_response(),
    }
}

/// What a browser shows in the end that may not see the status page.
pub(super) fn last(word: &str) -> Response {
    guarded(match word {
        "done" => "Signed in. This page can be closed.\n".into_response(),
        _ => "Not signed in: the status of the sidecar tells why.\n".into_response(),
    })
}

pub(super) fn own(answer: Answer) -> Response {
    guarded(answer.into_response().map(Body::from))
}

/// Neither kept nor told to the next site: there may be a code in the address.
fn guarded(mut response: Response) -> Response {
    let fields = response.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(REFERRER_POLICY, HeaderValue::from_static("no-referrer"));
    response
}

/// Binds the sign-in to the browser. `Lax`, because it comes back from another site; not `Secure`,
/// which the prefix `__Host-` would ask for, because there is no TLS on a loopback address.
pub(super) fn with_cookie(response: Response, at: &Redirection, value: &Secret) -> Response {
    set_cookie(response, at, value.expose(), LIFE.as_secs())
}

/// Takes the cookie back.
pub(super) fn without_cookie(response: Response, at: &Redirection) -> Response {
    set_cookie(response, at, "", 0)
}

fn set_cookie(mut response: Response, at: &Redirection, value: &str, seconds: u64) -> Response {
    let port = at.addresses.first().map_or(0, std::net::SocketAddr::port);
    let cookie = format!(
        "{COOKIE_NAME}-{port}={value}; Path={}; Max-Age={seconds}; HttpOnly; SameSite=Lax",
        at.path
    );
    if let Ok(mut cookie) = HeaderValue::try_from(cookie) {
        cookie.set_sensitive(true);
        response.headers_mut().insert(SET_COOKIE, cookie);
    }
    response
}
