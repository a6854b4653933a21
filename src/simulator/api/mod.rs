//! The API: API.md §3. One table of endpoints, one store of records, one way of every request:
//!
//! ```text
//! caller (401) ─▶ throttle (429) ─▶ scope (403) ─▶ input (400, 403) ─▶ action (404) ─▶ reply
//! ```

mod action;
mod caller;
mod echo;
mod endpoint;
mod input;
mod pattern;
mod record;
mod reply;
mod report;
mod seed;
mod store;
mod tracking;

use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::extract::{RawPathParams, Request, State};
use axum::http::{HeaderMap, Response, StatusCode};
use axum::routing::on;

use crate::clock;
use crate::simulator::laravel::{self, Wants};
use crate::simulator::throttle::Allowance;
use crate::simulator::world::World;

use caller::Caller;
use endpoint::{ENDPOINTS, Endpoint};
use input::Input;
use reply::{ApiError, Reply};

pub(super) use store::Store;

pub(super) fn routes() -> Router<Arc<World>> {
    let router = ENDPOINTS.iter().fold(Router::new(), |router, endpoint| {
        let serve =
            move |State(world): State<Arc<World>>,
                  caller: Caller,
                  ids: RawPathParams,
                  request: Request| serve(world, endpoint, caller, ids, request);
        router.route(&format!("/api/v2{}", endpoint.path), on(endpoint.verb.filter(), serve))
    });
    router.merge(echo::routes()).method_not_allowed_fallback(|fields: HeaderMap| async move {
        laravel::error(StatusCode::METHOD_NOT_ALLOWED, Wants::of(&fields))
    })
}

/// Answers one request of an authenticated caller.
async fn serve(
    world: Arc<World>,
    endpoint: &'static Endpoint,
    caller: Caller,
    ids: RawPathParams,
    request: Request,
) -> Response<Body> {
    let allowance = world.accounts.admit(caller.account.clone(), clock::now());
    let mut response = if let Allowance::Exceeded { .. } = allowance {
        laravel::error(StatusCode::TOO_MANY_REQUESTS, Wants::of(request.headers()))
    } else {
        match perform(&world, endpoint, &caller, &ids, request).await {
            Ok(reply) => reply.into_response(),
            Err(error) => error.into_response(),
        }
    };
    allowance.stamp(response.headers_mut());
    response
}

async fn perform(
    world: &World,
    endpoint: &Endpoint,
    caller: &Caller,
    ids: &RawPathParams,
    request: Request,
) -> Result<Reply, ApiError> {
    if !caller.may(endpoint.verb) {
        return Err(ApiError::Scope);
    }
    let input = Input::read(endpoint, ids, request).await?;
    let mut store = world.store.lock();
    endpoint.action.perform(&mut store, &input)
}
