//! What an answer of the token endpoint means: API.md §2, "How to classify", and RFC 6749 §5.
//!
//! Pure: status, fields and content in, [`Outcome`] out. A credential must not be given up because of
//! an answer that says nothing about it, so only a JSON error that is known to be final refuses;
//! everything else is passing trouble, or in doubt if the exchange may have taken place.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use secrecy::zeroize::Zeroize;
use serde_json::{Map, Value};

use super::super::bearer::{AccessToken, RefreshToken};
use super::super::claims::Claims;
use super::super::state::{Doubtful, Issue, Outcome, Refusal, Taken};

/// The outcome of an answer whose head arrived. `content` is what came of it, `None` when that is too
/// large. JSON cannot be cut off and complete, so what can be read is what was meant.
pub fn classify(
    status: StatusCode,
    fields: &HeaderMap,
    content: Option<&[u8]>,
    now: Timestamp,
) -> Outcome {
    let content = content.map(|content| content.strip_prefix(BYTE_ORDER_MARK).unwrap_or(content));
    let object = content.and_then(|content| serde_json::from_slice(content).ok().map(Object));
    if status.is_success() {
        return match object.as_ref().map(|object| issue(&object.0, now)) {
            Some(Ok(issue)) => Outcome::Granted(issue),
            Some(Err(why)) => doubt(why.to_owned(), Doubtful::Silence),
            None => doubt("its answer was not complete JSON".into(), Doubtful::Silence),
        };
    }
    let said = format!("the token endpoint answered {status}");
    let throttled =
        |taken, detail| Outcome::Throttled { retry_after: retry_after(fields, now), detail, taken };
    match status {
        StatusCode::TOO_MANY_REQUESTS => return throttled(Taken::No, said),
        // A server in maintenance says so, and a gateway that lost its server in the middle.
        StatusCode::SERVICE_UNAVAILABLE => return throttled(Taken::Perhaps, said),
        // A gateway that has no answer, either.
        StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT => {
            return doubt(said, Doubtful::Silence);
        }
        status if status.is_server_error() => return doubt(said, Doubtful::ServerError),
        _ => {}
    }
    // RFC 6749 §5.2: errors come with 400 or 401. A redirect speaks for whoever is in between.
    let told = object.as_ref().filter(|_| status.is_client_error());
    match told.and_then(|object| refusal(status, &object.0)) {
        Some(refusal) => Outcome::Refused(refusal),
        None => throttled(Taken::No, format!("{said} without an OAuth error: check token_url")),
    }
}

/// The JSON of an answer. The tokens in it are wiped with it.
struct Object(Map<String, Value>);

impl Drop for Object {
    fn drop(&mut self) {
        for value in self.0.values_mut() {
            if let Value::String(text) = value {
                text.zeroize();
            }
        }
    }
}

/// How far our wall clock is from the server's, if it told the time: RFC 9110 §6.6.1.
pub(super) fn clock_skew(fields: &HeaderMap, now: Timestamp) -> Option<jiff::SignedDuration> {
    Some(now.duration_since(http_date(fields.get(DATE)?.to_str().ok()?)?))
}

/// RFC 8259 §8.1: a recipient may ignore it.
const BYTE_ORDER_MARK: &[u8] = b"\xef\xbb\xbf";

fn doubt(why: String, doubtful: Doubtful) -> Outcome {
    Outcome::InDoubt { why: format!("an exchange is in doubt: {why}"), doubtful }
}

/// RFC 6749 §5.1, with what API.md §2 and other servers make of it: `expires_in` may be absent, a
/// float or a text, `token_type` may have any case.
fn issue(object: &Map<String, Value>, now: Timestamp) -> Result<Issue, &'static str> {
    let text = |name: &str| match object.get(name) {
        Some(Value::String(text)) if !text.is_empty() => Some(text.as_str()),
        _ => None,
    };
    // RFC 6749 §7.1: a token of a type that we do not understand must not be used.
    if text("token_type").is_some_and(|kind| !kind.eq_ignore_ascii_case("bearer")) {
        return Err("its token is not a bearer token");
    }
    let access = text("access_token").ok_or("its answer has no access_token")?;
    let access = AccessToken::new(access.into()).map_err(|_| "its access_token is malformed")?;
    // One that is there and is no token must not pass for none: the old one is spent.
    let refresh = match object.get("refresh_token") {
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => RefreshToken::new(text.clone())
            .map(Some)
            .map_err(|_| "its refresh_token is malformed")?,
        Some(_) => return Err("its refresh_token is malformed"),
    };
    let claims = Claims::of(&access);
    let told = object.get("expires_in").and_then(seconds);
    Ok(Issue {
        life: told.or_else(|| claims.life(now)),
        scope: text("scope").and_then(|scope| scope.parse().ok()).or(claims.scope),
        access,
        refresh,
    })
}

/// A life in seconds; zero and less mean nothing, and a refresh at once would be a storm.
fn seconds(value: &Value) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(number).ok().filter(|life| !life.is_zero())
}

/// The final errors. `None`: the server says that it is passing, or what it says is unknown.
fn refusal(status: StatusCode, object: &Map<String, Value>) -> Option<Refusal> {
    let text = |name: &str| object.get(name).and_then(Value::as_str).unwrap_or_default();
    match text("error") {
        "invalid_grant" => Some(Refusal::DeadGrant),
        "invalid_client" | "unauthorized_client" => Some(Refusal::Client),
        // league 8 refuses a dead refresh token like this; RFC 6749 would have it be invalid_grant.
        "invalid_request" if status == StatusCode::UNAUTHORIZED => Some(Refusal::DeadGrant),
        "invalid_request" if names_client(text("hint")) => Some(Refusal::Client),
        "invalid_request" | "invalid_scope" | "unsupported_grant_type" => Some(Refusal::Request),
        _ => None,
    }
}

/// league 9 answers a missing secret with invalid_request and this hint.
fn names_client(hint: &str) -> bool {
    hint.contains("`client_id`") || hint.contains("`client_secret`")
}

/// RFC 9110 §10.2.3: seconds or a date, which counts from the server's own date.
fn retry_after(fields: &HeaderMap, now: Timestamp) -> Option<Duration> {
    let text = fields.get(RETRY_AFTER)?.to_str().ok()?.trim();
    match text.parse() {
        Ok(seconds) => Some(Duration::from_secs(seconds)),
        Err(_) => {
            let told = fields.get(DATE).and_then(|date| http_date(date.to_str().ok()?));
            Duration::try_from(http_date(text)?.duration_since(told.unwrap_or(now))).ok()
        }
    }
}

/// All three forms of RFC 9110 §5.6.7.
fn http_date(text: &str) -> Option<Timestamp> {
    Timestamp::try_from(httpdate::parse_http_date(text).ok()?).ok()
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn outcome(status: u16, content: &str) -> Outcome {
        let status = StatusCode::from_u16(status).unwrap();
        classify(status, &HeaderMap::new(), Some(content.as_bytes()), NOW)
    }

    fn granted(content: &str) -> Issue {
        match outcome(200, content) {
            Outcome::Granted(issue) => issue,
            other => panic!("{content}: {other:?}"),
        }
    }

    #[test]
    fn the_answer_of_the_probable_server_is_a_grant() {
        let issue = granted(
            r#"{"token_type":"Bearer","expires_in":1296000,"access_token":"eyJ0","refresh_token":"def50200"}"#,
        );
        assert_eq!(issue.life, Some(Duration::from_secs(1_296_000)));
        assert_eq!(issue.refresh, Some(RefreshToken::new("def50200".into()).unwrap()));
        assert_eq!(issue.scope, None);
    }

    #[test]
    fn odd_but_usable_answers_are_grants() {
        assert_eq!(
            granted(r#"{"access_token":"a","token_type":"bEaReR","expires_in":"60"}"#).life,
            Some(Duration::from_secs(60))
        );
        assert_eq!(
            granted(r#"{"access_token":"a","expires_in":59.5,"more":{}}"#).life,
            Some(Duration::from_millis(59_500))
        );
        for life in ["0", "-5", "null", "\"soon\"", "1e400", "[]"] {
            let content = format!(r#"{{"access_token":"a","expires_in":{life}}}"#);
            if serde_json::from_str::<Value>(&content).is_ok() {
                assert_eq!(granted(&content).life, None, "{life}");
            }
        }
        assert_eq!(granted("\u{feff}{\"access_token\":\"a\"}").refresh, None);
        assert_eq!(granted(r#"{"access_token":"a","refresh_token":""}"#).refresh, None);
        assert_eq!(granted(r#"{"access_token":"a","refresh_token":null}"#).refresh, None);
        let scope = granted(r#"{"access_token":"a","scope":"read write"}"#).scope.unwrap();
        assert_eq!(scope.to_string(), "read write");
    }

    #[test]
    fn a_success_that_cannot_be_used_is_in_doubt() {
        for content in [
            "",
            "{",
            "<html></html>",
            "[]",
            "{}",
            r#"{"access_token":7}"#,
            r#"{"access_token":"a b"}"#,
            r#"{"access_token":"a","token_type":"mac"}"#,
            r#"{"access_token":"a","refresh_token":"a\nb"}"#,
            r#"{"access_token":"a","refresh_token":12345}"#,
        ] {
            let outcome = outcome(200, content);
            assert!(
                matches!(outcome, Outcome::InDoubt { doubtful: Doubtful::Silence, .. }),
                "{content}: {outcome:?}"
            );
        }
    }

    #[test]
    fn refusals_are_told_apart_for_every_server() {
        let hint = |name: &str| {
            format!(r#"{{"error":"invalid_request","hint":"Check the `{name}` parameter"}}"#)
        };
        for (status, content, expected) in [
            (400, r#"{"error":"invalid_grant"}"#.to_owned(), Refusal::DeadGrant),
            (401, r#"{"error":"invalid_grant"}"#.to_owned(), Refusal::DeadGrant),
            (
                401,
                r#"{"error":"invalid_request","hint":"Token has been revoked"}"#.into(),
                Refusal::DeadGrant,
            ),
            (401, r#"{"error":"invalid_client"}"#.into(), Refusal::Client),
            (400, r#"{"error":"unauthorized_client"}"#.into(), Refusal::Client),
            (400, hint("client_secret"), Refusal::Client),
            (400, hint("client_id"), Refusal::Client),
            (400, hint("refresh_token"), Refusal::Request),
            (400, r#"{"error":"invalid_scope"}"#.into(), Refusal::Request),
            (400, r#"{"error":"unsupported_grant_type"}"#.into(), Refusal::Request),
        ] {
            let outcome = outcome(status, &content);
            assert!(
                matches!(outcome, Outcome::Refused(refusal) if refusal == expected),
                "{content}"
            );
        }
    }

    #[test]
    fn what_says_nothing_about_the_grant_is_passing() {
        for (status, content) in [
            (403, "<html>blocked</html>"),
            (404, ""),
            (302, ""),
            (302, r#"{"error":"invalid_grant"}"#),
            (429, "<html></html>"),
            (429, r#"{"message":"Too Many Attempts."}"#),
            (503, r#"{"error":"invalid_grant"}"#),
            (400, r#"{"error":"temporarily_unavailable"}"#),
            (401, r#"{"message":"Unauthenticated."}"#),
        ] {
            let outcome = outcome(status, content);
            assert!(
                matches!(outcome, Outcome::Throttled { .. }),
                "{status} {content}: {outcome:?}"
            );
        }
    }

    #[test]
    fn an_error_of_the_server_leaves_the_exchange_in_doubt() {
        for (status, expected) in [
            (500, Doubtful::ServerError),
            (507, Doubtful::ServerError),
            (502, Doubtful::Silence),
            (504, Doubtful::Silence),
        ] {
            let outcome = outcome(status, r#"{"error":"server_error"}"#);
            assert!(matches!(outcome, Outcome::InDoubt { doubtful, .. } if doubtful == expected));
        }
    }

    #[test]
    fn one_who_turns_away_may_have_passed_it_on_before() {
        for (status, expected) in [(503, Taken::Perhaps), (429, Taken::No), (404, Taken::No)] {
            let outcome = outcome(status, "");
            assert!(matches!(outcome, Outcome::Throttled { taken, .. } if taken == expected));
        }
    }

    #[test]
    fn retry_after_is_read_in_both_forms() {
        let told = |text: &'static str| {
            let mut fields = HeaderMap::new();
            fields.insert(RETRY_AFTER, HeaderValue::from_static(text));
            retry_after(&fields, NOW)
        };
        assert_eq!(told("120"), Some(Duration::from_secs(120)));
        for date in [
            "Thu, 01 Jan 1970 00:01:00 GMT",
            "Thursday, 01-Jan-70 00:01:00 GMT",
            "Thu Jan  1 00:01:00 1970",
        ] {
            assert_eq!(told(date), Some(Duration::from_secs(60)), "{date}");
        }
        assert_eq!(told("soon"), None);
        assert_eq!(told("Wed, 31 Dec 1969 23:59:00 GMT"), None);
    }

    #[test]
    fn a_date_counts_by_the_clock_that_gave_it() {
        let mut fields = HeaderMap::new();
        fields.insert(DATE, HeaderValue::from_static("Fri, 02 Jan 1970 00:00:00 GMT"));
        fields.insert(RETRY_AFTER, HeaderValue::from_static("Fri, 02 Jan 1970 00:02:00 GMT"));
        assert_eq!(retry_after(&fields, NOW), Some(Duration::from_secs(120)));
    }

    #[test]
    fn the_servers_clock_is_compared_with_ours() {
        let mut fields = HeaderMap::new();
        fields.insert(DATE, HeaderValue::from_static("Thu, 01 Jan 1970 00:01:00 GMT"));
        assert_eq!(clock_skew(&fields, NOW).unwrap().as_secs(), -60);
    }

    #[test]
    fn no_outcome_quotes_the_server() {
        for status in [200, 302, 400, 401, 403, 429, 500, 503] {
            let outcome = outcome(status, r#"{"error":"canary","message":"canary"}"#);
            assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
        }
    }
}
