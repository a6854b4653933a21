//! What a user has permitted, and to whom: the meaning of an authorization code.

use crate::simulator::authorization_server::ledger::Holder;
use crate::simulator::authorization_server::pkce::Challenge;
use crate::simulator::authorization_server::refusal::Refusal;

/// What an authorization code stands for.
#[derive(Clone, Debug)]
pub(super) struct Permission {
    pub(super) holder: Holder,
    /// As it stood in the authorization request; `None` when it did not.
    pub(super) redirect_uri: Option<String>,
    pub(super) challenge: Option<Challenge>,
}

impl Permission {
    /// Whether this client may have the tokens, in the order in which league asks.
    pub(super) fn check(
        &self,
        client: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
    ) -> Result<(), Refusal> {
        if self.holder.client != client {
            return Err(Refusal::CodeOfAnotherClient);
        }
        match (self.redirect_uri.as_deref(), redirect_uri) {
            (Some(_), None) => return Err(Refusal::ParameterMissing("redirect_uri")),
            (Some(asked), Some(given)) if asked != given => {
                return Err(Refusal::CodeOfAnotherRedirect);
            }
            _ => {}
        }
        match (&self.challenge, verifier) {
            (Some(_), None) => Err(Refusal::ParameterMissing("code_verifier")),
            (Some(challenge), Some(verifier)) => challenge.verify(verifier),
            (None, Some(_)) => Err(Refusal::VerifierUnexpected),
            (None, None) => Ok(()),
        }
    }
}
