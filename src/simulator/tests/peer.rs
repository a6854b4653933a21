//! The other end of the wire: one connection per request, and the few requests that all tests make.

use std::net::{SocketAddr, TcpListener};

use axum::body::Bytes;
use axum::http::header::{AUTHORIZATION, CONTENT_TYPE, HOST, LOCATION};
use axum::http::{HeaderMap, Method, Request, StatusCode};
use http_body_util::{BodyExt, Full};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpStream;
use url::Url;

use crate::simulator::{Config, Personality, Security, Simulator};

/// A whole answer.
#[derive(Debug)]
pub(super) struct Answer {
    pub(super) status: StatusCode,
    pub(super) fields: HeaderMap,
    pub(super) content: Bytes,
}

impl Answer {
    pub(super) fn json(&self) -> Value {
        serde_json::from_slice(&self.content)
            .unwrap_or_else(|error| panic!("{error}: {:?}", self.content))
    }

    pub(super) fn text(&self) -> String {
        String::from_utf8(self.content.to_vec()).unwrap()
    }

    pub(super) fn field(&self, name: &str) -> Option<&str> {
        self.fields.get(name).map(|value| value.to_str().unwrap())
    }

    /// The query parameters of `Location`.
    pub(super) fn redirect(&self) -> (String, Vec<(String, String)>) {
        assert_eq!(self.status, StatusCode::FOUND);
        let mut url = Url::parse(self.fields[LOCATION].to_str().unwrap()).unwrap();
        let pairs = url.query_pairs().into_owned().collect();
        url.set_query(None);
        (url.to_string(), pairs)
    }
}

/// Settings for tests: no limits, and league 9 unless changed.
pub(super) fn quiet() -> Config {
    Config { rate_limit: None, token_rate_limit: None, ..Config::default() }
}

/// A simulator without TLS on a port of its own.
pub(super) async fn start(config: Config) -> Simulator {
    Simulator::start(config, listener(), Security::Plain).await.unwrap()
}

pub(super) async fn start_as(personality: Personality) -> Simulator {
    start(Config { personality, ..quiet() }).await
}

pub(super) fn listener() -> TcpListener {
    TcpListener::bind("127.0.0.1:0").unwrap()
}

pub(super) fn address(simulator: &Simulator) -> SocketAddr {
    let (_, address) = simulator.url().split_once("://").unwrap();
    address.parse().unwrap()
}

/// Sends a request on a connection of its own.
pub(super) async fn send(
    simulator: &Simulator,
    mut request: Request<Full<Bytes>>,
) -> Result<Answer, hyper::Error> {
    let stream = TcpStream::connect(address(simulator)).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await?;
    tokio::spawn(connection);
    request.headers_mut().insert(HOST, "api.webwork-tracker.com".parse().unwrap());
    let (head, content) = sender.send_request(request).await?.into_parts();
    let content = content.collect().await?.to_bytes();
    Ok(Answer { status: head.status, fields: head.headers, content })
}

pub(super) fn request(method: Method, target: &str) -> Request<Full<Bytes>> {
    let mut request = Request::new(Full::default());
    *request.method_mut() = method;
    *request.uri_mut() = target.parse().unwrap();
    request
}

/// Sends a JSON request with a bearer token.
pub(super) async fn call(
    simulator: &Simulator,
    token: &str,
    method: Method,
    target: &str,
    content: Option<Value>,
) -> Answer {
    let mut request = request(method, target);
    let fields = request.headers_mut();
    fields.insert(AUTHORIZATION, format!("Bearer {token}").parse().unwrap());
    fields.insert("accept", "application/json".parse().unwrap());
    if let Some(content) = content {
        fields.insert(CONTENT_TYPE, "application/json".parse().unwrap());
        *request.body_mut() = Full::new(content.to_string().into());
    }
    send(simulator, request).await.unwrap()
}

pub(super) async fn fetch(simulator: &Simulator, token: &str, target: &str) -> Answer {
    call(simulator, token, Method::GET, target, None).await
}

/// A request with a form at the token endpoint.
pub(super) fn form(content: &str) -> Request<Full<Bytes>> {
    let mut request = request(Method::POST, "/oauth/token");
    let media_type = "application/x-www-form-urlencoded".parse().unwrap();
    request.headers_mut().insert(CONTENT_TYPE, media_type);
    request.headers_mut().insert("accept", "application/json".parse().unwrap());
    *request.body_mut() = Full::new(content.to_owned().into());
    request
}

/// The form of a refresh by the built-in client.
pub(super) fn refresh_form(simulator: &Simulator, refresh_token: &str) -> Request<Full<Bytes>> {
    form(&format!(
        "grant_type=refresh_token&refresh_token={refresh_token}&client_id={}&client_secret={}",
        simulator.client_id(),
        simulator.client_secret()
    ))
}

pub(super) async fn refresh(simulator: &Simulator, refresh_token: &str) -> Answer {
    send(simulator, refresh_form(simulator, refresh_token)).await.unwrap()
}

/// Access and refresh token of a grant.
pub(super) fn tokens(answer: &Answer) -> (String, String) {
    assert_eq!(answer.status, StatusCode::OK, "{}", answer.text());
    let json = answer.json();
    let text = |name: &str| json[name].as_str().unwrap().to_owned();
    (text("access_token"), text("refresh_token"))
}

/// Whether the API takes this access token.
pub(super) async fn is_good(simulator: &Simulator, token: &str) -> bool {
    fetch(simulator, token, "/api/v2/workspaces").await.status == StatusCode::OK
}

/// A code for the client, from an authorization page that approves.
pub(super) async fn code(simulator: &Simulator, query: &str) -> String {
    let target = format!("/oauth/authorize?response_type=code&approve=auto&{query}");
    let answer = send(simulator, request(Method::GET, &target)).await.unwrap();
    let (_, pairs) = answer.redirect();
    assert_eq!(pairs[0].0, "code", "{pairs:?}");
    pairs[0].1.clone()
}
