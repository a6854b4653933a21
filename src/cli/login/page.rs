//! What the browser shows at the end: a sentence, and nothing that could be loaded or run.

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use http::{Response, StatusCode};
use http_body_util::Full;
use maud::{DOCTYPE, html};

/// A page with one sentence.
pub(super) fn page(status: StatusCode, sentence: &str) -> Response<Full<Bytes>> {
    let text = html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                meta name="viewport" content="width=device-width";
                meta name="color-scheme" content="light dark";
                title { "webwork-sidecar" }
            }
            body {
                h1 { "webwork-sidecar" }
                p { (sentence) }
            }
        }
    };
    let mut response = Response::new(Full::from(text.into_string()));
    *response.status_mut() = status;
    let fields = response.headers_mut();
    for (name, value) in [
        (CACHE_CONTROL, "no-store"),
        (CONNECTION, "close"),
        (
            CONTENT_SECURITY_POLICY,
            "default-src 'none'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'",
        ),
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
    response
}
