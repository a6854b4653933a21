//! The answer of the authorization server that could not be read, while it is kept.

use super::Refresher;

impl Refresher {
    /// Names what an earlier run could not read, or removes it if a grant came later.
    pub(super) fn find_unread(&mut self) {
        let Some(store) = &self.tools.store else { return };
        self.unread = store.unread();
        if self.unread.is_some() && !self.state.may_miss_tokens() {
            self.forget_unread();
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
