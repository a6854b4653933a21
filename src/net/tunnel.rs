//! The way out through another proxy: RFC 9110 §9.3.6.
//!
//! Where a network lets nothing out but through a proxy, that proxy is asked with CONNECT for a tunnel,
//! and TLS goes through it from end to end: what it learns is a host and a port. The request is made by
//! hyper, whose connection gives the socket back; `hyper_util`'s `Tunnel` tells neither with which status
//! a proxy refused nor that it sent bytes of its own, and both must be known to mend it.

use std::fmt;
use std::sync::Arc;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use http::header::{HOST, HeaderValue, PROXY_AUTHORIZATION};
use http::{Request, StatusCode};
use http_body_util::Empty;
use hyper::client::conn::http1;
use hyper_util::rt::TokioIo;
use percent_encoding::percent_decode_str;
use tokio::net::TcpStream;
use url::{Host, Url};

use super::origin::Origin;
use crate::secret::Secret;

/// How an origin is reached. Cheap to clone.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub enum Route {
    /// By itself.
    #[default]
    Direct,
    /// Through a proxy.
    Through(Arc<OutboundProxy>),
}

/// A proxy that makes tunnels.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct OutboundProxy {
    host: String,
    port: u16,
    /// `Proxy-Authorization`: RFC 7617.
    authorization: Option<Secret>,
}

/// A text that names no proxy that can be used. None of these repeats it: it can hold a password.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidProxy {
    /// Not a URL, or one without a host.
    #[error("it is not the URL of a proxy")]
    Url,
    /// It asks for TLS to the proxy itself.
    #[error(
        "TLS to the proxy itself (https://) is not supported; what goes through the proxy has TLS of its own, so use its http:// port"
    )]
    Https,
    /// SOCKS or something else.
    #[error("only HTTP proxies are supported; SOCKS is not")]
    Scheme,
    /// A path, a query or a fragment.
    #[error("it has more than a host and a port")]
    Excess,
}

/// What is wrong with a proxy. Nothing was sent but the CONNECT.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ProxyFault {
    /// There is no connection to the proxy itself.
    #[error("cannot be used: {0}")]
    Unreachable(String),
    /// 407: it wants credentials, or others.
    #[error(
        "wants a user name and password, or others than it was given (407); they belong into its URL, as http://user:password@host:port"
    )]
    Unauthenticated,
    /// It makes no tunnel there.
    #[error(
        "refuses a connection to {target} (it answered {status}); whoever runs it must allow it"
    )]
    Refused {
        /// Host and port.
        target: String,
        /// What it answered.
        status: StatusCode,
    },
    /// It does not speak HTTP, or mixes its own bytes into the tunnel.
    #[error("does not answer as an HTTP proxy does ({0})")]
    Garbled(String),
    /// It closed the connection.
    #[error("closed the connection when it was asked for one to {0}")]
    Closed(String),
    /// It took too long.
    #[error("did not answer in time")]
    Silent,
}

impl OutboundProxy {
    /// The proxy at a URL such as `http://user:password@proxy.example:3128`. As in other programs,
    /// `http://` can be left out, and the port is 80 unless it is given.
    ///
    /// # Errors
    ///
    /// [`InvalidProxy`] says what is wrong, without the text.
    pub fn of(text: &str) -> Result<Self, InvalidProxy> {
        let url = match text.contains("://") {
            true => Url::parse(text),
            false => Url::parse(&format!("http://{text}")),
        };
        let url = url.map_err(|_| InvalidProxy::Url)?;
        match url.scheme() {
            "http" => {}
            "https" => return Err(InvalidProxy::Https),
            _ => return Err(InvalidProxy::Scheme),
        }
        if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
            return Err(InvalidProxy::Excess);
        }
        let host = match url.host().ok_or(InvalidProxy::Url)? {
            Host::Domain(name) => name.to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let port = url.port_or_known_default().ok_or(InvalidProxy::Url)?;
        Ok(Self { host, port, authorization: authorization(&url) })
    }

    /// The name or address to connect to; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is given a password.
    pub fn is_authenticated(&self) -> bool {
        self.authorization.is_some()
    }

    /// Turns a connection to the proxy into one to `origin`.
    pub(super) async fn tunnel(
        &self,
        stream: TcpStream,
        origin: &Origin,
    ) -> Result<TcpStream, ProxyFault> {
        let target = authority(origin.host(), origin.port());
        let fault = |error: hyper::Error| match error.is_parse() {
            true => ProxyFault::Garbled(error.to_string()),
            false => ProxyFault::Closed(target.clone()),
        };
        let request = self.connect(&target).map_err(|_| ProxyFault::Closed(target.clone()))?;
        let (mut sender, connection) =
            http1::handshake(TokioIo::new(stream)).await.map_err(fault)?;
        let answer = async move {
            // Only the head counts. Letting go of the rest ends a connection that became no tunnel.
            let answer = sender.send_request(request).await;
            answer.map(|answer| answer.status())
        };
        let (status, rest) = tokio::join!(answer, connection.without_shutdown());
        match status.map_err(fault)? {
            status if status.is_success() => {}
            StatusCode::PROXY_AUTHENTICATION_REQUIRED => return Err(ProxyFault::Unauthenticated),
            status => return Err(ProxyFault::Refused { target, status }),
        }
        let parts = rest.map_err(fault)?;
        match parts.read_buf.is_empty() {
            true => Ok(parts.io.into_inner()),
            // The server at the other end of a tunnel waits for our ClientHello.
            false => Err(ProxyFault::Garbled("it sent something of its own".to_owned())),
        }
    }

    fn connect(&self, target: &str) -> Result<Request<Empty<Bytes>>, http::Error> {
        let mut request = Request::connect(target).header(HOST, target);
        if let Some(authorization) = &self.authorization {
            let mut value = HeaderValue::from_str(authorization.expose())?;
            value.set_sensitive(true);
            request = request.header(PROXY_AUTHORIZATION, value);
        }
        request.body(Empty::new())
    }
}

impl fmt::Display for OutboundProxy {
    /// Host and port, and never a password.
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&authority(&self.host, self.port))
    }
}

impl fmt::Display for Route {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Direct => f.write_str("none"),
            Self::Through(proxy) => proxy.fmt(f),
        }
    }
}

/// RFC 9112 §3.2.3: the port is always there.
fn authority(host: &str, port: u16) -> String {
    if host.contains(':') { format!("[{host}]:{port}") } else { format!("{host}:{port}") }
}

/// RFC 7617 §2, of the URL's user name and password.
fn authorization(url: &Url) -> Option<Secret> {
    if url.username().is_empty() && url.password().is_none() {
        return None;
    }
    let mut pair: Vec<u8> = percent_decode_str(url.username()).collect();
    pair.push(b':');
    pair.extend(percent_decode_str(url.password().unwrap_or_default()));
    Some(Secret::new(format!("Basic {}", STANDARD.encode(pair))))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_url_names_host_port_and_perhaps_a_person() {
        let proxy = OutboundProxy::of("http://me:p%40ss@proxy.example:3128").unwrap();
        assert_eq!(proxy.to_string(), "proxy.example:3128");
        let expected = format!("Basic {}", STANDARD.encode("me:p@ss"));
        assert_eq!(proxy.authorization.unwrap().expose(), expected);
        for (text, expected) in [
            ("proxy.example", "proxy.example:80"),
            ("proxy.example:8080", "proxy.example:8080"),
            ("10.0.0.1:3128", "10.0.0.1:3128"),
            ("http://[::1]:3128/", "[::1]:3128"),
        ] {
            let proxy = OutboundProxy::of(text).unwrap();
            assert_eq!((proxy.to_string().as_str(), proxy.is_authenticated()), (expected, false));
        }
    }

    #[test]
    fn what_cannot_be_used_is_told_without_its_text() {
        for (text, expected) in [
            ("https://proxy.example", InvalidProxy::Https),
            ("socks5://proxy.example:1080", InvalidProxy::Scheme),
            ("http://proxy.example/path", InvalidProxy::Excess),
            ("http://proxy.example?x", InvalidProxy::Excess),
            ("http://", InvalidProxy::Url),
            ("", InvalidProxy::Url),
            ("two words", InvalidProxy::Url),
        ] {
            assert_eq!(OutboundProxy::of(text), Err(expected), "{text}");
        }
    }

    #[test]
    fn a_password_is_not_shown() {
        let proxy = OutboundProxy::of("http://me:canary@proxy.example:3128").unwrap();
        assert!(!format!("{proxy:?} {proxy}").contains("canary"));
    }

    #[test]
    fn the_request_names_the_target_and_nothing_else() {
        let request = OutboundProxy::of("proxy").unwrap().connect("api.example:443").unwrap();
        assert_eq!(request.uri(), "api.example:443");
        assert_eq!(request.headers().len(), 1);
        assert_eq!(request.headers()[HOST], "api.example:443");
    }
}
