//! `POST /stop`: the sidecar is to drain and end, as with SIGTERM. For a job whose work is done.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use axum::http::StatusCode;
use serde_json::{Value, json};

use super::Sources;

/// Answers before the end begins; the admin listener goes last, so the end can be watched.
pub(super) async fn stop(State(sources): State<Arc<Sources>>) -> (StatusCode, Json<Value>) {
    sources.stop.order();
    (StatusCode::ACCEPTED, Json(json!({"success": true, "message": "The sidecar is stopping."})))
}
