//! How much of a response waits for its caller.

use std::cell::{Cell, RefCell};
use std::task::{Context, Waker};

/// Content that hyper has taken and the kernel has not. Where memory is limited, no more is read from the
/// upstream while too much of it waits: hyper alone would take up to 64 KiB and one read more for each
/// caller, and none of it sooner to a caller that does not read.
#[derive(Debug, Default)]
pub(super) struct Flow {
    most: Option<usize>,
    unsent: Cell<usize>,
    waker: RefCell<Option<Waker>>,
}

impl Flow {
    /// Lets so many bytes wait; without a limit hyper's own holds alone.
    pub(super) fn new(most: Option<usize>) -> Self {
        Self { most, ..Self::default() }
    }

    /// A response begins. What is left of the one before is not counted: hyper may have dropped it.
    pub(super) fn begin(&self) {
        self.unsent.set(0);
    }

    /// Returns true if enough waits already; the task is woken when some of it has been sent.
    pub(super) fn is_full(&self, cx: &Context<'_>) -> bool {
        if self.most.is_none_or(|most| self.unsent.get() < most) {
            return false;
        }
        *self.waker.borrow_mut() = Some(cx.waker().clone());
        true
    }

    /// Content goes to hyper.
    pub(super) fn take(&self, bytes: usize) {
        self.unsent.set(self.unsent.get().saturating_add(bytes));
    }

    /// Bytes of the connection were written. Heads and the sizes of chunks are among them, so this never
    /// counts too much to go on.
    pub(super) fn sent(&self, bytes: usize) {
        let unsent = self.unsent.get().saturating_sub(bytes);
        self.unsent.set(unsent);
        if self.most.is_some_and(|most| unsent < most)
            && let Some(waker) = self.waker.borrow_mut().take()
        {
            waker.wake();
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Arc;
    use std::sync::atomic::{AtomicUsize, Ordering};
    use std::task::Wake;

    use super::*;

    #[derive(Default)]
    struct Woken(AtomicUsize);

    impl Wake for Woken {
        fn wake(self: Arc<Self>) {
            self.0.fetch_add(1, Ordering::Relaxed);
        }
    }

    #[test]
    fn a_full_flow_goes_on_when_enough_is_sent() {
        let woken = Arc::<Woken>::default();
        let waker = Arc::clone(&woken).into();
        let cx = Context::from_waker(&waker);
        let flow = Flow::new(Some(100));
        flow.take(99);
        assert!(!flow.is_full(&cx));
        flow.take(60);
        assert!(flow.is_full(&cx));
        flow.sent(59);
        assert_eq!(woken.0.load(Ordering::Relaxed), 0);
        flow.sent(1);
        assert_eq!(woken.0.load(Ordering::Relaxed), 1);
        assert!(!flow.is_full(&cx));
        flow.sent(1_000);
        flow.take(99);
        assert!(!flow.is_full(&cx));
    }

    #[test]
    fn without_a_limit_it_is_never_full() {
        let flow = Flow::default();
        flow.take(usize::MAX);
        assert!(!flow.is_full(&Context::from_waker(Waker::noop())));
    }
}
