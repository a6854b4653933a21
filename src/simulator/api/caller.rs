//! Who calls the API.

use std::sync::Arc;

use axum::body::Body;
use axum::extract::FromRequestParts;
use axum::http::header::{AUTHORIZATION, HeaderValue, LOCATION};
use axum::http::request::Parts;
use axum::http::{HeaderMap, Response, StatusCode};

use crate::clock;
use crate::scope::ScopeSet;
use crate::simulator::api::endpoint::Verb;
use crate::simulator::api::reply::ApiError;
use crate::simulator::laravel::{self, Wants};
use crate::simulator::world::{Account, World};
use crate::simulator::{MachineTokens, Refusals};

/// The holder of a good access token. As an extractor it refuses everybody else.
#[derive(Clone, Debug)]
pub(super) struct Caller {
    pub(super) account: Account,
    scope: ScopeSet,
}

impl Caller {
    /// GET needs `read`, POST and PUT need `write`, DELETE needs `admin`, which covers all.
    pub(super) fn may(&self, verb: Verb) -> bool {
        let needed = match verb {
            Verb::Get => "read",
            Verb::Post | Verb::Put => "write",
            Verb::Delete => "admin",
        };
        [needed, "admin", "*"].iter().any(|value| self.scope.contains(value))
    }
}

impl FromRequestParts<Arc<World>> for Caller {
    type Rejection = Response<Body>;

    async fn from_request_parts(
        head: &mut Parts,
        world: &Arc<World>,
    ) -> Result<Self, Self::Rejection> {
        bearer(&head.headers)
            .and_then(|token| identify(world, token))
            .ok_or_else(|| refusal(world.refusals, Wants::of(&head.headers)))
    }
}

fn refusal(refusals: Refusals, wants: Wants) -> Response<Body> {
    match (refusals, wants) {
        (Refusals::Unauthorized, _) | (Refusals::LoginUnlessJson, Wants::Json) => {
            ApiError::Unauthorized.into_response()
        }
        (Refusals::LoginUnlessJson | Refusals::Login, _) => {
            let mut response = laravel::page(StatusCode::FOUND);
            response.headers_mut().insert(LOCATION, HeaderValue::from_static("/login"));
            response
        }
    }
}

/// The token in `Authorization: Bearer`.
pub(super) fn bearer(fields: &HeaderMap) -> Option<&str> {
    let (scheme, token) = fields.get(AUTHORIZATION)?.to_str().ok()?.split_once(' ')?;
    scheme.eq_ignore_ascii_case("bearer").then_some(token)
}

fn identify(world: &World, token: &str) -> Option<Caller> {
    let ledger = world.ledger.lock();
    let holder = ledger.bearer(token, clock::now())?;
    let account = match holder.user {
        Some(user) => Account::User(user),
        None if world.machine_tokens == MachineTokens::Accepted => {
            Account::Client(holder.client.clone())
        }
        None => return None,
    };
    Some(Caller { account, scope: holder.scope.clone() })
}
