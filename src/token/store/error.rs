//! What can be wrong with the store, in words that say what to do.

use std::io;
use std::path::{Path, PathBuf};

use rustix::fs::{Access, access};
use rustix::process::geteuid;

use super::super::record::InvalidRecord;
use super::directory::MAX_SIZE;

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
