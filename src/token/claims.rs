//! What an access token says of itself, if it is a JWT: RFC 7519.
//!
//! Nothing here is trusted: no signature is checked, because the token is not meant for us. The claims
//! fill in what the token endpoint did not tell, and they are shown to people. API.md §2: `exp` and
//! `iat` are floats with microseconds, `scopes` is an array.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Deserialize;
use serde_json::Value;

use crate::scope::ScopeSet;

use super::bearer::AccessToken;

/// The claims that the sidecar has a use for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Claims {
    /// `exp`.
    pub expires: Option<Timestamp>,
    /// `scopes`, or `scope` as RFC 9068 writes it.
    pub scope: Option<ScopeSet>,
    /// `sub`: who signed in, as the server counts people.
    pub subject: Option<String>,
}

impl Claims {
    /// Reads the claims; a token that is no JWT has none.
    pub fn of(token: &AccessToken) -> Self {
        Self::read(token.expose()).unwrap_or_default()
    }

    /// Time from `now` to `exp`; `None` when it is unknown or past.
    pub fn life(&self, now: Timestamp) -> Option<Duration> {
        Duration::try_from(self.expires?.duration_since(now)).ok().filter(|life| !life.is_zero())
    }

    fn read(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_header, payload, _signature) = (parts.next()?, parts.next()?, parts.next()?);
        let payload = URL_SAFE_NO_PAD.decode(payload.trim_end_matches('=')).ok()?;
        let payload: Payload = serde_json::from_slice(&payload).ok()?;
        let expires = payload.exp.and_then(|seconds| {
            let since_epoch = Duration::try_from_secs_f64(seconds).ok()?;
            Timestamp::UNIX_EPOCH.checked_add(since_epoch).ok()
        });
        let scope = match (payload.scopes, payload.scope) {
            (Some(Value::Array(values)), _) => {
                values.iter().map(|value| value.as_str()?.parse().ok()).collect()
            }
            (_, Some(Value::String(text))) => text.parse().ok(),
            _ => None,
        };
        let subject = payload.sub.filter(|subject| !subject.is_empty());
        Some(Self { expires, scope, subject })
    }
}

#[derive(Deserialize)]
struct Payload {
    exp: Option<f64>,
    sub: Option<String>,
    scopes: Option<Value>,
    scope: Option<Value>,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn claims(payload: &str) -> Claims {
        let text = format!("eyJ0eXAiOiJKV1QifQ.{}.c2ln", URL_SAFE_NO_PAD.encode(payload));
        Claims::of(&AccessToken::new(text).unwrap())
    }

    #[test]
    fn the_servers_float_times_are_read() {
        let read =
            claims(r#"{"aud":"1","exp":1796783589.179297,"scopes":["read","write"],"sub":"42"}"#);
        assert_eq!(read.subject.as_deref(), Some("42"));
        assert_eq!(read.expires.unwrap().as_second(), 1_796_783_589);
        assert_eq!(read.scope.unwrap().to_string(), "read write");
    }

    #[test]
    fn an_integer_time_and_a_scope_text_are_read_too() {
        let read = claims(r#"{"exp":1796783589,"scope":"admin"}"#);
        assert_eq!(read.expires.unwrap().as_second(), 1_796_783_589);
        assert_eq!(read.scope.unwrap().to_string(), "admin");
    }

    #[test]
    fn what_is_no_jwt_has_no_claims() {
        for text in ["opaque", "a.b", "a.!!!.c", "a.e30.c", "a.eyJleHAiOi0xfQ.c"] {
            let token = AccessToken::new(text.replace('!', "~")).unwrap();
            assert_eq!(Claims::of(&token).expires, None, "{text}");
        }
        assert_eq!(claims(r#"{"exp":1e300}"#), Claims::default());
    }

    #[test]
    fn a_token_past_its_end_has_no_life() {
        let read = claims(r#"{"exp":1000}"#);
        assert_eq!(read.life(Timestamp::from_second(999).unwrap()), Some(Duration::from_secs(1)));
        assert_eq!(read.life(Timestamp::from_second(1000).unwrap()), None);
    }
}
