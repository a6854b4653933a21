//! The state directory: opened once, and from then on every file is reached through it.
//!
//! Whoever can plant a link or read a file in it owns the grant. So the directory must be ours and
//! closed to others, every file is opened without following links, and what was opened is checked,
//! not what a path says.

use std::fs::{DirBuilder, File};
use std::io::{self, Read};
use std::os::fd::OwnedFd;
use std::os::unix::fs::{DirBuilderExt, MetadataExt};
use std::path::{Path, PathBuf};

use rustix::fs::{
    Access, AtFlags, CWD, FlockOperation, Mode, OFlags, access, flock, fstat, fsync, openat,
    renameat, stat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::super::record::InvalidRecord;

/// What is wrong with the store. The messages say what to do.
#[derive(Debug, thiserror::Error)]
pub enum StoreError {
    /// The directory cannot be made or opened.
    #[error("state directory {}: {source}; create it for this user (uid {}) with mode 0700, or set state.directory", path.display(), geteuid().as_raw())]
    Directory {
        /// The directory.
        path: PathBuf,
        /// What the system says.
        source: io::Error,
    },
    /// A file cannot be used for what was tried.
    #[error("{}: cannot {verb}: {source}{}", path.display(), advice(source))]
    File {
        /// The file.
        path: PathBuf,
        /// What was tried.
        verb: &'static str,
        /// What the system says.
        source: io::Error,
    },
    /// Somebody else owns it.
    #[error("{} belongs to uid {owner}, not to this user (uid {}): {}", path.display(), geteuid().as_raw(), remedy(path, *owner))]
    Owner {
        /// The directory or file.
        path: PathBuf,
        /// Its owner.
        owner: u32,
    },
    /// Others may read or write it.
    #[error("{} is open to other users (mode {mode:04o}): chmod {} it", path.display(), advised(path))]
    Mode {
        /// The directory or file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// A link, a device, a directory in a file's place.
    #[error("{} is {what}, not a plain file: remove it if you did not put it there", path.display())]
    Kind {
        /// The file.
        path: PathBuf,
        /// What it is.
        what: &'static str,
    },
    /// Mounted by itself, so that it cannot be replaced.
    #[error("{} is mounted as a single file, which cannot be replaced safely: mount its directory", .0.display())]
    Mounted(PathBuf),
    /// What is in it cannot be read; it is left as it is.
    #[error("{}: {reason}; it was left untouched: restore it, or move it away and sign in again", path.display())]
    Content {
        /// The file.
        path: PathBuf,
        /// What is wrong with it.
        reason: InvalidRecord,
    },
    /// Far larger than anything that this program writes.
    #[error("{} is larger than {MAX_SIZE} bytes and not a record of this program", .0.display())]
    Size(PathBuf),
}

/// The largest file that is read.
const MAX_SIZE: u64 = 1 << 20;

fn advised(path: &Path) -> &'static str {
    if path.is_dir() { "0700" } else { "0600" }
}

/// What helps where the system's own words do not say it.
fn advice(error: &io::Error) -> &'static str {
    match error.kind() {
        io::ErrorKind::ReadOnlyFilesystem => "; mount it writable, or set state.directory",
        io::ErrorKind::StorageFull | io::ErrorKind::QuotaExceeded => "; make room there",
        _ => "",
    }
}

/// How a directory or file of another owner becomes usable. A volume that is root's and writable by its
/// group, as Kubernetes makes it with fsGroup, cannot be chowned, but a directory can be made in it.
fn remedy(path: &Path, owner: u32) -> String {
    if owner == 0 && path.is_dir() && access(path, Access::WRITE_OK).is_ok() {
        let below = path.join("grant");
        return format!("set state.directory to a new one in it, such as {}", below.display());
    }
    "chown it, or set state.directory".to_owned()
}

/// An open state directory.
#[derive(Debug)]
pub(super) struct Directory {
    path: PathBuf,
    fd: OwnedFd,
}

impl Directory {
    /// Opens it, or makes it with mode 0700 if it is missing.
    pub(super) fn open(path: &Path) -> Result<Self, StoreError> {
        let failed = |source| StoreError::Directory { path: path.to_owned(), source };
        if let Err(error) = DirBuilder::new().mode(0o700).recursive(true).create(path)
            && error.kind() != io::ErrorKind::AlreadyExists
        {
            return Err(failed(error));
        }
        let flags = OFlags::RDONLY | OFlags::DIRECTORY | OFlags::CLOEXEC;
        let fd = openat(CWD, path, flags, Mode::empty()).map_err(|error| failed(error.into()))?;
        let file = File::from(fd);
        let metadata = file.metadata().map_err(failed)?;
        if metadata.uid() != geteuid().as_raw() {
            return Err(StoreError::Owner { path: path.to_owned(), owner: metadata.uid() });
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(StoreError::Mode { path: path.to_owned(), mode: metadata.mode() & 0o7777 });
        }
        Ok(Self { path: path.to_owned(), fd: file.into() })
    }

    /// Whether it is the one that has this path.
    pub(super) fn is_at(&self, path: &Path) -> bool {
        match (stat(path), fstat(&self.fd)) {
            (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
            _ => false,
        }
    }

    /// The path of a file in it, for messages.
    pub(super) fn path(&self, name: &str) -> PathBuf {
        self.path.join(name)
    }

    /// Reads a whole file; `None` if it is not there.
    pub(super) fn read(&self, name: &str) -> Result<Option<Vec<u8>>, StoreError> {
        let Some(mut file) = self.existing(name, OFlags::RDONLY)? else { return Ok(None) };
        let size = file.metadata().map_err(|error| self.failed(name, "read", error))?.len();
        if size > MAX_SIZE {
            return Err(StoreError::Size(self.path(name)));
        }
        let mut bytes = Vec::with_capacity(usize::try_from(size).unwrap_or_default());
        file.read_to_end(&mut bytes).map_err(|error| self.failed(name, "read", error))?;
        Ok(Some(bytes))
    }

    /// Opens a plain file of ours that is there.
    pub(super) fn existing(&self, name: &str, access: OFlags) -> Result<Option<File>, StoreError> {
        let flags = access | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        match openat(&self.fd, name, flags, Mode::empty()) {
            Ok(fd) => self.checked(name, File::from(fd)).map(Some),
            Err(Errno::NOENT) => Ok(None),
            Err(Errno::LOOP) => {
                Err(StoreError::Kind { path: self.path(name), what: "a symbolic link" })
            }
            Err(error) => Err(self.failed(name, "open", error.into())),
        }
    }

    /// Makes a file anew with mode 0600; whatever had this name before is gone.
    pub(super) fn fresh(&self, name: &str) -> Result<File, StoreError> {
        self.remove(name)?;
        let flags =
            OFlags::RDWR | OFlags::CREATE | OFlags::EXCL | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map(File::from)
            .map_err(|error| self.failed(name, "create", error.into()))
    }

    /// Removes a file; none there is fine.
    pub(super) fn remove(&self, name: &str) -> Result<(), StoreError> {
        match unlinkat(&self.fd, name, AtFlags::empty()) {
            Ok(()) | Err(Errno::NOENT) => Ok(()),
            Err(error) => Err(self.failed(name, "remove", error.into())),
        }
    }

    /// Puts one file in another's place. Durable after [`sync`](Self::sync).
    pub(super) fn rename(&self, from: &str, to: &str) -> Result<(), StoreError> {
        match renameat(&self.fd, from, &self.fd, to) {
            Ok(()) => Ok(()),
            Err(Errno::BUSY) => Err(StoreError::Mounted(self.path(to))),
            Err(error) => Err(self.failed(to, "replace", error.into())),
        }
    }

    /// Makes names durable: without it a crash can bring an old file back.
    pub(super) fn sync(&self) -> Result<(), StoreError> {
        fsync(&self.fd).map_err(|error| StoreError::File {
            path: self.path.clone(),
            verb: "sync the directory",
            source: error.into(),
        })
    }

    /// Tries to take the lock file; `None` if another process has it.
    pub(super) fn lock(&self, name: &str) -> Result<Option<Lock>, StoreError> {
        let flags = OFlags::RDWR | OFlags::CREATE | OFlags::NOFOLLOW | OFlags::CLOEXEC;
        let file = openat(&self.fd, name, flags, Mode::RUSR | Mode::WUSR)
            .map_err(|error| self.failed(name, "open", error.into()))?;
        match flock(&file, FlockOperation::NonBlockingLockExclusive) {
            Ok(()) if self.is_named(name, &file) => Ok(Some(Lock { _held: file })),
            // Somebody has removed the file meanwhile, and the lock that counts is on another one.
            Ok(()) => Ok(None),
            Err(Errno::WOULDBLOCK) => Ok(None),
            Err(error) => Err(self.failed(name, "lock", error.into())),
        }
    }

    /// Whether this open file still has this name.
    fn is_named(&self, name: &str, file: &OwnedFd) -> bool {
        let named = statat(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW);
        match (named, fstat(file)) {
            (Ok(named), Ok(held)) => (named.st_dev, named.st_ino) == (held.st_dev, held.st_ino),
            _ => false,
        }
    }

    /// An error of a file in here.
    pub(super) fn failed(&self, name: &str, verb: &'static str, source: io::Error) -> StoreError {
        StoreError::File { path: self.path(name), verb, source }
    }

    fn checked(&self, name: &str, file: File) -> Result<File, StoreError> {
        let path = self.path(name);
        let metadata = file.metadata().map_err(|error| self.failed(name, "read", error))?;
        if !metadata.is_file() {
            return Err(StoreError::Kind { path, what: "a directory or device" });
        }
        if metadata.nlink() > 1 {
            return Err(StoreError::Kind { path, what: "a file with a second name (hard link)" });
        }
        if metadata.uid() != geteuid().as_raw() {
            return Err(StoreError::Owner { path, owner: metadata.uid() });
        }
        if metadata.mode() & 0o077 != 0 {
            return Err(StoreError::Mode { path, mode: metadata.mode() & 0o7777 });
        }
        Ok(file)
    }

    /// Whether a file is the root of a mount, which `rename` cannot replace.
    pub(super) fn is_mount(&self, name: &str) -> bool {
        #[cfg(target_os = "linux")]
        {
            use rustix::fs::{StatxAttributes, StatxFlags, statx};
            statx(&self.fd, name, AtFlags::SYMLINK_NOFOLLOW, StatxFlags::BASIC_STATS)
                .is_ok_and(|stat| stat.stx_attributes.contains(StatxAttributes::MOUNT_ROOT))
        }
        #[cfg(not(target_os = "linux"))]
        {
            let _ = name;
            false
        }
    }
}

/// The right to make an exchange. Let go when dropped, and by the system when the process ends.
#[derive(Debug)]
pub struct Lock {
    _held: OwnedFd,
}
