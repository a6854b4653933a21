//! The proxy: a caller's request becomes ours, and the upstream's response becomes the caller's.
//!
//! [`service`] is the whole way of a request, top to bottom; [`core`] runs it on one thread per core.
//! Of the token it knows the reader alone: no refresh token and no store is ever in its hands.

mod access;
pub mod core;
pub mod fields;
mod replay;
mod request;
mod response;
pub mod service;

use std::time::Duration;

/// How requests are forwarded.
#[derive(Clone, Debug)]
pub struct Config {
    /// Content kept for a replay, in bytes for each request. Default 64 KiB.
    pub replay_limit: usize,
    /// Longest wait for a token that is being exchanged. Default 10 s.
    pub hold: Duration,
    /// Whether every request is logged. Default no.
    pub access_log: bool,
}

impl Default for Config {
    fn default() -> Self {
        Self { replay_limit: 64 << 10, hold: Duration::from_secs(10), access_log: false }
    }
}
