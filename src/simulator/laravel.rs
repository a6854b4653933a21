//! The answers that the framework gives before or instead of the application: API.md §2, "Laravel
//! round it". Who does not ask for JSON gets a web page, whatever the route.

use axum::body::Body;
use axum::http::header::{ACCEPT, CONTENT_TYPE, HeaderValue};
use axum::http::{HeaderMap, Response, StatusCode};
use maud::{DOCTYPE, html};
use serde_json::Value;

/// What the caller asked for with `Accept`.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Wants {
    Json,
    Html,
}

impl Wants {
    /// Laravel looks at the first media type only.
    pub(super) fn of(fields: &HeaderMap) -> Self {
        let accept = fields.get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
        let first = accept.split(',').next().unwrap_or_default();
        if first.contains("/json") || first.contains("+json") { Self::Json } else { Self::Html }
    }
}

/// An error of the framework: pretty-printed JSON, or a page.
pub(super) fn error(status: StatusCode, wants: Wants) -> Response<Body> {
    let message = match status {
        StatusCode::TOO_MANY_REQUESTS => "Too Many Attempts.",
        StatusCode::INTERNAL_SERVER_ERROR => "Server Error",
        _ => status.canonical_reason().unwrap_or("Error"),
    };
    match wants {
        Wants::Json => {
            let content = format!("{{\n    \"message\": {}\n}}", Value::from(message));
            content_of(status, "application/json", content)
        }
        Wants::Html => page(status),
    }
}

/// The page that browsers see.
pub(super) fn page(status: StatusCode) -> Response<Body> {
    let reason = status.canonical_reason().unwrap_or("Error");
    let page = html! {
        (DOCTYPE)
        html lang="en" {
            head { meta charset="utf-8"; title { (reason) } }
            body { p { (status.as_u16()) " | " (reason) } }
        }
    };
    content_of(status, "text/html; charset=utf-8", page.into_string())
}

/// An answer with content of a fixed type.
pub(super) fn content_of(
    status: StatusCode,
    media_type: &'static str,
    content: impl Into<Body>,
) -> Response<Body> {
    let mut response = Response::new(content.into());
    *response.status_mut() = status;
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static(media_type));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_the_first_media_type_counts() {
        for (accept, expected) in [
            ("application/json", Wants::Json),
            ("application/vnd.api+json;q=1, text/html", Wants::Json),
            ("text/html, application/json", Wants::Html),
            ("*/*", Wants::Html),
        ] {
            let mut fields = HeaderMap::new();
            fields.insert(ACCEPT, accept.parse().unwrap());
            assert_eq!(Wants::of(&fields), expected, "{accept}");
        }
        assert_eq!(Wants::of(&HeaderMap::new()), Wants::Html);
    }
}
