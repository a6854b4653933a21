//! Which fields pass, and which belong to one hop or to us. Data, and tiny functions on it.

use std::borrow::Cow;

use http::header::CONNECTION;
use http::{HeaderMap, HeaderValue};

/// RFC 9110 §7.6.1, with the fields of RFC 9110 §11.7 and RFC 9113 §8.2.2 that are also for one hop.
fn is_hop_by_hop(name: &str) -> bool {
    matches!(
        name,
        "connection"
            | "http2-settings"
            | "keep-alive"
            | "proxy-authenticate"
            | "proxy-authentication-info"
            | "proxy-authorization"
            | "proxy-connection"
            | "te"
            | "transfer-encoding"
            | "upgrade"
    )
}

/// Fields by which a message is framed, addressed or authorised: `Connection` cannot name them.
fn is_essential(name: &str) -> bool {
    matches!(name, "authorization" | "content-length" | "host")
}

/// Fields of a request that speak for the caller where we speak for it: credentials, and everything
/// by which a server may be told of another method, path or sender than the real ones.
fn is_ours_in_requests(name: &str) -> bool {
    matches!(
        name,
        "authorization"
            | "cf-connecting-ip"
            | "client-ip"
            | "cookie"
            | "cookie2"
            | "expect"
            | "fastly-client-ip"
            | "forwarded"
            | "host"
            | "proxy"
            | "trailer"
            | "true-client-ip"
            | "x-client-ip"
            | "x-cluster-client-ip"
            | "x-host"
            | "x-http-method"
            | "x-http-method-override"
            | "x-method-override"
            | "x-original-host"
            | "x-original-url"
            | "x-real-ip"
            | "x-rewrite-url"
            | "x-sidecar-key"
    ) || name.starts_with("x-forward")
}

/// Fields of a response that speak to a browser about the upstream's origin, which is not ours.
fn is_for_browsers(name: &str) -> bool {
    matches!(
        name,
        "alt-svc"
            | "clear-site-data"
            | "nel"
            | "report-to"
            | "reporting-endpoints"
            | "set-cookie"
            | "set-cookie2"
            | "strict-transport-security"
    ) || name.starts_with("access-control-")
}

/// Many servers cannot tell `X_Forwarded_For` from `X-Forwarded-For`, because both become the same
/// variable; some treat other signs than `_` in that way.
fn dashed(name: &str) -> Cow<'_, str> {
    let is_odd = |c: char| !c.is_ascii_alphanumeric() && c != '-';
    if name.contains(is_odd) { name.replace(is_odd, "-").into() } else { name.into() }
}

/// Whether a field that a page wants to send has a meaning for anybody.
pub(super) fn passes_in_requests(name: &str) -> bool {
    let plain = dashed(name);
    !is_hop_by_hop(&plain) && !is_ours_in_requests(&plain)
}

/// Drops from a request what does not pass.
pub fn clean_request(fields: &mut HeaderMap) {
    drop_nominated(fields);
    drop_named(fields, |name| {
        let plain = dashed(name);
        let is_look_alike = matches!(plain, Cow::Owned(_));
        is_hop_by_hop(&plain)
            || is_ours_in_requests(&plain)
            || (is_look_alike && is_essential(&plain))
    });
}

/// Drops from a response what does not pass.
pub fn clean_response(fields: &mut HeaderMap) -> Nominations {
    let nominations = nominations(fields);
    drop_nominated(fields);
    drop_named(fields, |name| is_hop_by_hop(name) || is_for_browsers(name));
    nominations
}

/// What the `Connection` of a response says about its trailers.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Nominations {
    /// None of them ends here.
    None,
    /// Some of them may end here. Which ones is not remembered: trailers are for those who can do
    /// without (RFC 9110 §6.5.1), and an honest server nominates none.
    Some,
}

fn nominations(fields: &HeaderMap) -> Nominations {
    let is_plain = |value: &HeaderValue| {
        let mut options = value.as_bytes().split(|byte| *byte == b',').map(<[u8]>::trim_ascii);
        options.all(|option| {
            [&b"close"[..], b"keep-alive"].iter().any(|plain| option.eq_ignore_ascii_case(plain))
        })
    };
    match fields.get_all(CONNECTION).iter().all(is_plain) {
        true => Nominations::None,
        false => Nominations::Some,
    }
}

/// Drops from a response's trailers what does not pass. RFC 9110 §6.5.1: nothing in a trailer may
/// frame, route or authorise the message that it ends.
pub(super) fn clean_trailers(trailers: &mut HeaderMap, nominations: Nominations) {
    if nominations == Nominations::Some {
        trailers.clear();
    }
    drop_named(trailers, |name| {
        is_hop_by_hop(name) || is_for_browsers(name) || is_essential(name) || name == "trailer"
    });
}

/// RFC 9110 §7.6.1: "Intermediaries MUST parse a received Connection header field before a message is
/// forwarded and, for each connection-option in this field, remove any header or trailer field(s) from
/// the message with the same name as the connection-option".
fn drop_nominated(fields: &mut HeaderMap) {
    if !fields.contains_key(CONNECTION) {
        return;
    }
    let values: Vec<_> = fields.get_all(CONNECTION).iter().cloned().collect();
    for name in values.iter().flat_map(|value| value.as_bytes().split(|byte| *byte == b',')) {
        let Ok(name) = http::HeaderName::from_bytes(name.trim_ascii()) else { continue };
        if !is_essential(name.as_str()) {
            fields.remove(name);
        }
    }
}

/// One pass over the fields that are there is cheaper than a look-up of each that might be.
fn drop_named(fields: &mut HeaderMap, is_unwanted: impl Fn(&str) -> bool) {
    while let Some(name) = fields.keys().find(|name| is_unwanted(name.as_str())).cloned() {
        fields.remove(name);
    }
}

#[cfg(test)]
mod tests {
    use http::{HeaderName, HeaderValue};

    use super::*;

    fn fields(lines: &[&str]) -> HeaderMap {
        let mut fields = HeaderMap::new();
        for line in lines {
            let (name, value) = line.split_once(": ").unwrap();
            fields
                .append(HeaderName::try_from(name).unwrap(), HeaderValue::try_from(value).unwrap());
        }
        fields
    }

    fn names(fields: &HeaderMap) -> Vec<&str> {
        let mut names: Vec<_> = fields.keys().map(HeaderName::as_str).collect();
        names.sort_unstable();
        names
    }

    #[test]
    fn end_to_end_fields_pass_in_requests() {
        let mut all = fields(&[
            "Accept: application/json",
            "Content-Type: application/json",
            "Content-Length: 5",
            "If-None-Match: \"a\"",
            "User-Agent: test",
            "X-Request-Id: 1",
            "My_Own: kept",
        ]);
        let before = all.clone();
        clean_request(&mut all);
        assert_eq!(all, before);
    }

    #[test]
    fn hop_by_hop_fields_do_not_pass() {
        let hop = [
            "Connection: keep-alive",
            "HTTP2-Settings: AAMAAABkAAQCAAAAAAIAAAAA",
            "Keep-Alive: timeout=5",
            "Proxy-Authorization: Basic a",
            "Proxy-Connection: keep-alive",
            "TE: trailers",
            "Transfer-Encoding: chunked",
            "Upgrade: websocket",
        ];
        let responses = |fields: &mut HeaderMap| {
            assert_eq!(clean_response(fields), Nominations::None);
        };
        for clean in [&clean_request as &dyn Fn(&mut HeaderMap), &responses] {
            let mut all = fields(&hop);
            all.insert("x-kept", HeaderValue::from_static("1"));
            clean(&mut all);
            assert_eq!(names(&all), ["x-kept"]);
        }
    }

    #[test]
    fn fields_that_connection_names_do_not_pass() {
        let mut all =
            fields(&["Connection: close, X-One", "Connection: ,x-TWO , @", "X-One: 1", "X-Two: 2"]);
        let mut response = all.clone();
        clean_request(&mut all);
        assert!(all.is_empty(), "{all:?}");
        assert_eq!(clean_response(&mut response), Nominations::Some);
        assert!(response.is_empty(), "{response:?}");
    }

    #[test]
    fn framing_cannot_be_named_away() {
        let mut all = fields(&["Connection: content-length, host", "Content-Length: 5"]);
        clean_request(&mut all);
        assert_eq!(all["content-length"], "5");
    }

    #[test]
    fn what_speaks_for_the_caller_does_not_pass() {
        for line in [
            "Authorization: Bearer other",
            "Cookie: a=b",
            "Expect: 100-continue",
            "Forwarded: for=1.2.3.4",
            "Host: evil.example",
            "X-Forwarded-Host: evil.example",
            "X-Forwarded-Anything: 1",
            "X-Forward-For: 1.2.3.4",
            "Proxy: http://evil.example",
            "X-HTTP-Method-Override: DELETE",
            "X-Original-URL: /admin",
            "X-Real-IP: 1.2.3.4",
            "X-Rewrite-URL: /admin",
            "X-Sidecar-Key: secret",
            "X_Forwarded_For: 1.2.3.4",
            "X_HTTP_Method-Override: DELETE",
            "X.HTTP.Method.Override: DELETE",
            "X-HTTP-Method: DELETE",
            "X-Method-Override: DELETE",
            "X_METHOD_OVERRIDE: DELETE",
            "X~Real~IP: 1.2.3.4",
            "Content_Length: 5",
            "Transfer_Encoding: chunked",
        ] {
            let mut all = fields(&[line]);
            clean_request(&mut all);
            assert!(all.is_empty(), "{line}");
        }
    }

    #[test]
    fn what_speaks_to_browsers_does_not_pass() {
        let mut all = fields(&[
            "Access-Control-Allow-Origin: *",
            "Alt-Svc: h3=\":443\"",
            "Clear-Site-Data: \"storage\"",
            "NEL: {}",
            "Report-To: {}",
            "Set-Cookie: a=b",
            "Set-Cookie: c=d",
            "Strict-Transport-Security: max-age=1",
            "WWW-Authenticate: Bearer",
            "X-RateLimit-Limit: 60",
        ]);
        clean_response(&mut all);
        assert_eq!(names(&all), ["www-authenticate", "x-ratelimit-limit"]);
    }

    #[test]
    fn trailers_cannot_frame_or_authorise() {
        let mut all = fields(&["Content-Length: 1", "Authorization: a", "X-Sum: 1"]);
        clean_trailers(&mut all, Nominations::None);
        assert_eq!(names(&all), ["x-sum"]);
    }

    #[test]
    fn trailers_that_may_be_nominated_do_not_pass() {
        for (connection, expected) in [
            ("close", Nominations::None),
            ("Keep-Alive, Close", Nominations::None),
            ("close, X-Sum", Nominations::Some),
        ] {
            let seen = clean_response(&mut fields(&[&format!("Connection: {connection}")]));
            assert_eq!(seen, expected, "{connection}");
        }
        let mut trailers = fields(&["X-Sum: 1", "X-Other: 1"]);
        clean_trailers(&mut trailers, Nominations::Some);
        assert!(trailers.is_empty());
    }
}
