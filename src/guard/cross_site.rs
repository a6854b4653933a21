//! Did a web page send it? The defence against requests forged by the pages that the operator visits.
//!
//! A browser sends requests to loopback for every page: images, forms and `fetch` need no permission to
//! be sent, only their answers are withheld. It marks them, though, with `Origin`, with Fetch Metadata
//! (`Sec-Fetch-Site`) and with `Referer`; programs send none of the three. Libraries against CSRF let
//! GET pass, because it should change nothing. Here GET carries the credential, so it is judged as well.

use http::header::{ACCESS_CONTROL_REQUEST_METHOD, HOST, HeaderMap, ORIGIN, REFERER, UPGRADE};
use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};
use url::Url;

use super::{InvalidConfig, Refusal};

/// Whether pages are served behind this guard, which may then send requests back to it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Pages {
    /// None: a request of our own origin is as foreign as any other. For the proxy.
    None,
    /// Some: our own origin, which is `http://` and the request's own `Host`, is allowed.
    Own,
}

/// The origins of pages that may send requests.
#[derive(Clone, Debug)]
pub(super) struct Origins {
    allowed: Vec<String>,
    pages: Pages,
}

impl Origins {
    /// Takes exact origins only: `https://app.example` and nothing that merely looks like it.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig::Origin`] when no browser would ever send such an origin.
    pub(super) fn new(origins: &[String], pages: Pages) -> Result<Self, InvalidConfig> {
        match origins.iter().find(|origin| !is_serialized(origin)) {
            Some(origin) => Err(InvalidConfig::Origin(origin.clone())),
            None => Ok(Self { allowed: origins.to_vec(), pages }),
        }
    }

    /// Lets programs pass, and pages of allowed origins. `Host` was admitted before.
    pub(super) fn admit(&self, head: &Parts) -> Result<Passage, Refusal> {
        let fields = &head.headers;
        if head.method == Method::OPTIONS && fields.contains_key(ACCESS_CONTROL_REQUEST_METHOD) {
            return match self.sender(fields) {
                Ok(Sender::Configured) => Ok(Passage::Preflight),
                Err(Refusal::Page(origin)) => Err(Refusal::Page(origin)),
                _ => Err(Refusal::Preflight),
            };
        }
        if asks_for_websocket(fields) {
            return Err(Refusal::WebSocket);
        }
        let sender = self.sender(fields)?;
        // A page of a configured origin is cross-site by nature: `Origin` is the stronger word.
        if sender == Sender::Local && !fields.get_all(&SEC_FETCH_SITE).iter().all(is_at_home) {
            return Err(Refusal::FetchSite);
        }
        // Safe requests are exempt where browsers say the same with `Sec-Fetch-Site`, because a program
        // may send the page on which it found a link.
        let matters = !head.method.is_safe() || !is_trustworthy(fields);
        if matters && !fields.get_all(REFERER).iter().all(|r| self.refers(fields, r)) {
            return Err(Refusal::Referer);
        }
        Ok(Passage::Request)
    }

    fn sender(&self, fields: &HeaderMap) -> Result<Sender, Refusal> {
        let mut values = fields.get_all(ORIGIN).iter();
        let Some(value) = values.next() else { return Ok(Sender::Local) };
        if values.next().is_some() {
            return Err(Refusal::Origin);
        }
        if self.allowed.iter().any(|origin| origin.as_bytes() == value.as_bytes()) {
            return Ok(Sender::Configured);
        }
        match self.pages {
            Pages::Own if own(fields, value.as_bytes()).is_some_and(<[u8]>::is_empty) => {
                Ok(Sender::Local)
            }
            // The list is the proxy's: nothing that it names may use the pages.
            Pages::None => Err(named(value).map_or(Refusal::Origin, Refusal::Page)),
            Pages::Own => Err(Refusal::Origin),
        }
    }

    /// Whether a `Referer` (RFC 9110 §10.1.3) is a page of an allowed origin or of our own.
    fn refers(&self, fields: &HeaderMap, referer: &HeaderValue) -> bool {
        let referer = referer.as_bytes();
        let allowed = |origin: &String| referer.strip_prefix(origin.as_bytes());
        let mut rests = self.allowed.iter().filter_map(allowed).chain(own(fields, referer));
        rests.any(|rest| matches!(rest.first(), None | Some(b'/' | b'?')))
    }
}

/// The origin, if it could be configured as it is. It is a stranger's text, and goes into an answer and the log.
fn named(origin: &HeaderValue) -> Option<String> {
    let origin = origin.to_str().ok().filter(|origin| origin.len() <= LONGEST_ORIGIN)?;
    is_serialized(origin).then(|| origin.to_owned())
}

/// A scheme, the longest name that DNS can carry, and a port.
const LONGEST_ORIGIN: usize = "https://".len() + 253 + ":65535".len();

/// Whether browsers send `Sec-Fetch-Site` there: over plain HTTP to loopback names alone (W3C Secure
/// Contexts, "potentially trustworthy"). A name such as `sidecar` gets none.
fn is_trustworthy(fields: &HeaderMap) -> bool {
    let Some(host) = fields.get(HOST).and_then(|host| host.to_str().ok()) else { return true };
    let name = match host.rsplit_once(':') {
        Some((name, port)) if port.bytes().all(|byte| byte.is_ascii_digit()) => name,
        _ => host,
    };
    name.eq_ignore_ascii_case("localhost") || name.starts_with("127.") || name == "[::1]"
}

/// What passes.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Passage {
    /// A request.
    Request,
    /// The question of an allowed page's browser whether it may send one. It comes without the fields
    /// that the page would send, and without any credential.
    Preflight,
}

/// Who sent the request, as far as `Origin` tells.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Sender {
    /// A program, or a page of ours.
    Local,
    /// A page of a configured origin.
    Configured,
}

/// Fetch Metadata, <https://www.w3.org/TR/fetch-metadata/#sec-fetch-site-header>.
const SEC_FETCH_SITE: HeaderName = HeaderName::from_static("sec-fetch-site");

/// Sent with every WebSocket handshake, RFC 6455 §4.1.
const SEC_WEBSOCKET_KEY: HeaderName = HeaderName::from_static("sec-websocket-key");

/// `none` is a person who typed the address; `same-site` may be another port of this host.
fn is_at_home(site: &HeaderValue) -> bool {
    matches!(site.as_bytes(), b"none" | b"same-origin")
}

/// Other upgrades, such as the `h2c` that Java offers with every request, may be ignored.
fn asks_for_websocket(fields: &HeaderMap) -> bool {
    const NAME: &[u8] = b"websocket";
    let named = |value: &HeaderValue| {
        value.as_bytes().windows(NAME.len()).any(|window| window.eq_ignore_ascii_case(NAME))
    };
    fields.contains_key(&SEC_WEBSOCKET_KEY) || fields.get_all(UPGRADE).iter().any(named)
}

/// What follows our own origin in `text`, if it starts with it. An own page was loaded from the very
/// `Host` that it sends its requests to.
fn own<'a>(fields: &HeaderMap, text: &'a [u8]) -> Option<&'a [u8]> {
    let host = fields.get(HOST)?.as_bytes();
    let (start, rest) = text.strip_prefix(b"http://")?.split_at_checked(host.len())?;
    start.eq_ignore_ascii_case(host).then_some(rest)
}

/// Whether a browser would write this origin in the same way: RFC 6454 §6.2.
fn is_serialized(origin: &str) -> bool {
    Url::parse(origin).is_ok_and(|url| {
        let exact = url.origin().ascii_serialization() == origin && !origin.contains('*');
        exact && matches!(url.scheme(), "http" | "https")
    })
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    const APP: &str = "https://app.example";

    fn origins(pages: Pages) -> Origins {
        Origins::new(&[APP.to_owned()], pages).unwrap()
    }

    fn verdict(origins: &Origins, method: Method, fields: &[(&str, &str)]) -> Result<(), Refusal> {
        passage(origins, method, fields).map(drop)
    }

    fn passage(
        origins: &Origins,
        method: Method,
        fields: &[(&str, &str)],
    ) -> Result<Passage, Refusal> {
        let mut request =
            Request::builder().method(method).uri("/api/").header("host", "localhost:9181");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        origins.admit(&request.body(()).unwrap().into_parts().0)
    }

    #[test]
    fn a_program_is_admitted_with_every_method() {
        for method in [Method::GET, Method::POST, Method::DELETE, Method::OPTIONS] {
            assert_eq!(verdict(&origins(Pages::None), method, &[("accept", "*/*")]), Ok(()));
        }
    }

    #[test]
    fn a_page_of_any_other_origin_is_refused_with_get_as_with_post() {
        for origin in [
            "null",
            "",
            "http://evil.example",
            "http://app.example",
            "https://app.example.evil.example",
            "https://app.example:444",
            "https://app.example/",
            "https://APP.example",
            "https://app.example https://evil.example",
            "http://localhost",
            "http://localhost:9181",
            "http://localhost:9181.evil.example",
            "http://localhost.evil.example:9181",
        ] {
            for method in [Method::GET, Method::POST] {
                for pages in [Pages::None, Pages::Own] {
                    if pages == Pages::Own && origin == "http://localhost:9181" {
                        continue;
                    }
                    let seen = verdict(&origins(pages), method.clone(), &[("origin", origin)]);
                    let expected = if pages == Pages::None && is_serialized(origin) {
                        Refusal::Page(origin.into())
                    } else {
                        Refusal::Origin
                    };
                    assert_eq!(seen, Err(expected), "{origin:?}");
                }
            }
        }
    }

    #[test]
    fn only_an_origin_that_could_be_configured_is_named() {
        let long = format!("https://{}.example", "a".repeat(LONGEST_ORIGIN));
        for origin in [
            "null",
            "http://a\"]\nguard.methods=[\"",
            "http://\u{9b}31m",
            "chrome-extension://abc",
            "https://app.example/<script>",
            &long,
        ] {
            let value = HeaderValue::from_bytes(origin.replace('\n', "").as_bytes()).unwrap();
            assert_eq!(named(&value), None, "{origin:?}");
        }
        for origin in ["http://localhost:3000", "https://app.example", "http://[::1]:5173"] {
            assert_eq!(named(&HeaderValue::from_static(origin)).as_deref(), Some(origin));
        }
    }

    #[test]
    fn two_origins_are_refused_even_if_both_are_allowed() {
        let twice = [("origin", APP), ("origin", APP)];
        assert_eq!(verdict(&origins(Pages::None), Method::GET, &twice), Err(Refusal::Origin));
    }

    #[test]
    fn an_allowed_origin_may_be_cross_site() {
        let fields = [
            ("origin", APP),
            ("sec-fetch-site", "cross-site"),
            ("referer", "https://app.example/"),
        ];
        assert_eq!(verdict(&origins(Pages::None), Method::POST, &fields), Ok(()));
    }

    #[test]
    fn our_own_page_is_admitted_where_we_serve_pages() {
        let fields = [
            ("origin", "http://localhost:9181"),
            ("sec-fetch-site", "same-origin"),
            ("referer", "http://localhost:9181/status?a"),
        ];
        assert_eq!(verdict(&origins(Pages::Own), Method::POST, &fields), Ok(()));
        for origin in ["http://127.0.0.1:9181", "https://localhost:9181", "http://localhost:9180"] {
            let seen = verdict(&origins(Pages::Own), Method::POST, &[("origin", origin)]);
            assert_eq!(seen, Err(Refusal::Origin), "{origin}");
        }
    }

    #[test]
    fn fetch_metadata_of_another_site_is_refused() {
        for site in ["cross-site", "same-site", "", "None", "none, cross-site"] {
            for method in [Method::GET, Method::HEAD, Method::POST] {
                let seen = verdict(&origins(Pages::None), method, &[("sec-fetch-site", site)]);
                assert_eq!(seen, Err(Refusal::FetchSite), "{site:?}");
            }
        }
        let hidden = [("sec-fetch-site", "none"), ("sec-fetch-site", "cross-site")];
        assert_eq!(verdict(&origins(Pages::None), Method::GET, &hidden), Err(Refusal::FetchSite));
        for site in ["none", "same-origin"] {
            let seen = verdict(&origins(Pages::None), Method::GET, &[("sec-fetch-site", site)]);
            assert_eq!(seen, Ok(()), "{site}");
        }
    }

    #[test]
    fn our_own_origin_does_not_excuse_another_site() {
        let fields = [("sec-fetch-site", "cross-site")];
        assert_eq!(verdict(&origins(Pages::Own), Method::POST, &fields), Err(Refusal::FetchSite));
        let mixed = [("origin", "http://localhost:9181"), ("sec-fetch-site", "cross-site")];
        assert_eq!(verdict(&origins(Pages::Own), Method::POST, &mixed), Err(Refusal::FetchSite));
    }

    #[test]
    fn a_foreign_referer_is_refused_with_an_unsafe_method() {
        for referer in [
            "http://evil.example/",
            "https://app.example.evil.example/",
            "https://app.example@evil.example/",
            "http://localhost:91810/",
            "http://localhost:9181@evil.example/",
            "about:blank",
        ] {
            let fields = [("referer", referer)];
            for method in [Method::POST, Method::PUT, Method::PATCH, Method::DELETE] {
                let seen = verdict(&origins(Pages::None), method, &fields);
                assert_eq!(seen, Err(Refusal::Referer), "{referer}");
            }
            assert_eq!(verdict(&origins(Pages::None), Method::GET, &fields), Ok(()), "{referer}");
        }
        for referer in ["http://localhost:9181/a", "https://app.example", "https://app.example?a"] {
            let seen = verdict(&origins(Pages::None), Method::POST, &[("referer", referer)]);
            assert_eq!(seen, Ok(()), "{referer}");
        }
    }

    #[test]
    fn where_browsers_do_not_tell_the_site_a_foreign_referer_is_refused_with_get_too() {
        for (host, expected) in [
            ("localhost:9181", Ok(())),
            ("127.0.0.1:9181", Ok(())),
            ("[::1]:9181", Ok(())),
            ("sidecar:9181", Err(Refusal::Referer)),
            ("192.168.0.7", Err(Refusal::Referer)),
        ] {
            let request = Request::get("/api/").header("host", host);
            let request = request.header("referer", "http://evil.example/").body(()).unwrap();
            let seen = origins(Pages::None).admit(&request.into_parts().0).map(drop);
            assert_eq!(seen, expected, "{host}");
        }
    }

    #[test]
    fn a_preflight_passes_for_an_allowed_origin_alone() {
        let ask = ("access-control-request-method", "PUT");
        let seen = passage(&origins(Pages::None), Method::OPTIONS, &[("origin", APP), ask]);
        assert_eq!(seen, Ok(Passage::Preflight));
        let evil = [("origin", "https://evil.example"), ask];
        let seen = passage(&origins(Pages::None), Method::OPTIONS, &evil);
        assert_eq!(seen, Err(Refusal::Page("https://evil.example".into())));
        for fields in
            [&[ask][..], &[("origin", "null"), ask], &[("origin", APP), ("origin", APP), ask]]
        {
            for pages in [Pages::None, Pages::Own] {
                let seen = passage(&origins(pages), Method::OPTIONS, fields);
                assert_eq!(seen, Err(Refusal::Preflight), "{fields:?}");
            }
        }
        let own = [("origin", "http://localhost:9181"), ask];
        let seen = passage(&origins(Pages::Own), Method::OPTIONS, &own);
        assert_eq!(seen, Err(Refusal::Preflight));
        let seen = passage(&origins(Pages::None), Method::GET, &[("origin", APP), ask]);
        assert_eq!(seen, Ok(Passage::Request));
    }

    #[test]
    fn a_websocket_is_refused_and_other_upgrades_are_left_alone() {
        for fields in [
            [("upgrade", "websocket"), ("connection", "upgrade")],
            [("upgrade", "h2c, WebSocket"), ("connection", "upgrade")],
            [("sec-websocket-key", "dGhlIHNhbXBsZSBub25jZQ=="), ("upgrade", "odd")],
        ] {
            let seen = verdict(&origins(Pages::Own), Method::GET, &fields);
            assert_eq!(seen, Err(Refusal::WebSocket), "{fields:?}");
        }
        let java = [("upgrade", "h2c"), ("connection", "Upgrade, HTTP2-Settings")];
        assert_eq!(verdict(&origins(Pages::None), Method::GET, &java), Ok(()));
    }

    #[test]
    fn an_origin_that_no_browser_sends_cannot_be_configured() {
        for origin in [
            "",
            "*",
            "null",
            "app.example",
            "https://*.example",
            "https://app.example/",
            "https://app.example:443",
            "https://App.example",
            "https://user@app.example",
            "https://app.example/path",
            "ftp://app.example",
            "file:///",
        ] {
            let verdict = Origins::new(&[origin.to_owned()], Pages::None).map(drop);
            assert_eq!(verdict, Err(InvalidConfig::Origin(origin.into())), "{origin:?}");
        }
        let fine = ["http://localhost:3000", "https://[::1]:8443", "https://xn--bcher-kva.example"];
        assert!(Origins::new(&fine.map(str::to_owned), Pages::None).is_ok());
    }
}
