//! `/oauth/authorize`: RFC 6749 §4.1.1 and §4.1.2. `GET` shows a page with two buttons; with
//! `approve=auto` or `approve=deny` in the query it answers at once, so that tests need no browser.

use std::sync::Arc;

use axum::body::{Body, Bytes};
use axum::extract::{RawQuery, State};
use axum::http::header::{CACHE_CONTROL, CONTENT_SECURITY_POLICY, HeaderValue, LOCATION};
use axum::http::{Response, StatusCode};
use url::form_urlencoded;

use crate::clock;
use crate::scope::ScopeSet;
use crate::simulator::Personality;
use crate::simulator::authorization_server::known_scope;
use crate::simulator::authorization_server::ledger::Holder;
use crate::simulator::authorization_server::page;
use crate::simulator::authorization_server::parameters::Parameters;
use crate::simulator::authorization_server::permission::Permission;
use crate::simulator::authorization_server::pkce::Challenge;
use crate::simulator::authorization_server::refusal::{Challenged, Refusal};
use crate::simulator::client::{Client, ClientKind, GrantType};
use crate::simulator::laravel;
use crate::simulator::world::{OWNER, World};

/// An authorization request that may be put before the user.
struct Question {
    permission: Permission,
    back: Back,
}

/// Where the browser goes afterwards.
struct Back {
    redirect_uri: String,
    state: Option<String>,
}

/// What the user decided.
#[derive(Clone, Copy)]
enum Decision {
    Approved,
    Denied,
}

/// Shows the page, or answers at once.
pub(super) async fn ask(
    State(world): State<Arc<World>>,
    RawQuery(query): RawQuery,
) -> Response<Body> {
    let asked = Parameters::read(query.unwrap_or_default().as_bytes());
    let question = match examine(&world, &asked) {
        Ok(question) => question,
        Err(response) => return *response,
    };
    match asked.value("approve") {
        Some("auto") => conclude(&world, question, Decision::Approved),
        Some("deny") => conclude(&world, question, Decision::Denied),
        _ if asked.value("prompt") == Some("none") => {
            question.back.refuse(&Refusal::ConsentRequired, world.personality)
        }
        _ => show(&question.permission.holder),
    }
}

/// Takes the decision that the page sent.
pub(super) async fn decide(
    State(world): State<Arc<World>>,
    RawQuery(query): RawQuery,
    form: Bytes,
) -> Response<Body> {
    let asked = Parameters::read(query.unwrap_or_default().as_bytes());
    match examine(&world, &asked) {
        Err(response) => *response,
        Ok(question) => {
            let approved = Parameters::read(&form).value("decision") == Some("approve");
            let decision = if approved { Decision::Approved } else { Decision::Denied };
            conclude(&world, question, decision)
        }
    }
}

fn show(holder: &Holder) -> Response<Body> {
    let page = page::consent(&holder.client, &holder.scope).into_string();
    let mut response = laravel::content_of(StatusCode::OK, "text/html; charset=utf-8", page);
    let fields = response.headers_mut();
    fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
    fields.insert(
        CONTENT_SECURITY_POLICY,
        HeaderValue::from_static(
            "default-src 'none'; style-src 'unsafe-inline'; frame-ancestors 'none'",
        ),
    );
    response
}

fn conclude(world: &World, question: Question, decision: Decision) -> Response<Body> {
    let Question { permission, back } = question;
    match decision {
        Decision::Denied => back.refuse(&Refusal::Denied, world.personality),
        Decision::Approved => {
            let code = world.ledger.lock().issue_code(permission, clock::now());
            let mut answer = vec![("code", code.expose())];
            answer.extend(back.state.as_deref().map(|state| ("state", state)));
            redirect(&back.redirect_uri, &answer)
        }
    }
}

/// Checks the request in league's order: nothing is sent to a redirect URI that is not the client's.
fn examine(world: &World, asked: &Parameters) -> Result<Question, Box<Response<Body>>> {
    let refuse = |refusal: Refusal| {
        let wording = refusal.wording(world.personality);
        Box::new(wording.into_response(world.personality, Challenged::No))
    };
    if asked.value("response_type") != Some("code") {
        return Err(refuse(Refusal::GrantType));
    }
    let id =
        asked.value("client_id").ok_or_else(|| refuse(Refusal::ParameterMissing("client_id")))?;
    let client = world.client(id).ok_or_else(|| refuse(Refusal::Client))?;
    if !client.grants.contains(&GrantType::AuthorizationCode) {
        return Err(refuse(Refusal::GrantNotAllowed));
    }
    let redirect_uri = redirect_uri(client, asked).map_err(refuse)?;
    let back = Back { redirect_uri, state: asked.value("state").map(str::to_owned) };
    let scope = known_scope(asked.value("scope").unwrap_or_default()).map_err(|refusal| {
        let state = match world.personality {
            // Lost until league 9.0.1.
            Personality::League8 => None,
            Personality::League9 | Personality::Rfc9700 => back.state.clone(),
        };
        let back = Back { redirect_uri: back.redirect_uri.clone(), state };
        Box::new(back.refuse(&refusal, world.personality))
    })?;
    let challenge = challenge(client, asked).map_err(refuse)?;
    let permission = Permission {
        holder: holder(client, scope),
        redirect_uri: asked.value("redirect_uri").map(str::to_owned),
        challenge,
    };
    Ok(Question { permission, back })
}

fn holder(client: &Client, scope: ScopeSet) -> Holder {
    Holder { client: client.id.clone(), user: Some(OWNER), scope }
}

/// The URI that was asked for if it is registered, or the only one that is.
fn redirect_uri(client: &Client, asked: &Parameters) -> Result<String, Refusal> {
    match (asked.value("redirect_uri"), client.redirect_uris.as_slice()) {
        (Some(uri), _) if client.redirects_to(uri) => Ok(uri.to_owned()),
        (None, [only]) => Ok(only.clone()),
        _ => Err(Refusal::Client),
    }
}

fn challenge(client: &Client, asked: &Parameters) -> Result<Option<Challenge>, Refusal> {
    match (asked.value("code_challenge"), &client.kind) {
        (Some(text), _) => Challenge::read(text, asked.value("code_challenge_method")).map(Some),
        (None, ClientKind::Public) => Err(Refusal::ChallengeMissing),
        (None, ClientKind::Confidential(_)) => Ok(None),
    }
}

impl Back {
    /// Sends the browser back with an error. `state` comes first, as league has it.
    fn refuse(&self, refusal: &Refusal, personality: Personality) -> Response<Body> {
        let wording = refusal.wording(personality);
        let mut answer: Vec<(&str, &str)> = Vec::new();
        answer.extend(self.state.as_deref().map(|state| ("state", state)));
        answer.extend(wording.parameters(personality));
        redirect(&self.redirect_uri, &answer)
    }
}

/// 302 to a registered URI with these parameters in its query.
fn redirect(uri: &str, answer: &[(&str, &str)]) -> Response<Body> {
    let query = form_urlencoded::Serializer::new(String::new()).extend_pairs(answer).finish();
    let separator = if uri.contains('?') { '&' } else { '?' };
    let mut response = Response::new(Body::empty());
    match HeaderValue::try_from(format!("{uri}{separator}{query}")) {
        Ok(location) => {
            *response.status_mut() = StatusCode::FOUND;
            response.headers_mut().insert(LOCATION, location);
            response
        }
        // Only a URI registered with control characters comes here.
        Err(_) => laravel::page(StatusCode::INTERNAL_SERVER_ERROR),
    }
}
