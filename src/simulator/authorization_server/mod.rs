//! The authorization server: API.md §2, in three personalities.
//!
//! ```text
//! GET, POST /oauth/authorize  authorization_endpoint ─▶ page
//! POST      /oauth/token      token_endpoint ─▶ token_request (who asks, for what)
//!                                            ─▶ ledger        (what becomes of the tokens)
//!                                            ─▶ refusal       (how each no is worded)
//! ```

mod authorization_endpoint;
mod ledger;
mod mint;
mod page;
mod parameters;
mod permission;
mod pkce;
mod refusal;
mod token_endpoint;
mod token_request;

use std::sync::Arc;

use axum::Router;
use axum::routing::{get, post};

use crate::scope::ScopeSet;
use crate::simulator::world::World;

use refusal::Refusal;

pub(super) use ledger::{Holder, Ledger, Lives, Pair};

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new().route("/oauth/token", post(token_endpoint::exchange)).route(
        "/oauth/authorize",
        get(authorization_endpoint::ask).post(authorization_endpoint::decide),
    )
}

/// Refuses scope values that the API does not know.
fn known_scope(text: &str) -> Result<ScopeSet, Refusal> {
    const KNOWN: [&str; 4] = ["read", "write", "admin", "*"];
    let invalid = |value: &str| Refusal::Scope(value.to_owned());
    let unknown = text.split(' ').find(|value| !value.is_empty() && !KNOWN.contains(value));
    match unknown {
        Some(value) => Err(invalid(value)),
        None => text.parse().map_err(|_| invalid(text)),
    }
}
