//! The response as it goes to the caller: the upstream's, without what is not the caller's business.

use std::pin::Pin;
use std::task::{Context, Poll};

use bytes::Bytes;
use http::header::{
    CACHE_CONTROL, CONNECTION, CONTENT_LENGTH, HeaderName, HeaderValue, LOCATION, VIA,
};
use http::{HeaderMap, Response, StatusCode, Uri, Version};
use http_body::{Frame, SizeHint};

use super::access::Entry;
use super::fields::{Nominations, clean_response, clean_trailers};
use super::replay::Playback;
use super::request::via;
use crate::answer::{Answer, Code};
use crate::net::origin::Origin;
use crate::net::upstream::{self, ContentError};

/// The content of a response of the upstream.
pub(super) type Content = upstream::Content<Playback>;

/// What callers receive as content.
#[derive(Debug)]
pub(super) struct Body {
    source: Source,
    nominations: Nominations,
    /// The content has broken off, and the caller has not been told yet.
    broken: Option<ContentError>,
    /// Ends with the content; answers that are not the proxy's have none.
    entry: Option<Entry>,
}

#[derive(Debug)]
enum Source {
    Upstream(Content),
    Own(Option<Bytes>),
    /// Content that a 304 tells the length of and does not have: RFC 9110 §8.6. hyper drops the field
    /// unless the body knows of it.
    Told(u64),
}

impl Body {
    /// The upstream's content as the caller's.
    pub(super) fn upstream(response: Cleaned, entry: Entry) -> Response<Self> {
        let Cleaned { response, nominations } = response;
        let told = match response.status() {
            StatusCode::NOT_MODIFIED => told_length(response.headers()),
            _ => None,
        };
        response.map(|content| Self {
            source: told.map_or(Source::Upstream(content), Source::Told),
            nominations,
            broken: None,
            entry: Some(entry),
        })
    }

    pub(super) fn own(content: Bytes, entry: Entry) -> Self {
        Self { entry: Some(entry), ..Self::from(content) }
    }
}

impl From<Bytes> for Body {
    fn from(content: Bytes) -> Self {
        let source = Source::Own(Some(content));
        Self { source, nominations: Nominations::None, broken: None, entry: None }
    }
}

impl http_body::Body for Body {
    type Data = Bytes;
    type Error = ContentError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
        if let Some(error) = self.broken.take() {
            return Poll::Ready(Some(Err(error)));
        }
        let frame = match &mut self.source {
            Source::Upstream(content) => Pin::new(content).poll_frame(cx),
            Source::Own(content) => Poll::Ready(content.take().map(|data| Ok(Frame::data(data)))),
            Source::Told(_) => Poll::Ready(None),
        };
        let frame = match frame {
            Poll::Ready(Some(Ok(frame))) => frame,
            Poll::Ready(Some(Err(error))) => {
                // hyper drops what it has not written when content fails, the head included, and some clients
                // repeat a POST whose connection ends without a byte. It writes while content is pending.
                self.broken = Some(error);
                cx.waker().wake_by_ref();
                return Poll::Pending;
            }
            other => return other,
        };
        if let (Some(data), Some(entry)) = (frame.data_ref(), &mut self.entry) {
            entry.sent(data.len());
        }
        Poll::Ready(Some(Ok(match frame.into_trailers() {
            Ok(mut trailers) => {
                clean_trailers(&mut trailers, self.nominations);
                if let Some(entry) = &self.entry {
                    entry.clean_echoes(&mut trailers);
                }
                Frame::trailers(trailers)
            }
            Err(frame) => frame,
        })))
    }

    fn is_end_stream(&self) -> bool {
        match &self.source {
            Source::Upstream(content) => self.broken.is_none() && content.is_end_stream(),
            Source::Own(content) => content.is_none(),
            Source::Told(_) => false,
        }
    }

    fn size_hint(&self) -> SizeHint {
        match &self.source {
            Source::Upstream(content) => content.size_hint(),
            Source::Own(content) => {
                SizeHint::with_exact(content.as_ref().map_or(0, |data| data.len() as u64))
            }
            Source::Told(length) => SizeHint::with_exact(*length),
        }
    }
}

fn told_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// A response whose fields are the caller's, and what is still to be known of its trailers.
#[derive(Debug)]
pub(super) struct Cleaned {
    pub(super) response: Response<Content>,
    nominations: Nominations,
}

impl Cleaned {
    /// Tells the caller that its connection closes after this response (RFC 9112 §9.6).
    pub(super) fn announce_close(&mut self) {
        self.response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
    }
}

/// Cleans the fields in place; the content is left alone.
pub(super) fn cleaned(mut response: Response<Content>, origin: &Origin) -> Result<Cleaned, Answer> {
    // Over HTTP/1.1 this has been seen to; over HTTP/2 a message is framed by other means, and RFC 9113
    // §8.1.1 leaves a second length to whoever passes the message on.
    if response.headers().get_all(CONTENT_LENGTH).iter().nth(1).is_some() {
        return Err(Answer::new(Code::UpstreamProtocol)
            .message("The upstream's answer has more than one Content-Length."));
    }
    // RFC 9110 §2.5: the version of a message is that of its sender, which from here on is the sidecar.
    let received = std::mem::replace(response.version_mut(), Version::HTTP_11);
    let fields = response.headers_mut();
    let nominations = clean_response(fields);
    // RFC 9111 §3.5: a cache in front of us sees no Authorization and would share the answer.
    fields.entry(CACHE_CONTROL).or_insert(HeaderValue::from_static("private"));
    make_location_relative(fields, origin);
    fields.append(VIA, via(received));
    Ok(Cleaned { response, nominations })
}

/// RFC 9209.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// Says why a 401 is passed on although a replay might have helped.
pub(super) fn tell_not_replayed(fields: &mut HeaderMap) {
    fields.append(
        PROXY_STATUS,
        HeaderValue::from_static(
            "webwork-sidecar; details=\"not replayed: the content is larger than what is kept\"",
        ),
    );
}

/// Says whose token a 401 speaks of: the caller has none of its own that it could correct.
pub(super) fn tell_personal_token_refused(fields: &mut HeaderMap) {
    fields.append(
        PROXY_STATUS,
        HeaderValue::from_static(
            "webwork-sidecar; received-status=401; details=\"the API refuses the sidecar's personal \
             access token; `webwork-sidecar status` says what to do\"",
        ),
    );
}

/// A redirect within the upstream stays behind the sidecar; any other is the caller's business and is
/// never followed here.
fn make_location_relative(fields: &mut HeaderMap, origin: &Origin) {
    let Some(location) = fields.get(LOCATION) else { return };
    if let Some(relative) = location.to_str().ok().and_then(|location| relative(location, origin))
        && let Ok(relative) = HeaderValue::try_from(relative)
    {
        fields.insert(LOCATION, relative);
    }
}

/// The part of `location` after the origin, if the origin is ours.
fn relative<'a>(location: &'a str, origin: &Origin) -> Option<&'a str> {
    let target: Uri = location.parse().ok()?;
    let host = target.host()?.trim_start_matches('[').trim_end_matches(']');
    let default = match target.scheme_str()? {
        "https" => 443,
        "http" => 80,
        _ => return None,
    };
    let ours = origin.uri(http::uri::PathAndQuery::from_static("/"));
    let is_ours = target.scheme() == ours.scheme()
        && host.eq_ignore_ascii_case(origin.host())
        && target.port_u16().unwrap_or(default) == origin.port();
    let (_, rest) = location.split_once("://")?;
    let path = rest.find(['/', '?', '#']).map_or("/", |start| &rest[start..]);
    // `//host` would be another origin, and browsers take `\` for `/` and skip tabs and line ends
    // (WHATWG URL); without a path there is nothing to be relative to.
    let is_plain = path.bytes().all(|byte| byte.is_ascii_graphic() && byte != b'\\');
    (is_ours && is_plain && path.starts_with('/') && !path.starts_with("//")).then_some(path)
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;
    use url::Url;

    use super::*;

    fn moved(location: &str) -> String {
        let origin = Origin::of(&Url::parse("https://api.example").unwrap()).unwrap();
        let mut fields = HeaderMap::new();
        fields.insert(LOCATION, HeaderValue::try_from(location).unwrap());
        make_location_relative(&mut fields, &origin);
        fields[LOCATION].to_str().unwrap().to_owned()
    }

    #[test]
    fn a_redirect_within_the_upstream_becomes_relative() {
        assert_eq!(moved("https://api.example/a?b=%2F#c"), "/a?b=%2F#c");
        assert_eq!(moved("https://API.example:443/a"), "/a");
        assert_eq!(moved("https://api.example"), "/");
    }

    #[test]
    fn a_redirect_elsewhere_is_left_alone() {
        for location in [
            "https://other.example/a",
            "http://api.example/a",
            "https://api.example:8443/a",
            "https://api.example//evil.example",
            "https://api.example/\\evil.example/x",
            "https://api.example/a\\..\\evil.example",
            "https://api.example?a",
            "/login",
            "//api.example/a",
        ] {
            assert_eq!(moved(location), location);
        }
    }

    proptest! {
        /// Whatever a browser makes of it, it stays with the sidecar.
        #[test]
        fn no_redirect_within_the_upstream_leads_elsewhere(rest in "[/\\\\a.@:%?#\t ]{0,12}") {
            let here = Url::parse("http://localhost:9180/api/").unwrap();
            let there = moved(&format!("https://api.example{rest}"));
            if let Ok(target) = here.join(&there) && !there.starts_with("https:") {
                prop_assert_eq!(target.origin(), here.origin(), "{}", there);
            }
        }
    }
}
