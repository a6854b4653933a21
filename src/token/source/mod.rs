//! What the operator configured: where access tokens come from.

#[cfg(test)]
mod example;

use url::Url;

use crate::net::login_redirect::LoginPages;
use crate::net::origin::Plaintext;
use crate::net::tunnel::Route;
use crate::scope::ScopeSet;
use crate::secret::Secret;

use super::bearer::{AccessToken, RefreshToken};

/// WebWork's authorization endpoint: API.md §1.
pub const AUTHORIZE_URL: &str = "https://webwork-tracker.com/oauth/authorize";

/// The credential of this sidecar.
#[derive(Clone, Debug)]
pub enum Credential {
    /// A person signed in once; the refresh token rotates.
    AuthorizationCode(AuthorizationCode),
    /// The app itself; every token is asked for anew.
    ClientCredentials(ClientCredentials),
    /// A token that a person made; it cannot be refreshed.
    PersonalAccessToken(AccessToken),
}

impl Credential {
    /// The app that exchanges tokens; a personal access token has none.
    pub fn registration(&self) -> Option<&Registration> {
        match self {
            Self::AuthorizationCode(code) => Some(&code.registration),
            Self::ClientCredentials(own) => Some(&own.registration),
            Self::PersonalAccessToken(_) => None,
        }
    }

    /// Login pages of the authorization server. Only an authorization code names its authorization
    /// endpoint; tokens of the other credentials come from WebWork's.
    pub fn login_pages(&self) -> LoginPages {
        let token = self.registration().map(|app| app.token_url.clone());
        let authorization = match self {
            Self::AuthorizationCode(code) => Some(code.authorize_url.clone()),
            _ => Url::parse(AUTHORIZE_URL).ok(),
        };
        authorization.map(|url| LoginPages::new(url, token)).unwrap_or_default()
    }

    /// Whether grants of one are of use to the other.
    pub fn is_same_client(&self, other: &Self) -> bool {
        let identity = |app: &Registration| (app.client_id.clone(), app.token_url.clone());
        match (self, other) {
            (Self::AuthorizationCode(a), Self::AuthorizationCode(b)) => {
                identity(&a.registration) == identity(&b.registration)
            }
            (Self::ClientCredentials(a), Self::ClientCredentials(b)) => {
                identity(&a.registration) == identity(&b.registration)
            }
            (Self::PersonalAccessToken(_), Self::PersonalAccessToken(_)) => true,
            _ => false,
        }
    }

    /// Its name, as the configuration writes it.
    pub fn kind(&self) -> &'static str {
        match self {
            Self::AuthorizationCode(_) => "authorization_code",
            Self::ClientCredentials(_) => "client_credentials",
            Self::PersonalAccessToken(_) => "personal_access_token",
        }
    }
}

/// An OAuth2 app that is registered at the authorization server.
#[derive(Clone, Debug)]
pub struct Registration {
    /// `client_id`, RFC 6749 §2.2.
    pub client_id: String,
    /// `client_secret`, RFC 6749 §2.3.1; a public client has none.
    pub client_secret: Option<Secret>,
    /// Where the secret travels.
    pub authentication: ClientAuthentication,
    /// The token endpoint, RFC 6749 §3.2.
    pub token_url: Url,
    /// Whether the token endpoint may be reached without TLS.
    pub plaintext: Plaintext,
    /// The way to the token endpoint.
    pub route: Route,
    /// Certificate authorities (PEM) trusted in addition, for the token endpoint too.
    pub ca_file: Option<std::path::PathBuf>,
}

/// RFC 6749 §2.3.1. Never both, and never one after the other: a single-use token is no probe.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum ClientAuthentication {
    /// `client_id` and `client_secret` in the form.
    #[default]
    Body,
    /// `Authorization: Basic`.
    Basic,
}

/// The authorization code grant, RFC 6749 §4.1.
#[derive(Clone, Debug)]
pub struct AuthorizationCode {
    /// The app.
    pub registration: Registration,
    /// The authorization endpoint, RFC 6749 §3.1.
    pub authorize_url: Url,
    /// The redirection endpoint, byte for byte as registered.
    pub redirect_uri: String,
    /// What a sign-in asks for.
    pub scope: ScopeSet,
    /// A refresh token obtained elsewhere, to begin with.
    pub seed: Option<RefreshToken>,
}

/// The client credentials grant, RFC 6749 §4.4.
#[derive(Clone, Debug)]
pub struct ClientCredentials {
    /// The app.
    pub registration: Registration,
    /// What is asked for; empty leaves it to the server.
    pub scope: ScopeSet,
}
