//! An answer for a person who has opened the proxy in a browser.

use bytes::Bytes;
use http::Response;
use http::header::{
    CONTENT_SECURITY_POLICY, CONTENT_TYPE, HeaderMap, HeaderValue, REFERRER_POLICY,
    X_CONTENT_TYPE_OPTIONS,
};
use maud::{DOCTYPE, html};

use super::Answer;

impl Answer {
    /// Adds a sentence to what the caller is told to do next.
    #[must_use]
    pub fn more(mut self, sentence: String) -> Self {
        self.hint = format!("{} {sentence}", self.hint).into();
        self
    }

    /// Shows the answer as a page, with a link to the status page.
    #[must_use]
    pub fn page(mut self, status_page: &str) -> Self {
        self.page = Some(status_page.to_owned());
        self
    }

    /// The response, with a page in place of its JSON if this is for a person.
    pub(super) fn shown(self, mut response: Response<Bytes>) -> Response<Bytes> {
        if let Some(link) = &self.page {
            *response.body_mut() = page(&self.message, &self.hint, link).into();
            guard(response.headers_mut());
        }
        response
    }
}

/// The page: text is escaped by its type.
fn page(message: &str, hint: &str, status_page: &str) -> String {
    html! {
        (DOCTYPE)
        html lang="en" {
            head {
                meta charset="utf-8";
                title { "webwork-sidecar" }
            }
            body {
                h1 { "This port is for programs" }
                p { (message) " " (hint) }
                p { "For people there is the status page: " a href=(status_page) { (status_page) } }
            }
        }
    }
    .into_string()
}

/// What a browser is told about the page: load nothing, be framed by nobody, tell nobody the address.
fn guard(fields: &mut HeaderMap) {
    for (name, value) in [
        (CONTENT_TYPE, "text/html; charset=utf-8"),
        (CONTENT_SECURITY_POLICY, "default-src 'none'; frame-ancestors 'none'; base-uri 'none'"),
        (REFERRER_POLICY, "no-referrer"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ] {
        fields.insert(name, HeaderValue::from_static(value));
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_page_links_the_status_page_and_escapes_text() {
        let page = page("<b>", "\"&", "http://localhost:9181/");
        assert!(page.contains("<a href=\"http://localhost:9181/\">http://localhost:9181/</a>"));
        assert!(page.contains("&lt;b&gt; &quot;&amp;") && !page.contains("<b>"), "{page}");
    }
}
