//! The content of a response over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, Waker, ready};
use std::time::Duration;

use bytes::Bytes;
use h2::RecvStream;
use http_body::{Body, Frame, SizeHint};
use tokio::sync::oneshot;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::Slot;

/// Content as it arrives, and the stream that it occupies.
///
/// Dropping it early resets the stream, unless all of the content is here and only its END_STREAM is
/// missing: many servers send that in a frame of its own, and a reset for each response looks like an attack
/// to them.
#[derive(Debug)]
pub(in crate::net::upstream) struct ResponseStream(Option<Receiving>);

#[derive(Debug)]
struct Receiving {
    stream: RecvStream,
    slot: Slot,
    /// Bytes that Content-Length announces and that have not arrived.
    missing: Option<u64>,
    /// The response has no content, whatever its Content-Length: it answers HEAD, or is a 204 or 304.
    is_bodiless: bool,
    has_all_data: bool,
    /// Cancels an upload that goes on, when dropped; told to let it go on, where the response has ended well.
    upload: Option<oneshot::Sender<()>>,
}

/// How long the END_STREAM of a complete response may take.
const END_PATIENCE: Duration = Duration::from_secs(10);

impl ResponseStream {
    pub(super) fn new(
        stream: RecvStream,
        slot: Slot,
        length: Option<u64>,
        is_bodiless: bool,
        upload: Option<oneshot::Sender<()>>,
    ) -> Self {
        let has_all_data = false;
        Self(Some(Receiving { stream, slot, missing: length, is_bodiless, has_all_data, upload }))
    }
}

impl Receiving {
    fn poll_frame(
        &mut self,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        while !self.has_all_data {
            match ready!(self.stream.poll_data(cx)?) {
                Some(data) => {
                    // The window is given back as the content is passed on, so a slow caller slows the
                    // upstream down.
                    self.stream.flow_control().release_capacity(data.len())?;
                    if let Some(missing) = &mut self.missing {
                        *missing = missing.saturating_sub(data.len() as u64);
                    }
                    if !data.is_empty() {
                        return Poll::Ready(Some(Ok(Frame::data(data))));
                    }
                }
                None => self.has_all_data = true,
            }
        }
        let trailers = ready!(self.stream.poll_trailers(cx)?);
        Poll::Ready(trailers.map(|trailers| Ok(Frame::trailers(trailers))))
    }

    /// Reads on to END_STREAM. Returns true at the end, and false where more content or an error comes.
    fn poll_end(&mut self, cx: &mut Context<'_>) -> Poll<bool> {
        loop {
            return Poll::Ready(match ready!(self.poll_frame(cx)) {
                None => true,
                Some(Ok(frame)) if frame.is_trailers() => continue,
                Some(Ok(_) | Err(_)) => false,
            });
        }
    }

    fn has_all_content(&self) -> bool {
        self.is_bodiless || self.missing == Some(0)
    }

    /// The response is complete; an upload that is still wanted may end by itself.
    fn complete(self) {
        if let Some(upload) = self.upload {
            // The upload may have ended meanwhile.
            let _ = upload.send(());
        }
        drop(self.slot);
    }
}

impl Body for ResponseStream {
    type Data = Bytes;
    type Error = h2::Error;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, h2::Error>>> {
        let Some(receiving) = &mut self.0 else { return Poll::Ready(None) };
        let frame = ready!(receiving.poll_frame(cx));
        match &frame {
            None => {
                if let Some(receiving) = self.0.take() {
                    receiving.complete();
                }
            }
            Some(Err(_)) => self.0 = None,
            Some(Ok(_)) => {}
        }
        Poll::Ready(frame)
    }

    fn is_end_stream(&self) -> bool {
        self.0.as_ref().is_none_or(|receiving| receiving.stream.is_end_stream())
    }

    fn size_hint(&self) -> SizeHint {
        match &self.0 {
            Some(Receiving { missing: Some(missing), .. }) => SizeHint::with_exact(*missing),
            _ if self.is_end_stream() => SizeHint::with_exact(0),
            _ => SizeHint::default(),
        }
    }
}

impl Drop for ResponseStream {
    fn drop(&mut self) {
        let Some(mut receiving) = self.0.take() else { return };
        if !receiving.has_all_content() {
            if receiving.stream.is_end_stream() {
                receiving.complete();
            }
            return;
        }
        match receiving.poll_end(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(true) => receiving.complete(),
            Poll::Ready(false) => {}
            Poll::Pending => {
                spawn_local(async move {
                    let end = std::future::poll_fn(|cx| receiving.poll_end(cx));
                    if let Ok(true) = timeout(END_PATIENCE, end).await {
                        receiving.complete();
                    }
                });
            }
        }
    }
}
