//! The credential: what it is, how it is refreshed, and where it is kept.
//!
//! [`state`] decides what to do, without I/O; the [`refresher`] does it, with the [`endpoint`] and the
//! [`store`], and publishes the [`current`] token, which is all that requests see.

pub mod acceptance;
pub mod bearer;
pub mod claims;
pub mod current;
pub mod ended;
pub mod endpoint;
pub mod expiry;
pub mod explanation;
pub mod grant;
pub mod handle;
mod operation;
mod oracle;
pub mod order;
pub mod record;
pub mod refresher;
pub mod setup;
pub mod sign_in;
pub mod source;
pub mod state;
pub mod status;
pub mod store;
mod waiting;
mod watch;

use std::path::PathBuf;
use std::time::Duration;

use source::Credential;

/// What the refresher needs to know.
#[derive(Clone, Debug)]
pub struct Config {
    /// What the operator configured.
    pub credential: Credential,
    /// Where the rotating grant is kept; not needed by other credentials.
    pub state_directory: PathBuf,
    /// Where a copy is kept while the state directory cannot be written.
    pub second_directory: Option<PathBuf>,
    /// When and how often to refresh.
    pub refresh: Refresh,
    /// Limits of one exchange with the token endpoint.
    pub exchange: Exchange,
}

/// When to refresh.
#[derive(Clone, Debug, PartialEq)]
pub struct Refresh {
    /// The share of an access token's life after which it is replaced, 0.1 to 0.95. Default 2/3.
    pub at: f64,
    /// Life of a refresh token that its server does not tell. Default 30 days (API.md §1).
    pub refresh_token_life: Duration,
    /// Whether a refresh token that may be spent is sent once more. Default yes; switch it off for a
    /// server that punishes reuse by ending the whole grant: then a lost answer is a lost grant, and
    /// its access token is used until it ends.
    pub retry_in_doubt: bool,
    /// Least time between two exchanges that a 401 caused. Default 30 s.
    pub unauthorized_interval: Duration,
}

impl Default for Refresh {
    fn default() -> Self {
        Self {
            at: 2.0 / 3.0,
            refresh_token_life: Duration::from_secs(30 * 24 * 3600),
            retry_in_doubt: true,
            unauthorized_interval: Duration::from_secs(30),
        }
    }
}

/// Limits of one exchange.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Exchange {
    /// Longest time for connection and TLS. Default 10 s.
    pub connect_timeout: Duration,
    /// Longest time for the whole exchange. Default 60 s: giving up early would lose the answer.
    pub timeout: Duration,
}

impl Default for Exchange {
    fn default() -> Self {
        Self { connect_timeout: Duration::from_secs(10), timeout: Duration::from_secs(60) }
    }
}
