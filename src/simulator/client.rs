//! Clients in the sense of RFC 6749 §2: the apps registered at the authorization server.

use serde::Serialize;
use url::{Host, Url};

use crate::secret::Secret;

/// A registered app.
#[derive(Clone, Debug)]
pub struct Client {
    /// `client_id`: Passport has integers and UUIDs.
    pub id: String,
    /// Whether it can keep a secret, and which.
    pub kind: ClientKind,
    /// What it may ask the token endpoint for.
    pub grants: Vec<GrantType>,
    /// Where the authorization endpoint may send the browser. Compared exactly, but for the port of
    /// `http://127.0.0.1` and `http://[::1]` (RFC 8252 §7.3).
    pub redirect_uris: Vec<String>,
}

/// RFC 6749 §2.1.
#[derive(Clone, Debug)]
pub enum ClientKind {
    /// It authenticates with this secret.
    Confidential(Secret),
    /// It has no secret and must use PKCE.
    Public,
}

/// What a token request is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum GrantType {
    /// RFC 6749 §4.1.3.
    AuthorizationCode,
    /// RFC 6749 §6.
    RefreshToken,
    /// RFC 6749 §4.4.
    ClientCredentials,
}

impl GrantType {
    /// Reads the parameter `grant_type`.
    pub(super) fn read(text: &str) -> Option<Self> {
        match text {
            "authorization_code" => Some(Self::AuthorizationCode),
            "refresh_token" => Some(Self::RefreshToken),
            "client_credentials" => Some(Self::ClientCredentials),
            _ => None,
        }
    }
}

impl Client {
    /// The confidential client with the id `1`. Its secret follows from the seed, so that an app that
    /// was configured once goes on working after a restart.
    pub(super) fn builtin(seed: u64) -> Self {
        let mut random = fastrand::Rng::with_seed(seed);
        let secret = (0..40).map(|_| random.alphanumeric()).collect();
        let redirect_uris = [
            "http://127.0.0.1/callback",
            "http://[::1]/callback",
            "http://localhost:9181/callback",
        ];
        Self {
            id: "1".to_owned(),
            kind: ClientKind::Confidential(Secret::new(secret)),
            grants: vec![
                GrantType::AuthorizationCode,
                GrantType::RefreshToken,
                GrantType::ClientCredentials,
            ],
            redirect_uris: redirect_uris.map(str::to_owned).to_vec(),
        }
    }

    /// Its secret, if it has one.
    pub fn secret(&self) -> Option<&Secret> {
        match &self.kind {
            ClientKind::Confidential(secret) => Some(secret),
            ClientKind::Public => None,
        }
    }

    /// Whether the browser may be sent to `uri`.
    pub(super) fn redirects_to(&self, uri: &str) -> bool {
        let portless = without_loopback_port(uri);
        self.redirect_uris.iter().any(|registered| {
            registered == uri
                || (portless.is_some() && without_loopback_port(registered) == portless)
        })
    }
}

/// A loopback URI with its port taken out; `None` for every other URI, `localhost` among them.
fn without_loopback_port(uri: &str) -> Option<Url> {
    let mut url = Url::parse(uri).ok().filter(|url| url.scheme() == "http")?;
    let loopback = match url.host()? {
        Host::Ipv4(ip) => ip.is_loopback(),
        Host::Ipv6(ip) => ip.is_loopback(),
        Host::Domain(_) => false,
    };
    url.set_port(None).ok().filter(|()| loopback)?;
    Some(url)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn loopback_addresses_redirect_with_any_port_and_names_do_not() {
        let client = Client::builtin(1);
        for (uri, expected) in [
            ("http://127.0.0.1/callback", true),
            ("http://127.0.0.1:51234/callback", true),
            ("http://[::1]:51234/callback", true),
            ("http://127.0.0.1:51234/callback/", false),
            ("http://127.0.0.1:51234/other", false),
            ("https://127.0.0.1:51234/callback", false),
            ("http://localhost:9181/callback", true),
            ("http://localhost:9182/callback", false),
            ("http://example.com/callback", false),
            ("nonsense", false),
        ] {
            assert_eq!(client.redirects_to(uri), expected, "{uri}");
        }
    }

    #[test]
    fn the_builtin_secret_is_stable_and_has_passports_shape() {
        let secret = |seed| Client::builtin(seed).secret().unwrap().expose().to_owned();
        assert_eq!(secret(7), secret(7));
        assert_ne!(secret(7), secret(8));
        assert!(secret(7).len() == 40 && secret(7).bytes().all(|b| b.is_ascii_alphanumeric()));
    }
}
