//! Two questions with one-word answers, for probes.

use std::sync::Arc;

use axum::extract::State;
use axum::http::StatusCode;

use super::Sources;
use crate::token::state::Standing;

/// Answers 200 as long as the control loop turns: restart the process if it does not.
pub(super) async fn healthz() -> &'static str {
    "ok\n"
}

/// Answers 200 when a request would find a token and the sidecar is not stopping, else 503 with the
/// reason. It looks at memory only.
pub(super) async fn readyz(State(sources): State<Arc<Sources>>) -> (StatusCode, String) {
    let status = sources.token.borrow();
    if sources.drain.has_begun() {
        return (StatusCode::SERVICE_UNAVAILABLE, "not ready: stopping\n".into());
    }
    if status.is_ready() {
        let detail = if status.state == Standing::Unsaved { " (degraded: unsaved)" } else { "" };
        return (StatusCode::OK, format!("ready{detail}\n"));
    }
    let reason = status.trouble.as_deref().unwrap_or("the first token is still being obtained");
    (StatusCode::SERVICE_UNAVAILABLE, format!("not ready: {reason}\n"))
}
