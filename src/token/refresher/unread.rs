//! The answer of the authorization server that could not be read, while it is kept.

use std::fs;

use jiff::Timestamp;

use super::Refresher;

impl Refresher {
    /// Names what an earlier run could not read, or removes it if a grant came later.
    pub(super) fn find_unread(&mut self) {
        let Some(store) = &self.tools.store else { return };
        let Some(path) = store.unread() else { return };
        let written = fs::metadata(&path).and_then(|file| file.modified()).ok();
        let written = written.and_then(|at| Timestamp::try_from(at).ok());
        let granted = self.state.grant().map(|grant| grant.issued);
        // What cannot be removed is named, and tried again with the next grant.
        let is_obsolete = granted.zip(written).is_some_and(|(granted, written)| granted > written);
        if !is_obsolete || store.forget_unread().is_err() {
            self.unread = Some(path);
        }
    }

    /// There is a newer grant. What cannot be removed is tried again with the next one.
    pub(super) fn forget_unread(&mut self) {
        self.unread = None;
        if let Some(store) = self.tools.store.clone() {
            tokio::task::spawn_blocking(move || store.forget_unread());
        }
    }
}
