//! The files of Unix sockets, which outlive the sockets unless somebody removes them.

use std::os::unix::fs::MetadataExt;
use std::path::PathBuf;

use crate::net::listen::Address;

/// The socket files that this process made.
#[derive(Debug)]
pub(super) struct SocketFiles(Vec<(PathBuf, u64)>);

impl SocketFiles {
    /// Notes which files belong to these addresses.
    pub(super) fn of(addresses: &[Address]) -> Self {
        let file = |address: &Address| match address {
            Address::Unix(path) => Some((path.clone(), std::fs::metadata(path).ok()?.ino())),
            Address::Tcp(_) => None,
        };
        Self(addresses.iter().filter_map(file).collect())
    }

    /// Removes them, unless a successor has put its own in their place meanwhile.
    pub(super) fn remove(self) {
        for (path, inode) in self.0 {
            if std::fs::metadata(&path).is_ok_and(|metadata| metadata.ino() == inode)
                && let Err(error) = std::fs::remove_file(&path)
            {
                tracing::warn!(path = %path.display(), %error, "a socket file stays behind");
            }
        }
    }
}
