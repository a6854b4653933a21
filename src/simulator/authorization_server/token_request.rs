//! A request at the token endpoint: who asks, and for what.

use axum::http::header::{AUTHORIZATION, CONTENT_TYPE};
use axum::http::request;
use base64::Engine;
use base64::engine::general_purpose::STANDARD;

use crate::secret::{Fingerprint, Secret};
use crate::simulator::authorization_server::parameters::Parameters;
use crate::simulator::authorization_server::refusal::{Challenged, Refusal};
use crate::simulator::client::{Client, ClientKind, GrantType};
use crate::simulator::journal::ClientAuthentication;
use crate::simulator::world::World;
use crate::simulator::{Personality, laravel::Wants};

/// What the token endpoint understood of a request.
pub(super) struct TokenRequest {
    pub(super) form: Parameters,
    pub(super) wants: Wants,
    pub(super) challenged: Challenged,
    personality: Personality,
    basic: Option<Basic>,
}

/// The content of `Authorization: Basic`.
struct Basic {
    id: String,
    secret: Secret,
}

impl TokenRequest {
    /// Reads it as this personality does. Content that is not a form counts as none (API.md §2).
    pub(super) fn read(head: &request::Parts, content: &[u8], personality: Personality) -> Self {
        let fields = &head.headers;
        let is_form = fields
            .get(CONTENT_TYPE)
            .and_then(|value| value.to_str().ok())
            .is_some_and(|value| value.starts_with("application/x-www-form-urlencoded"));
        let mut form = if is_form { Parameters::read(content) } else { Parameters::default() };
        if personality == Personality::League9 {
            form.trim();
        }
        let authorization = fields.get(AUTHORIZATION).and_then(|value| value.to_str().ok());
        Self {
            form,
            wants: Wants::of(fields),
            challenged: if authorization.is_some() { Challenged::Yes } else { Challenged::No },
            personality,
            basic: authorization.and_then(|value| Basic::read(value, personality)),
        }
    }

    /// A parameter that is there and not empty.
    pub(super) fn parameter(&self, name: &'static str) -> Result<&str, Refusal> {
        self.optional(name).ok_or(Refusal::ParameterMissing(name))
    }

    /// A parameter that may be missing.
    pub(super) fn optional(&self, name: &str) -> Option<&str> {
        self.form.value(name).filter(|value| !value.is_empty())
    }

    pub(super) fn grant_type(&self) -> Option<GrantType> {
        self.form.value("grant_type").and_then(GrantType::read)
    }

    /// The refresh token that it brings, for the journal.
    pub(super) fn presented(&self) -> Option<Fingerprint> {
        self.optional("refresh_token").map(Fingerprint::of)
    }

    pub(super) fn client_authentication(&self) -> ClientAuthentication {
        match (self.optional("client_secret"), &self.basic) {
            (None, None) => ClientAuthentication::None,
            (Some(_), None) => ClientAuthentication::Body,
            (None, Some(_)) => ClientAuthentication::Basic,
            (Some(_), Some(_)) => ClientAuthentication::Both,
        }
    }

    /// The client, after it has shown that it may use this grant type. What stands in the body wins
    /// over Basic; only the strict server minds that both are there.
    pub(super) fn authenticate<'w>(
        &self,
        world: &'w World,
        grant: GrantType,
    ) -> Result<&'w Client, Refusal> {
        let strict = self.personality == Personality::Rfc9700;
        if strict && self.client_authentication() == ClientAuthentication::Both {
            return Err(Refusal::TwoAuthentications);
        }
        let basic = self.basic.as_ref();
        let id = self
            .optional("client_id")
            .or_else(|| basic.map(|basic| basic.id.as_str()))
            .ok_or(Refusal::ParameterMissing("client_id"))?;
        let client = world.client(id).ok_or(Refusal::Client)?;
        if !client.grants.contains(&grant) {
            return Err(Refusal::GrantNotAllowed);
        }
        let given = self
            .optional("client_secret")
            .map(|text| Secret::new(text.to_owned()))
            .or_else(|| basic.map(|basic| basic.secret.clone()))
            .filter(|secret| !secret.expose().is_empty());
        match (&client.kind, given) {
            (ClientKind::Public, _) if grant == GrantType::ClientCredentials => {
                Err(Refusal::PublicClient)
            }
            (ClientKind::Public, _) => Ok(client),
            (ClientKind::Confidential(_), None) => Err(Refusal::SecretMissing),
            (ClientKind::Confidential(secret), Some(given)) if *secret == given => Ok(client),
            (ClientKind::Confidential(_), Some(_)) => Err(Refusal::Client),
        }
    }
}

impl Basic {
    /// league 8 wants this very spelling of the scheme; only the strict server form-decodes the two
    /// parts, as RFC 6749 §2.3.1 says.
    fn read(authorization: &str, personality: Personality) -> Option<Self> {
        let (scheme, encoded) = authorization.split_once(' ')?;
        let known = match personality {
            Personality::League8 => scheme == "Basic",
            Personality::League9 | Personality::Rfc9700 => scheme.eq_ignore_ascii_case("basic"),
        };
        if !known {
            return None;
        }
        let text = String::from_utf8(STANDARD.decode(encoded.trim()).ok()?).ok()?;
        let (id, secret) = text.split_once(':')?;
        let part = |text: &str| match personality {
            Personality::Rfc9700 => decoded(text),
            Personality::League8 | Personality::League9 => text.to_owned(),
        };
        Some(Self { id: part(id), secret: Secret::new(part(secret)) })
    }
}

/// Undoes form encoding: the name of a lone parameter is the text.
fn decoded(text: &str) -> String {
    let escaped = text.replace('&', "%26").replace('=', "%3D");
    let first = url::form_urlencoded::parse(escaped.as_bytes()).next();
    first.map(|(name, _)| name.into_owned()).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn basic(authorization: &str, personality: Personality) -> Option<(String, String)> {
        let basic = Basic::read(authorization, personality)?;
        Some((basic.id, basic.secret.expose().to_owned()))
    }

    #[test]
    fn basic_is_split_at_the_first_colon_and_decoded_by_the_strict_server_only() {
        let authorization = format!("Basic {}", STANDARD.encode("a%20b:c+d:e"));
        let league = Some(("a%20b".to_owned(), "c+d:e".to_owned()));
        assert_eq!(basic(&authorization, Personality::League8), league);
        assert_eq!(basic(&authorization, Personality::League9), league);
        let strict = Some(("a b".to_owned(), "c d:e".to_owned()));
        assert_eq!(basic(&authorization, Personality::Rfc9700), strict);
    }

    #[test]
    fn league_8_knows_one_spelling_of_basic() {
        let authorization = format!("basic {}", STANDARD.encode("1:secret"));
        assert_eq!(basic(&authorization, Personality::League8), None);
        assert!(basic(&authorization, Personality::League9).is_some());
        assert_eq!(basic("Bearer abc", Personality::League9), None);
        assert_eq!(basic("Basic !", Personality::League9), None);
    }
}
