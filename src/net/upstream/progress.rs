//! Measures the wait for a response from the moment that the request is sent.

use std::cell::Cell;
use std::pin::{Pin, pin};
use std::rc::Rc;
use std::task::{Context, Poll};
use std::time::Duration;

use bytes::Bytes;
use http::Request;
use http_body::{Body, Frame, SizeHint};
use tokio::time::{Instant, error::Elapsed, timeout_at};

/// How far the content of a request has come.
#[derive(Debug)]
pub(super) struct Progress {
    /// When the upstream last took some of the content.
    last: Cell<Instant>,
    /// The upstream would take more, and the caller has not sent it. The caller's own limit counts then.
    awaits_caller: Cell<bool>,
}

impl Progress {
    fn new() -> Self {
        Self { last: Cell::new(Instant::now()), awaits_caller: Cell::new(false) }
    }

    /// When the wait ends that is measured from the last progress; `None` while the caller holds it up.
    fn deadline(&self, limit: Duration) -> Option<Instant> {
        (!self.awaits_caller.get()).then(|| self.last.get() + limit)
    }
}

/// Content on its way out.
#[derive(Debug)]
pub(super) struct Outgoing<B> {
    content: B,
    /// Not there for requests without content.
    progress: Option<Rc<Progress>>,
}

impl<B: Body> Outgoing<B> {
    pub(super) fn wrap(request: Request<B>) -> (Request<Self>, Option<Rc<Progress>>) {
        let progress = (!request.body().is_end_stream()).then(|| Rc::new(Progress::new()));
        let kept = progress.clone();
        (request.map(|content| Self { content, progress }), kept)
    }
}

impl<B> Outgoing<B> {
    /// Notes that the upstream takes no more for now: the wait is for the upstream, whatever the caller does.
    pub(super) fn awaits_upstream(&self) {
        if let Some(progress) = &self.progress
            && progress.awaits_caller.replace(false)
        {
            progress.last.set(Instant::now());
        }
    }
}

impl<B: Body<Data = Bytes> + Unpin> Body for Outgoing<B> {
    type Data = Bytes;
    type Error = B::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, B::Error>>> {
        let frame = Pin::new(&mut self.content).poll_frame(cx);
        if let Some(progress) = &self.progress {
            progress.awaits_caller.set(frame.is_pending());
            if frame.is_ready() {
                progress.last.set(Instant::now());
            }
        }
        frame
    }

    fn is_end_stream(&self) -> bool {
        self.content.is_end_stream()
    }

    fn size_hint(&self) -> SizeHint {
        self.content.size_hint()
    }
}

/// Waits for a response, at most `limit` after the last progress of its request, and without a limit while
/// the caller holds the request up.
pub(super) async fn awaited<F: Future>(
    response: F,
    progress: Option<&Progress>,
    limit: Duration,
) -> Result<F::Output, Elapsed> {
    let mut response = pin!(response);
    let mut deadline = Instant::now() + limit;
    loop {
        match timeout_at(deadline, response.as_mut()).await {
            Ok(output) => return Ok(output),
            Err(elapsed) => {
                let Some(progress) = progress else { return Err(elapsed) };
                let later = progress.deadline(limit).unwrap_or_else(|| Instant::now() + limit);
                if later <= deadline {
                    return Err(elapsed);
                }
                deadline = later;
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test(start_paused = true)]
    async fn the_wait_starts_when_the_request_is_sent() {
        let limit = Duration::from_secs(60);
        let began = Instant::now();
        let progress = Rc::new(Progress::new());
        let upload = async {
            for _ in 0..10 {
                tokio::time::sleep(Duration::from_secs(50)).await;
                progress.last.set(Instant::now());
            }
        };
        let wait = awaited(std::future::pending::<()>(), Some(&progress), limit);
        let (late, ()) = tokio::join!(wait, upload);
        assert!(late.is_err());
        assert_eq!(began.elapsed(), Duration::from_secs(560));
    }

    #[tokio::test(start_paused = true)]
    async fn without_content_the_wait_starts_at_once() {
        let began = Instant::now();
        let limit = Duration::from_secs(60);
        assert!(awaited(std::future::pending::<()>(), None, limit).await.is_err());
        assert_eq!(began.elapsed(), limit);
    }

    #[tokio::test(start_paused = true)]
    async fn a_pause_of_the_caller_is_not_a_wait_for_the_upstream() {
        let began = Instant::now();
        let limit = Duration::from_secs(2);
        let progress = Rc::new(Progress::new());
        let upload = async {
            progress.awaits_caller.set(true);
            tokio::time::sleep(Duration::from_secs(25)).await;
            progress.awaits_caller.set(false);
            progress.last.set(Instant::now());
        };
        let wait = awaited(std::future::pending::<()>(), Some(&progress), limit);
        let (late, ()) = tokio::join!(wait, upload);
        assert!(late.is_err());
        assert_eq!(began.elapsed(), Duration::from_secs(27));
    }
}
