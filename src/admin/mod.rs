//! The admin listener: health, readiness, status and the page for people, apart from the proxied port.
//!
//! A path on the proxied port would be ambiguous, and a probe must not cost budget. Nothing here dials
//! anybody: an upstream that is down is no reason to restart every sidecar at once.

mod asker;
pub mod capacity;
pub mod configuration;
pub mod evidence;
mod health;
mod metrics;
pub mod order;
mod page;
mod refresh;
pub mod sign_in;
mod status;
mod stop;
mod verdict;
pub mod when;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::DefaultBodyLimit;
use axum::http::header::{CACHE_CONTROL, HeaderValue, X_CONTENT_TYPE_OPTIONS};
use axum::middleware::map_response;
use axum::response::Response;
use axum::routing::{get, post};
use tokio::sync::{mpsc, watch};

use crate::answer::{Answer, Code};
use crate::net::drain::Drain;
use crate::telemetry::Meter;
use crate::telemetry::histogram::Histogram;
use crate::telemetry::history::History;
use crate::telemetry::pulse::Pulses;
use crate::token::acceptance::Acceptance;
use crate::token::order::Order;
use crate::token::status::Status;

pub use status::{Facts, Report};
pub use verdict::{Mood, Verdict};

use capacity::Capacity;
use configuration::Configuration;
use order::Order as ProcessOrder;
use sign_in::SignIns;

/// What the admin pages show and whom they give orders to.
#[derive(Clone, Debug)]
pub struct Sources {
    /// What does not change while the process runs.
    pub facts: Facts,
    /// How the refresher is doing.
    pub token: watch::Receiver<Status>,
    /// The newest token that the upstream has accepted.
    pub acceptance: Acceptance,
    /// What was counted.
    pub meter: Meter,
    /// The last hour.
    pub history: History,
    /// What limits callers.
    pub capacity: Capacity,
    /// How long exchanges took.
    pub durations: Arc<Histogram>,
    /// Signs of life of all loops.
    pub pulses: Pulses,
    /// Whether the sidecar is stopping.
    pub drain: Drain,
    /// What it runs with.
    pub configuration: watch::Receiver<Configuration>,
    /// Ends the process in order.
    pub stop: ProcessOrder,
    /// Reads the configuration again.
    pub reload: ProcessOrder,
    /// The refresher's ear.
    pub orders: mpsc::Sender<Order>,
    /// Where people sign in.
    pub sign_ins: Arc<SignIns>,
}

/// The paths of the admin listener.
pub fn router(sources: Sources) -> Router {
    Router::new()
        .merge(health::reasons())
        .route("/metrics", get(metrics::metrics))
        .route("/status", get(status::status))
        .route("/refresh", post(refresh::refresh))
        .route("/stop", post(stop::stop))
        .merge(page::routes())
        .route("/sign-in", post(sign_in::begin))
        .route("/sign-in/paste", post(sign_in::paste))
        .route("/sign-out", post(sign_in::out))
        // The path of the redirection endpoint is the operator's choice; ours go first.
        .fallback(sign_in::callback)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(MAX_CONTENT))
        .layer(map_response(unkept))
        .with_state(Arc::new(sources))
}

/// What is true now is not in a minute, and nothing here is what a browser takes it for.
async fn unkept(mut response: Response<Body>) -> Response<Body> {
    let fields = response.headers_mut();
    fields.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    fields.entry(X_CONTENT_TYPE_OPTIONS).or_insert(HeaderValue::from_static("nosniff"));
    response
}

/// The paths of the listener for health alone.
pub fn health_router(sources: Sources) -> Router {
    health::words()
        .fallback(unknown_health)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(0))
        .with_state(Arc::new(sources))
}

/// The path of the listener for metrics alone.
pub fn metrics_router(sources: Sources) -> Router {
    Router::new()
        .route("/metrics", get(metrics::metrics))
        .fallback(unknown_metrics)
        .method_not_allowed_fallback(wrong_method)
        .layer(DefaultBodyLimit::max(0))
        .layer(map_response(unkept))
        .with_state(Arc::new(sources))
}

async fn unknown_metrics() -> Response<Body> {
    let paths = "The metrics listener has /metrics alone.";
    Answer::new(Code::NotFound).message(paths).into_response().map(Body::from)
}

async fn unknown_health() -> Response<Body> {
    let paths = "The health listener has /startupz, /livez and /readyz.";
    Answer::new(Code::NotFound).message(paths).into_response().map(Body::from)
}

fn unknown() -> Response<Body> {
    let paths = "The admin listener has / for people, and /startupz, /livez, /readyz, /status, /metrics, \
                 POST /refresh, POST /stop, POST /sign-in and POST /sign-out.";
    Answer::new(Code::NotFound).message(paths).into_response().map(Body::from)
}

async fn wrong_method() -> Response<Body> {
    Answer::new(Code::MethodNotAllowed).into_response().map(Body::from)
}

/// No request to the admin listener has more content than a short form.
const MAX_CONTENT: usize = 16 << 10;
