//! Where a caller's connection is in its life, and when it has been there for too long.
//!
//! Each connection has a [`Seat`]. Reading, writing and serving move it from phase to phase by storing
//! the number of the current tick, a plain cell; no clock is read and no timer set on the way of a
//! request. The [`Sweep`] of the core makes the ticks and tells those who overstay to leave. It stands
//! still while nobody is seated.

mod sweep;

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};

use super::busy::Busy;
use super::content::Leftover;
use super::flow::Flow;
use super::http10::Ending;
use super::line::{Line, Peer};
use crate::net::framing::Flaw;
pub(super) use sweep::Sweep;

/// What a connection is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    /// Nothing of the next request has arrived.
    Idle,
    /// The head of a request is arriving.
    Head,
    /// A request is being served; its own limits hold.
    Busy,
}

/// One connection's place.
#[derive(Debug)]
pub(super) struct Seat {
    phase: Cell<Phase>,
    since: Cell<u64>,
    overstayed: Cell<bool>,
    /// The head that is arriving has had its time.
    late: Cell<bool>,
    /// The beginning of the next head is here, whatever is being served.
    beginning: Cell<bool>,
    /// Why the last request that came is none.
    flaw: Cell<Option<Flaw>>,
    /// What the caller has sent, if it speaks HTTP/2.
    http2: RefCell<Option<Vec<u8>>>,
    /// Since when the caller takes nothing of what is there for it.
    blocked: Cell<Option<u64>>,
    /// Since when a caller that sends no more has been sent nothing either.
    half_closed: Cell<Option<u64>>,
    leftover: Arc<Leftover>,
    ending: Ending,
    flow: Flow,
    line: Weak<dyn Line>,
    waker: RefCell<Option<Waker>>,
    tick: Rc<Cell<u64>>,
}

impl Seat {
    /// Whether the connection has overstayed. Remembers whom to wake when it does, or when the drain
    /// begins; the task of a connection stays the same, so this stores a waker once.
    pub(super) fn must_leave(&self, cx: &Context<'_>) -> bool {
        let mut waker = self.waker.borrow_mut();
        if !waker.as_ref().is_some_and(|waker| waker.will_wake(cx.waker())) {
            *waker = Some(cx.waker().clone());
        }
        self.overstayed.get()
    }

    /// A head is complete: the phase is `Busy` until what this returns is dropped.
    pub(super) fn busy(self: &Rc<Self>) -> Busy {
        self.enter(Phase::Busy);
        self.late.set(false);
        self.blocked.set(None);
        self.half_closed.set(None);
        self.leftover.forget();
        self.flow.begin();
        Busy::new(Rc::clone(self))
    }

    /// What is read from now on is no request of the caller's.
    pub(super) fn refuse(&self, flaw: Flaw) {
        self.flaw.set(Some(flaw));
    }

    /// Why what was read last is no request of the caller's, if it is none.
    pub(super) fn flaw(&self) -> Option<Flaw> {
        self.flaw.get()
    }

    /// What the caller has sent, if it speaks HTTP/2.
    pub(super) fn http2(&self) -> &RefCell<Option<Vec<u8>>> {
        &self.http2
    }

    /// Whether the head that is arriving has had its time.
    pub(super) fn is_late(&self) -> bool {
        self.late.get()
    }

    /// Tells whether the beginning of a head waits for its rest.
    pub(super) fn begins(&self, is_beginning: bool) {
        self.beginning.set(is_beginning);
    }

    /// Whether a head has begun to arrive and is not complete.
    pub(super) fn is_beginning(&self) -> bool {
        self.phase.get() == Phase::Head
    }

    /// Where it is noted that nobody will read the rest of what the caller sends.
    pub(super) fn leftover(&self) -> &Arc<Leftover> {
        &self.leftover
    }

    /// How the connection to a caller of HTTP/1.0 must end.
    pub(super) fn ending(&self) -> &Ending {
        &self.ending
    }

    /// The request has been served.
    pub(super) fn rest(&self) {
        self.enter(if self.beginning.get() { Phase::Head } else { Phase::Idle });
    }

    /// How much of the answer waits for the caller.
    pub(super) fn flow(&self) -> &Flow {
        &self.flow
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.tick.get());
    }

    pub(super) fn read(&self) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// The end of an answer may still be on its way to a slow caller when its body has ended.
    pub(super) fn written(&self, bytes: usize) {
        self.flow.sent(bytes);
        self.blocked.set(None);
        self.half_closed.set(None);
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Idle);
        }
    }

    pub(super) fn blocked(&self) {
        if self.blocked.get().is_none() {
            self.blocked.set(Some(self.tick.get()));
        }
    }

    /// Since when the caller has sent no more, or at once if it is gone.
    fn look(&self) -> Look {
        match self.line.upgrade().map(|line| line.peer()) {
            Some(Peer::Open) => Look::Well,
            Some(Peer::HalfClosed) => {
                let since = self.half_closed.get().unwrap_or(self.tick.get());
                self.half_closed.set(Some(since));
                Look::Silent { since }
            }
            Some(Peer::Gone) | None => Look::Gone,
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// What a look at a busy caller shows.
enum Look {
    Well,
    Silent { since: u64 },
    Gone,
}
