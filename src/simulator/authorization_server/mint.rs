//! Tokens of believable shape and length: API.md §2, "Tokens". Nothing in them is verified by anybody;
//! the ledger knows its own.

use std::time::Duration;

use base64::Engine;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use jiff::Timestamp;
use serde::Serialize;

use crate::clock::Moment;
use crate::secret::Secret;
use crate::simulator::Personality;
use crate::simulator::authorization_server::ledger::Holder;

/// How defuse/php-encryption starts everything that it encrypts.
const DEFUSE: &str = "def50200";

/// Length of a refresh token with two scopes.
const REFRESH: usize = 740;

/// Length of an authorization code.
const CODE: usize = 734;

const HEADER: &str = r#"{"typ":"JWT","alg":"RS256"}"#;

/// Field order and float times as lcobucci/jwt writes them.
#[derive(Serialize)]
struct Claims<'a> {
    aud: &'a str,
    jti: String,
    iat: f64,
    nbf: f64,
    exp: f64,
    sub: String,
    scopes: Vec<&'a str>,
}

/// A JWT without `kid`, whose RS256 signature is random.
pub(super) fn access_token(
    holder: &Holder,
    personality: Personality,
    life: Duration,
    now: Moment,
) -> Secret {
    let issued = seconds(now.wall());
    let sub = match (holder.user, personality) {
        (Some(user), _) => user.0.to_string(),
        (None, Personality::League8) => String::new(),
        (None, Personality::League9 | Personality::Rfc9700) => holder.client.clone(),
    };
    let claims = Claims {
        aud: &holder.client,
        jti: hex(80),
        iat: issued,
        nbf: issued,
        exp: seconds(now.plus(life).wall()),
        sub,
        scopes: holder.scope.iter().map(|scope| scope.as_str()).collect(),
    };
    // Strings and finite numbers always serialize.
    let claims = serde_json::to_string(&claims).unwrap_or_default();
    let mut signature = [0; 256];
    fastrand::Rng::new().fill(&mut signature);
    Secret::new(format!(
        "{}.{}.{}",
        URL_SAFE_NO_PAD.encode(HEADER),
        URL_SAFE_NO_PAD.encode(claims),
        URL_SAFE_NO_PAD.encode(signature)
    ))
}

/// An opaque refresh token.
pub(super) fn refresh_token() -> Secret {
    Secret::new(format!("{DEFUSE}{}", hex(REFRESH - DEFUSE.len())))
}

/// An opaque authorization code.
pub(super) fn code() -> Secret {
    Secret::new(format!("{DEFUSE}{}", hex(CODE - DEFUSE.len())))
}

/// Unix time with microseconds.
fn seconds(time: Timestamp) -> f64 {
    // Exact: microseconds since 1970 fit into the 53 bits of a double until the year 2255.
    time.as_microsecond() as f64 / 1e6
}

fn hex(length: usize) -> String {
    let mut random = fastrand::Rng::new();
    (0..length).map(|_| random.digit(16)).collect()
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::world::UserId;

    fn claims(user: Option<UserId>, personality: Personality) -> serde_json::Value {
        let holder = Holder { client: "1".into(), user, scope: "read write".parse().unwrap() };
        let now = crate::clock::now();
        let token = access_token(&holder, personality, Duration::from_secs(60), now);
        let parts: Vec<&str> = token.expose().split('.').collect();
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[0]).unwrap(), HEADER.as_bytes());
        assert_eq!(URL_SAFE_NO_PAD.decode(parts[2]).unwrap().len(), 256);
        assert!((640..=1100).contains(&token.expose().len()), "{}", token.expose().len());
        let claims = URL_SAFE_NO_PAD.decode(parts[1]).unwrap();
        assert!(claims.starts_with(b"{\"aud\":\"1\",\"jti\":\""));
        serde_json::from_slice(&claims).unwrap()
    }

    #[test]
    fn an_access_token_looks_like_passports() {
        let claims = claims(Some(UserId(42)), Personality::League9);
        assert_eq!(claims["aud"], "1");
        assert_eq!(claims["sub"], "42");
        assert_eq!(claims["scopes"], serde_json::json!(["read", "write"]));
        assert_eq!(claims["jti"].as_str().unwrap().len(), 80);
        let life = claims["exp"].as_f64().unwrap() - claims["iat"].as_f64().unwrap();
        assert!((life - 60.0).abs() < 1e-3 && claims["nbf"].is_f64());
    }

    #[test]
    fn a_client_without_a_user_has_an_empty_subject_in_league_8_only() {
        assert_eq!(claims(None, Personality::League8)["sub"], "");
        assert_eq!(claims(None, Personality::League9)["sub"], "1");
    }

    #[test]
    fn opaque_tokens_have_the_recorded_lengths() {
        let (refresh, code) = (refresh_token(), code());
        assert_eq!((refresh.expose().len(), code.expose().len()), (740, 734));
        for text in [refresh.expose(), code.expose()] {
            assert!(text.starts_with("def50200"));
            assert!(text.bytes().all(|b| matches!(b, b'0'..=b'9' | b'a'..=b'f')));
        }
    }
}
