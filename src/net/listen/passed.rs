//! Sockets that a service manager has opened before the sidecar was started: systemd's socket activation.
//!
//! Callers can connect before the sidecar runs, and wait in the queue while it is restarted. Which socket is
//! which is told by names (`FileDescriptorName=`), because an order would be changed by an edit of a unit.

use std::net::TcpListener;
use std::os::unix::net::UnixListener;

use listenfd::ListenFd;
use socket2::SockRef;

use super::{Address, Listeners, Socket};

/// The sockets by what they are for; each list is empty if none was passed.
#[derive(Debug, Default)]
pub struct Passed {
    /// For callers.
    pub proxy: Vec<Listeners>,
    /// For the admin listener.
    pub admin: Vec<Listeners>,
    /// For health alone.
    pub health: Vec<Listeners>,
    /// For metrics alone.
    pub metrics: Vec<Listeners>,
}

/// A socket that cannot be used.
#[derive(Debug, thiserror::Error)]
pub enum PassedError {
    /// Nothing says what it is for.
    #[error(
        "the service manager passes a socket with the name {0:?}: set FileDescriptorName= of its socket \
         unit to proxy, admin, health or metrics"
    )]
    Name(String),
    /// It is not one that accepts connections.
    #[error(
        "the socket {0:?} that the service manager passes does not accept connections: use ListenStream="
    )]
    Kind(String),
    /// The system does not let it be used.
    #[error("the socket {name:?} that the service manager passes cannot be used: {source}")]
    System {
        /// Its name.
        name: String,
        /// What the system says.
        source: std::io::Error,
    },
}

impl Passed {
    /// Takes what was passed to this process, once. `names` is what `LISTEN_FDNAMES` says.
    ///
    /// # Errors
    ///
    /// [`PassedError`] for a socket that cannot be used as it is.
    pub fn of_process(names: Option<&str>) -> Result<Self, PassedError> {
        let mut given = ListenFd::from_env();
        let mut names = names.unwrap_or_default().split(':');
        let mut passed = Self::default();
        for index in 0..given.len() {
            let name = names.next().unwrap_or_default();
            let list = match name {
                "proxy" => &mut passed.proxy,
                "admin" => &mut passed.admin,
                "health" => &mut passed.health,
                "metrics" => &mut passed.metrics,
                other => return Err(PassedError::Name(other.to_owned())),
            };
            list.push(taken(&mut given, index, name)?);
        }
        Ok(passed)
    }
}

fn taken(given: &mut ListenFd, index: usize, name: &str) -> Result<Listeners, PassedError> {
    let kind = || PassedError::Kind(name.to_owned());
    let system = |source| PassedError::System { name: name.to_owned(), source };
    // A socket of another kind is refused and stays where it was.
    if let Ok(Some(socket)) = given.take_tcp_listener(index) {
        return tcp(socket).map_err(system)?.ok_or_else(kind);
    }
    match given.take_unix_listener(index) {
        Ok(Some(socket)) => unix(socket).map_err(system)?.ok_or_else(kind),
        Ok(None) | Err(_) => Err(kind()),
    }
}

fn tcp(socket: TcpListener) -> std::io::Result<Option<Listeners>> {
    if !SockRef::from(&socket).is_listener()? {
        return Ok(None);
    }
    socket.set_nonblocking(true)?;
    let address = Address::Tcp(socket.local_addr()?);
    Ok(Some(Listeners { address, sockets: vec![Socket::Tcp(socket)] }))
}

fn unix(socket: UnixListener) -> std::io::Result<Option<Listeners>> {
    if !SockRef::from(&socket).is_listener()? {
        return Ok(None);
    }
    socket.set_nonblocking(true)?;
    // One without a path, in the abstract namespace, has no mode that would keep anybody out.
    let Some(path) = socket.local_addr()?.as_pathname().map(std::path::Path::to_owned) else {
        return Ok(None);
    };
    Ok(Some(Listeners { address: Address::Unix(path), sockets: vec![Socket::Unix(socket)] }))
}
