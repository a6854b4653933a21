//! An app, for tests to which it does not matter which one.

use super::{AuthorizationCode, ClientAuthentication, Registration};
use crate::net::origin::Plaintext;
use crate::net::tunnel::Route;

impl Registration {
    /// A public client.
    pub(crate) fn example() -> Self {
        Self {
            client_id: "id 1".into(),
            client_secret: None,
            authentication: ClientAuthentication::Body,
            token_url: "https://api.example/oauth/token".parse().unwrap(),
            plaintext: Plaintext::Loopback,
            route: Route::Direct,
            ca_file: None,
        }
    }
}

impl AuthorizationCode {
    /// One to which browsers come back on this host.
    pub(crate) fn example() -> Self {
        Self {
            registration: Registration::example(),
            authorize_url: "https://as.example/oauth/authorize".parse().unwrap(),
            redirect_uri: "http://127.0.0.1:9181/callback".into(),
            scope: "read write".parse().unwrap(),
            seed: None,
        }
    }
}
