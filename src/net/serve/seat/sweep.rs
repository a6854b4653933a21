//! Makes the ticks of one core, and ends connections that have stayed in one phase for too long.

use std::cell::{Cell, RefCell};
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::time::Duration;

use tokio::task::spawn_local;
use tokio::time::MissedTickBehavior;

use super::{Look, Phase, Seat};
use crate::net::memory::Budget;
use crate::net::serve::Config;
use crate::net::serve::flow::Flow;
use crate::net::serve::http10::Ending;
use crate::net::serve::line::Line;

/// All seats of a core.
#[derive(Debug)]
pub(in crate::net::serve) struct Sweep {
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
    pub(in crate::net::serve) fn new(config: &Config, memory: Budget) -> Rc<Self> {
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
    pub(in crate::net::serve) fn seat(self: &Rc<Self>, line: Weak<dyn Line>) -> Rc<Seat> {
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

    pub(in crate::net::serve) fn is_draining(&self) -> bool {
        self.stage.get() != Stage::Serving
    }

    pub(in crate::net::serve) fn is_closing(&self) -> bool {
        self.stage.get() == Stage::Closing
    }

    /// From now on every answer ends its connection.
    pub(in crate::net::serve) fn drain(&self) {
        self.stage.set(Stage::Draining);
    }

    /// Lets every connection know that it is over.
    pub(in crate::net::serve) fn close(&self) {
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
    use std::task::{Context, Waker};

    use tokio::task::LocalSet;

    use super::*;
    use crate::net::serve::line::Peer;

    struct Alive;

    impl Line for Alive {
        fn peer(&self) -> Peer {
            Peer::Open
        }

        fn ends_with_reset(&self, _: bool) {}
    }

    /// Ticks after which a caller that takes nothing of its answer has to leave.
    fn patience(memory: &Budget) -> u64 {
        let config = Config { write_timeout: Duration::from_secs(80), ..Config::default() };
        let sweep = Sweep::new(&config, memory.clone());
        let line: Rc<dyn Line> = Rc::new(Alive);
        let seat = sweep.seat(Rc::downgrade(&line));
        let _busy = seat.busy();
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
