//! From a name to a TCP connection: every address that the name has now is tried.
//!
//! Nothing is remembered: each new connection resolves anew, so that an address that has changed is
//! followed by the next connection, and a dead one costs a moment and no request.

use std::collections::VecDeque;
use std::io;
use std::net::{IpAddr, SocketAddr};
use std::time::Duration;

use tokio::net::TcpStream;
use tokio::task::JoinSet;
use tokio::time::{Instant, sleep, timeout_at};

use super::connect::{ConnectError, Phase};
use super::descriptors::Slots;

/// Connects to a name or an address within `limit`. The caller has a slot for the connection; what is
/// open beside it meanwhile takes one of its own.
pub(super) async fn reach(
    host: &str,
    port: u16,
    limit: Duration,
    slots: &Slots,
) -> Result<TcpStream, ConnectError> {
    let deadline = Instant::now() + limit;
    let late = |phase| ConnectError::Timeout { host: host.to_owned(), port, phase };
    let Ok(addresses) = timeout_at(deadline, resolve(host, port, slots)).await else {
        return Err(late(Phase::Name));
    };
    let Ok(stream) = timeout_at(deadline, race(addresses?, slots)).await else {
        return Err(late(Phase::Tcp));
    };
    // A request is one write; waiting to fill a segment only adds delay.
    stream.and_then(|stream| stream.set_nodelay(true).map(|()| stream)).map_err(|error| {
        ConnectError::Connect { host: host.to_owned(), port, reason: error.to_string() }
    })
}

/// Every address that a name has now.
///
/// # Errors
///
/// [`ConnectError::Dns`].
pub async fn addresses(host: &str, port: u16) -> Result<Vec<SocketAddr>, ConnectError> {
    resolve(host, port, &Slots::default()).await.map(Vec::from)
}

async fn resolve(
    host: &str,
    port: u16,
    slots: &Slots,
) -> Result<VecDeque<SocketAddr>, ConnectError> {
    if let Ok(ip) = host.parse::<IpAddr>() {
        return Ok(VecDeque::from([SocketAddr::new(ip, port)]));
    }
    // The resolver opens files and sockets.
    let _slot = slots.take().await;
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
/// [`STAGGER`] if there is a slot; the losers are dropped.
async fn race(mut waiting: VecDeque<SocketAddr>, slots: &Slots) -> io::Result<TcpStream> {
    let mut attempts = JoinSet::new();
    let mut last = io::Error::from(io::ErrorKind::AddrNotAvailable);
    loop {
        // The first one has the connection's own slot.
        let slot = if attempts.is_empty() { Some(None) } else { slots.try_take().map(Some) };
        if let Some(slot) = slot
            && let Some(address) = waiting.pop_front()
        {
            attempts.spawn(async move {
                let _slot = slot;
                TcpStream::connect(address).await
            });
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

#[cfg(test)]
mod tests {
    use super::*;

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
        let stream = race(VecDeque::from([closed, open.local_addr().unwrap()]), &Slots::default())
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
    }

    #[cfg(target_os = "linux")]
    #[tokio::test]
    async fn a_silent_address_is_joined_by_the_next() {
        use socket2::{Domain, Socket, Type};
        let silent = Socket::new(Domain::IPV4, Type::STREAM, None).unwrap();
        silent.bind(&SocketAddr::from(([127, 0, 0, 1], 0)).into()).unwrap();
        silent.listen(0).unwrap();
        let address = silent.local_addr().unwrap().as_socket().unwrap();
        // Its queue is full now, and Linux answers nobody else.
        let _first = std::net::TcpStream::connect(address).unwrap();
        let open = tokio::net::TcpListener::bind("127.0.0.1:0").await.unwrap();
        let stream = race(VecDeque::from([address, open.local_addr().unwrap()]), &Slots::default())
            .await
            .unwrap();
        assert_eq!(stream.peer_addr().unwrap(), open.local_addr().unwrap());
    }
}
