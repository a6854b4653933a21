//! The one way in for a browser that another site sends here: back from a sign-in (RFC 6749 §4.1.2).
//!
//! The authorization server's page is of another site, so its redirect looks like what the guard is there
//! to stop, and a browser can bring neither a caller key nor a required field. Nothing but a person's own
//! navigation of a whole tab is let through, to one path, with GET. What it may do there is not decided
//! here: it needs a cookie that a sign-in has set, and the sign-in's state. From there the browser is sent
//! on to the page at `/`, and says of that step, too, that another site caused it: it did, at the
//! beginning. So that page may be opened by a link; it has to show a key if one is asked for, it changes
//! nothing, and nobody but the person sees it.

use http::header::{HeaderName, ORIGIN, UPGRADE};
use http::request::Parts;
use http::{HeaderMap, Method};

use super::target;

/// The redirection endpoint.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Callback {
    /// Host and port, as a browser writes them into `Host`. It is ours, too: a container's port can be
    /// published under another number.
    pub authority: String,
    /// The path.
    pub path: String,
}

impl Callback {
    /// Whether this is a browser's navigation to the path, or what a program sends in its place.
    pub(super) fn is_reached_by(&self, head: &Parts) -> bool {
        gets(head, &self.path) && (is_silent(&head.headers) || navigates(&head.headers))
    }
}

/// Whether this is a browser's navigation to the page at which a sign-in ends.
pub(super) fn lands(head: &Parts) -> bool {
    gets(head, "/") && navigates(&head.headers)
}

fn gets(head: &Parts, path: &str) -> bool {
    head.method == Method::GET
        && target::origin_form(&head.uri).is_ok_and(|it| it == path)
        && !head.headers.contains_key(ORIGIN)
        && !head.headers.contains_key(UPGRADE)
}

/// Fetch Metadata, <https://www.w3.org/TR/fetch-metadata/>: browsers send all of it or, the older ones,
/// none.
fn is_silent(fields: &HeaderMap) -> bool {
    [&SITE, &MODE, &DESTINATION].into_iter().all(|name| !fields.contains_key(name))
}

/// A frame, an image, a script or `fetch` says something else.
fn navigates(fields: &HeaderMap) -> bool {
    let is = |name: &HeaderName, expected: &str| {
        let mut values = fields.get_all(name).iter();
        values.next().is_some_and(|value| value == expected) && values.next().is_none()
    };
    is(&MODE, "navigate") && is(&DESTINATION, "document")
}

const SITE: HeaderName = HeaderName::from_static("sec-fetch-site");
const MODE: HeaderName = HeaderName::from_static("sec-fetch-mode");
const DESTINATION: HeaderName = HeaderName::from_static("sec-fetch-dest");

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn reached(method: Method, target: &str, fields: &[(&str, &str)]) -> bool {
        let mut request = Request::builder().method(method).uri(target);
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        let head = request.body(()).unwrap().into_parts().0;
        let authority = "127.0.0.1:9181".into();
        Callback { authority, path: "/oauth/callback".into() }.is_reached_by(&head)
    }

    const NAVIGATION: [(&str, &str); 3] = [
        ("sec-fetch-site", "cross-site"),
        ("sec-fetch-mode", "navigate"),
        ("sec-fetch-dest", "document"),
    ];

    #[test]
    fn a_navigation_from_another_site_reaches_the_path_and_no_other() {
        for fields in [&NAVIGATION[..], &[], &[("referer", "https://as.example/")]] {
            assert!(reached(Method::GET, "/oauth/callback?code=a", fields), "{fields:?}");
            assert!(reached(Method::GET, "/oauth/callback", fields));
            for target in
                ["/", "/oauth/callback/", "/oauth/Callback", "/oauth", "/oauth%2fcallback"]
            {
                assert!(!reached(Method::GET, target, fields), "{target} {fields:?}");
            }
            for method in [Method::POST, Method::HEAD, Method::OPTIONS] {
                assert!(!reached(method, "/oauth/callback", fields));
            }
        }
    }

    #[test]
    fn whatever_else_a_page_sends_does_not() {
        let [site, mode, destination] = NAVIGATION;
        for fields in [
            &[site][..],
            &[site, mode],
            &[site, destination],
            &[site, ("sec-fetch-mode", "no-cors"), ("sec-fetch-dest", "image")],
            &[site, ("sec-fetch-mode", "no-cors"), destination],
            &[site, ("sec-fetch-mode", "cors"), ("sec-fetch-dest", "empty")],
            &[site, mode, ("sec-fetch-dest", "iframe")],
            &[site, mode, ("sec-fetch-dest", "object")],
            &[site, mode, destination, ("sec-fetch-dest", "iframe")],
            &[site, mode, destination, ("origin", "https://evil.example")],
            &[site, mode, destination, ("origin", "null")],
            &[("origin", "https://evil.example")],
            &[("upgrade", "websocket")],
        ] {
            assert!(!reached(Method::GET, "/oauth/callback?code=a", fields), "{fields:?}");
        }
    }
}
