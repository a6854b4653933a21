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
    AtFlags, CWD, Dir, FileType, FlockOperation, Mode, OFlags, fchmod, flock, fstat, fsync, openat,
    renameat, stat, statat, unlinkat,
};
use rustix::io::Errno;
use rustix::process::geteuid;

use super::error::StoreError;
use crate::account::Gid;

/// The largest file that is read, and far larger than anything that is written.
pub(super) const MAX_SIZE: u64 = 1 << 20;

/// What the kubelet makes of a directory with mode 0700 when a volume is mounted for a pod with fsGroup.
const MODE_OF_FS_GROUP: u32 = 0o2770;

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
        let mode = metadata.mode() & 0o7777;
        let directory = Self { path: path.to_owned(), fd: file.into() };
        if mode == MODE_OF_FS_GROUP && Gid(metadata.gid()).is_ours() {
            directory.close_to_the_group().map_err(|error| failed(error.into()))?;
        } else if mode & 0o077 != 0 {
            return Err(StoreError::Mode { path: path.to_owned(), mode });
        }
        Ok(directory)
    }

    /// Takes back what the kubelet gives to the pod's own group each time that it mounts the volume: in an
    /// image without a shell nobody else could, and the grant would be out of reach. The directory comes
    /// last, because its mode tells that this is not done yet.
    fn close_to_the_group(&self) -> Result<(), Errno> {
        let flags = OFlags::RDONLY | OFlags::NOFOLLOW | OFlags::NONBLOCK | OFlags::CLOEXEC;
        for entry in Dir::read_from(&self.fd)? {
            let entry = entry?;
            let file = openat(&self.fd, entry.file_name(), flags, Mode::empty())?;
            let found = fstat(&file)?;
            if FileType::from_raw_mode(found.st_mode) == FileType::RegularFile
                && found.st_uid == geteuid().as_raw()
            {
                fchmod(&file, Mode::RUSR | Mode::WUSR)?;
            }
        }
        fchmod(&self.fd, Mode::RWXU)
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
