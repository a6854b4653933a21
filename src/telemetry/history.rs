//! The last hour, minute by minute.

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// What happened within one minute.
#[derive(Clone, Copy, Debug, PartialEq, Serialize, Deserialize)]
pub struct Minute {
    /// When it began.
    pub at: Timestamp,
    /// Answers given to callers.
    pub answers: u64,
    /// Of these, answers with a 5xx status and those that the sidecar made itself.
    pub errors: u64,
    /// Median time from a request's head to its answer's head, in milliseconds.
    pub median_ms: Option<f64>,
    /// The time that 99 of 100 requests stayed below, in milliseconds.
    pub p99_ms: Option<f64>,
}
