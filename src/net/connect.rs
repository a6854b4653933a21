//! An outgoing connection: name, TCP, perhaps a proxy, TLS, each with its own limit and its own kind of
//! failure.
//!
//! Whoever fails here has sent nothing: not one byte of a request leaves before TLS stands.

mod stream;

use std::fmt;
use std::time::Duration;

use rustls::pki_types::CertificateDer;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_util::either::Either;

use super::descriptors::{Slot, Slots};
use super::memory::Budget;
use super::origin::{Origin, Protection};
use super::reach::reach;
use super::tls::{Alpn, TlsFault, Trust};
use super::tunnel::{OutboundProxy, ProxyFault, Route};
use crate::answer::{Answer, Code};

use stream::Io;
pub use stream::Stream;

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The other end.
    pub origin: Origin,
    /// The way to it.
    pub route: Route,
    /// Whom to believe that it is the other end.
    pub trust: Trust,
    /// Longest time for the name and the TCP connection together, and once more for a proxy's answer.
    pub connect_timeout: Duration,
    /// Longest time for the TLS handshake.
    pub tls_timeout: Duration,
    /// The descriptors that its connections may have.
    pub slots: Slots,
    /// The memory of the callers that they are for.
    pub memory: Budget,
}

/// Why there is no connection. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConnectError {
    /// The name has no address, or nobody could say.
    #[error("the name {host} could not be resolved: {reason}")]
    Dns {
        /// The name.
        host: String,
        /// What the resolver said.
        reason: String,
    },
    /// No address of the name took the connection.
    #[error("{host} port {port} could not be reached: {reason}")]
    Connect {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
        /// What the system said of the address tried last.
        reason: String,
    },
    /// It took too long.
    #[error("connecting to {host} port {port} took too long ({phase})")]
    Timeout {
        /// The name or address.
        host: String,
        /// The port.
        port: u16,
        /// What was being waited for.
        phase: Phase,
    },
    /// The proxy on the way gave no connection.
    #[error("the proxy {proxy} {fault}")]
    Proxy {
        /// Its host and port.
        proxy: String,
        /// What is wrong.
        fault: ProxyFault,
    },
    /// TCP stands, TLS does not.
    #[error("TLS with {host} failed: {fault}")]
    Tls {
        /// The name or address.
        host: String,
        /// What is wrong.
        fault: TlsFault,
    },
}

/// What takes time on the way to a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Phase {
    /// A file descriptor: the other connections have all there are.
    Descriptor,
    /// The addresses of a name.
    Name,
    /// A TCP connection.
    Tcp,
    /// TLS on it.
    Tls,
}

impl fmt::Display for Phase {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Descriptor => "waiting for a free file descriptor",
            Self::Name => "name resolution",
            Self::Tcp => "TCP connection",
            Self::Tls => "TLS handshake",
        })
    }
}

impl From<&ConnectError> for Answer {
    fn from(error: &ConnectError) -> Self {
        let code = match error {
            ConnectError::Dns { .. } => Code::UpstreamDns,
            ConnectError::Connect { .. } => Code::UpstreamConnect,
            ConnectError::Timeout { phase: Phase::Name, .. } => Code::UpstreamDnsTimeout,
            ConnectError::Timeout { .. } => Code::UpstreamConnectTimeout,
            ConnectError::Proxy { .. } => Code::UpstreamProxy,
            ConnectError::Tls { fault, .. } => fault.code(),
        };
        let answer = Self::new(code).message(format!("The upstream is not available: {error}."));
        match error {
            ConnectError::Tls { fault, .. } => fault.hint().into_iter().fold(answer, Self::hint),
            _ => answer,
        }
    }
}

/// A connection on which nothing has been said yet.
#[derive(Debug)]
pub struct Connection(Stream);

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9112.
    Http1,
    /// RFC 9113.
    Http2,
}

impl Connection {
    fn new(io: Io, slot: Slot, dial: &Dial) -> Self {
        let mut connection = Self(Stream::new(io, slot));
        let is_tls = matches!(connection.0.io(), Either::Left(_));
        dial.memory.speaks(connection.protocol(), is_tls);
        if connection.protocol() == Protocol::Http1
            && let Some(content) = dial.memory.content()
        {
            connection.0.bound(content);
        }
        connection
    }

    /// What both sides agreed on.
    pub fn protocol(&self) -> Protocol {
        match self.0.io() {
            Either::Left(tls) if tls.get_ref().1.alpn_protocol() == Some(b"h2") => Protocol::Http2,
            Either::Left(_) | Either::Right(_) => Protocol::Http1,
        }
    }

    /// What the other end has shown of itself, its own certificate first; nothing without TLS.
    pub fn certificates(&self) -> &[CertificateDer<'static>] {
        match self.0.io() {
            Either::Left(tls) => tls.get_ref().1.peer_certificates().unwrap_or_default(),
            Either::Right(_) => &[],
        }
    }

    /// To begin to speak.
    pub fn into_stream(self) -> Stream {
        self.0
    }
}

/// Resolves, connects and, where the origin wants it, finishes TLS.
///
/// # Errors
///
/// [`ConnectError`]; nothing was sent, so trying again is always safe.
pub async fn connect(dial: &Dial, alpn: Alpn) -> Result<Connection, ConnectError> {
    let Ok(slot) = timeout(dial.connect_timeout, dial.slots.take()).await else {
        return Err(late(dial, Phase::Descriptor));
    };
    let stream = match &dial.route {
        Route::Direct => {
            let (host, port) = (dial.origin.host(), dial.origin.port());
            reach(host, port, dial.connect_timeout, &dial.slots).await?
        }
        Route::Through(proxy) => led_through(proxy, dial).await?,
    };
    let Protection::Tls(name) = dial.origin.protection() else {
        return Ok(Connection::new(Either::Right(stream), slot, dial));
    };
    let handshake = dial.trust.connector(alpn).connect(name.clone(), stream);
    match timeout(dial.tls_timeout, handshake).await {
        Ok(Ok(stream)) => Ok(Connection::new(Either::Left(Box::new(stream)), slot, dial)),
        Ok(Err(error)) => Err(ConnectError::Tls {
            host: dial.origin.host().to_owned(),
            fault: TlsFault::of(&error),
        }),
        Err(_) => Err(late(dial, Phase::Tls)),
    }
}

fn late(dial: &Dial, phase: Phase) -> ConnectError {
    ConnectError::Timeout { host: dial.origin.host().to_owned(), port: dial.origin.port(), phase }
}

/// A tunnel to the origin. The proxy resolves the name; here only the proxy's own is looked up.
async fn led_through(proxy: &OutboundProxy, dial: &Dial) -> Result<TcpStream, ConnectError> {
    let stream = reach(proxy.host(), proxy.port(), dial.connect_timeout, &dial.slots).await;
    let tunnel = match stream {
        Ok(stream) => timeout(dial.connect_timeout, proxy.tunnel(stream, &dial.origin)).await,
        Err(error) => Ok(Err(ProxyFault::Unreachable(error.to_string()))),
    };
    tunnel
        .unwrap_or(Err(ProxyFault::Silent))
        .map_err(|fault| ConnectError::Proxy { proxy: proxy.to_string(), fault })
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn dial(url: &str) -> Dial {
        Dial {
            origin: Origin::of(&Url::parse(url).unwrap()).unwrap(),
            route: Route::Direct,
            trust: Trust::load(None).unwrap(),
            connect_timeout: Duration::from_secs(5),
            tls_timeout: Duration::from_secs(5),
            slots: Slots::default(),
            memory: Budget::default(),
        }
    }

    #[tokio::test]
    async fn an_unreachable_upstream_is_named() {
        let port = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port();
        let error = connect(&dial(&format!("http://127.0.0.1:{port}")), Alpn::Http1).await;
        let error = error.unwrap_err();
        assert!(matches!(&error, ConnectError::Connect { port: p, .. } if *p == port), "{error}");
        assert_eq!(Answer::from(&error).code(), Code::UpstreamConnect);
    }

    #[tokio::test]
    async fn a_server_that_speaks_no_tls_is_told_apart() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let server = tokio::spawn(async move {
            use tokio::io::{AsyncReadExt, AsyncWriteExt};
            let (mut stream, _) = listener.accept().await.unwrap();
            stream.read_u8().await.unwrap();
            stream.write_all(b"HTTP/1.1 400 Bad Request\r\n\r\n").await.unwrap();
        });
        let error = connect(&dial(&format!("https://127.0.0.1:{port}")), Alpn::Http1).await;
        let fault = error.unwrap_err();
        assert!(matches!(fault, ConnectError::Tls { fault: TlsFault::NotTls, .. }), "{fault}");
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_handshake_ends_in_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut dial = dial(&format!("https://127.0.0.1:{port}"));
        dial.tls_timeout = Duration::from_millis(50);
        let error = connect(&dial, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, ConnectError::Timeout { phase: Phase::Tls, .. }));
    }

    #[tokio::test]
    async fn a_connection_has_its_slot_until_it_ends() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let mut dial = dial(&format!("http://{}", listener.local_addr().unwrap()));
        dial.slots = Slots::new(1);
        let first = connect(&dial, Alpn::Http1).await.unwrap();
        dial.connect_timeout = Duration::from_millis(20);
        let second = connect(&dial, Alpn::Http1).await;
        assert!(matches!(second, Err(ConnectError::Timeout { phase: Phase::Descriptor, .. })));
        drop(first.into_stream());
        connect(&dial, Alpn::Http1).await.unwrap();
    }

    #[test]
    fn connecting_can_move_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&connect(&dial("http://127.0.0.1:1"), Alpn::Http1));
    }
}
