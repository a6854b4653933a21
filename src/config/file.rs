//! Small files, read whole: the configuration, secrets, certificate authorities.
//!
//! Everything that can be wrong with a path is a sentence here. A size limit and the refusal of
//! anything but a regular file keep a wrong path (`/dev/zero`, a pipe) from hanging the start.

use std::fs::{self, File};
use std::io::{self, Read};
use std::os::unix::fs::{MetadataExt, PermissionsExt};
use std::path::Path;

use rustix::process::geteuid;

use super::watched::Watched;
use crate::account::Gid;

/// Why a file could not be read. Each reads on after "the file PATH".
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(super) enum Unreadable {
    #[error("does not exist")]
    Missing,
    #[error("is a directory, not a file")]
    Directory,
    #[error("is neither a file nor a link to one")]
    NotAFile,
    #[error(
        "may not be read by the user that runs the sidecar; give that user the right to read it (chown or chmod)"
    )]
    Forbidden,
    #[error("is larger than {0} KiB, which no such file should be")]
    TooLarge(u64),
    #[error("cannot be read: {0}")]
    Failed(String),
}

impl From<io::Error> for Unreadable {
    fn from(error: io::Error) -> Self {
        match error.kind() {
            io::ErrorKind::NotFound => Self::Missing,
            io::ErrorKind::PermissionDenied => Self::Forbidden,
            io::ErrorKind::IsADirectory => Self::Directory,
            _ => Self::Failed(error.to_string()),
        }
    }
}

/// Who but its owner and this process may read a file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Privacy {
    /// Nobody.
    Private,
    /// Its group or everybody; the permission bits.
    Shared(u32),
}

/// A file that was read.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Loaded {
    pub(super) content: Vec<u8>,
    pub(super) privacy: Privacy,
    pub(super) watched: Watched,
}

/// Reads a regular file of at most `limit` KiB.
pub(super) fn load(path: &Path, limit: u64) -> Result<Loaded, Unreadable> {
    let found = fs::metadata(path)?;
    if found.is_dir() {
        return Err(Unreadable::Directory);
    }
    if !found.is_file() {
        return Err(Unreadable::NotAFile);
    }
    let file = File::open(path)?;
    let metadata = file.metadata()?;
    // With room for everything it never moves, and leaves no copy of a secret behind.
    let size = usize::try_from(metadata.len().min(limit * 1024)).unwrap_or_default();
    let mut content = Vec::with_capacity(size + 1);
    let bytes = limit * 1024;
    if file.take(bytes + 1).read_to_end(&mut content)? as u64 > bytes {
        return Err(Unreadable::TooLarge(limit));
    }
    let watched = Watched::opened(path, &metadata);
    Ok(Loaded { content, privacy: privacy(&metadata), watched })
}

fn privacy(metadata: &fs::Metadata) -> Privacy {
    let mode = metadata.permissions().mode() & 0o777;
    // Root's file, which this process may read by its group alone: so Kubernetes hands out a secret.
    let by_group = metadata.uid() == 0 && !geteuid().is_root() && Gid(metadata.gid()).is_ours();
    let others = if by_group { 0o037 } else { 0o077 };
    if mode & others == 0 { Privacy::Private } else { Privacy::Shared(mode) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_small_regular_files_are_read() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        assert_eq!(load(&path, 1), Err(Unreadable::Missing));
        assert_eq!(load(directory.path(), 1), Err(Unreadable::Directory));
        assert_eq!(load(Path::new("/dev/null"), 1), Err(Unreadable::NotAFile));
        io::Write::write_all(&mut File::create(&path).unwrap(), &[b'a'; 1024]).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o600)).unwrap();
        let loaded = load(&path, 1).unwrap();
        assert_eq!((loaded.content, loaded.privacy), (vec![b'a'; 1024], Privacy::Private));
        fs::set_permissions(&path, fs::Permissions::from_mode(0o640)).unwrap();
        assert_eq!(load(&path, 1).unwrap().privacy, Privacy::Shared(0o640));
        io::Write::write_all(&mut File::create(&path).unwrap(), &[b'a'; 1025]).unwrap();
        assert_eq!(load(&path, 1), Err(Unreadable::TooLarge(1)));
    }
}
