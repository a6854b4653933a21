//! One request that proves a token: API.md §1, "verifying a token".

use std::time::Duration;

use bytes::Bytes;
use http::header::{ACCEPT, AUTHORIZATION, HOST, USER_AGENT};
use http::{Method, Request, StatusCode};
use http_body_util::Full;

use crate::net::connect::Dial;
use crate::net::login_redirect::LoginPages;
use crate::token::current::Bearer;
use crate::token::endpoint::{AGENT, Line, Reply};

/// Why a command did not come to its end.
pub(super) type Failure = Box<dyn std::error::Error + Send + Sync>;

/// Longest time for the API's answer.
const LIMIT: Duration = Duration::from_secs(70);

/// The API's answer to `GET /api/v2/workspaces` with this token.
///
/// # Errors
///
/// What it refuses, and what to do about it.
pub(super) async fn proven(
    upstream: &Dial,
    login_pages: &LoginPages,
    bearer: &Bearer,
) -> Result<Reply, Failure> {
    let reply = asked(upstream, Some(bearer), LIMIT).await?;
    if login_pages.refuse(&upstream.origin, &Method::GET, reply.status, &reply.fields) {
        let status = reply.status.as_u16();
        return Err(format!(
            "the API answered {status}: it does not accept the token; provide a new one"
        )
        .into());
    }
    match reply.status {
        StatusCode::OK => Ok(reply),
        StatusCode::FORBIDDEN => {
            Err("the API answered 403: only workspace owners and executive managers \
             may use it, and the token needs the scope read"
                .into())
        }
        StatusCode::TOO_MANY_REQUESTS => {
            Err("the API's limit of requests is used up: try again in a minute".into())
        }
        status => Err(format!("the API answered {status}").into()),
    }
}

/// Its answer to the same request, whatever that is; without a token it costs no budget.
///
/// # Errors
///
/// There is no answer within the limit.
pub(super) async fn asked(
    upstream: &Dial,
    bearer: Option<&Bearer>,
    limit: Duration,
) -> Result<Reply, Failure> {
    let mut request = Request::get("/api/v2/workspaces")
        .header(HOST, upstream.origin.authority().as_str())
        .header(ACCEPT, "application/json")
        .header(USER_AGENT, AGENT);
    if let Some(bearer) = bearer {
        request = request.header(AUTHORIZATION, bearer.field());
    }
    let request = request.body(Full::<Bytes>::default())?;
    Ok(Line::open(upstream).await?.send(request, limit).await?)
}
