//! `POST /oauth/token`.

use std::sync::Arc;

use axum::Extension;
use axum::body::{Body, to_bytes};
use axum::extract::{Request, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_LENGTH, HeaderValue, PRAGMA};
use axum::http::{Response, StatusCode};
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::{self, Moment};
use crate::secret::Secret;
use crate::simulator::Personality;
use crate::simulator::authorization_server::known_scope;
use crate::simulator::authorization_server::ledger::{Holder, Pair};
use crate::simulator::authorization_server::refusal::Refusal;
use crate::simulator::authorization_server::token_request::TokenRequest;
use crate::simulator::client::GrantType;
use crate::simulator::faults::{Disguise, Target, What, When};
use crate::simulator::front::Peer;
use crate::simulator::journal::{
    ClientAuthentication, Exchange, Granted, Outcome, Violation, ViolationKind,
};
use crate::simulator::laravel;
use crate::simulator::throttle::Allowance;
use crate::simulator::world::World;

/// Largest form in bytes.
const LARGEST: usize = 64 << 10;

/// The body of a grant: these fields, in this order.
#[derive(Serialize)]
struct Content<'a> {
    token_type: &'static str,
    expires_in: i64,
    access_token: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    refresh_token: Option<&'a str>,
}

/// Answers one token request and writes it into the journal, whatever a fault makes of the answer.
pub(super) async fn exchange(
    State(world): State<Arc<World>>,
    Extension(Peer(address)): Extension<Peer>,
    request: Request,
) -> Response<Body> {
    let (head, content) = request.into_parts();
    let Ok(content) = to_bytes(content, LARGEST).await else {
        return laravel::page(StatusCode::PAYLOAD_TOO_LARGE);
    };
    let asked = TokenRequest::read(&head, &content, world.personality);
    let mut noted = Noted { entry: open_entry(&world, &asked), world: &world };

    let allowance = world.addresses.admit(address, clock::now());
    if let Allowance::Exceeded { .. } = allowance {
        let mut response = laravel::error(StatusCode::TOO_MANY_REQUESTS, asked.wants);
        allowance.stamp(response.headers_mut());
        noted.entry.outcome = Outcome::Throttled;
        return response;
    }

    let fault = world.faults.next(Target::TokenEndpoint);
    if let Some(fault) = fault.as_ref().filter(|fault| fault.when == When::Before)
        && let Some(response) = fault.strike(&head.headers).await
    {
        return response;
    }

    // Read only now: a delay may have passed.
    let now = clock::now();
    let (mut response, outcome) = process(&world, &asked, now, &mut noted.entry);
    allowance.stamp(response.headers_mut());
    let granted = match outcome {
        Outcome::Granted(granted) => Some(granted),
        _ => None,
    };
    noted.entry.outcome = outcome;
    if let Some(What::Disguised { form }) = fault.as_ref().map(|fault| &fault.what) {
        response = disguised(response, *form).await;
    }
    if let Some(fault) = fault.filter(|fault| fault.when == When::After)
        && let Some(instead) = fault.strike(&head.headers).await
    {
        noted.entry.outcome = Outcome::Faulted(granted);
        response = instead;
    }
    response
}

/// The answer in another form, with the same head.
async fn disguised(response: Response<Body>, form: Disguise) -> Response<Body> {
    let (mut head, content) = response.into_parts();
    head.headers.remove(CONTENT_LENGTH);
    let content = to_bytes(content, LARGEST).await.unwrap_or_default();
    Response::from_parts(head, form.of(&content).into())
}

/// An exchange on its way into the journal. It gets there in any case: a client that goes away ends
/// the handling of its request, and what was made by then was made all the same.
struct Noted<'a> {
    entry: Exchange,
    world: &'a World,
}

impl Drop for Noted<'_> {
    fn drop(&mut self) {
        self.entry.at = clock::now().wall();
        self.world.journal.lock().record(self.entry.clone());
    }
}

/// Notes what came in; until something better is known, a fault has swallowed it.
fn open_entry(world: &World, asked: &TokenRequest) -> Exchange {
    let entry = Exchange {
        at: Timestamp::UNIX_EPOCH,
        grant_type: asked.grant_type(),
        client_authentication: asked.client_authentication(),
        presented: asked.presented(),
        spent_before: asked
            .optional("refresh_token")
            .is_some_and(|token| world.ledger.lock().was_spent(token)),
        outcome: Outcome::Faulted(None),
    };
    let accuse = |kind| {
        let at = clock::now().wall();
        world.journal.lock().accuse(Violation { at, kind, path: "/oauth/token".to_owned() });
    };
    let refresh = entry.grant_type == Some(GrantType::RefreshToken);
    if refresh && asked.form.value("scope").is_some() {
        accuse(ViolationKind::ScopeInRefresh);
    }
    if entry.client_authentication == ClientAuthentication::Both {
        accuse(ViolationKind::TwoClientAuthentications);
    }
    entry
}

fn process(
    world: &World,
    asked: &TokenRequest,
    now: Moment,
    entry: &mut Exchange,
) -> (Response<Body>, Outcome) {
    if let Some(token) = asked.optional("refresh_token") {
        // Once more: somebody else may have spent it during a delay.
        entry.spent_before = world.ledger.lock().was_spent(token);
    }
    match grant(world, asked, now) {
        Ok(pair) => {
            let granted = Granted {
                access: pair.access.fingerprint(),
                refresh: pair.refresh.as_ref().map(Secret::fingerprint),
            };
            (success(&pair, now), Outcome::Granted(granted))
        }
        Err(refusal) => {
            let wording = refusal.wording(world.personality);
            let outcome = Outcome::Refused(wording.code);
            (wording.into_response(world.personality, asked.challenged), outcome)
        }
    }
}

fn grant(world: &World, asked: &TokenRequest, now: Moment) -> Result<Pair, Refusal> {
    let strict = world.personality == Personality::Rfc9700;
    if strict && let Some(name) = asked.form.repeated() {
        return Err(Refusal::ParameterRepeated(name.to_owned()));
    }
    if strict {
        asked.parameter("grant_type")?;
    }
    let grant_type = asked.grant_type().ok_or(Refusal::GrantType)?;
    let client = asked.authenticate(world, grant_type)?;
    let mut ledger = world.ledger.lock();
    match grant_type {
        GrantType::AuthorizationCode => ledger.redeem(
            asked.parameter("code")?,
            &client.id,
            asked.optional("redirect_uri"),
            asked.optional("code_verifier"),
            now,
        ),
        GrantType::RefreshToken => {
            let token = asked.parameter("refresh_token")?;
            match asked.optional("scope") {
                None => ledger.renew(token, &client.id, None, now),
                Some(scope) => {
                    // The token is looked at first: a dead one is what the client must hear of.
                    ledger.inspect(token, &client.id, now)?;
                    ledger.renew(token, &client.id, Some(&known_scope(scope)?), now)
                }
            }
        }
        GrantType::ClientCredentials => {
            let scope = known_scope(asked.optional("scope").unwrap_or_default())?;
            let holder = Holder { client: client.id.clone(), user: None, scope };
            Ok(ledger.issue_for_client(holder, now))
        }
    }
}

fn success(pair: &Pair, now: Moment) -> Response<Body> {
    let content = Content {
        token_type: "Bearer",
        expires_in: pair.access_ends.wall().as_second() - now.wall().as_second(),
        access_token: pair.access.expose(),
        refresh_token: pair.refresh.as_ref().map(Secret::expose),
    };
    // Text and integers always serialize.
    let content = serde_json::to_vec(&content).unwrap_or_default();
    let media_type = "application/json; charset=UTF-8";
    let mut response = laravel::content_of(StatusCode::OK, media_type, content);
    let fields = response.headers_mut();
    fields.insert(PRAGMA, HeaderValue::from_static("no-cache"));
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store, private"));
    response
}
