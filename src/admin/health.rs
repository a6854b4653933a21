//! Three questions with one-word answers, for probes. Nobody is called to answer them: memory is enough.
//!
//! On the listener for health alone the word is the whole answer; on the admin listener the reason follows.

use std::sync::Arc;

use axum::Router;
use axum::extract::State;
use axum::http::StatusCode;
use axum::routing::get;

use super::Sources;
use crate::telemetry::pulse::PATIENCE;
use crate::token::current::Generation;
use crate::token::state::Standing;
use crate::token::status::{Availability, Status};

/// What a probe is told: a status code, a word, and the reason.
struct Told {
    status: StatusCode,
    word: &'static str,
    reason: Option<String>,
}

type Answer = (StatusCode, String);

/// The questions, answered with the word alone.
pub(super) fn words() -> Router<Arc<Sources>> {
    routes(Told::word)
}

/// The questions, answered with the word and the reason.
pub(super) fn reasons() -> Router<Arc<Sources>> {
    routes(Told::whole)
}

fn routes(written: fn(Told) -> Answer) -> Router<Arc<Sources>> {
    let answered = |question: fn(&Sources) -> Told| {
        get(async move |State(sources): State<Arc<Sources>>| written(question(&sources)))
    };
    Router::new()
        .route("/startupz", answered(startup))
        .route("/livez", answered(liveness))
        .route("/readyz", answered(readiness))
}

/// Answers 200 once a usable credential was seen or a person is awaited who provides one, and stays so:
/// what depends on the sidecar may start.
fn startup(sources: &Sources) -> Told {
    let status = sources.token.borrow();
    if has_started(&status) {
        return Told::yes("started");
    }
    Told::no("starting", status.trouble.clone())
}

/// Answers 200 as long as every loop of the process turns: restart the process if one does not.
fn liveness(sources: &Sources) -> Told {
    match sources.pulses.silent(PATIENCE).filter(|_| !sources.drain.has_begun()) {
        None => Told::yes("alive"),
        Some(name) => Told::no("stuck", Some(format!("{name} gives no sign of life"))),
    }
}

/// Answers 200 when a request would find a token and the sidecar is not stopping. It is no promise that the
/// API accepts the token or answers: the verdict tells that. A probe that followed the API would take every
/// sidecar out of service at once, which brings nothing back.
fn readiness(sources: &Sources) -> Told {
    let status = sources.token.borrow();
    if sources.drain.has_begun() {
        return Told::no("not ready", Some("stopping".into()));
    }
    if status.is_ready() {
        let degraded = (status.state == Standing::Unsaved).then(|| "degraded: unsaved".into());
        return Told { reason: degraded, ..Told::yes("ready") };
    }
    let pending = || "the first token is still being obtained".into();
    Told::no("not ready", Some(status.trouble.clone().unwrap_or_else(pending)))
}

/// A token that was there once does not come too late any more, and a person cannot sign in at a process
/// that is restarted because nobody has signed in.
pub(super) fn has_started(status: &Status) -> bool {
    let awaits_a_person = matches!(
        status.state,
        Standing::SignedOut | Standing::Lost | Standing::Misconfigured | Standing::Rejected
    );
    awaits_a_person
        || status.generation > Generation::default()
        || matches!(status.token, Availability::Ready | Availability::Hold)
}

impl Told {
    fn yes(word: &'static str) -> Self {
        Self { status: StatusCode::OK, word, reason: None }
    }

    fn no(word: &'static str, reason: Option<String>) -> Self {
        Self { status: StatusCode::SERVICE_UNAVAILABLE, word, reason }
    }

    fn word(self) -> Answer {
        (self.status, format!("{}\n", self.word))
    }

    fn whole(self) -> Answer {
        let Self { status, word, reason } = self;
        let reason = match (status, reason) {
            (_, None) => String::new(),
            (StatusCode::OK, Some(reason)) => format!(" ({reason})"),
            (_, Some(reason)) => format!(": {reason}"),
        };
        (status, format!("{word}{reason}\n"))
    }
}
