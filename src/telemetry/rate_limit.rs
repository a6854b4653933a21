//! How much of its rate limit the API says is left (API.md §3).

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

/// The limit as the fields of the newest answer tell it.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct RateLimit {
    /// `X-RateLimit-Limit`: requests in a window.
    pub limit: u64,
    /// `X-RateLimit-Remaining`: what is left of them.
    pub remaining: u64,
    /// When the next window begins, if the API told.
    pub resets_at: Option<Timestamp>,
    /// When it was told.
    pub seen_at: Timestamp,
}
