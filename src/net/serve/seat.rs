//! Where a caller's connection is in its life, and when it has been there for too long.
//!
//! Each connection has a [`Seat`]. Reading, writing and serving move it from phase to phase by storing
//! the number of the current tick, a plain cell; no clock is read and no timer set on the way of a
//! request. The [`Sweep`] of the core makes the ticks and tells those who overstay to leave. It stands
//! still while nobody is seated.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::{Context, Waker};
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::MissedTickBehavior;

use super::Config;
use super::busy::Busy;
use super::content::Leftover;
use super::flow::Flow;
use super::http10::Ending;
use super::line::{Line, Peer};
use crate::net::framing::Flaw;
use crate::net::memory::{Budget, Held};

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
    pub(super) fn busy(self: &Rc<Self>, held: Held) -> Busy {
        self.enter(Phase::Busy);
        self.late.set(false);
        self.blocked.set(None);
        self.half_closed.set(None);
        self.leftover.forget();
        self.flow.begin();
        Busy::new(Rc::clone(self), held)
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

/// All seats of a core.
#[derive(Debug)]
pub(super) struct Sweep {
    seats: RefCell<Vec<Rc<Seat>>>,
    tick: Rc<Cell<u64>>,
    period: Duration,
    /// Ticks that a head may take, that a connection may idle, and that a caller may take nothing.
    head: u64,
    idle: u64,
    write: u64,
    sweeping: Cell<bool>,
    stage: Cell<Stage>,
    memory: Budget,
}

/// How far the drain is.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Stage {
    Serving,
    /// Every answer is the last one of its connection.
    Draining,
    /// What rests is closed.
    Closing,
}

impl Sweep {
    pub(super) fn new(config: &Config, memory: Budget) -> Rc<Self> {
        let shortest = config.head_timeout.min(config.idle_timeout).min(config.write_timeout);
        let period = (shortest / 10).clamp(Duration::from_millis(1), Duration::from_secs(1));
        let ticks = |span: Duration| {
            let ticks = span.as_millis().div_ceil(period.as_millis().max(1));
            // The first tick may come at once.
            u64::try_from(ticks).unwrap_or(u64::MAX).saturating_add(1)
        };
        Rc::new(Self {
            seats: RefCell::default(),
            tick: Rc::default(),
            period,
            head: ticks(config.head_timeout),
            idle: ticks(config.idle_timeout),
            write: ticks(config.write_timeout),
            sweeping: Cell::new(false),
            stage: Cell::new(Stage::Serving),
            memory,
        })
    }

    /// A place for one more connection.
    pub(super) fn seat(self: &Rc<Self>, line: Weak<dyn Line>) -> Rc<Seat> {
        let seat = Rc::new(Seat {
            phase: Cell::new(Phase::Idle),
            since: Cell::new(self.tick.get()),
            overstayed: Cell::new(false),
            late: Cell::new(false),
            beginning: Cell::new(false),
            flaw: Cell::new(None),
            http2: RefCell::new(None),
            blocked: Cell::new(None),
            half_closed: Cell::new(None),
            leftover: Arc::default(),
            ending: Ending::new(Weak::clone(&line)),
            flow: Flow::new(self.memory.content()),
            line,
            waker: RefCell::default(),
            tick: Rc::clone(&self.tick),
        });
        self.seats.borrow_mut().push(Rc::clone(&seat));
        if !self.sweeping.replace(true) {
            spawn_local(Rc::clone(self).run());
        }
        seat
    }

    pub(super) fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Serving
    }

    pub(super) fn is_closing(&self) -> bool {
        self.stage.get() == Stage::Closing
    }

    /// From now on every answer ends its connection.
    pub(super) fn drain(&self) {
        self.stage.set(Stage::Draining);
    }

    /// Lets every connection know that it is over.
    pub(super) fn close(&self) {
        self.stage.set(Stage::Closing);
        self.seats.borrow().iter().for_each(|seat| seat.wake());
    }

    async fn run(self: Rc<Self>) {
        let mut interval = tokio::time::interval(self.period);
        // After a suspended host wakes up, the ticks that were missed are nobody's fault.
        interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
        while self.sweeping.get() {
            interval.tick().await;
            self.step();
        }
    }

    /// One tick. Seats that nobody else holds are those of connections that have ended.
    fn step(&self) {
        let now = self.tick.get() + 1;
        self.tick.set(now);
        // Each makes room for another request; many at once would hold their memory twice for a moment.
        let mut hurried = if self.memory.is_short() { MOST_HURRIED } else { 0 };
        let mut seats = self.seats.borrow_mut();
        seats.retain(|seat| Rc::strong_count(seat) > 1);
        for seat in &*seats {
            let spent = now - seat.since.get();
            let is_over = match seat.phase.get() {
                Phase::Idle => spent > self.idle,
                Phase::Head if spent > self.head && !seat.late.replace(true) => {
                    // Time to say so, if there is a head to refuse and the caller listens.
                    seat.enter(Phase::Head);
                    seat.wake();
                    false
                }
                Phase::Head => spent > self.head,
                Phase::Busy => spent > 1 && self.is_in_vain(seat, now, &mut hurried),
            };
            if is_over {
                seat.overstayed.set(true);
                seat.wake();
            }
        }
        self.sweeping.set(!seats.is_empty());
    }

    /// Whether the answer will not arrive: its caller takes nothing, or is gone. One that has closed
    /// its sending side looks the same, dead or alive; so while there is nothing to send, which is
    /// how death would show, it is believed twice as long: longer than an upstream may think.
    fn is_in_vain(&self, seat: &Seat, now: u64, hurried: &mut u32) -> bool {
        let blocked = seat.blocked.get().map_or(0, |since| now - since);
        // Where others wait for the memory that it holds, a caller that takes nothing gets less time.
        if *hurried > 0 && blocked > self.write.div_ceil(4) {
            *hurried -= 1;
            return true;
        }
        if blocked > self.write {
            return true;
        }
        match seat.look() {
            Look::Well => false,
            Look::Silent { since } => now - since > self.write.saturating_mul(2),
            Look::Gone => true,
        }
    }
}

/// Callers that are cut off early in one tick, because others wait for memory.
const MOST_HURRIED: u32 = 16;

#[cfg(test)]
mod tests {
    use std::future::Future;
    use std::pin::pin;

    use tokio::task::LocalSet;

    use super::*;

    struct Alive;

    impl Line for Alive {
        fn peer(&self) -> Peer {
            Peer::Open
        }
    }

    /// Ticks after which a caller that takes nothing of its answer has to leave.
    fn patience(memory: &Budget) -> u64 {
        let config = Config { write_timeout: Duration::from_secs(80), ..Config::default() };
        let sweep = Sweep::new(&config, memory.clone());
        let line: Rc<dyn Line> = Rc::new(Alive);
        let seat = sweep.seat(Rc::downgrade(&line));
        let _busy = seat.busy(Held::default());
        seat.blocked();
        (1..)
            .find(|_| {
                sweep.step();
                seat.overstayed.get()
            })
            .unwrap()
    }

    #[tokio::test]
    async fn a_caller_that_takes_nothing_has_less_time_when_others_wait_for_memory() {
        let memory = Budget::new(1 << 20, false, 0);
        let enough = LocalSet::new().run_until(async { patience(&memory) }).await;
        let _all = memory.reserve(1 << 20).await;
        let mut waiting = pin!(memory.reserve(1));
        assert!(waiting.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_pending());
        let short = LocalSet::new().run_until(async { patience(&memory) }).await;
        assert!(short * 3 < enough, "{short} of {enough} ticks");
    }
}
