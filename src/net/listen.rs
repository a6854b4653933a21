//! Where the sidecar listens, and the sockets that do it: one for each core.
//!
//! On Linux every core accepts from a socket of its own and the kernel spreads the connections
//! (`SO_REUSEPORT`). The option has a dark side: with it a second process of the same user binds the
//! same port without an error, and each gets half of the callers. So the first socket is bound and
//! listening *without* it, which fails if anybody at all has the port, and only then are the others
//! let in.

mod passed;
mod unix;

use std::fmt;
use std::io;
use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr, TcpListener};
use std::os::unix::net::UnixListener;
use std::path::{Path, PathBuf};
use std::str::FromStr;

use rustix::io::Errno;
use socket2::{Domain, Protocol, Type};

pub use passed::{Passed, PassedError};
use unix::Trouble;
pub use unix::{Mode, Permissions};

/// A place to listen: a TCP address, or a Unix socket written as `unix:/path`.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Address {
    /// An IP address and a port; port 0 lets the system choose.
    Tcp(SocketAddr),
    /// The path of a Unix socket.
    Unix(PathBuf),
}

impl Address {
    /// Whether only programs of this host (or this network namespace) can reach it.
    pub fn is_local(&self) -> bool {
        match self {
            Self::Tcp(address) => address.ip().to_canonical().is_loopback(),
            Self::Unix(_) => true,
        }
    }

    /// The URL by which a program of this host reaches it; a Unix socket has none.
    pub fn url(&self) -> Option<String> {
        match self {
            Self::Tcp(address) if address.ip().is_unspecified() || is_localhost(address) => {
                Some(format!("http://localhost:{}", address.port()))
            }
            Self::Tcp(address) => Some(format!("http://{address}")),
            Self::Unix(_) => None,
        }
    }
}

/// Text that names no place to listen.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "expected an IP address with a port, such as \"127.0.0.1:9180\", or \"unix:/path/to/socket\""
)]
pub struct InvalidAddress;

impl FromStr for Address {
    type Err = InvalidAddress;

    fn from_str(text: &str) -> Result<Self, InvalidAddress> {
        match text.strip_prefix("unix:") {
            Some(path) if path.starts_with('/') => Ok(Self::Unix(path.into())),
            Some(_) => Err(InvalidAddress),
            None => text.parse().map(Self::Tcp).map_err(|_| InvalidAddress),
        }
    }
}

impl fmt::Display for Address {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Tcp(address) => address.fmt(f),
            Self::Unix(path) => write!(f, "unix:{}", path.display()),
        }
    }
}

/// Whether `localhost` is the name of the address.
fn is_localhost(address: &SocketAddr) -> bool {
    [IpAddr::from(Ipv4Addr::LOCALHOST), Ipv6Addr::LOCALHOST.into()].contains(&address.ip())
}

/// What to do about a socket that has no directory, or not ours.
fn advice(address: &Address, reason: &io::Error) -> &'static str {
    match (address, reason.kind()) {
        (Address::Unix(_), io::ErrorKind::NotFound) => "; create its directory first",
        (Address::Unix(_), io::ErrorKind::PermissionDenied) => {
            "; choose a directory in which this user may make files"
        }
        _ => "",
    }
}

/// Why an address could not be listened on.
#[derive(Debug, thiserror::Error)]
pub enum BindError {
    /// Another program has it, or another sidecar.
    #[error(
        "{0} is in use: stop the program that listens there, or set another address in listen.proxy or listen.admin"
    )]
    InUse(Address),
    /// A file that is not a socket has the path.
    #[error("{0} is a file but not a socket: it was left alone; choose another path")]
    NotASocket(Address),
    /// The file of a Unix socket cannot have the configured mode or owner.
    #[error(
        "cannot give {address} the mode and owner of listen.socket_mode and listen.socket_owner: {reason}; only root can give a file away, and others only to a group of theirs"
    )]
    Permissions {
        /// What was asked for.
        address: Address,
        /// What the system said.
        reason: io::Error,
    },
    /// The system refused for another reason.
    #[error("cannot listen on {address}: {reason}{}", advice(address, reason))]
    Refused {
        /// What was asked for.
        address: Address,
        /// What the system said.
        reason: io::Error,
    },
}

impl BindError {
    fn of(trouble: Trouble, address: &Address) -> Self {
        let address = address.clone();
        match trouble {
            Trouble::InUse => Self::InUse(address),
            Trouble::NotASocket => Self::NotASocket(address),
            Trouble::Permissions(reason) => Self::Permissions { address, reason },
            Trouble::Refused(reason) => Self::Refused { address, reason },
        }
    }

    /// Whether this host does not have the address, as a container without IPv6 has no `::1`.
    pub fn is_missing_address(&self) -> bool {
        match self {
            Self::Refused { reason, .. } => {
                reason.kind() == io::ErrorKind::AddrNotAvailable
                    || reason.raw_os_error() == Some(Errno::AFNOSUPPORT.raw_os_error())
            }
            Self::InUse(_) | Self::NotASocket(_) | Self::Permissions { .. } => false,
        }
    }
}

/// A listening socket, on its way to the core that accepts from it.
#[derive(Debug)]
pub enum Socket {
    /// TCP, ready for a runtime: it does not block.
    Tcp(TcpListener),
    /// Unix, ready for a runtime: it does not block.
    Unix(UnixListener),
}

/// The sockets of one address.
#[derive(Debug)]
pub struct Listeners {
    /// Where they listen; a port 0 that was asked for is the port that the system chose.
    pub address: Address,
    /// One for each core.
    pub sockets: Vec<Socket>,
}

impl Listeners {
    /// Listens on an address with one socket for each of `cores`. A Unix socket gets `permissions`
    /// before anybody can connect.
    ///
    /// # Errors
    ///
    /// [`BindError`] says who or what is in the way.
    pub fn bind(
        address: &Address,
        cores: usize,
        permissions: &Permissions,
    ) -> Result<Self, BindError> {
        let bound = match address {
            Address::Tcp(wanted) => bind_tcp(*wanted, cores).map_err(Trouble::from),
            Address::Unix(path) => bind_unix(path, cores, permissions),
        };
        bound.map_err(|trouble| BindError::of(trouble, address))
    }

    /// Checks whether an address could be listened on. Changes nothing, and nobody can connect.
    ///
    /// # Errors
    ///
    /// As [`Listeners::bind`], but for the mode and owner of a Unix socket.
    pub fn check(address: &Address) -> Result<(), BindError> {
        let free = match address {
            Address::Tcp(wanted) => tcp_socket(*wanted)
                .and_then(|socket| socket.bind(&(*wanted).into()))
                .map_err(Trouble::from),
            Address::Unix(path) => unix::check(path),
        };
        free.map_err(|trouble| BindError::of(trouble, address))
    }

    /// The same queue of connections for each of `cores`: for sockets that somebody else has opened, which
    /// cannot be bound a second time.
    ///
    /// # Errors
    ///
    /// [`BindError::Refused`] when the system gives no more descriptors.
    pub fn shared(mut self, cores: usize) -> Result<Self, BindError> {
        while let (true, Some(first)) = (self.sockets.len() < cores, self.sockets.first()) {
            let copy = match first {
                Socket::Tcp(socket) => socket.try_clone().map(Socket::Tcp),
                Socket::Unix(socket) => socket.try_clone().map(Socket::Unix),
            };
            let address = || self.address.clone();
            let copy = copy.map_err(|reason| BindError::Refused { address: address(), reason })?;
            self.sockets.push(copy);
        }
        Ok(self)
    }
}

/// Connections that wait to be accepted; the kernel lowers it to `net.core.somaxconn`.
pub(super) const BACKLOG: i32 = 4096;

fn bind_tcp(wanted: SocketAddr, cores: usize) -> io::Result<Listeners> {
    let first = tcp_socket(wanted)?;
    first.bind(&wanted.into())?;
    // Listening before the others are let in: two that are bound with SO_REUSEADDR but not yet
    // listening do not see each other.
    first.listen(BACKLOG)?;
    let first: TcpListener = first.into();
    let actual = first.local_addr()?;
    let others = other_sockets(&first, actual, cores.saturating_sub(1))?;
    let sockets = std::iter::once(first).chain(others).map(Socket::Tcp).collect();
    Ok(Listeners { address: Address::Tcp(actual), sockets })
}

#[cfg(target_os = "linux")]
fn other_sockets(
    first: &TcpListener,
    actual: SocketAddr,
    count: usize,
) -> io::Result<Vec<TcpListener>> {
    if count > 0 {
        socket2::SockRef::from(first).set_reuse_port(true)?;
    }
    std::iter::repeat_with(|| {
        let socket = tcp_socket(actual)?;
        socket.set_reuse_port(true)?;
        socket.bind(&actual.into())?;
        socket.listen(BACKLOG)?;
        Ok(socket.into())
    })
    .take(count)
    .collect()
}

/// Elsewhere `SO_REUSEPORT` does not spread connections, so the cores share one queue.
#[cfg(not(target_os = "linux"))]
fn other_sockets(
    first: &TcpListener,
    _actual: SocketAddr,
    count: usize,
) -> io::Result<Vec<TcpListener>> {
    std::iter::repeat_with(|| first.try_clone()).take(count).collect()
}

fn tcp_socket(address: SocketAddr) -> io::Result<socket2::Socket> {
    let socket =
        socket2::Socket::new(Domain::for_address(address), Type::STREAM, Some(Protocol::TCP))?;
    // Without it a restart fails for a minute, because old connections are in TIME_WAIT.
    socket.set_reuse_address(true)?;
    if address.is_ipv6() {
        socket.set_only_v6(true)?;
    }
    socket.set_nonblocking(true)?;
    Ok(socket)
}

fn bind_unix(path: &Path, cores: usize, permissions: &Permissions) -> Result<Listeners, Trouble> {
    let first = unix::listener(path, permissions)?;
    let others: Vec<_> = std::iter::repeat_with(|| first.try_clone())
        .take(cores.saturating_sub(1))
        .collect::<io::Result<_>>()?;
    let sockets = std::iter::once(first).chain(others).map(Socket::Unix).collect();
    Ok(Listeners { address: Address::Unix(path.to_owned()), sockets })
}

#[cfg(test)]
mod tests {
    use std::collections::HashSet;
    use std::net::TcpStream;
    use std::os::unix::fs::PermissionsExt;
    use std::os::unix::net::UnixStream;

    use super::*;

    fn loopback() -> Address {
        "127.0.0.1:0".parse().unwrap()
    }

    fn bind(address: &Address, cores: usize) -> Result<Listeners, BindError> {
        Listeners::bind(address, cores, &Permissions::default())
    }

    fn tcp(address: &Address) -> SocketAddr {
        let Address::Tcp(address) = address else { panic!("{address}") };
        *address
    }

    #[test]
    fn a_port_that_a_sidecar_has_is_refused_even_to_the_same_user() {
        for cores in [1, 4] {
            let first = bind(&loopback(), cores).unwrap();
            assert_ne!(tcp(&first.address).port(), 0);
            assert_eq!(first.sockets.len(), cores);
            for others in [1, 4] {
                let second = bind(&first.address, others);
                assert!(matches!(second, Err(BindError::InUse(_))), "{second:?}");
            }
        }
    }

    #[test]
    fn a_check_says_what_bind_would_say_and_leaves_everything_as_it_is() {
        let directory = tempfile::tempdir().unwrap();
        let unix = |name: &str| Address::Unix(directory.path().join(name));
        std::fs::File::create(directory.path().join("file")).unwrap();
        let live = [bind(&loopback(), 2).unwrap(), bind(&unix("live"), 1).unwrap()];
        drop(UnixListener::bind(directory.path().join("stale")).unwrap());
        for address in [&live[0].address, &live[1].address] {
            assert!(matches!(Listeners::check(address), Err(BindError::InUse(_))), "{address}");
        }
        for address in [unix("file"), unix("none/socket"), "192.0.2.7:0".parse().unwrap()] {
            let check = Listeners::check(&address).unwrap_err().to_string();
            assert_eq!(check, bind(&address, 1).unwrap_err().to_string());
        }
        for address in [loopback(), unix("new"), unix("stale")] {
            let before = std::fs::read_dir(directory.path()).unwrap().count();
            Listeners::check(&address).unwrap();
            assert_eq!(std::fs::read_dir(directory.path()).unwrap().count(), before);
            bind(&address, 1).unwrap();
        }
        let Socket::Tcp(first) = &live[0].sockets[0] else { panic!() };
        assert!(first.accept().is_err(), "nobody has connected");
    }

    #[test]
    fn a_port_is_free_again_after_its_listeners_are_gone() {
        let first = bind(&loopback(), 3).unwrap();
        let address = first.address.clone();
        drop(first);
        assert_eq!(bind(&address, 3).unwrap().address, address);
    }

    #[cfg(target_os = "linux")]
    #[test]
    fn every_core_gets_connections() {
        let listeners = bind(&loopback(), 2).unwrap();
        let callers: Vec<_> =
            (0..64).map(|_| TcpStream::connect(tcp(&listeners.address)).unwrap()).collect();
        let mut accepted = HashSet::new();
        for socket in &listeners.sockets {
            let Socket::Tcp(socket) = socket else { panic!() };
            let before = accepted.len();
            while let Ok((_, peer)) = socket.accept() {
                accepted.insert(peer);
            }
            assert!(accepted.len() > before, "a core got none of {}", callers.len());
        }
        assert_eq!(accepted.len(), callers.len());
    }

    #[test]
    fn a_unix_socket_is_for_its_owner_only() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.sock");
        let listeners = bind(&Address::Unix(path.clone()), 2).unwrap();
        assert_eq!(listeners.sockets.len(), 2);
        let mode = std::fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        UnixStream::connect(&path).unwrap();
    }

    #[test]
    fn a_stale_unix_socket_is_replaced_and_a_live_one_is_not() {
        let directory = tempfile::tempdir().unwrap();
        let address = Address::Unix(directory.path().join("proxy.sock"));
        let live = bind(&address, 1).unwrap();
        assert!(matches!(bind(&address, 1), Err(BindError::InUse(_))));
        drop(live);
        assert!(bind(&address, 1).is_ok());
    }

    #[test]
    fn a_file_that_is_no_socket_is_left_alone() {
        let file = tempfile::NamedTempFile::new().unwrap();
        let bound = bind(&Address::Unix(file.path().to_owned()), 1);
        assert!(matches!(bound, Err(BindError::NotASocket(_))));
        assert!(file.path().exists());
    }
}
