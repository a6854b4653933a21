//! The request of an exchange: a form over POST (RFC 6749 §3.2, API.md §2).

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{
    ACCEPT, ACCEPT_ENCODING, AUTHORIZATION, CONNECTION, CONTENT_TYPE, HOST, HeaderValue, USER_AGENT,
};
use http::{Method, Request};
use http_body_util::Full;
use secrecy::zeroize::Zeroizing;
use url::form_urlencoded::{Serializer, byte_serialize};

use crate::net::origin::Origin;
use crate::scope::ScopeSet;
use crate::secret::Secret;

use super::super::source::{ClientAuthentication, Registration};
use super::super::state::Ask;

/// How the sidecar names itself to servers.
pub const AGENT: &str = concat!("webwork-sidecar/", env!("CARGO_PKG_VERSION"));

/// The request for `ask`. A refresh never carries a scope: it could only narrow the grant for good
/// (API.md §2, rotation, 8). `Accept` keeps Laravel from answering with an HTML page.
pub(super) fn request(
    ask: &Ask,
    scope: &ScopeSet,
    registration: &Registration,
    origin: &Origin,
) -> Result<Request<Full<Bytes>>, http::Error> {
    // With room for everything it never moves, and leaves no copy behind.
    let mut form = Serializer::new(String::with_capacity(room(ask, scope, registration)));
    match ask {
        Ask::Refresh(token) => {
            form.append_pair("grant_type", "refresh_token");
            form.append_pair("refresh_token", token.expose());
        }
        Ask::ClientCredentials => {
            form.append_pair("grant_type", "client_credentials");
            if !scope.is_empty() {
                form.append_pair("scope", &scope.to_string());
            }
        }
        Ask::Code(proof) => {
            form.append_pair("grant_type", "authorization_code");
            form.append_pair("code", proof.code.expose());
            form.append_pair("redirect_uri", &proof.redirect_uri);
            form.append_pair("code_verifier", proof.verifier.expose());
        }
    }
    let mut request = Request::builder()
        .method(Method::POST)
        .uri(target(registration))
        .header(HOST, origin.authority().as_str())
        .header(CONTENT_TYPE, "application/x-www-form-urlencoded")
        .header(ACCEPT, "application/json")
        // RFC 9110 §12.5.3: without it the server may choose any coding, and there is no second answer.
        .header(ACCEPT_ENCODING, "identity")
        .header(USER_AGENT, AGENT)
        .header(CONNECTION, "close");
    match (&registration.client_secret, registration.authentication) {
        (Some(secret), ClientAuthentication::Basic) => {
            request = request.header(AUTHORIZATION, basic(&registration.client_id, secret)?);
        }
        (Some(secret), ClientAuthentication::Body) => {
            form.append_pair("client_id", &registration.client_id);
            form.append_pair("client_secret", secret.expose());
        }
        (None, _) => {
            form.append_pair("client_id", &registration.client_id);
        }
    }
    request.body(Full::from(Secret::new(form.finish()).expose_bytes()))
}

/// Enough for the form: each byte may become three.
fn room(ask: &Ask, scope: &ScopeSet, registration: &Registration) -> usize {
    const NAMES: usize = 128;
    let asked = match ask {
        Ask::Refresh(token) => token.expose().len(),
        Ask::ClientCredentials => scope.to_string().len(),
        Ask::Code(proof) => {
            proof.code.expose().len() + proof.redirect_uri.len() + proof.verifier.expose().len()
        }
    };
    let secret = registration.client_secret.as_ref().map_or(0, |secret| secret.expose().len());
    NAMES + 3 * (asked + registration.client_id.len() + secret)
}

/// Path and query of the token endpoint.
fn target(registration: &Registration) -> String {
    let url = &registration.token_url;
    match url.query() {
        Some(query) => format!("{}?{query}", url.path()),
        None => url.path().to_owned(),
    }
}

/// RFC 6749 §2.3.1: id and secret are form-encoded first. Passport does not decode them (API.md §2),
/// but its own ids and secrets come out the same either way.
fn basic(client_id: &str, secret: &Secret) -> Result<HeaderValue, http::Error> {
    let room = 3 * (client_id.len() + secret.expose().len()) + 1;
    let mut pair = Zeroizing::new(String::with_capacity(room));
    pair.extend(byte_serialize(client_id.as_bytes()));
    pair.push(':');
    pair.extend(byte_serialize(secret.expose().as_bytes()));
    let mut text = String::with_capacity("Basic ".len() + pair.len().div_ceil(3) * 4);
    text.push_str("Basic ");
    STANDARD.encode_string(pair.as_bytes(), &mut text);
    let mut value = HeaderValue::from_maybe_shared(Secret::new(text).expose_bytes())?;
    value.set_sensitive(true);
    Ok(value)
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;

    use super::super::super::bearer::RefreshToken;
    use super::*;

    fn registration(authentication: ClientAuthentication, secret: Option<&str>) -> Registration {
        Registration {
            client_secret: secret.map(|secret| Secret::new(secret.into())),
            authentication,
            token_url: "https://api.example/oauth/token?v=2".parse().unwrap(),
            ..Registration::example()
        }
    }

    async fn built(ask: Ask, registration: &Registration) -> (http::request::Parts, String) {
        let origin = Origin::of(&registration.token_url).unwrap();
        let scope = "read write".parse().unwrap();
        let request = request(&ask, &scope, registration, &origin).unwrap();
        let (head, body) = request.into_parts();
        let body = body.collect().await.unwrap().to_bytes();
        (head, String::from_utf8(body.to_vec()).unwrap())
    }

    fn refresh() -> Ask {
        Ask::Refresh(RefreshToken::new("def+50&2".into()).unwrap())
    }

    #[tokio::test]
    async fn a_refresh_carries_the_client_in_the_form_and_no_scope() {
        let (head, form) =
            built(refresh(), &registration(ClientAuthentication::Body, Some("s%"))).await;
        assert_eq!(
            form,
            "grant_type=refresh_token&refresh_token=def%2B50%262&client_id=id+1&client_secret=s%25"
        );
        assert_eq!(head.uri, "/oauth/token?v=2");
        assert_eq!(head.headers[HOST], "api.example");
        assert!(!head.headers.contains_key(AUTHORIZATION));
    }

    #[tokio::test]
    async fn basic_authentication_leaves_nothing_of_the_client_in_the_form() {
        let (head, form) =
            built(refresh(), &registration(ClientAuthentication::Basic, Some("s:"))).await;
        assert_eq!(form, "grant_type=refresh_token&refresh_token=def%2B50%262");
        let expected = format!("Basic {}", STANDARD.encode("id+1:s%3A"));
        assert_eq!(head.headers[AUTHORIZATION], expected.as_str());
        assert!(head.headers[AUTHORIZATION].is_sensitive());
    }

    #[tokio::test]
    async fn a_public_client_names_itself_only() {
        let (head, form) = built(refresh(), &registration(ClientAuthentication::Basic, None)).await;
        assert!(form.ends_with("&client_id=id+1"));
        assert!(!head.headers.contains_key(AUTHORIZATION));
    }

    #[tokio::test]
    async fn client_credentials_ask_for_their_scope() {
        let registration = registration(ClientAuthentication::Body, Some("s"));
        let (_, form) = built(Ask::ClientCredentials, &registration).await;
        assert!(form.starts_with("grant_type=client_credentials&scope=read+write&"));
    }
}
