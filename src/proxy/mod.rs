//! The proxy: a caller's request becomes ours, and the upstream's response becomes the caller's.
//!
//! [`service`] is the whole way of a request, top to bottom; [`core`] runs it on one thread per core.
//! Of the token it knows the reader alone: no refresh token and no store is ever in its hands.

mod access;
pub mod core;
mod cover;
mod discard;
mod echo;
pub mod fields;
mod outcome;
mod replay;
mod request;
mod response;
mod retry;
pub mod service;

use std::time::Duration;

use http::HeaderName;

use crate::answer::pages::Readers;
use crate::net::login_redirect::LoginPages;
use crate::scope::Rights;

/// How requests are forwarded.
#[derive(Clone, Debug)]
pub struct Config {
    /// Content kept for a replay, in bytes for each request. Default 64 KiB.
    pub replay_limit: usize,
    /// Longest wait for a token that is being exchanged. Default 10 s.
    pub hold: Duration,
    /// Whether every request is logged. Default no.
    pub access_log: bool,
    /// By what a request is refused that the token cannot be good for.
    pub scope_check: ScopeCheck,
    /// A field that is between callers and us, and never forwarded; none by default.
    pub required_field: Option<HeaderName>,
    /// Pages that may read answers; none by default.
    pub readers: Readers,
    /// Redirects to these count as a 401; none by default.
    pub login_pages: LoginPages,
}

/// Whose word counts for what the token may do.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ScopeCheck {
    /// The token's own, where it is certain.
    #[default]
    Token,
    /// The operator's.
    Operator(Rights),
    /// The upstream's alone.
    Off,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            replay_limit: 64 << 10,
            hold: Duration::from_secs(10),
            access_log: false,
            scope_check: ScopeCheck::default(),
            required_field: None,
            readers: Readers::default(),
            login_pages: LoginPages::default(),
        }
    }
}
