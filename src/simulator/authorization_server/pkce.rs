//! Proof of possession of an authorization code: RFC 7636.

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use sha2::{Digest, Sha256};

use crate::simulator::authorization_server::refusal::Refusal;

/// What the client promised when it asked for a code.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Challenge {
    text: String,
    method: Method,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Method {
    Plain,
    S256,
}

impl Challenge {
    /// Reads `code_challenge` and `code_challenge_method`, whose absence means `plain`.
    pub(super) fn read(text: &str, method: Option<&str>) -> Result<Self, Refusal> {
        let method = match method {
            None | Some("plain") => Method::Plain,
            Some("S256") => Method::S256,
            Some(_) => return Err(Refusal::ChallengeMethod),
        };
        if !well_formed(text) {
            return Err(Refusal::ChallengeMalformed);
        }
        Ok(Self { text: text.to_owned(), method })
    }

    /// Whether `verifier` is what the challenge was made from.
    pub(super) fn verify(&self, verifier: &str) -> Result<(), Refusal> {
        if !well_formed(verifier) {
            return Err(Refusal::VerifierMalformed);
        }
        let matches = match self.method {
            Method::Plain => verifier == self.text,
            Method::S256 => URL_SAFE_NO_PAD.encode(Sha256::digest(verifier)) == self.text,
        };
        if matches { Ok(()) } else { Err(Refusal::VerifierWrong) }
    }
}

/// RFC 7636 §4.1 and §4.2: 43 to 128 unreserved characters.
fn well_formed(text: &str) -> bool {
    (43..=128).contains(&text.len())
        && text.bytes().all(|b| b.is_ascii_alphanumeric() || b"-._~".contains(&b))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_example_of_rfc_7636_appendix_b_verifies() {
        let challenge = "E9Melhoa2OwvFrEMTJguCHaoeK1t8URWbuGJSstw-cM";
        let challenge = Challenge::read(challenge, Some("S256")).unwrap();
        let verifier = "dBjftJeZ4CVP-mB92K27uhbUJU1p1r_wW1gFWFOEjXk";
        assert_eq!(challenge.verify(verifier), Ok(()));
        assert_eq!(challenge.verify(&"x".repeat(43)), Err(Refusal::VerifierWrong));
        assert_eq!(challenge.verify("short"), Err(Refusal::VerifierMalformed));
    }

    #[test]
    fn without_a_method_the_challenge_is_the_verifier() {
        let text = "a".repeat(43);
        let challenge = Challenge::read(&text, None).unwrap();
        assert_eq!(challenge.verify(&text), Ok(()));
        assert_eq!(Challenge::read(&text, Some("S512")), Err(Refusal::ChallengeMethod));
        assert_eq!(Challenge::read("short", None), Err(Refusal::ChallengeMalformed));
    }
}
