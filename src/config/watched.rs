//! A file that was read, and which version of it: whether it has changed since can be asked for ever.

use std::fs::{self, Metadata};
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

/// A file whose change asks for a reload.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Watched {
    path: PathBuf,
    /// `None` when it was not there.
    version: Option<Version>,
}

/// Tells one version of a file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Version {
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

impl Watched {
    /// The file in the version that was opened. `metadata` is from before the content was read: a
    /// change in the middle of the reading counts as one that is still to be read.
    pub(super) fn opened(path: &Path, metadata: &Metadata) -> Self {
        Self { path: path.to_owned(), version: Some(Version::of(metadata)) }
    }

    /// A file that is not there yet.
    pub(super) fn absent(path: &Path) -> Self {
        Self { path: path.to_owned(), version: None }
    }

    /// Where it is.
    pub fn path(&self) -> &Path {
        &self.path
    }

    /// The same file in the version that is there now.
    #[must_use]
    pub fn looked_at(self) -> Self {
        let version = self.current();
        Self { version, ..self }
    }

    /// Whether there is another version now.
    pub fn has_changed(&self) -> bool {
        self.current() != self.version
    }

    /// Links are followed on purpose: that is how Kubernetes swaps mounted secrets.
    fn current(&self) -> Option<Version> {
        fs::metadata(&self.path).ok().as_ref().map(Version::of)
    }
}

impl Version {
    fn of(metadata: &Metadata) -> Self {
        let changed = (metadata.mtime(), metadata.mtime_nsec());
        Self { inode: metadata.ino(), changed, size: metadata.size() }
    }
}

#[cfg(test)]
mod tests {
    use std::fs::File;
    use std::io::Write;

    use super::*;

    #[test]
    fn a_change_is_seen_until_it_is_looked_at() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("file");
        let mut file = File::create(&path).unwrap();
        let watched = Watched::opened(&path, &file.metadata().unwrap());
        assert!(!watched.has_changed());
        file.write_all(b"more").unwrap();
        assert!(watched.has_changed());
        let watched = watched.looked_at();
        assert!(!watched.has_changed());
        fs::remove_file(&path).unwrap();
        assert!(watched.has_changed());
        let watched = watched.looked_at();
        assert!(!watched.has_changed());
        File::create(&path).unwrap();
        assert!(watched.has_changed());
    }
}
