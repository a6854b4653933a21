//! A sign-in that has begun: what only we and the authorization server may know of it.

use std::io;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};
use url::Url;

use crate::scope::ScopeSet;
use crate::secret::Secret;

use super::super::source::AuthorizationCode;

/// A sign-in that waits for its browser to come back.
#[derive(Clone, Debug)]
pub struct Pending {
    /// RFC 6749 §10.12: only the answer to our own question has it.
    pub(super) state: Secret,
    /// RFC 7636 §4.1: only who began the sign-in can finish it.
    pub(super) verifier: Secret,
    /// Byte for byte as configured: it is compared at both endpoints.
    pub(super) redirect_uri: String,
    pub(super) authorize_url: Url,
    client_id: String,
    scope: ScopeSet,
}

impl Pending {
    /// A sign-in to this app.
    ///
    /// # Errors
    ///
    /// The system has no randomness to give.
    pub fn new(app: &AuthorizationCode) -> io::Result<Self> {
        Ok(Self::of(app, Secret::random()?, Secret::random()?))
    }

    /// A sign-in with this state and verifier.
    pub(super) fn of(app: &AuthorizationCode, state: Secret, verifier: Secret) -> Self {
        Self {
            state,
            verifier,
            redirect_uri: app.redirect_uri.clone(),
            authorize_url: app.authorize_url.clone(),
            client_id: app.registration.client_id.clone(),
            scope: app.scope.clone(),
        }
    }

    /// Where the person's browser has to go: RFC 6749 §4.1.1, RFC 7636 §4.3. What the configured URL
    /// has in its query stays there (§3.1). It is for that browser alone.
    pub fn url(&self) -> String {
        let mut url = self.authorize_url.clone();
        let mut query = url.query_pairs_mut();
        query.append_pair("response_type", "code");
        query.append_pair("client_id", &self.client_id);
        query.append_pair("redirect_uri", &self.redirect_uri);
        if !self.scope.is_empty() {
            query.append_pair("scope", &self.scope.to_string());
        }
        query.append_pair("state", self.state.expose());
        query.append_pair("code_challenge", &challenge(&self.verifier));
        query.append_pair("code_challenge_method", "S256");
        drop(query);
        url.into()
    }

    /// Whether this `state` is that of this sign-in; takes the same time wherever the two differ.
    pub fn has_state(&self, state: &Secret) -> bool {
        self.state == *state
    }
}

/// RFC 7636 §4.2, S256.
fn challenge(verifier: &Secret) -> String {
    URL_SAFE_NO_PAD.encode(Sha256::digest(verifier.expose()))
}
