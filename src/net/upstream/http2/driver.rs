//! Opens HTTP/2 on a connection, and the task that drives it.

use std::cell::{Cell, RefCell};
use std::future::poll_fn;
use std::pin::Pin;
use std::rc::{Rc, Weak};
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use h2::client::{Builder, Connection};
use h2::{Ping, PingPong, Reason};
use tokio::task::spawn_local;
use tokio::time::{Interval, MissedTickBehavior, interval};

use super::counting_io::{CountingIo, IoCounts};
use super::{Http2Conn, LIMIT_NOT_KNOWN, State};
use crate::net::connect::Stream;
use crate::net::upstream::MAX_RESPONSE_HEAD;
use crate::net::upstream::conn_age::ConnAge;
use crate::net::upstream::counted::Counted;
use crate::net::upstream::signal::Signal;

/// What a connection may use.
#[derive(Clone, Copy, Debug)]
pub(in crate::net::upstream) struct Limits {
    /// Streams at a time until the upstream announces its limit.
    pub(in crate::net::upstream) streams: usize,
    /// Bytes that the upstream may send ahead on one stream; the default without a limit of memory.
    pub(in crate::net::upstream) window: Option<u32>,
}

/// Starts HTTP/2 on a new connection and a task that drives it until it ends.
///
/// `capacity` is told when the stream limit changes, a stream ends or the connection does.
pub(in crate::net::upstream) async fn connect(
    stream: Stream,
    limits: Limits,
    capacity: &Rc<Signal>,
    counted: Counted,
) -> Result<Http2Conn, h2::Error> {
    let counts = Rc::<IoCounts>::default();
    let io = CountingIo::new(stream, Rc::clone(&counts));
    let (sender, mut connection) = Builder::new()
        .enable_push(false)
        .initial_window_size(limits.window.unwrap_or(STREAM_WINDOW))
        .initial_connection_window_size(CONNECTION_WINDOW)
        // Callers that leave cost a reset each, and what the upstream had sent ahead arrives afterwards. By
        // default h2 takes a thousand such frames for an attack and ends the connection under everybody
        // else's requests.
        .max_local_error_reset_streams(None)
        .max_concurrent_reset_streams(REMEMBERED_RESETS)
        .initial_max_send_streams(LIMIT_NOT_KNOWN)
        .max_send_buffer_size(SEND_BUFFER)
        .max_header_list_size(MAX_RESPONSE_HEAD as u32)
        .handshake(io)
        .await?;
    let pings = connection.ping_pong().map(|pings| Pings::new(pings, Rc::clone(&counts)));
    let state = Rc::new(State {
        sender: RefCell::new(sender),
        limit: Cell::new(LIMIT_NOT_KNOWN),
        is_closed: Cell::new(false),
        age: ConnAge::new(),
        counts,
        streams: Cell::new(0),
        assumed: limits.streams,
        ceiling: Cell::new(usize::MAX),
        retired: Cell::new(false),
        requires_http1: Cell::new(false),
        capacity: Rc::clone(capacity),
    });
    let driver = Driver {
        connection,
        pings,
        capacity: Rc::clone(capacity),
        state: Rc::downgrade(&state),
        _counted: counted,
    };
    spawn_local(driver.run());
    Ok(Http2Conn(state))
}

/// What the upstream may send ahead on one stream, and so the memory that a slow caller can cost:
/// 1.3 MB/s at a round trip of 100 ms.
const STREAM_WINDOW: u32 = 128 << 10;

/// What it may send ahead on all streams together: the windows of 8,192 streams, more than there are
/// connections of callers. If it were less, a few callers that stop reading would use it up, and nothing
/// would arrive for anybody else.
const CONNECTION_WINDOW: u32 = 8_192 * STREAM_WINDOW;

/// Streams that were reset a moment ago and whose late frames are ignored.
const REMEMBERED_RESETS: usize = 1_024;

/// Bytes of request content buffered for each stream.
const SEND_BUFFER: usize = 64 << 10;

/// A connection from which nothing has arrived for so long is pinged, …
const PING_INTERVAL: Duration = Duration::from_secs(15);

/// … and given up when no answer comes for so long.
const PING_TIMEOUT: Duration = Duration::from_secs(10);

struct Driver {
    connection: Connection<CountingIo, Bytes>,
    pings: Option<Pings>,
    capacity: Rc<Signal>,
    /// Weak, because the connection ends when nothing else refers to it any more.
    state: Weak<State>,
    _counted: Counted,
}

impl Driver {
    async fn run(mut self) {
        let ended = poll_fn(|cx| self.poll(cx)).await;
        let Self { state, capacity, .. } = &self;
        // Noted before the streams learn of the end: their tasks are polled after this one.
        if let Some(state) = state.upgrade() {
            state.is_closed.set(true);
            let required = ended.as_ref().is_err_and(|error| {
                error.is_remote() && error.reason() == Some(Reason::HTTP_1_1_REQUIRED)
            });
            state.requires_http1.set(required);
        }
        if let Err(error) = ended {
            tracing::debug!(%error, "an upstream connection ended");
        }
        let capacity = Rc::clone(capacity);
        drop(self);
        capacity.notify_all();
    }

    fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Result<(), h2::Error>> {
        if let Some(pings) = &mut self.pings
            && pings.poll_dead(cx)
        {
            return Poll::Ready(Ok(()));
        }
        let polled = Pin::new(&mut self.connection).poll(cx);
        let limit = self.connection.max_concurrent_send_streams();
        if self.state.upgrade().is_some_and(|state| state.update(limit)) {
            self.capacity.notify_all();
        }
        polled
    }
}

/// Finds out that the upstream has gone without a word.
struct Pings {
    pings: PingPong,
    counts: Rc<IoCounts>,
    /// What had been read at the last tick.
    seen: u64,
    timer: Interval,
    /// A ping was sent, so the timer ticks for its answer.
    waiting: bool,
}

impl Pings {
    fn new(pings: PingPong, counts: Rc<IoCounts>) -> Self {
        Self { pings, counts, seen: 0, timer: every(PING_INTERVAL), waiting: false }
    }

    /// Returns true once the upstream has not answered a ping in time. Whatever arrives is a sign of life.
    fn poll_dead(&mut self, cx: &mut Context<'_>) -> bool {
        // Its answer needs no look: it has been read, which is what counts.
        while self.pings.poll_pong(cx).is_ready() && self.waiting {
            self.rest();
        }
        while self.timer.poll_tick(cx).is_ready() {
            let read = self.counts.read();
            let was_silent = std::mem::replace(&mut self.seen, read) == read;
            match (was_silent, self.waiting) {
                (true, true) => return true,
                (true, false) => {
                    // It fails while an earlier one is not answered, which will do as well.
                    let _ = self.pings.send_ping(Ping::opaque());
                    self.waiting = true;
                    self.timer = every(PING_TIMEOUT);
                }
                (false, true) => self.rest(),
                (false, false) => {}
            }
        }
        false
    }

    fn rest(&mut self) {
        self.waiting = false;
        self.timer = every(PING_INTERVAL);
    }
}

/// Ticks after each `period`, the first time after one.
fn every(period: Duration) -> Interval {
    let mut interval = interval(period);
    interval.set_missed_tick_behavior(MissedTickBehavior::Delay);
    interval.reset();
    interval
}
