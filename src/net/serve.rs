//! Serving callers: the accept loop of one core, and the life of a caller's connection.
//!
//! ```text
//! accept ──limit──▶ connection: Idle ──first byte──▶ Head ──whole head──▶ Busy ──answered──▶ Idle
//!                               60 s                 10 s                 (content: 30 s a pause)
//! ```
//!
//! What arrives is judged before hyper sees it (`watched`): a message that could be read in two ways
//! gets an answer of ours, and the connection ends.
//!
//! hyper has one timer for a head, and it starts with the wait for the head's first byte: it cannot
//! tell a caller that rests from one that dribbles. So the phases are ours (`seat`), and one
//! sweep for each core looks at them, which costs a request nothing.

mod accept;
mod busy;
mod config;
mod content;
mod counted;
mod flow;
mod http1;
mod http10;
mod http2;
mod limit;
mod line;
mod pages;
mod refusal;
mod seat;
mod terms;
mod unpanicked;
mod watched;

use std::cell::RefCell;
use std::convert::Infallible;
use std::future::{Future, poll_fn};
use std::io;
use std::pin::pin;
use std::rc::{Rc, Weak};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CONNECTION, HeaderValue};
use http::{Request, Response, Version};
use http_body::Body;
use hyper::body::Incoming;
use hyper::ext::ReasonPhrase;
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::sync::mpsc;
use tokio::task::{spawn_local, yield_now};
use tokio::time::{Instant, sleep};

use super::framing::Flaw;
use super::listen::{BACKLOG, Socket};
use super::memory::Purse;
use crate::account::Account;
use crate::answer::{Answer, Code};
use crate::telemetry::{Kind, Origin};
use accept::{Listener, Stream, bound_send_buffer, is_caller_trouble};
pub use config::Config;
pub use content::{Content, ContentError};
use counted::Counted;
use limit::Place;
pub use limit::{Limit, Occupancy};
use line::{Line, linger};
pub use pages::serve_pages;
use refusal::refused;
use seat::{Seat, Sweep};
pub use terms::Terms;
use unpanicked::{Panicked, unpanicked};
use watched::{Seated, Watched};

/// Serves the sockets of one core on the current `LocalSet` until the drain is over: every
/// connection has ended, or the deadline has passed and the caller of this function drops the rest.
/// The service learns the account at the other end, which a Unix socket tells and TCP does not.
///
/// # Errors
///
/// A socket that the runtime does not take.
pub async fn serve<S, F, B>(sockets: Vec<Socket>, terms: Terms, service: S) -> io::Result<()>
where
    S: Fn(Request<Content>, Option<Account>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + From<Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let drain = terms.drain.clone();
    let (running, mut ended) = mpsc::channel::<Infallible>(1);
    let core = Rc::new(Core {
        http: http1::builder(&terms.config),
        sweep: Sweep::new(&terms.config, terms.limit.memory().clone()),
        purse: Purse::new(terms.limit.memory().clone()),
        terms,
        service,
    });
    for socket in sockets {
        let (core, running) = (Rc::clone(&core), running.clone());
        spawn_local(core.accept(Listener::new(socket)?, running));
    }
    drop(running);
    let deadline = drain.began().await;
    core.sweep.drain();
    // Every accept loop and every connection holds a sender: none left means that all is done.
    let grace = (deadline.saturating_duration_since(Instant::now()) / 4).min(GRACE);
    tokio::select! {
        _ = ended.recv() => return Ok(()),
        () = drain.over() => {}
        () = sleep(grace) => {}
    }
    // The runtime asks the kernel for news first: a request that is in its socket counts as arrived.
    yield_now().await;
    core.sweep.close();
    tokio::select! {
        biased;
        _ = ended.recv() => {}
        () = drain.over() => {
            tracing::warn!("the drain is over: the connections that are left are cut off");
        }
    }
    Ok(())
}

struct Core<S> {
    http: hyper::server::conn::http1::Builder,
    sweep: Rc<Sweep>,
    purse: Rc<Purse>,
    terms: Terms,
    service: S,
}

/// At the beginning of a drain, how long connections that rest stay open, at most: a caller that has
/// not heard of the drain may have its next request on the way, and gets a last answer for it. A
/// quarter of the drain if that is shorter.
const GRACE: Duration = Duration::from_secs(1);

/// How long a core rests when the system has no descriptors or memory for another connection.
const BREATHER: Duration = Duration::from_millis(100);

impl<S, F, B> Core<S>
where
    S: Fn(Request<Content>, Option<Account>) -> F + 'static,
    F: Future<Output = Response<B>> + 'static,
    B: Body<Data = Bytes> + From<Bytes> + Unpin + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    async fn accept(self: Rc<Self>, listener: Listener, running: mpsc::Sender<Infallible>) {
        let drain = self.terms.drain.clone();
        let mut began = pin!(drain.began());
        let mut starving = false;
        loop {
            let accepted = tokio::select! {
                biased;
                _ = &mut began => break,
                accepted = listener.accept() => accepted,
            };
            match accepted {
                Ok(accepted) => self.admit(accepted, &running).await,
                Err(error) if is_caller_trouble(&error) => continue,
                Err(error) => {
                    if !std::mem::replace(&mut starving, true) {
                        tracing::error!(%error, "cannot accept connections; trying on");
                    }
                    sleep(BREATHER).await;
                    continue;
                }
            }
            starving = false;
        }
        // Who waits in the queue when the drain begins is still served; who comes later is not, or
        // a stream of callers could hold the drain up.
        yield_now().await;
        for _ in 0..BACKLOG {
            let mut accepted = pin!(listener.accept());
            match poll_fn(|cx| Poll::Ready(accepted.as_mut().poll(cx))).await {
                Poll::Ready(Ok(accepted)) => self.admit(accepted, &running).await,
                Poll::Ready(Err(error)) if is_caller_trouble(&error) => {}
                Poll::Ready(Err(_)) | Poll::Pending => return,
            }
        }
    }

    /// Gives the connection a place. At the limit this waits, and the accept loop with it: the
    /// kernel's queue holds those who come next, and nobody is reset. Asking before accepting would
    /// bind a place to every idle socket.
    async fn admit(
        self: &Rc<Self>,
        accepted: (Stream, Option<Account>),
        running: &mpsc::Sender<Infallible>,
    ) {
        if let Some(place) = self.terms.limit.place().await {
            spawn_local(Rc::clone(self).attend(accepted, place, running.clone()));
        }
    }

    /// One connection, from its first byte to its last. A panic in here ends this task alone.
    async fn attend(
        self: Rc<Self>,
        (stream, account): (Stream, Option<Account>),
        _place: Place,
        _running: mpsc::Sender<Infallible>,
    ) {
        let _counted = Counted::new(&self.terms.counters);
        bound_send_buffer(&stream, self.terms.limit.memory());
        let stream = Rc::new(RefCell::new(stream));
        let line: Weak<dyn Line> = Rc::downgrade(&(Rc::clone(&stream) as Rc<dyn Line>));
        let seat = self.sweep.seat(line);
        let parting = self.converse(&stream, account, &seat).await;
        if parting == Parting::Done {
            return;
        }
        if let Ok(stream) = Rc::try_unwrap(stream) {
            let mut stream = stream.into_inner();
            if let Some(sent) = seat.http2().take() {
                let answer = self.own(refused(Flaw::Http2));
                http2::turn_away(&mut stream, sent, answer).await;
            }
            linger(stream).await;
        }
    }

    /// All exchanges of one connection.
    async fn converse(
        &self,
        stream: &Rc<RefCell<Stream>>,
        account: Option<Account>,
        seat: &Rc<Seat>,
    ) -> Parting {
        let limits = self.terms.config.limits();
        let io = TokioIo::new(Watched::new(Rc::clone(stream), Rc::clone(seat), limits));
        let service = service_fn(|request| self.answer(request, account, seat));
        let mut connection = pin!(self.http.serve_connection(io, service));
        let mut told = false;
        let ended = poll_fn(|cx| {
            if seat.must_leave(cx) {
                return Poll::Ready(None);
            }
            let polled = connection.as_mut().poll(cx).map(Some);
            if polled.is_ready() || !self.sweep.is_closing() || seat.is_beginning() || told {
                return polled;
            }
            told = true;
            connection.as_mut().graceful_shutdown();
            connection.as_mut().poll(cx).map(Some)
        });
        let outcome = ended.await;
        if seat.http2().borrow().is_some() {
            return Parting::Unheard;
        }
        match outcome {
            None => return Parting::Done,
            Some(Ok(())) => seat.ending().close(),
            Some(Err(error)) => tracing::debug!(%error, "a caller's connection ended early"),
        }
        // An orderly end would make content look whole that is not.
        if seat.leftover().is_there() && !seat.ending().is_open() {
            Parting::Unheard
        } else {
            Parting::Done
        }
    }

    async fn answer(
        &self,
        request: Request<Incoming>,
        account: Option<Account>,
        seat: &Rc<Seat>,
    ) -> Result<Response<Seated<B>>, Infallible> {
        let length = request.body().size_hint().upper();
        let mut seated = seat.busy();
        seated.hold(self.purse.request(length).await);
        let version = request.version();
        let mut response = if let Some(flaw) = seat.flaw() {
            seat.leftover().leave();
            self.own(refused(flaw)).map(B::from)
        } else {
            let longest_pause = self.terms.config.content_timeout;
            let request = request.map(|incoming| {
                let (leftover, counters) = (seat.leftover(), &self.terms.counters);
                Content::new(incoming, longest_pause, Arc::clone(leftover), Arc::clone(counters))
            });
            match unpanicked(|| (self.service)(request, account)).await {
                Ok(response) => response,
                Err(Panicked) => self.own(Answer::new(Code::Internal)).map(B::from),
            }
        };
        // What comes in behind an answer that ends the connection must be heard out (RFC 9112 §9.6).
        if response.headers().contains_key(CONNECTION) {
            seat.leftover().leave();
        }
        // An upstream could hide in it what does not pass in a field; callers ignore it (RFC 9112 §4).
        response.extensions_mut().remove::<ReasonPhrase>();
        if response.status().canonical_reason().is_none() {
            // hyper would write a word of its own.
            response.extensions_mut().insert(ReasonPhrase::from_static(b""));
        }
        if self.sweep.is_draining() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
        }
        if version == Version::HTTP_10 {
            seat.ending().settle(&mut response);
        }
        Ok(response.map(|body| seated.with(body)))
    }

    /// Answers made here end the connection: what was not read of the request is in the way.
    fn own(&self, answer: Answer) -> Response<Bytes> {
        self.terms.counters.answered(Kind::Other, answer.code().status(), Origin::Sidecar);
        self.terms.counters.refused(answer.code() as usize);
        answer.closing().into_response()
    }
}

/// How a connection ends.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Parting {
    Done,
    /// The caller may still be sending what nobody reads.
    Unheard,
}
