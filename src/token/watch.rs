//! An eye on the stored record: other processes may write it.

use std::sync::Arc;

use super::record::Record;
use super::store::{Stamp, Store};

/// Which version of the file was seen last.
#[derive(Debug)]
pub(super) struct Watch(Option<Stamp>);

impl Watch {
    /// Everything that is written from now on is news.
    pub(super) fn of(store: Option<&Arc<Store>>) -> Self {
        Self(store.and_then(|store| store.stamp().ok().flatten()))
    }

    /// What is there now is our own; to be called while the lock is ours, or what another process
    /// writes next would look old.
    pub(super) fn mark(&mut self, store: &Store) {
        if let Ok(stamp) = store.stamp() {
            self.0 = stamp;
        }
    }

    /// The record, if another process has written it since. What cannot be read now is looked at again.
    pub(super) async fn news(&mut self, store: Arc<Store>) -> Option<Record> {
        let before = self.0;
        let looked = tokio::task::spawn_blocking(move || {
            let stamp = store.stamp().ok()?;
            let record = if stamp == before { None } else { store.load().ok()? };
            Some((stamp, record))
        });
        let (stamp, record) = looked.await.ok()??;
        self.0 = stamp;
        record
    }
}
