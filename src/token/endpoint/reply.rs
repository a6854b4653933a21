//! What an answer of the token endpoint means: API.md §2, "How to classify", and RFC 6749 §5.
//!
//! Pure: status, fields and content in, [`Outcome`] out. A credential must not be given up because of
//! an answer that says nothing about it, so only an error that is known to be final refuses; everything
//! else is passing trouble, or in doubt if the exchange may have taken place.

use std::time::Duration;

use http::header::{DATE, RETRY_AFTER};
use http::{HeaderMap, StatusCode};
use jiff::Timestamp;
use serde_json::Value;

use super::super::bearer::{AccessToken, RefreshToken};
use super::super::claims::Claims;
use super::super::state::{Doubtful, Issue, Outcome, Taken};
use super::answer::{Answer, Found, answer, squashed};
use super::oauth_error::{Meaning, meaning};
use crate::scope::ScopeSet;

/// What an answer means, and whether there may be tokens in it that could not be read.
pub(super) struct Understood {
    pub(super) outcome: Outcome,
    pub(super) unread: Unread,
}

/// Whether something is lost with the content.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Unread {
    /// No: it was read, or there can be nothing in it.
    Nothing,
    /// Perhaps: it has no reading, or more than one.
    Content,
}

/// The outcome of an answer whose head arrived. `content` is what came of it.
pub fn classify(status: StatusCode, fields: &HeaderMap, content: &[u8], now: Timestamp) -> Outcome {
    understood(status, fields, content, now).outcome
}

/// The texts of an error, for people: RFC 6749 §5.2, and league's `hint`.
#[derive(Debug, Default)]
pub struct ErrorTexts {
    /// `error`.
    pub code: String,
    /// `error_description`.
    pub description: String,
    /// `hint`.
    pub hint: String,
}

impl ErrorTexts {
    /// Those in an answer; empty where it has none.
    pub fn of(fields: &HeaderMap, content: &[u8]) -> Self {
        let Some(Answer::Error(found)) = answer(fields, content) else { return Self::default() };
        let text = |name: &str| found.text(name).unwrap_or_default().to_owned();
        Self {
            code: found.error().unwrap_or_default().to_owned(),
            description: text("error_description"),
            hint: text("hint"),
        }
    }
}

/// JSON cannot be cut off and complete, so what can be read is what was meant. An error that is told is
/// believed whatever the status, because many servers tell theirs with 200.
pub(super) fn understood(
    status: StatusCode,
    fields: &HeaderMap,
    content: &[u8],
    now: Timestamp,
) -> Understood {
    let read = |outcome| Understood { outcome, unread: Unread::Nothing };
    let found = match answer(fields, content) {
        Some(Answer::Tokens(found)) if status.is_success() => {
            return match issue(&found, now) {
                Ok(issue) => read(Outcome::Granted(issue)),
                Err(why) => unreadable(why, content),
            };
        }
        Some(Answer::Tokens(_)) => return unreadable("its status and its content differ", content),
        Some(Answer::Error(found)) => Some(found),
        None if status.is_success() => {
            return unreadable("its answer has no tokens that can be read", content);
        }
        None => None,
    };
    let said = format!("the token endpoint answered {status}");
    let throttled =
        |taken, detail| Outcome::Throttled { retry_after: retry_after(fields, now), detail, taken };
    let meaning = found.map(|found| match is_reason(status, &found) {
        true => None,
        false => Some(meaning(&found, status == StatusCode::UNAUTHORIZED)),
    });
    read(match (meaning.flatten(), status) {
        (Some(Meaning::Final(refusal)), _) => Outcome::Refused(refusal),
        (_, StatusCode::TOO_MANY_REQUESTS) => throttled(Taken::No, said),
        // A server in maintenance says so, and a gateway that lost its server in the middle.
        (Some(Meaning::Busy), _) | (_, StatusCode::SERVICE_UNAVAILABLE) => {
            throttled(Taken::Perhaps, said)
        }
        // A gateway that has no answer, either.
        (_, StatusCode::BAD_GATEWAY | StatusCode::GATEWAY_TIMEOUT) => {
            doubt(&said, Doubtful::Unreadable)
        }
        (_, status) if status.is_server_error() => doubt(&said, Doubtful::ServerError),
        (Some(Meaning::Unknown), _) => {
            doubt(&format!("{said} and an error that is not known"), Doubtful::ServerError)
        }
        (None, _) => {
            throttled(Taken::Elsewhere, format!("{said} without an OAuth error: check token_url"))
        }
    })
}

/// Whether the error is the phrase of the status, as frameworks write it who know nothing of OAuth.
fn is_reason(status: StatusCode, found: &Found) -> bool {
    let code = squashed(found.error().unwrap_or_default());
    status.canonical_reason().is_some_and(|reason| squashed(reason) == code)
}

fn unreadable(why: &str, content: &[u8]) -> Understood {
    let unread = if content.is_empty() { Unread::Nothing } else { Unread::Content };
    Understood { outcome: doubt(why, Doubtful::Unreadable), unread }
}

/// How far our wall clock is from the server's, if it told the time: RFC 9110 §6.6.1.
pub(super) fn clock_skew(fields: &HeaderMap, now: Timestamp) -> Option<jiff::SignedDuration> {
    Some(now.duration_since(http_date(fields.get(DATE)?.to_str().ok()?)?))
}

fn doubt(why: &str, doubtful: Doubtful) -> Outcome {
    Outcome::InDoubt { why: format!("an exchange is in doubt: {why}"), doubtful }
}

/// RFC 6749 §5.1, with what API.md §2 and other servers make of it: `expires_in` may be absent, a
/// float or a text, `token_type` may have any case and something behind it.
fn issue(found: &Found, now: Timestamp) -> Result<Issue, &'static str> {
    // RFC 6749 §7.1: a token of a type that we do not understand must not be used.
    if found.text("token_type").is_some_and(|kind| !is_bearer(kind)) {
        return Err("its token is not a bearer token");
    }
    let access = found.text("access_token").ok_or("its answer has no access_token")?.trim();
    let access = access.strip_prefix("Bearer ").unwrap_or(access).trim();
    let access = AccessToken::new(access.into()).map_err(|_| "its access_token is malformed")?;
    // One that is there and is no token must not pass for none: the old one is spent.
    let refresh = match found.get("refresh_token") {
        None if found.elsewhere("refresh_token") > 0 => {
            return Err("its refresh_token is not beside its access_token");
        }
        None | Some(Value::Null) => None,
        Some(Value::String(text)) if text.is_empty() => None,
        Some(Value::String(text)) => RefreshToken::new(text.trim().into())
            .map(Some)
            .map_err(|_| "its refresh_token is malformed")?,
        Some(_) => return Err("its refresh_token is malformed"),
    };
    let claims = Claims::of(&access);
    let told = found.get("expires_in").and_then(seconds);
    Ok(Issue {
        life: told.or_else(|| claims.life(now)),
        scope: found.get("scope").and_then(scope).or(claims.scope),
        access,
        refresh,
    })
}

/// Whether this is RFC 6750's type, whatever stands behind it.
fn is_bearer(kind: &str) -> bool {
    let kind = kind.trim().as_bytes();
    kind.get(..6).is_some_and(|kind| kind.eq_ignore_ascii_case(b"bearer"))
}

/// RFC 6749 §3.3 has a text, and some servers a list.
fn scope(value: &Value) -> Option<ScopeSet> {
    match value {
        Value::String(text) if !text.is_empty() => text.parse().ok(),
        Value::Array(values) => {
            let names: Option<Vec<&str>> = values.iter().map(Value::as_str).collect();
            names?.join(" ").parse().ok()
        }
        _ => None,
    }
}

/// A life in seconds; zero and less mean nothing, and a refresh at once would be a storm.
fn seconds(value: &Value) -> Option<Duration> {
    let number = match value {
        Value::Number(number) => number.as_f64()?,
        Value::String(text) => text.trim().trim_end_matches(['s', 'S']).trim_end().parse().ok()?,
        _ => return None,
    };
    Duration::try_from_secs_f64(number).ok().filter(|life| !life.is_zero())
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

    use super::super::super::state::Refusal;
    use super::*;

    const NOW: Timestamp = Timestamp::UNIX_EPOCH;

    fn outcome(status: u16, content: &str) -> Outcome {
        let status = StatusCode::from_u16(status).unwrap();
        classify(status, &HeaderMap::new(), content.as_bytes(), NOW)
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
            r#"{"access_token":"a","refresh_token":"b""#,
            r#"{"access_token":"a","access_token":"b"}"#,
            r#"{"access_token":"a"}{"access_token":"b"}"#,
            r#"{"access_token":"a","error":"invalid_grant"}"#,
            r#"{"access_token":"a","success":false}"#,
            r#"{"bot":{"access_token":"a"},"user":{"access_token":"b"}}"#,
            r#"{"access_token":"a","user":{"refresh_token":"b"}}"#,
            r#"<html><pre>{"access_token":"example"}</pre></html>"#,
            "access_token=a&access_token=b",
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
                matches!(outcome, Outcome::InDoubt { doubtful: Doubtful::Unreadable, .. }),
                "{content}: {outcome:?}"
            );
            let status = StatusCode::OK;
            let understood = understood(status, &HeaderMap::new(), content.as_bytes(), NOW);
            assert_eq!(understood.unread == Unread::Content, !content.is_empty(), "{content}");
        }
    }

    #[test]
    fn a_grant_in_any_form_with_one_reading_is_a_grant() {
        let json =
            r#"{"access_token":"a.1","token_type":"Bearer","expires_in":60,"refresh_token":"b"}"#;
        let twice = format!("{json}\n{json}");
        let quoted = serde_json::to_string(json).unwrap();
        let warning = "<br />\n<b>Warning</b>:  Undefined array key {x} in <b>/a.php</b> on line <b>3</b><br />\n";
        for content in [
            json.to_owned(),
            format!("\u{feff}\n{json}"),
            format!(")]}}',\n{json}"),
            format!("while(1);{json}"),
            format!("{{}}&&{json}"),
            format!("callback({json});"),
            format!("{warning}{json}"),
            format!("PHP Notice:  Trying to access in /a.php on line 3\n{json}"),
            format!("{json}\n{warning}"),
            format!("{json}\0\0\0"),
            format!("{json}garbage"),
            format!("\0{json}"),
            format!("[{json}]"),
            format!(r#"{{"data":{json}}}"#),
            format!(r#"{{"success":true,"data":{{"token":{json}}},"error":null}}"#),
            format!(r#"{{"ok":true,"error":"","result":[{json}],"errors":[]}}"#),
            twice,
            quoted,
            json.replace("Bearer", "bearer "),
            json.replace("Bearer", "BEARER; charset=utf-8"),
            json.replace("Bearer", "BearerToken"),
            json.replace("60", "\"60\""),
            json.replace("60", "\" 60 s\""),
            json.replace("\"a.1\"", "\"Bearer a.1\""),
            json.replace("access_token", "accessToken")
                .replace("refresh_token", "refreshToken")
                .replace("expires_in", "expiresIn"),
            json.replacen("\"token_type\"", "\"access_token\":\"a.1\",\"token_type\"", 1),
            "access_token=a.1&token_type=bearer&expires_in=60&refresh_token=b&scope=".to_owned(),
            "access_token=a%2E1&expires_in=60&refresh_token=b\r\n".to_owned(),
        ] {
            let issue = granted(&content);
            assert_eq!(issue.access.expose(), "a.1", "{content}");
            assert_eq!(issue.refresh.unwrap().expose(), "b", "{content}");
            assert_eq!(issue.life, Some(Duration::from_secs(60)), "{content}");
        }
        let scope = granted(r#"{"access_token":"a","scope":["read","write"]}"#).scope.unwrap();
        assert_eq!(scope.to_string(), "read write");
        let utf16: Vec<u8> =
            format!("\u{feff}{json}").encode_utf16().flat_map(u16::to_le_bytes).collect();
        let latin1 = [json.trim_end_matches('}').as_bytes(), b",\"note\":\"caf\xe9\"}"].concat();
        for content in [utf16, latin1] {
            let outcome = classify(StatusCode::OK, &HeaderMap::new(), &content, NOW);
            assert!(matches!(outcome, Outcome::Granted(_)), "{outcome:?}");
        }
    }

    #[test]
    fn an_error_counts_whatever_its_status_and_its_form() {
        for (content, expected) in [
            (r#"{"error":"invalid_grant"}"#, Refusal::DeadGrant),
            (r#"{"error":"Invalid_Grant "}"#, Refusal::DeadGrant),
            (r#"{"error":{"code":"invalid_grant","message":"no"}}"#, Refusal::DeadGrant),
            (r#"{"success":false,"error":"invalid_grant"}"#, Refusal::DeadGrant),
            (r#"{"success":false,"data":{"error":"invalid_grant"}}"#, Refusal::DeadGrant),
            (r#"{"ok":false,"error":"invalid_refresh_token"}"#, Refusal::DeadGrant),
            (r#"{"ok":false,"error":"token_expired"}"#, Refusal::DeadGrant),
            (r#"{"error":"bad_refresh_token","error_uri":"https://a/"}"#, Refusal::DeadGrant),
            (
                "error=bad_refresh_token&error_description=The+token&error_uri=https%3A%2F%2Fa",
                Refusal::DeadGrant,
            ),
            ("error=bad_verification_code&error_description=The+code", Refusal::DeadGrant),
            (r#"{"error":"invalid_request","hint":"Token has been revoked"}"#, Refusal::DeadGrant),
            (r#"{"error":"invalid_client"}"#, Refusal::Client),
            (r#"{"error":"incorrect_client_credentials"}"#, Refusal::Client),
            (r#"{"ok":false,"error":"invalid_client_id"}"#, Refusal::Client),
            (r#"{"ok":false,"error":"bad_client_secret"}"#, Refusal::Client),
            (r#"<br />{"error":"unsupported_grant_type"}"#, Refusal::Request),
        ] {
            for status in [200, 201, 302, 400, 401, 403, 404, 429, 500, 502, 503] {
                let outcome = outcome(status, content);
                assert!(
                    matches!(outcome, Outcome::Refused(refusal) if refusal == expected),
                    "{status} {content}: {outcome:?}"
                );
            }
        }
    }

    #[test]
    fn an_error_that_nobody_knows_says_nothing_of_the_grant() {
        for content in [
            r#"{"success":false}"#,
            r#"{"success":false,"message":"canary","error":null}"#,
            r#"{"ok":false,"error":"canary_kind"}"#,
            r#"{"error":"canary_kind"}"#,
            r#"{"error":true}"#,
            r#"{"error":{}, "errors":["canary"]}"#,
            "error=canary&error_description=x",
        ] {
            for status in [200, 400, 403, 500] {
                let status = StatusCode::from_u16(status).unwrap();
                let understood = understood(status, &HeaderMap::new(), content.as_bytes(), NOW);
                let doubtful = Doubtful::ServerError;
                assert!(
                    matches!(&understood.outcome, Outcome::InDoubt { doubtful: it, .. } if *it == doubtful),
                    "{status} {content}: {:?}",
                    understood.outcome
                );
                assert_eq!(understood.unread, Unread::Nothing, "{content}");
            }
        }
        for content in
            [r#"{"error":"temporarily_unavailable"}"#, r#"{"ok":false,"error":"ratelimited"}"#]
        {
            let outcome = outcome(200, content);
            assert!(
                matches!(outcome, Outcome::Throttled { taken: Taken::Perhaps, .. }),
                "{content}"
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
            (429, "<html></html>"),
            (429, r#"{"message":"Too Many Attempts."}"#),
            (503, "<html></html>"),
            (404, r#"{"status":404,"error":"Not Found","path":"/oauth/tokn"}"#),
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
            (502, Doubtful::Unreadable),
            (504, Doubtful::Unreadable),
        ] {
            let outcome = outcome(status, r#"{"error":"server_error"}"#);
            assert!(matches!(outcome, Outcome::InDoubt { doubtful, .. } if doubtful == expected));
        }
    }

    #[test]
    fn one_who_turns_away_may_have_passed_it_on_before() {
        for (status, expected) in [(503, Taken::Perhaps), (429, Taken::No), (404, Taken::Elsewhere)]
        {
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
