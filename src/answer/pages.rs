//! What the browser of an allowed web page has to be told, or the page cannot read its answers: CORS,
//! <https://fetch.spec.whatwg.org/#http-cors-protocol>.
//!
//! Only exact origins that the operator named get anything. `*` is never said, and neither is
//! `Access-Control-Allow-Credentials`: there is no cookie to send, the credential is ours.

use bytes::Bytes;
use http::header::{
    ACCESS_CONTROL_ALLOW_HEADERS, ACCESS_CONTROL_ALLOW_METHODS, ACCESS_CONTROL_ALLOW_ORIGIN,
    ACCESS_CONTROL_EXPOSE_HEADERS, ACCESS_CONTROL_MAX_AGE, ACCESS_CONTROL_REQUEST_HEADERS,
    HeaderMap, HeaderName, HeaderValue, ORIGIN, VARY,
};
use http::{Response, StatusCode};

/// The origins whose pages may read answers; none by default.
#[derive(Clone, Debug, Default)]
pub struct Readers(Vec<HeaderValue>);

impl Readers {
    /// These origins, each as a browser writes it. What could be no field value is no origin either,
    /// and is left out.
    pub fn new(origins: &[String]) -> Self {
        Self(origins.iter().filter_map(|origin| HeaderValue::try_from(origin).ok()).collect())
    }

    /// Who may read the answer to a request with these fields.
    pub fn of(&self, fields: &HeaderMap) -> Reader {
        if self.0.is_empty() {
            return Reader::Program;
        }
        let mut sent = fields.get_all(ORIGIN).iter();
        match (sent.next(), sent.next()) {
            (Some(origin), None) if self.0.contains(origin) => Reader::Page(origin.clone()),
            _ => Reader::Stranger,
        }
    }
}

/// Who may read an answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Reader {
    /// Programs: no page may, whatever it sends, so that nothing has to be said.
    Program,
    /// Not this sender, if it is a page at all; but pages of other origins may.
    Stranger,
    /// A page of this origin.
    Page(HeaderValue),
}

impl Reader {
    /// Adds what the browser looks for. A cache must know that it depends on who asks, also where it
    /// is missing: an answer kept for a program would fail a page.
    pub fn tell(&self, fields: &mut HeaderMap) {
        match self {
            Self::Program => return,
            Self::Stranger => {}
            Self::Page(origin) => {
                fields.insert(ACCESS_CONTROL_ALLOW_ORIGIN, origin.clone());
                fields.insert(ACCESS_CONTROL_EXPOSE_HEADERS, EXPOSED);
            }
        }
        fields.append(VARY, HeaderValue::from_static("Origin"));
    }
}

/// The answer to a preflight, but for what [`Reader::tell`] adds: `methods` may be used, and of the
/// fields that the page asks for those that pass. Whether the path is allowed, the request itself is
/// told, in words that the page can read.
pub fn preflight(
    methods: HeaderValue,
    asked: &HeaderMap,
    passes: impl Fn(&HeaderName) -> bool,
) -> Response<Bytes> {
    let mut response = Response::new(Bytes::new());
    *response.status_mut() = StatusCode::NO_CONTENT;
    let fields = response.headers_mut();
    fields.insert(ACCESS_CONTROL_ALLOW_METHODS, methods);
    let allowed: Vec<_> = asked_for(asked).filter(passes).collect();
    let allowed: Vec<_> = allowed.iter().map(HeaderName::as_str).collect();
    if let Ok(value) = HeaderValue::try_from(allowed.join(", "))
        && !value.is_empty()
    {
        fields.insert(ACCESS_CONTROL_ALLOW_HEADERS, value);
    }
    fields.insert(ACCESS_CONTROL_MAX_AGE, HeaderValue::from_static(MAX_AGE));
    response
}

/// What a page may read beside content and the fields that it always may (content type, length and
/// language, caching): when to come back, where to go, and who said so.
const EXPOSED: HeaderValue = HeaderValue::from_static(
    "Location, Proxy-Status, Retry-After, X-RateLimit-Limit, X-RateLimit-Remaining, X-RateLimit-Reset",
);

/// Seconds for which a browser need not ask again: short, because a restart may bring other rules.
const MAX_AGE: &str = "60";

fn asked_for(fields: &HeaderMap) -> impl Iterator<Item = HeaderName> {
    let values = fields.get_all(ACCESS_CONTROL_REQUEST_HEADERS).iter();
    let names = values.flat_map(|value| value.as_bytes().split(|byte| *byte == b','));
    names.filter_map(|name| HeaderName::from_bytes(name.trim_ascii()).ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    const APP: &str = "https://app.example";

    fn reader(origins: &[&str], sent: &[&'static str]) -> Reader {
        let origins: Vec<_> = origins.iter().map(|origin| (*origin).to_owned()).collect();
        let mut fields = HeaderMap::new();
        for origin in sent {
            fields.append(ORIGIN, HeaderValue::from_static(origin));
        }
        Readers::new(&origins).of(&fields)
    }

    fn told(reader: &Reader) -> HeaderMap {
        let mut fields = HeaderMap::new();
        reader.tell(&mut fields);
        fields
    }

    #[test]
    fn nothing_is_said_unless_an_origin_is_configured() {
        for sent in [&[][..], &[APP], &["null"]] {
            let fields = told(&reader(&[], sent));
            assert!(fields.is_empty(), "{fields:?}");
        }
    }

    #[test]
    fn only_the_exact_origin_is_told_that_it_may_read() {
        let fields = told(&reader(&[APP], &[APP]));
        assert_eq!(fields[ACCESS_CONTROL_ALLOW_ORIGIN], APP);
        assert_eq!(fields[VARY], "Origin");
        for sent in [&[][..], &["https://APP.example"], &["null"], &["*"], &[APP, APP]] {
            let fields = told(&reader(&[APP], sent));
            assert_eq!(fields.keys().collect::<Vec<_>>(), [VARY], "{sent:?}");
        }
    }

    #[test]
    fn credentials_and_wildcards_are_never_allowed() {
        let fields = told(&reader(&[APP, "*"], &[APP]));
        assert!(!fields.contains_key("access-control-allow-credentials"));
        assert!(fields.values().all(|value| !value.as_bytes().contains(&b'*')));
    }

    #[test]
    fn a_preflight_allows_the_fields_that_pass() {
        let mut asked = HeaderMap::new();
        let names = HeaderValue::from_static("x-mine, Authorization ,,a b,content-type");
        asked.insert(ACCESS_CONTROL_REQUEST_HEADERS, names);
        let methods = HeaderValue::from_static("GET, POST");
        let response = preflight(methods, &asked, |name| name != "authorization");
        assert_eq!(response.status(), StatusCode::NO_CONTENT);
        let fields = response.headers();
        assert_eq!(fields[ACCESS_CONTROL_ALLOW_METHODS], "GET, POST");
        assert_eq!(fields[ACCESS_CONTROL_ALLOW_HEADERS], "x-mine, content-type");
        assert_eq!(fields[ACCESS_CONTROL_MAX_AGE], "60");
    }
}
