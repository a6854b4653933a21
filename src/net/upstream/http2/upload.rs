//! The content of a request on its way out over HTTP/2.

use std::pin::Pin;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use h2::{Reason, SendStream};
use http_body::Body;

use crate::net::upstream::RequestContent;
use crate::net::upstream::progress::Outgoing;

/// Sends content as fast as the upstream's flow control allows. Dropping it before its end resets the
/// stream.
#[derive(Debug)]
pub(super) struct Upload<B> {
    content: Outgoing<B>,
    stream: SendStream<Bytes>,
    ended: bool,
}

/// How an upload ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Uploaded {
    /// All of the content was handed to the connection.
    Whole,
    /// The upstream takes no more of it: it has reset the stream, or the connection ended. The response, or
    /// its error, says why.
    Stopped,
    /// The content itself broke off, and the stream was reset.
    BrokenOff,
}

impl<B: RequestContent> Upload<B> {
    pub(super) fn new(content: Outgoing<B>, stream: SendStream<Bytes>) -> Self {
        Self { content, stream, ended: false }
    }

    pub(super) fn poll(&mut self, cx: &mut Context<'_>) -> Poll<Uploaded> {
        let uploaded = ready!(self.poll_send(cx));
        self.ended = true;
        if uploaded == Uploaded::BrokenOff {
            self.stream.send_reset(Reason::CANCEL);
        }
        Poll::Ready(uploaded)
    }

    fn poll_send(&mut self, cx: &mut Context<'_>) -> Poll<Uploaded> {
        loop {
            // Ready means that the stream was reset, or that the connection ended.
            if self.stream.poll_reset(cx).is_ready() {
                return Poll::Ready(Uploaded::Stopped);
            }
            if self.stream.capacity() == 0 {
                self.stream.reserve_capacity(1);
                match self.stream.poll_capacity(cx) {
                    Poll::Ready(Some(Ok(0))) => continue,
                    Poll::Ready(Some(Ok(_))) => {}
                    Poll::Ready(Some(Err(_)) | None) => return Poll::Ready(Uploaded::Stopped),
                    Poll::Pending => {
                        // The upstream can take a window back that it had granted.
                        self.content.awaits_upstream();
                        return Poll::Pending;
                    }
                }
            }
            let frame = ready!(Pin::new(&mut self.content).poll_frame(cx));
            let sent = match frame {
                Some(Ok(frame)) => {
                    // The content of requests has no trailers: replay.rs drops them.
                    let Ok(data) = frame.into_data() else { continue };
                    let is_last = self.content.is_end_stream();
                    let sent = self.stream.send_data(data, is_last);
                    if sent.is_ok() && !is_last {
                        continue;
                    }
                    sent
                }
                Some(Err(_)) => return Poll::Ready(Uploaded::BrokenOff),
                None => self.stream.send_data(Bytes::new(), true),
            };
            return Poll::Ready(sent.map_or(Uploaded::Stopped, |()| Uploaded::Whole));
        }
    }
}

impl<B> Drop for Upload<B> {
    fn drop(&mut self) {
        if !self.ended {
            self.stream.send_reset(Reason::CANCEL);
        }
    }
}
