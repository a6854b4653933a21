//! Signing in and out through the admin listener, for browsers and for programs.
//!
//! ```text
//! POST /sign-in        ─303─▶ authorization server ─303─▶ GET callback ─303─▶ /?sign_in=done
//! POST /sign-in/paste  url=…  where the redirection endpoint is elsewhere
//! POST /sign-out
//! ```
//!
//! The callback is the one path that another site may send a browser to, so it believes nothing without
//! the cookie of the browser in which the sign-in began, and the state (RFC 6749 §10.12). A cookie
//! belongs to a name. Whoever opened the page by another name of this host, or began with a program, is
//! led over the callback's own name by a ticket that counts once.

mod arrivals;
mod info;
mod waiting;

use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use axum::Json;
use axum::extract::rejection::FormRejection;
use axum::extract::{Form, State};
use axum::http::header::HOST;
use axum::http::{HeaderMap, Method, Uri};
use axum::response::{IntoResponse, Response};
use serde::Deserialize;
use serde_json::json;

use super::asker::Asker;
use super::page::sentence;
use super::{Sources, unknown};
use crate::answer::{Answer, Code};
use crate::clock::{self, Moment};
use crate::guard;
use crate::token::sign_in::{Desk, Proof, Redirection, SignInError};
use crate::token::state::Standing;
use crate::token::status::Status;

pub use info::{SignInInfo, Way};

use arrivals::{Arrival, last, own, see_other, with_cookie, without_cookie};
use waiting::{LIFE, Waiting};

/// The sign-ins of the admin listener.
#[derive(Debug)]
pub struct SignIns {
    desk: Arc<Desk>,
    /// Where browsers come back to this listener, as it was at the start.
    redirection: Option<Redirection>,
    waiting: Waiting,
    page: Page,
    /// Why the last one did not come about, and when.
    trouble: Mutex<Option<(Moment, String)>>,
}

/// Whether a browser can open the status page.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Page {
    /// It can.
    Open,
    /// It would have to show what no browser can.
    Keyed,
}

impl SignIns {
    /// No sign-in yet.
    pub fn new(desk: Desk, page: Page) -> Self {
        let redirection =
            desk.app().ok().and_then(|app| Redirection::here(&app.redirect_uri)).filter(is_free);
        Self {
            desk: Arc::new(desk),
            redirection,
            waiting: Waiting::default(),
            page,
            trouble: Mutex::default(),
        }
    }

    /// How a person can sign in.
    pub fn info(&self) -> SignInInfo {
        let now = clock::now();
        let recent = |(at, trouble): &(Moment, String)| {
            (now.since(*at) < TROUBLE_LASTS).then(|| trouble.clone())
        };
        let trouble = self.trouble().as_ref().and_then(recent);
        SignInInfo::of(self.desk.app().ok().as_ref(), self.redirection.as_ref(), trouble)
    }

    /// What the guard of this listener lets browsers come back to.
    pub fn callback(&self) -> Option<guard::Callback> {
        self.redirection
            .as_ref()
            .map(|at| guard::Callback { authority: at.authority.clone(), path: at.path.clone() })
    }

    /// Who comes to the callback.
    fn visitor(&self) -> Asker {
        match self.page {
            Page::Open => Asker::Browser,
            Page::Keyed => Asker::Stranger,
        }
    }

    fn trouble(&self) -> MutexGuard<'_, Option<(Moment, String)>> {
        // Nothing that panics is done with the lock in hand.
        self.trouble.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// Tells the log, and whoever looks at the page.
    fn fails(&self, error: &SignInError) {
        tracing::warn!(reason = error.word(), "a sign-in did not come about: {error}");
        *self.trouble() = Some((clock::now(), sentence(&error.to_string())));
    }

    fn succeeds(&self) {
        *self.trouble() = None;
    }

    /// Waits until no code is being exchanged and no grant stored.
    pub async fn are_finished(&self) {
        self.desk.until_idle().await;
    }
}

/// How long a failed sign-in is told of: whoever tried reads it, and who comes later does not take it for
/// the case.
const TROUBLE_LASTS: Duration = Duration::from_secs(120);

/// Every path of the router.
const OURS: [&str; 15] = [
    "/",
    "/assets/icon.svg",
    "/assets/page.css",
    "/assets/page.js",
    "/events",
    "/livez",
    "/metrics",
    "/readyz",
    "/refresh",
    "/sign-in",
    "/sign-in/paste",
    "/sign-out",
    "/startupz",
    "/status",
    "/stop",
];

/// A path of ours is none for a callback: the page that is there would be reached from other sites.
fn is_free(redirection: &Redirection) -> bool {
    !OURS.contains(&redirection.path.as_str())
}

/// `POST /sign-in`: begins one.
pub(super) async fn begin(State(sources): State<Arc<Sources>>, fields: HeaderMap) -> Response {
    if sources.drain.has_begun() {
        return own(Answer::new(Code::Draining));
    }
    let sign_ins = &sources.sign_ins;
    let begun = match sign_ins.desk.begin().await {
        Ok(pending) => sign_ins.waiting.admit(pending),
        Err(error) => Err(error),
    };
    let begun = match begun {
        Ok(begun) => begun,
        Err(error) => return failed(&sources, &error, Asker::of(&fields)),
    };
    let at_home = |at: &Redirection| {
        fields
            .get(HOST)
            .is_some_and(|host| host.as_bytes().eq_ignore_ascii_case(at.authority.as_bytes()))
    };
    let url = match &sign_ins.redirection {
        Some(at) if at_home(at) && Asker::of(&fields) == Asker::Browser => {
            return with_cookie(see_other(&begun.url), at, &begun.cookie);
        }
        Some(at) => format!("{}{}?begin={}", at.origin, at.path, begun.ticket.expose()),
        None => begun.url,
    };
    match Asker::of(&fields) {
        Asker::Browser | Asker::Stranger => see_other(&url),
        Asker::Program => Json(json!({ "url": url, "expires_in": LIFE.as_secs() })).into_response(),
    }
}

/// Where browsers come back to, if it is here; every other path is unknown.
pub(super) async fn callback(
    State(sources): State<Arc<Sources>>,
    method: Method,
    uri: Uri,
    fields: HeaderMap,
) -> Response {
    let sign_ins = &sources.sign_ins;
    let Some(at) = sign_ins.redirection.as_ref().filter(|at| at.path == uri.path()) else {
        return unknown();
    };
    if method != Method::GET {
        return own(Answer::new(Code::MethodNotAllowed));
    }
    let query = uri.query().unwrap_or_default();
    match Arrival::of(query, &fields) {
        Arrival::Ticket(ticket) => match sign_ins.waiting.redeem(&ticket) {
            Some(begun) => with_cookie(see_other(&begun.url), at, &begun.cookie),
            None => own(Answer::new(Code::SignInUnknown)),
        },
        Arrival::End(word) => last(&word),
        Arrival::Answer { cookies } => match sign_ins.waiting.answered(&cookies, query) {
            Ok(proof) => {
                let asker = sign_ins.visitor();
                without_cookie(finish(&sources, proof, asker).await, at)
            }
            Err(error) if error.is_final() => {
                let told = failed(&sources, &error, sign_ins.visitor());
                if sign_ins.waiting.is_there(&cookies) { told } else { without_cookie(told, at) }
            }
            // The address stays as it is: it may be the answer to somebody's `login --paste`.
            Err(error) => {
                own(Answer::new(Code::SignInUnknown).message(sentence(&error.to_string())))
            }
        },
    }
}

/// The address to which a browser was sent elsewhere.
#[derive(Deserialize)]
pub(super) struct Pasted {
    url: String,
}

/// `POST /sign-in/paste`: takes the address to which the browser was sent, wherever that is.
pub(super) async fn paste(
    State(sources): State<Arc<Sources>>,
    fields: HeaderMap,
    form: Result<Form<Pasted>, FormRejection>,
) -> Response {
    let asker = Asker::of(&fields);
    let Ok(Form(pasted)) = form else {
        return own(Answer::new(Code::BadRequest).message("The form has no field url.").hint(
            "Send url=…, encoded as a form, with the whole address to which the browser was sent.",
        ));
    };
    match sources.sign_ins.waiting.pasted(&pasted.url) {
        Ok(proof) => finish(&sources, proof, asker).await,
        Err(error) => failed(&sources, &error, asker),
    }
}

/// `POST /sign-out`: forgets the grant.
pub(super) async fn out(State(sources): State<Arc<Sources>>, fields: HeaderMap) -> Response {
    let asker = Asker::of(&fields);
    if let Err(error) = sources.sign_ins.desk.sign_out().await {
        return failed(&sources, &error, asker);
    }
    tracing::info!("signed out");
    seen(&sources, |status| status.state == Standing::SignedOut).await;
    succeeded(&sources, "out", asker)
}

async fn finish(sources: &Sources, proof: Proof, asker: Asker) -> Response {
    match sources.sign_ins.desk.finish(proof).await {
        Ok(grant) => {
            tracing::info!(generation = %grant.generation, "signed in");
            seen(sources, |status| status.generation >= grant.generation).await;
            succeeded(sources, "done", asker)
        }
        Err(error) => failed(sources, &error, asker),
    }
}

/// Waits until the refresher has seen what was stored, so that the page tells of it.
async fn seen(sources: &Sources, said: impl FnMut(&Status) -> bool) {
    let mut token = sources.token.clone();
    tokio::time::timeout(PATIENCE, token.wait_for(said)).await.ok();
}

/// The refresher looks every second.
const PATIENCE: Duration = Duration::from_secs(5);

fn succeeded(sources: &Sources, word: &str, asker: Asker) -> Response {
    sources.sign_ins.succeeds();
    match asker {
        Asker::Browser => page(word),
        Asker::Stranger => query(word),
        Asker::Program => Json(sources.report()).into_response(),
    }
}

fn failed(sources: &Sources, error: &SignInError, asker: Asker) -> Response {
    sources.sign_ins.fails(error);
    let code =
        if *error == SignInError::Unknown { Code::SignInUnknown } else { Code::SignInFailed };
    match asker {
        Asker::Browser => page(error.word()),
        Asker::Stranger => query(error.word()),
        Asker::Program => own(Answer::new(code).message(sentence(&error.to_string()))),
    }
}

/// The status page, and in one word how it went. Nothing of what came back is in the address.
fn page(word: &str) -> Response {
    see_other(&format!("/?sign_in={word}"))
}

/// The callback itself, with that word alone.
fn query(word: &str) -> Response {
    see_other(&format!("?sign_in={word}"))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_of_the_router_is_one_of_ours() {
        let routers = [
            include_str!("../mod.rs"),
            include_str!("../health.rs"),
            include_str!("../page/mod.rs"),
        ];
        let routes = routers.into_iter().flat_map(|text| text.split("route(").skip(1));
        let assets = include_str!("../page/assets.rs").split("&str = ").skip(1);
        let mut paths: Vec<&str> = routes
            .chain(assets)
            .filter_map(|rest| rest.strip_prefix('"')?.split('"').next())
            .filter(|path| path.starts_with('/'))
            .collect();
        paths.sort_unstable();
        // Metrics are also served by a listener of their own.
        paths.dedup();
        assert_eq!(paths, OURS);
    }
}
