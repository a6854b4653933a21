//! `/_admin`: what `simulate` offers to scripts. It is not part of WebWork, and it asks for no
//! credential. The paths stand in the documentation of [`crate::simulator`].

use std::sync::Arc;

use axum::body::Bytes;
use axum::extract::{FromRequest, Request, State};
use axum::http::StatusCode;
use axum::routing::{get, post};
use axum::{Json, Router};
use serde::Deserialize;
use serde::de::DeserializeOwned;
use serde_json::{Value, json};

use crate::clock;
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::simulator::faults::{Fault, TokenKind};
use crate::simulator::journal::Journal;
use crate::simulator::world::World;

pub(super) fn routes() -> Router<Arc<World>> {
    Router::new()
        .route("/_admin/faults", get(list).post(add).delete(clear))
        .route("/_admin/journal", get(journal))
        .route("/_admin/revoke", post(revoke))
        .route("/_admin/expire", post(expire))
        .route("/_admin/revoke-family", post(revoke_family))
        .route("/_admin/date-skew", post(set_date_skew))
        .route("/_admin/seed", post(seed))
        .route("/_admin/personal-access-token", post(issue_personal))
}

/// JSON, whatever the request calls it: `curl -d` calls everything a form.
struct Order<T>(T);

impl<T: DeserializeOwned, S: Send + Sync> FromRequest<S> for Order<T> {
    type Rejection = (StatusCode, String);

    async fn from_request(request: Request, state: &S) -> Result<Self, Self::Rejection> {
        let bad = |why: String| (StatusCode::UNPROCESSABLE_ENTITY, format!("{why}\n"));
        let content = Bytes::from_request(request, state).await;
        let content = content.map_err(|rejection| bad(rejection.body_text()))?;
        serde_json::from_slice(&content).map(Self).map_err(|error| bad(error.to_string()))
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Doomed {
    what: TokenKind,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Family {
    refresh_token: Secret,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Skew {
    seconds: i64,
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct Wish {
    scope: String,
}

impl Wish {
    fn scope(&self) -> Result<ScopeSet, (StatusCode, String)> {
        self.scope.parse().map_err(|error| (StatusCode::BAD_REQUEST, format!("scope: {error}\n")))
    }
}

async fn list(State(world): State<Arc<World>>) -> Json<Vec<Fault>> {
    Json(world.faults.list())
}

async fn add(State(world): State<Arc<World>>, Order(fault): Order<Fault>) -> StatusCode {
    world.faults.add(fault);
    StatusCode::NO_CONTENT
}

async fn clear(State(world): State<Arc<World>>) -> StatusCode {
    world.faults.clear();
    StatusCode::NO_CONTENT
}

async fn journal(State(world): State<Arc<World>>) -> Json<Journal> {
    Json(world.journal.lock().clone())
}

async fn revoke(State(world): State<Arc<World>>, Order(doomed): Order<Doomed>) -> StatusCode {
    world.faults.revoke(doomed.what);
    StatusCode::NO_CONTENT
}

async fn expire(State(world): State<Arc<World>>, Order(doomed): Order<Doomed>) -> StatusCode {
    world.faults.expire(doomed.what);
    StatusCode::NO_CONTENT
}

async fn revoke_family(
    State(world): State<Arc<World>>,
    Order(family): Order<Family>,
) -> StatusCode {
    if world.faults.revoke_family(family.refresh_token.expose()) {
        StatusCode::NO_CONTENT
    } else {
        StatusCode::NOT_FOUND
    }
}

async fn set_date_skew(State(world): State<Arc<World>>, Order(skew): Order<Skew>) -> StatusCode {
    world.faults.set_date_skew(skew.seconds);
    StatusCode::NO_CONTENT
}

async fn seed(
    State(world): State<Arc<World>>,
    Order(wish): Order<Wish>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let pair = world.sign_in(wish.scope()?, clock::now());
    let client = world.builtin();
    Ok(Json(json!({
        "refresh_token": pair.refresh.as_ref().map(Secret::expose),
        "client_id": client.id,
        "client_secret": client.secret().map(Secret::expose),
    })))
}

async fn issue_personal(
    State(world): State<Arc<World>>,
    Order(wish): Order<Wish>,
) -> Result<Json<Value>, (StatusCode, String)> {
    let pair = world.issue_personal(wish.scope()?, clock::now());
    Ok(Json(json!({ "token": pair.access.expose() })))
}
