//! The record in a file, replaced atomically and durably.
//!
//! ```text
//! rehearse   grant.json.next     made, filled to the size of any successor, synced: the room is ours
//! intend     grant.json.intent   written, synced, renamed over grant.json, directory synced
//! persist    grant.json.next     overwritten, cut, synced, renamed over grant.json, directory synced
//! ```
//!
//! Every crash between two of these leaves `grant.json` as it was or as it was to become. A failed
//! sync is never repeated on the same file, because the kernel reports a lost page only once: the next
//! try writes a new one.

use std::fs::File;
use std::io::Write;
use std::os::unix::fs::{FileExt, MetadataExt};
use std::path::{Path, PathBuf};
use std::sync::Arc;

use arc_swap::ArcSwap;
use rustix::fs::OFlags;

use crate::secret::Secret;

use super::super::record::{ROOM, Record};
use super::directory::{Directory, Lock, MAX_SIZE};
use super::error::StoreError;

const RECORD: &str = "grant.json";
const NEXT: &str = "grant.json.next";
const INTENT: &str = "grant.json.intent";
const PREVIOUS: &str = "grant.json.previous";
const UNREAD: &str = "unread-answer";
const LOCK: &str = "lock";

/// The state directory as a store of one record.
#[derive(Debug)]
pub struct FileStore {
    path: PathBuf,
    directory: ArcSwap<Directory>,
}

/// Tells one version of the file from the next without reading it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Stamp {
    inode: u64,
    changed: (i64, i64),
    size: u64,
}

impl FileStore {
    /// Opens the directory, or makes it; what is in it is checked by [`load`](Self::load).
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is not ours alone, or the record is a mount that cannot be replaced.
    pub fn open(directory: &Path) -> Result<Self, StoreError> {
        let opened = Directory::open(directory)?;
        if opened.is_mount(RECORD) {
            return Err(StoreError::Mounted(opened.path(RECORD)));
        }
        Ok(Self { path: directory.to_owned(), directory: ArcSwap::from_pointee(opened) })
    }

    /// The directory that has the path now: one that was removed and made again, or mounted anew, while
    /// the sidecar runs is another one, and what is written to the old one is lost.
    fn renewed(&self) -> Result<(), StoreError> {
        if !self.directory.load().is_at(&self.path) {
            self.directory.store(Arc::new(Directory::open(&self.path)?));
        }
        Ok(())
    }

    /// The record, or `None` if there is none yet.
    ///
    /// # Errors
    ///
    /// [`StoreError`] for a file that is not plain, not ours alone, or not a record.
    pub fn load(&self) -> Result<Option<Record>, StoreError> {
        let Some(bytes) = self.directory.load().read(RECORD)?.map(wiped) else { return Ok(None) };
        Record::from_bytes(bytes.expose().as_bytes()).map(Some).map_err(|reason| {
            StoreError::Content { path: self.directory.load().path(RECORD), reason }
        })
    }

    /// Tries to take the right to exchange; `None` if another process has it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the lock file cannot be used.
    pub fn lock(&self) -> Result<Option<Lock>, StoreError> {
        self.renewed()?;
        self.directory.load().lock(LOCK)
    }

    /// Reserves what [`persist`](Self::persist) will need, so that a full or read-only disk is found
    /// before a token is spent.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a successor could not be stored.
    pub fn rehearse(&self) -> Result<(), StoreError> {
        let reserved = self.reserve();
        if reserved.is_err() {
            // Give back what little there is; the error that counts is the first one.
            self.directory.load().remove(NEXT).ok();
        }
        reserved
    }

    /// Stores the record with its intent, and a copy of the record before it.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it may not be durable.
    pub fn intend(&self, record: &Record) -> Result<(), StoreError> {
        if let Some(before) = self.directory.load().read(RECORD)?.map(wiped) {
            self.replace(PREVIOUS, INTENT, &before)?;
        }
        self.replace(RECORD, INTENT, &record.to_bytes())
    }

    /// Stores the record in the room that was reserved.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it may not be durable.
    pub fn persist(&self, record: &Record) -> Result<(), StoreError> {
        let bytes = record.to_bytes();
        let file = match self.directory.load().existing(NEXT, OFlags::RDWR) {
            Ok(Some(reserved)) => reserved,
            Ok(None) | Err(_) => self.directory.load().fresh(NEXT)?,
        };
        let written = self.overwrite(&file, &bytes).and_then(|()| {
            self.directory.load().rename(NEXT, RECORD)?;
            self.directory.load().sync()
        });
        if written.is_err() {
            // What is in doubt must not be synced again: the next try begins with a new file.
            self.directory.load().remove(NEXT).ok();
        }
        written
    }

    /// Removes the record.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is still there.
    pub fn forget(&self) -> Result<(), StoreError> {
        self.directory.load().remove(RECORD)
    }

    /// Removes the copy of the record before this one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is still there.
    pub fn forget_previous(&self) -> Result<(), StoreError> {
        self.directory.load().remove(PREVIOUS)
    }

    /// Keeps an answer that could not be read, after those that are kept already: there may be tokens in
    /// it that exist nowhere else. Returns where it is.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it may not be durable.
    pub fn keep_unread(&self, answer: &[u8]) -> Result<PathBuf, StoreError> {
        let directory = self.directory.load();
        let access = OFlags::WRONLY | OFlags::APPEND;
        let mut file = match directory.existing(UNREAD, access)? {
            Some(file) => file,
            None => directory.fresh(UNREAD)?,
        };
        let failed = |error| directory.failed(UNREAD, "write", error);
        let size = file.metadata().map_err(failed)?.len();
        if size > MAX_SIZE {
            return Err(StoreError::Size(directory.path(UNREAD)));
        }
        if size > 0 {
            file.write_all(b"\n\n").map_err(failed)?;
        }
        file.write_all(answer).and_then(|()| file.sync_all()).map_err(failed)?;
        directory.sync()?;
        Ok(directory.path(UNREAD))
    }

    /// Where answers that could not be read are kept, if there are any.
    pub fn unread(&self) -> Option<PathBuf> {
        let directory = self.directory.load();
        let found = directory.existing(UNREAD, OFlags::RDONLY).ok().flatten();
        found.map(|_| directory.path(UNREAD))
    }

    /// Removes the answers that could not be read: there is a newer grant.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they are still there.
    pub fn forget_unread(&self) -> Result<(), StoreError> {
        self.directory.load().remove(UNREAD)
    }

    /// Which version is there.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be examined.
    pub fn stamp(&self) -> Result<Option<Stamp>, StoreError> {
        let Some(file) = self.directory.load().existing(RECORD, OFlags::RDONLY)? else {
            return Ok(None);
        };
        let metadata =
            file.metadata().map_err(|error| self.directory.load().failed(RECORD, "read", error))?;
        Ok(Some(Stamp {
            inode: metadata.ino(),
            changed: (metadata.mtime(), metadata.mtime_nsec()),
            size: metadata.size(),
        }))
    }

    fn reserve(&self) -> Result<(), StoreError> {
        let mut file = self.directory.load().fresh(NEXT)?;
        // Not from a constant: it would be 36 KiB of the program.
        file.write_all(&b" ".repeat(ROOM))
            .map_err(|error| self.directory.load().failed(NEXT, "reserve room", error))?;
        file.sync_all().map_err(|error| self.directory.load().failed(NEXT, "sync", error))?;
        self.directory.load().sync()
    }

    fn overwrite(&self, file: &File, bytes: &Secret) -> Result<(), StoreError> {
        let bytes = bytes.expose().as_bytes();
        file.write_all_at(bytes, 0)
            .map_err(|error| self.directory.load().failed(NEXT, "write", error))?;
        let size = u64::try_from(bytes.len()).unwrap_or(u64::MAX);
        file.set_len(size).map_err(|error| self.directory.load().failed(NEXT, "cut", error))?;
        file.sync_all().map_err(|error| self.directory.load().failed(NEXT, "sync", error))
    }

    fn replace(&self, name: &str, temporary: &str, bytes: &Secret) -> Result<(), StoreError> {
        let mut file = self.directory.load().fresh(temporary)?;
        let written = file
            .write_all(bytes.expose().as_bytes())
            .and_then(|()| file.sync_all())
            .map_err(|error| self.directory.load().failed(temporary, "write", error))
            .and_then(|()| {
                self.directory.load().rename(temporary, name)?;
                self.directory.load().sync()
            });
        if written.is_err() {
            self.directory.load().remove(temporary).ok();
        }
        written
    }
}

/// Bytes of a record, wiped when dropped. Bytes that are no text are no record either.
fn wiped(bytes: Vec<u8>) -> Secret {
    Secret::new(String::from_utf8(bytes).unwrap_or_default())
}

#[cfg(test)]
mod tests {
    use std::fs::{self, Permissions};
    use std::os::unix::fs::{PermissionsExt, symlink};

    use super::super::super::current::Generation;
    use super::*;

    fn record(revision: u64) -> Record {
        let mut record = Record::new("1".into(), "https://a.example/oauth/token".into());
        record.revision = revision;
        record.generation = Generation(revision);
        record
    }

    fn store() -> (tempfile::TempDir, FileStore) {
        let parent = tempfile::tempdir().unwrap();
        let store = FileStore::open(&parent.path().join("state")).unwrap();
        (parent, store)
    }

    fn planted(parent: &tempfile::TempDir, name: &str) -> PathBuf {
        parent.path().join("state").join(name)
    }

    #[test]
    fn a_missing_directory_is_made_for_us_alone() {
        let (parent, store) = store();
        let mode = fs::metadata(parent.path().join("state")).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700);
        assert_eq!(store.load().unwrap(), None);
        assert_eq!(store.stamp().unwrap(), None);
    }

    #[test]
    fn a_record_is_stored_by_rehearsal_intent_and_write() {
        let (parent, store) = store();
        store.rehearse().unwrap();
        store.intend(&record(1)).unwrap();
        assert_eq!(store.load().unwrap(), Some(record(1)));
        let before = store.stamp().unwrap();
        store.persist(&record(2)).unwrap();
        assert_eq!(store.load().unwrap(), Some(record(2)));
        assert_ne!(store.stamp().unwrap(), before);
        let mode = fs::metadata(planted(&parent, RECORD)).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        store.intend(&record(3)).unwrap();
        let previous = fs::read(planted(&parent, PREVIOUS)).unwrap();
        assert_eq!(Record::from_bytes(&previous), Ok(record(2)));
    }

    #[test]
    fn a_lost_reservation_does_not_stop_the_write() {
        let (_parent, store) = store();
        store.persist(&record(1)).unwrap();
        assert_eq!(store.load().unwrap(), Some(record(1)));
    }

    #[test]
    fn a_directory_open_to_others_is_refused() {
        let (parent, _store) = store();
        let path = parent.path().join("state");
        fs::set_permissions(&path, Permissions::from_mode(0o750)).unwrap();
        let error = FileStore::open(&path).unwrap_err().to_string();
        assert!(error.contains("mode 0750") && error.contains("chmod 0700"), "{error}");
    }

    #[test]
    fn what_the_kubelet_opens_to_the_own_group_is_closed_again() {
        let (parent, store) = store();
        store.intend(&record(1)).unwrap();
        store.persist(&record(1)).unwrap();
        let path = parent.path().join("state");
        let mode = |path: &Path| fs::metadata(path).unwrap().permissions().mode() & 0o7777;
        fs::set_permissions(planted(&parent, RECORD), Permissions::from_mode(0o660)).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o2770)).unwrap();
        let store = FileStore::open(&path).unwrap();
        assert_eq!(store.load().unwrap(), Some(record(1)));
        assert_eq!((mode(&path), mode(&planted(&parent, RECORD))), (0o700, 0o600));
        // No volume for a pod is like this.
        fs::set_permissions(&path, Permissions::from_mode(0o2771)).unwrap();
        assert!(matches!(FileStore::open(&path), Err(StoreError::Mode { mode: 0o2771, .. })));
    }

    #[test]
    fn a_file_open_to_others_is_refused() {
        let (parent, store) = store();
        store.persist(&record(1)).unwrap();
        fs::set_permissions(planted(&parent, RECORD), Permissions::from_mode(0o640)).unwrap();
        let error = store.load().unwrap_err().to_string();
        assert!(error.contains("mode 0640") && error.contains("chmod 0600"), "{error}");
    }

    #[test]
    fn links_and_directories_are_refused() {
        let (parent, store) = store();
        symlink("/etc/passwd", planted(&parent, RECORD)).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Kind { what: "a symbolic link", .. })));
        fs::remove_file(planted(&parent, RECORD)).unwrap();
        store.persist(&record(1)).unwrap();
        fs::hard_link(planted(&parent, RECORD), planted(&parent, "other")).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Kind { .. })));
        fs::remove_file(planted(&parent, RECORD)).unwrap();
        fs::create_dir(planted(&parent, RECORD)).unwrap();
        assert!(matches!(store.load(), Err(StoreError::Kind { .. })));
    }

    #[test]
    fn a_planted_link_is_replaced_and_not_written_through() {
        let (parent, store) = store();
        let target = parent.path().join("target");
        File::create(&target).unwrap();
        symlink(&target, planted(&parent, NEXT)).unwrap();
        store.rehearse().unwrap();
        store.persist(&record(1)).unwrap();
        assert_eq!(fs::metadata(&target).unwrap().len(), 0);
    }

    #[test]
    fn damaged_bytes_are_refused_and_left_alone() {
        let (parent, store) = store();
        for bytes in [&b""[..], b"{", b"\xff\xfe", b"{\"version\":99}"] {
            let mut file = store.directory.load().fresh(RECORD).unwrap();
            file.write_all(bytes).unwrap();
            assert!(matches!(store.load(), Err(StoreError::Content { .. })), "{bytes:?}");
            assert_eq!(fs::read(planted(&parent, RECORD)).unwrap(), bytes);
        }
    }

    #[test]
    fn answers_that_could_not_be_read_are_kept_one_after_the_other() {
        let (parent, store) = store();
        assert_eq!(store.unread(), None);
        let path = store.keep_unread(b"one").unwrap();
        assert_eq!(path, planted(&parent, UNREAD));
        assert_eq!(store.keep_unread(b"two").unwrap(), path);
        assert_eq!(fs::read(&path).unwrap(), b"one\n\ntwo");
        let mode = fs::metadata(&path).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o600);
        assert_eq!(store.unread(), Some(path.clone()));
        store.forget_unread().unwrap();
        assert_eq!((store.unread(), path.exists()), (None, false));
    }

    #[test]
    fn the_lock_has_one_holder_at_a_time() {
        let (parent, store) = store();
        let other = FileStore::open(&parent.path().join("state")).unwrap();
        let held = store.lock().unwrap().unwrap();
        assert!(other.lock().unwrap().is_none());
        drop(held);
        assert!(other.lock().unwrap().is_some());
    }

    #[test]
    fn a_directory_that_was_made_again_is_the_one_that_counts() {
        let (parent, store) = store();
        store.intend(&record(1)).unwrap();
        let path = store.path.clone();
        fs::rename(&path, parent.path().join("old")).unwrap();
        let lock = store.lock().unwrap();
        assert_eq!(store.load().unwrap(), None);
        store.rehearse().unwrap();
        store.persist(&record(2)).unwrap();
        assert_eq!(FileStore::open(&path).unwrap().load().unwrap(), Some(record(2)));
        drop(lock);
        // One that is open to others is refused, however it came there.
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert!(store.lock().unwrap().is_some(), "it was checked when it was opened");
        fs::rename(&path, parent.path().join("newer")).unwrap();
        fs::create_dir(&path).unwrap();
        fs::set_permissions(&path, Permissions::from_mode(0o755)).unwrap();
        assert!(matches!(store.lock(), Err(StoreError::Mode { .. })));
    }
}
