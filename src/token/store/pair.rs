//! The state directory, and a second one that takes what the first cannot.

use std::path::{Path, PathBuf};

use super::super::record::Record;
use super::directory::Lock;
use super::error::StoreError;
use super::file::{FileStore, Stamp};

/// One record in a state directory, with a copy elsewhere while that one cannot be written.
#[derive(Debug)]
pub struct Store {
    first: FileStore,
    second: Option<FileStore>,
}

/// Why a record may not be stored in the state directory.
#[derive(Debug, thiserror::Error)]
pub enum NotStored {
    /// It is nowhere.
    #[error(transparent)]
    Nowhere(#[from] StoreError),
    /// The second directory has it.
    #[error("{0}; the second directory has a copy")]
    Second(StoreError),
}

impl Store {
    /// Opens the directories.
    ///
    /// # Errors
    ///
    /// [`StoreError`] as [`FileStore::open`] for either.
    pub fn open(first: &Path, second: Option<&Path>) -> Result<Self, StoreError> {
        let second = second.map(FileStore::open).transpose()?;
        Ok(Self { first: FileStore::open(first)?, second })
    }

    /// The newer of the stored records.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when either directory holds something that cannot be read.
    pub fn load(&self) -> Result<Option<Record>, StoreError> {
        let first = self.first.load()?;
        let second = self.second.as_ref().map(FileStore::load).transpose()?.flatten();
        let newer = |record: &Record| Some(record.revision) > first.as_ref().map(|r| r.revision);
        Ok(second.filter(newer).or(first))
    }

    /// As [`FileStore::lock`], of the state directory.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the lock file cannot be used.
    pub fn lock(&self) -> Result<Option<Lock>, StoreError> {
        self.first.lock()
    }

    /// As [`FileStore::rehearse`], in the state directory: a copy is no reason to spend a token.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when a successor could not be stored.
    pub fn rehearse(&self) -> Result<(), StoreError> {
        self.first.rehearse()
    }

    /// As [`FileStore::intend`], in the state directory.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it may not be durable.
    pub fn intend(&self, record: &Record) -> Result<(), StoreError> {
        self.first.intend(record)
    }

    /// Stores the record in the state directory or, if that fails, in the second one.
    ///
    /// # Errors
    ///
    /// [`NotStored`] when the state directory may not have it.
    pub fn persist(&self, record: &Record) -> Result<(), NotStored> {
        let Err(error) = self.first.persist(record) else {
            // A copy that is left behind would come back as the newest one if the first disk is lost,
            // with tokens that are spent. It counts for nothing while the first disk is there.
            if let Some(second) = &self.second {
                second.forget().ok();
            }
            return Ok(());
        };
        match self.second.as_ref().map(|second| second.persist(record)) {
            Some(Ok(())) => Err(NotStored::Second(error)),
            Some(Err(_)) | None => Err(NotStored::Nowhere(error)),
        }
    }

    /// As [`FileStore::forget_previous`], of the state directory.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it is still there.
    pub fn forget_previous(&self) -> Result<(), StoreError> {
        self.first.forget_previous()
    }

    /// As [`FileStore::keep_unread`], in the state directory or, if that fails, in the second one.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when it may not be durable.
    pub fn keep_unread(&self, answer: &[u8]) -> Result<PathBuf, StoreError> {
        let kept = self.first.keep_unread(answer);
        match (&self.second, kept) {
            (Some(second), Err(error)) => second.keep_unread(answer).map_err(|_| error),
            (_, kept) => kept,
        }
    }

    /// As [`FileStore::unread`], of either directory.
    pub fn unread(&self) -> Option<PathBuf> {
        self.first.unread().or_else(|| self.second.as_ref()?.unread())
    }

    /// As [`FileStore::forget_unread`], of both directories.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when they are still there.
    pub fn forget_unread(&self) -> Result<(), StoreError> {
        let second = self.second.as_ref().map_or(Ok(()), FileStore::forget_unread);
        self.first.forget_unread().and(second)
    }

    /// As [`FileStore::stamp`], of the state directory.
    ///
    /// # Errors
    ///
    /// [`StoreError`] when the file cannot be examined.
    pub fn stamp(&self) -> Result<Option<Stamp>, StoreError> {
        self.first.stamp()
    }
}

#[cfg(test)]
mod tests {
    use std::fs;

    use super::*;

    fn record(revision: u64) -> Record {
        let mut record = Record::new("1".into(), "https://a.example/oauth/token".into());
        record.revision = revision;
        record
    }

    #[test]
    fn the_second_directory_takes_what_the_first_cannot() {
        let parent = tempfile::tempdir().unwrap();
        let (first, second) = (parent.path().join("first"), parent.path().join("second"));
        let store = Store::open(&first, Some(&second)).unwrap();
        store.persist(&record(1)).unwrap();
        fs::create_dir(first.join("grant.json.next")).unwrap();
        assert!(matches!(store.persist(&record(2)), Err(NotStored::Second(_))));
        let again = Store::open(&first, Some(&second)).unwrap();
        assert_eq!(again.load().unwrap(), Some(record(2)), "the newer record counts");
        fs::remove_dir(first.join("grant.json.next")).unwrap();
        store.persist(&record(3)).unwrap();
        assert_eq!(again.load().unwrap(), Some(record(3)));
    }

    #[test]
    fn without_a_second_directory_it_is_nowhere() {
        let parent = tempfile::tempdir().unwrap();
        let first = parent.path().join("first");
        let store = Store::open(&first, None).unwrap();
        fs::create_dir(first.join("grant.json.next")).unwrap();
        assert!(matches!(store.persist(&record(1)), Err(NotStored::Nowhere(_))));
        assert_eq!(store.load().unwrap(), None);
    }
}
