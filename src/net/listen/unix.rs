//! A Unix socket, and the file that says who may connect to it.
//!
//! The file comes into being for its owner alone, and gets its mode and owner before listen(2): until
//! then the kernel refuses everybody, so that there is no moment in which it is wider than configured.

use std::io;
use std::os::unix::fs::{FileTypeExt, MetadataExt};
use std::os::unix::net::UnixListener;
use std::path::Path;

use rustix::fs::Access;
use socket2::{Domain, SockAddr, Socket, Type};

use super::BACKLOG;
use crate::account::{Gid, Uid};

/// Who may connect to a Unix socket: connecting takes the right to write to its file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Permissions {
    /// The mode of the file. Default 0600: its owner alone.
    pub mode: Mode,
    /// The owner of the file. Default: who runs the sidecar.
    pub uid: Option<Uid>,
    /// The group of the file. Default: as the system decides for new files there.
    pub gid: Option<Gid>,
}

/// The permission bits of a file, without those for other purposes: 0 to 0777.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Mode(pub u32);

impl Mode {
    /// Whether everybody on this host may connect.
    pub fn is_open(self) -> bool {
        self.0 & 0o002 != 0
    }
}

impl Default for Permissions {
    fn default() -> Self {
        Self { mode: OWNER_ONLY, uid: None, gid: None }
    }
}

const OWNER_ONLY: Mode = Mode(0o600);

/// Why a socket is not there.
#[derive(Debug)]
pub(super) enum Trouble {
    InUse,
    NotASocket,
    Permissions(io::Error),
    Refused(io::Error),
}

impl From<io::Error> for Trouble {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::AddrInUse => Self::InUse,
            _ => Self::Refused(error),
        }
    }
}

/// Listens at a path that nobody else listens at.
pub(super) fn listener(path: &Path, permissions: &Permissions) -> Result<UnixListener, Trouble> {
    remove_stale(path)?;
    let socket = stream()?;
    // On Linux bind(2) creates the file with the mode that the socket itself has.
    #[cfg(target_os = "linux")]
    rustix::fs::fchmod(&socket, rustix::fs::Mode::from_raw_mode(OWNER_ONLY.0))
        .map_err(io::Error::from)?;
    socket.bind(&SockAddr::unix(path)?)?;
    if let Err(error) = settle(path, permissions) {
        // Nobody could have connected to it yet.
        std::fs::remove_file(path).ok();
        return Err(Trouble::Permissions(error));
    }
    socket.listen(BACKLOG)?;
    Ok(socket.into())
}

fn stream() -> io::Result<Socket> {
    let socket = Socket::new(Domain::UNIX, Type::STREAM, None)?;
    socket.set_nonblocking(true)?;
    Ok(socket)
}

/// Gives the file its owner and then its mode, and makes sure: some file systems know neither.
fn settle(path: &Path, permissions: &Permissions) -> io::Result<()> {
    let Permissions { mode, uid, gid } = *permissions;
    let file = File::of(path)?;
    // Whoever may write to the directory could have put a hard link to another's file here.
    if !file.metadata()?.file_type().is_socket() {
        return Err(io::Error::other("another file has taken its place"));
    }
    if uid.is_some() || gid.is_some() {
        file.give(uid, gid)?;
    }
    if file.metadata()?.mode() & 0o777 != mode.0 {
        file.set_mode(mode)?;
    }
    let actual = file.metadata()?;
    let is_settled = actual.mode() & 0o777 == mode.0
        && uid.is_none_or(|uid| actual.uid() == uid.0)
        && gid.is_none_or(|gid| actual.gid() == gid.0);
    if is_settled { Ok(()) } else { Err(io::Error::other("the file system does not keep them")) }
}

/// The file itself, whatever somebody who may write to its directory puts in its place meanwhile.
#[cfg(target_os = "linux")]
struct File(std::os::fd::OwnedFd);

#[cfg(target_os = "linux")]
impl File {
    fn of(path: &Path) -> io::Result<Self> {
        use rustix::fs::{Mode, OFlags};
        let flags = OFlags::PATH | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        Ok(Self(rustix::fs::open(path, flags, Mode::empty())?))
    }

    fn give(&self, uid: Option<Uid>, gid: Option<Gid>) -> io::Result<()> {
        use rustix::fs::{AtFlags, Gid as RawGid, Uid as RawUid};
        let uid = uid.map(|uid| RawUid::from_raw(uid.0));
        let gid = gid.map(|gid| RawGid::from_raw(gid.0));
        Ok(rustix::fs::chownat(&self.0, "", uid, gid, AtFlags::EMPTY_PATH)?)
    }

    /// fchmod(2) takes no descriptor of a mere path, and its link in `/proc` is the documented way
    /// round (open(2), under `O_PATH`).
    fn set_mode(&self, mode: Mode) -> io::Result<()> {
        let mode = rustix::fs::Mode::from_raw_mode(mode.0);
        Ok(rustix::fs::chmod(self.link(), mode)?)
    }

    fn metadata(&self) -> io::Result<std::fs::Metadata> {
        std::fs::File::from(self.0.try_clone()?).metadata()
    }

    fn link(&self) -> String {
        use std::os::fd::AsRawFd;
        format!("/proc/self/fd/{}", self.0.as_raw_fd())
    }
}

/// Elsewhere there is no such descriptor; the directory of a socket must be the operator's own.
#[cfg(not(target_os = "linux"))]
struct File<'a>(&'a Path);

#[cfg(not(target_os = "linux"))]
impl<'a> File<'a> {
    fn of(path: &'a Path) -> io::Result<Self> {
        Ok(Self(path))
    }

    fn give(&self, uid: Option<Uid>, gid: Option<Gid>) -> io::Result<()> {
        std::os::unix::fs::lchown(self.0, uid.map(|uid| uid.0), gid.map(|gid| gid.0))
    }

    fn set_mode(&self, mode: Mode) -> io::Result<()> {
        use std::os::unix::fs::PermissionsExt;
        std::fs::set_permissions(self.0, PermissionsExt::from_mode(mode.0))
    }

    fn metadata(&self) -> io::Result<std::fs::Metadata> {
        std::fs::symlink_metadata(self.0)
    }
}

/// Checks whether [`listener`] could listen at the path. Changes nothing.
pub(super) fn check(path: &Path) -> Result<(), Trouble> {
    is_stale(path)?;
    let directory = path.parent().unwrap_or(Path::new("/"));
    rustix::fs::access(directory, Access::WRITE_OK | Access::EXEC_OK).map_err(io::Error::from)?;
    Ok(())
}

/// Removes a socket that a crashed sidecar left behind.
fn remove_stale(path: &Path) -> Result<(), Trouble> {
    if is_stale(path)? {
        std::fs::remove_file(path)?;
    }
    Ok(())
}

/// Returns true for a socket at which nobody listens, and false if there is no file. A socket that answers
/// is in use, also when its queue is full.
fn is_stale(path: &Path) -> Result<bool, Trouble> {
    let file = match std::fs::symlink_metadata(path) {
        Ok(file) => file.file_type(),
        Err(error) if error.kind() == io::ErrorKind::NotFound => return Ok(false),
        Err(error) => return Err(error.into()),
    };
    if !file.is_socket() {
        return Err(Trouble::NotASocket);
    }
    match stream()?.connect(&SockAddr::unix(path)?) {
        Err(error) if error.kind() == io::ErrorKind::ConnectionRefused => Ok(true),
        Err(error) if error.kind() != io::ErrorKind::WouldBlock => Err(error.into()),
        Ok(()) | Err(_) => Err(Trouble::InUse),
    }
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::symlink;
    use std::os::unix::net::UnixStream;
    use std::path::PathBuf;

    use tempfile::TempDir;

    use super::*;

    fn place() -> (TempDir, PathBuf) {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("proxy.sock");
        (directory, path)
    }

    #[test]
    fn the_mode_is_the_configured_one_whatever_the_umask() {
        for mode in [0o600, 0o660, 0o666, 0o777] {
            let (_directory, path) = place();
            let permissions = Permissions { mode: Mode(mode), ..Permissions::default() };
            let _listener = listener(&path, &permissions).unwrap();
            assert_eq!(std::fs::metadata(&path).unwrap().mode() & 0o777, mode);
            UnixStream::connect(&path).unwrap();
        }
    }

    #[test]
    fn the_owner_is_the_configured_one() {
        let (directory, path) = place();
        let own = std::fs::metadata(directory.path()).unwrap();
        let (uid, gid) = (Uid(own.uid()), Gid(own.gid()));
        let permissions = Permissions { uid: Some(uid), gid: Some(gid), ..Permissions::default() };
        let _listener = listener(&path, &permissions).unwrap();
        let file = std::fs::metadata(&path).unwrap();
        assert_eq!((Uid(file.uid()), Gid(file.gid())), (uid, gid));
    }

    /// For root every owner can be set, for anybody else no other one.
    #[test]
    fn an_owner_that_cannot_be_set_leaves_no_socket_behind() {
        let (_directory, path) = place();
        let uid = Some(Uid(4_242));
        let listener = listener(&path, &Permissions { uid, ..Permissions::default() });
        match listener {
            Ok(_) => assert_eq!(std::fs::metadata(&path).unwrap().uid(), 4_242),
            Err(Trouble::Permissions(error)) => {
                assert_eq!(error.kind(), io::ErrorKind::PermissionDenied);
                assert!(!path.exists());
            }
            Err(other) => panic!("{other:?}"),
        }
    }

    #[test]
    fn a_link_in_place_of_the_socket_is_left_alone() {
        let (directory, path) = place();
        let victim = directory.path().join("victim");
        std::fs::File::create(&victim).unwrap();
        symlink(&victim, &path).unwrap();
        let listener = listener(&path, &Permissions::default());
        assert!(matches!(listener, Err(Trouble::NotASocket)), "{listener:?}");
        assert!(victim.exists() && path.is_symlink());
    }

    #[test]
    fn a_live_socket_with_a_full_queue_is_not_taken_for_a_stale_one() {
        let (_directory, path) = place();
        let full = stream().unwrap();
        full.bind(&SockAddr::unix(&path).unwrap()).unwrap();
        full.listen(0).unwrap();
        let mut waiting = Vec::new();
        loop {
            let caller = stream().unwrap();
            let connected = caller.connect(&SockAddr::unix(&path).unwrap());
            waiting.push(caller);
            if connected.is_err() {
                break;
            }
        }
        let listener = listener(&path, &Permissions::default());
        assert!(matches!(listener, Err(Trouble::InUse)), "{listener:?}");
    }
}
