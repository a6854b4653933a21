//! Where a caller's connection is in its life, and when it has been there for too long.
//!
//! Each connection has a [`Seat`]. Reading, writing and serving move it from phase to phase by storing
//! the number of the current tick, a plain cell; no clock is read and no timer set on the way of a
//! request. The [`Sweep`] of the core makes the ticks and tells those who overstay to leave. It stands
//! still while nobody is seated.

use std::cell::{Cell, RefCell};
use std::io;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, Waker};
use std::time::Duration;

use bytes::Bytes;
use http_body::{Body, Frame, SizeHint};
use tokio::io::{AsyncRead, AsyncWrite, ReadBuf};
use tokio::task::spawn_local;
use tokio::time::MissedTickBehavior;

use super::Config;

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
        Busy(Rc::clone(self))
    }

    fn enter(&self, phase: Phase) {
        self.phase.set(phase);
        self.since.set(self.tick.get());
    }

    fn read(&self) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Head);
        }
    }

    /// The end of an answer may still be on its way to a slow caller when its body has ended.
    fn written(&self) {
        if self.phase.get() == Phase::Idle {
            self.enter(Phase::Idle);
        }
    }

    fn wake(&self) {
        if let Some(waker) = &*self.waker.borrow() {
            waker.wake_by_ref();
        }
    }
}

/// A request is being served.
#[derive(Debug)]
pub(super) struct Busy(Rc<Seat>);

impl Busy {
    /// Stays busy until the body of the answer is dropped.
    pub(super) fn with<B>(self, body: B) -> Seated<B> {
        Seated { body, _busy: self }
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.0.enter(Phase::Idle);
    }
}

/// All seats of a core.
#[derive(Debug)]
pub(super) struct Sweep {
    seats: RefCell<Vec<Rc<Seat>>>,
    tick: Rc<Cell<u64>>,
    period: Duration,
    /// Ticks that a head may take, and that a connection may idle.
    head: u64,
    idle: u64,
    sweeping: Cell<bool>,
    draining: Cell<bool>,
}

impl Sweep {
    pub(super) fn new(config: &Config) -> Rc<Self> {
        let shortest = config.head_timeout.min(config.idle_timeout);
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
            sweeping: Cell::new(false),
            draining: Cell::new(false),
        })
    }

    /// A place for one more connection.
    pub(super) fn seat(self: &Rc<Self>) -> Rc<Seat> {
        let seat = Rc::new(Seat {
            phase: Cell::new(Phase::Idle),
            since: Cell::new(self.tick.get()),
            overstayed: Cell::new(false),
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
        self.draining.get()
    }

    /// Lets every connection know.
    pub(super) fn drain(&self) {
        self.draining.set(true);
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
        let mut seats = self.seats.borrow_mut();
        seats.retain(|seat| Rc::strong_count(seat) > 1);
        for seat in &*seats {
            let longest = match seat.phase.get() {
                Phase::Idle => self.idle,
                Phase::Head => self.head,
                Phase::Busy => continue,
            };
            if now - seat.since.get() > longest {
                seat.overstayed.set(true);
                seat.wake();
            }
        }
        self.sweeping.set(!seats.is_empty());
    }
}

/// A caller's stream that tells its seat what goes over it.
#[derive(Debug)]
pub(super) struct Watched<T> {
    stream: T,
    seat: Rc<Seat>,
}

impl<T> Watched<T> {
    pub(super) fn new(stream: T, seat: Rc<Seat>) -> Self {
        Self { stream, seat }
    }

    fn wrote(&self, written: Poll<io::Result<usize>>) -> Poll<io::Result<usize>> {
        if matches!(written, Poll::Ready(Ok(_))) {
            self.seat.written();
        }
        written
    }
}

impl<T: AsyncRead + Unpin> AsyncRead for Watched<T> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &mut ReadBuf<'_>,
    ) -> Poll<io::Result<()>> {
        let before = buf.filled().len();
        let read = Pin::new(&mut self.stream).poll_read(cx, buf);
        if buf.filled().len() > before {
            self.seat.read();
        }
        read
    }
}

impl<T: AsyncWrite + Unpin> AsyncWrite for Watched<T> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        buf: &[u8],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write(cx, buf);
        self.wrote(written)
    }

    fn poll_write_vectored(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
        bufs: &[io::IoSlice<'_>],
    ) -> Poll<io::Result<usize>> {
        let written = Pin::new(&mut self.stream).poll_write_vectored(cx, bufs);
        self.wrote(written)
    }

    fn is_write_vectored(&self) -> bool {
        self.stream.is_write_vectored()
    }

    fn poll_flush(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_flush(cx)
    }

    fn poll_shutdown(mut self: Pin<&mut Self>, cx: &mut Context<'_>) -> Poll<io::Result<()>> {
        Pin::new(&mut self.stream).poll_shutdown(cx)
    }
}

/// The body of an answer; the connection is busy for as long as it lives.
#[derive(Debug)]
pub(super) struct Seated<B> {
    body: B,
    _busy: Busy,
}

impl<B: Body<Data = Bytes> + Unpin> Body for Seated<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        Pin::new(&mut self.body).poll_frame(cx)
    }

    fn is_end_stream(&self) -> bool {
        self.body.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.body.size_hint()
    }
}
