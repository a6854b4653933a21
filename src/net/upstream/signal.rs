//! Wakes requests that wait for a free stream.

use std::cell::Cell;

use tokio::sync::Notify;

/// A notification for the requests of one core. It costs nothing while nobody waits.
#[derive(Debug, Default)]
pub(super) struct Signal {
    waiting: Cell<usize>,
    notify: Notify,
}

impl Signal {
    /// Waits for the next notification. One that came before this call is not seen, so look at what it is
    /// about first, and do not await in between.
    pub(super) async fn notified(&self) {
        let _waiting = Waiting::new(&self.waiting);
        self.notify.notified().await;
    }

    /// Wakes one waiting request: one stream is free.
    pub(super) fn notify_one(&self) {
        if self.waiting.get() > 0 {
            self.notify.notify_one();
        }
    }

    /// Wakes all waiting requests.
    pub(super) fn notify_all(&self) {
        self.notify.notify_waiters();
    }
}

/// Counts a waiting request, until it is dropped.
struct Waiting<'a>(&'a Cell<usize>);

impl<'a> Waiting<'a> {
    fn new(count: &'a Cell<usize>) -> Self {
        count.set(count.get() + 1);
        Self(count)
    }
}

impl Drop for Waiting<'_> {
    fn drop(&mut self) {
        self.0.set(self.0.get() - 1);
    }
}
