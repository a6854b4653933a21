//! An outgoing connection: name, TCP, TLS, each with its own limit and its own kind of failure.
//!
//! Whoever fails here has sent nothing: not one byte of HTTP leaves before TLS stands.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::pin::Pin;
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout, timeout_at};
use tokio_rustls::client::TlsStream;

use super::origin::{Origin, Protection};
use super::tls::{Alpn, TlsFault, Trust};
use crate::answer::{Answer, Code};

/// Where and how to connect.
#[derive(Clone, Debug)]
pub struct Dial {
    /// The other end.
    pub origin: Origin,
    /// Whom to believe that it is the other end.
    pub trust: Trust,
    /// Longest time for the name and the TCP connection together.
    pub connect_timeout: Duration,
    /// Longest time for the TLS handshake.
    pub tls_timeout: Duration,
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
        phase: &'static str,
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

impl From<&ConnectError> for Answer {
    fn from(error: &ConnectError) -> Self {
        let code = match error {
            ConnectError::Dns { .. } => Code::UpstreamDns,
            ConnectError::Connect { .. } => Code::UpstreamConnect,
            ConnectError::Timeout { .. } => Code::UpstreamTimeout,
            ConnectError::Tls { .. } => Code::UpstreamTls,
        };
        let answer = Self::new(code).message(format!("The upstream is not available: {error}."));
        match code {
            // The code's own hint speaks of a request that may have been processed.
            Code::UpstreamTimeout => {
                answer.hint("Nothing was sent. Check the network and the firewall of this host.")
            }
            _ => answer,
        }
    }
}

/// A connection on which nothing has been said yet.
#[derive(Debug)]
pub enum Connection {
    /// Over TLS.
    Tls(Box<TlsStream<TcpStream>>),
    /// Plain, to this host.
    Plain(TcpStream),
}

/// What is spoken on a connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Protocol {
    /// RFC 9112.
    Http1,
    /// RFC 9113.
    Http2,
}

impl Connection {
    /// What both sides agreed on.
    pub fn protocol(&self) -> Protocol {
        match self {
            Self::Tls(stream) if stream.get_ref().1.alpn_protocol() == Some(b"h2") => {
                Protocol::Http2
            }
            Self::Tls(_) | Self::Plain(_) => Protocol::Http1,
        }
    }
}

/// Resolves, connects and, where the origin wants it, finishes TLS.
///
/// # Errors
///
/// [`ConnectError`]; nothing was sent, so trying again is always safe.
pub async fn connect(dial: &Dial, alpn: Alpn) -> Result<Connection, ConnectError> {
    let stream = reach(dial).await?;
    let Protection::Tls(name) = dial.origin.protection() else {
        return Ok(Connection::Plain(stream));
    };
    let handshake = dial.trust.connector(alpn).connect(name.clone(), stream);
    match timeout(dial.tls_timeout, handshake).await {
        Ok(Ok(stream)) => Ok(Connection::Tls(Box::new(stream))),
        Ok(Err(error)) => Err(ConnectError::Tls {
            host: dial.origin.host().to_owned(),
            fault: TlsFault::of(&error),
        }),
        Err(_) => Err(late(dial, "TLS handshake")),
    }
}

async fn reach(dial: &Dial) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + dial.connect_timeout;
    let (host, port) = (dial.origin.host(), dial.origin.port());
    let Ok(addresses) = timeout_at(deadline, resolve(host, port)).await else {
        return Err(late(dial, "name resolution"));
    };
    let Ok(stream) = timeout_at(deadline, race(addresses?)).await else {
        return Err(late(dial, "TCP connection"));
    };
    // A request is one write; waiting to fill a segment only adds delay.
    stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)).map_err(|error| {
        ConnectError::Connect { host: host.to_owned(), port, reason: error.to_string() }
    })
}

fn late(dial: &Dial, phase: &'static str) -> ConnectError {
    let host = dial.origin.host().to_owned();
    ConnectError::Timeout { host, port: dial.origin.port(), phase }
}

async fn resolve(host: &str, port: u16) -> Result<VecDeque<SocketAddr>, ConnectError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(VecDeque::from([SocketAddr::new(ip, port)]));
    }
    let failed = |reason: String| ConnectError::Dns { host: host.to_owned(), reason };
    let found = tokio::net::lookup_host((host, port)).await;
    let addresses = interleaved(found.map_err(|error| failed(error.to_string()))?);
    if addresses.is_empty() { Err(failed("it has no address".to_owned())) } else { Ok(addresses) }
}

/// Alternates the families, the resolver's favourite first (RFC 8305 §4): one broken family then
/// costs one step and not all of its addresses.
fn interleaved(found: impl Iterator<Item = SocketAddr>) -> VecDeque<SocketAddr> {
    let mut found = found.peekable();
    let first_is_v6 = found.peek().is_some_and(SocketAddr::is_ipv6);
    let (favourite, other): (VecDeque<_>, VecDeque<_>) =
        found.partition(|address| address.is_ipv6() == first_is_v6);
    let (mut favourite, mut other) = (favourite.into_iter(), other.into_iter());
    let mut mixed = VecDeque::new();
    loop {
        match (favourite.next(), other.next()) {
            (None, None) => return mixed,
            (one, two) => mixed.extend(one.into_iter().chain(two)),
        }
    }
}

/// RFC 8305 §5: the pause before the next address joins in.
const STAGGER: Duration = Duration::from_millis(250);

/// The first address that answers. A refused one gives way to the next at once, a silent one after
/// [`STAGGER`]; the losers are dropped.
async fn race(mut waiting: VecDeque<SocketAddr>) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        if let Some(address) = waiting.pop_front() {
            attempts.spawn(TcpStream::connect(address));
        }
        tokio::select! {
            attempt = attempts.join_next() => match attempt {
                Some(Ok(Ok(stream))) => return Ok(stream),
                Some(Ok(Err(error))) => last = error,
                Some(Err(error)) => last = error.into(),
                None => return Err(last),
            },
            () = sleep(STAGGER), if !waiting.is_empty() => {}
        }
    }
}

impl AsyncRead for Connection {
    fn poll_read(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_read(cx, buf),
            Self::Plain(stream) => Pin::new(stream).poll_read(cx, buf),
        }
    }
}

impl AsyncWrite for Connection {
    fn poll_write(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write(cx, buf),
            Self::Plain(stream) => Pin::new(stream).poll_write(cx, buf),
        }
    }

    fn poll_write_vectored(
        self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
            Self::Plain(stream) => Pin::new(stream).poll_write_vectored(cx, bufs),
        }
    }

    fn is_write_vectored(&self) -> bool {
        match self {
            Self::Tls(stream) => stream.is_write_vectored(),
            Self::Plain(stream) => stream.is_write_vectored(),
        }
    }

    fn poll_flush(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_flush(cx),
            Self::Plain(stream) => Pin::new(stream).poll_flush(cx),
        }
    }

    fn poll_shutdown(self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        match self.get_mut() {
            Self::Tls(stream) => Pin::new(stream).poll_shutdown(cx),
            Self::Plain(stream) => Pin::new(stream).poll_shutdown(cx),
        }
    }
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;

    fn dial(url: &str) -> Dial {
        Dial {
            origin: Origin::of(&Url::parse(url).unwrap()).unwrap(),
            trust: Trust::load(None).unwrap(),
            connect_timeout: Duration::from_secs(5),
            tls_timeout: Duration::from_secs(5),
        }
    }

    fn addresses(texts: &[&str]) -> VecDeque<SocketAddr> {
        texts.iter().map(|text| text.parse().unwrap()).collect()
    }

    #[test]
    fn families_take_turns() {
        let found = addresses(&["[::1]:1", "[::2]:1", "[::3]:1", "1.1.1.1:1"]);
        let mixed = addresses(&["[::1]:1", "1.1.1.1:1", "[::2]:1", "[::3]:1"]);
        assert_eq!(interleaved(found.into_iter()), mixed);
    }

    #[tokio::test]
    async fn a_refusing_address_gives_way_to_the_next() {
        let closed = std::net::TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = race(VecDeque::from([closed, open.local_addr().unwrap()])).await.unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
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
        assert!(
            matches!(&fault, ConnectError::Tls { fault: TlsFault::Handshake(_), .. }),
            "{fault}"
        );
        server.await.unwrap();
    }

    #[tokio::test]
    async fn a_silent_handshake_ends_in_time() {
        let listener = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let mut dial = dial(&format!("https://127.0.0.1:{port}"));
        dial.tls_timeout = Duration::from_millis(50);
        let error = connect(&dial, Alpn::Http1).await.unwrap_err();
        assert!(matches!(error, ConnectError::Timeout { phase: "TLS handshake", .. }));
    }

    #[test]
    fn connecting_can_move_between_threads() {
        fn is_send<T: Send>(_: &T) {}
        is_send(&connect(&dial("http://127.0.0.1:1"), Alpn::Http1));
    }
}
