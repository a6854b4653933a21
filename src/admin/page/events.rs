//! `/events`: the page's content whenever it has changed, as server-sent events
//! (<https://html.spec.whatwg.org/multipage/server-sent-events.html>).
//!
//! A stream holds one rendered page and nothing else; it is asked for the next one when the last has
//! gone out, so a browser that does not read costs nothing. It ends when the drain begins, with a last
//! word about that.

use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use std::task::{Context, Poll, ready};
use std::time::Duration;

use axum::body::Body;
use axum::extract::State;
use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use http_body::Frame;
use tokio::sync::{OwnedSemaphorePermit, Semaphore};
use tokio::time::{Interval, MissedTickBehavior};

use super::super::Sources;
use super::content;
use crate::answer::{Answer, Code};
use crate::clock;

/// How many streams there may be: fewer than the connections of the admin listener, so that probes and
/// people always find one.
const MAX_STREAMS: usize = 16;

/// Time between two looks, and so between two events.
const PERIOD: Duration = Duration::from_secs(1);

/// How many looks without news before something is sent all the same, so that both ends notice when
/// the connection is dead.
const QUIET_LOOKS: u32 = 15;

/// The places for streams. Every clone has the same.
#[derive(Clone, Debug)]
pub(super) struct Streams(Arc<Semaphore>);

impl Default for Streams {
    fn default() -> Self {
        Self(Arc::new(Semaphore::new(MAX_STREAMS)))
    }
}

/// Answers with a stream, or with 503 when there are enough of them: the page asks again later.
pub(super) async fn events(State(sources): State<Arc<Sources>>, streams: Streams) -> Response {
    let Ok(place) = streams.0.try_acquire_owned() else {
        let message = "Enough pages are open already; this one stays as it is until one is closed.";
        let answer = Answer::new(Code::Overloaded).message(message).retry_after(RETRY);
        return answer.into_response().map(Body::from);
    };
    let fields = [
        (CONTENT_TYPE, "text/event-stream"),
        (CACHE_CONTROL, "no-store"),
        (X_CONTENT_TYPE_OPTIONS, "nosniff"),
    ];
    (fields, Body::new(Stream::new(sources, place))).into_response()
}

const RETRY: Duration = Duration::from_secs(10);

struct Stream {
    sources: Arc<Sources>,
    looks: Interval,
    drained: Pin<Box<dyn Future<Output = ()> + Send>>,
    /// What the browser shows.
    shown: String,
    quiet: u32,
    phase: Phase,
    _place: OwnedSemaphorePermit,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Phase {
    Open,
    /// The last event is on its way.
    Ended,
}

impl Stream {
    fn new(sources: Arc<Sources>, place: OwnedSemaphorePermit) -> Self {
        let mut looks = tokio::time::interval(PERIOD);
        looks.set_missed_tick_behavior(MissedTickBehavior::Delay);
        let drain = sources.drain.clone();
        let drained = Box::pin(async move {
            drain.began().await;
        });
        let (shown, quiet, phase) = (String::new(), 0, Phase::Open);
        Self { sources, looks, drained, shown, quiet, phase, _place: place }
    }

    /// What there is to tell, if anything.
    fn news(&mut self) -> Option<Bytes> {
        let page = content(&self.sources.report(), clock::now().wall()).into_string();
        if page == self.shown {
            self.quiet += 1;
            let beat = self.quiet >= QUIET_LOOKS;
            self.quiet = if beat { 0 } else { self.quiet };
            return beat.then(|| Bytes::from_static(b":\n\n"));
        }
        self.quiet = 0;
        let event = event(&page);
        self.shown = page;
        Some(event)
    }
}

impl http_body::Body for Stream {
    type Data = Bytes;
    type Error = Infallible;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Infallible>>> {
        if self.phase == Phase::Ended {
            return Poll::Ready(None);
        }
        if self.drained.as_mut().poll(cx).is_ready() {
            self.phase = Phase::Ended;
            return Poll::Ready(self.news().map(|news| Ok(Frame::data(news))));
        }
        loop {
            ready!(self.looks.poll_tick(cx));
            if let Some(news) = self.news() {
                return Poll::Ready(Some(Ok(Frame::data(news))));
            }
        }
    }
}

/// One event. Whatever ends a line there has a field name before the next one.
fn event(page: &str) -> Bytes {
    let mut event = String::with_capacity(page.len() + 64);
    for line in page.split(['\r', '\n']) {
        event.push_str("data: ");
        event.push_str(line);
        event.push('\n');
    }
    event.push('\n');
    Bytes::from(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn no_value_can_end_a_line_or_an_event() {
        assert_eq!(event("a\n\nevent: x\rb"), "data: a\ndata: \ndata: event: x\ndata: b\n\n");
    }
}
