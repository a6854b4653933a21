//! One request and the head of its response over HTTP/2.

use std::future::poll_fn;
use std::pin::Pin;
use std::rc::Rc;
use std::task::Poll;
use std::time::Duration;

use http::header::{CONNECTION, CONTENT_LENGTH, HOST, HeaderMap, HeaderValue, TRANSFER_ENCODING};
use http::{Method, Request, Response, StatusCode, Version};
use http_body::Body;
use tokio::sync::oneshot;
use tokio::task::spawn_local;

use super::error::{StreamEnd, cause};
use super::upload::{Upload, Uploaded};
use super::{Http2Conn, ResponseStream, Slot};
use crate::net::upstream::content::Content;
use crate::net::upstream::failure::{Cause, Exposure, Failure, Provenance};
use crate::net::upstream::progress::{Outgoing, Progress, awaited};
use crate::net::upstream::{Origin, RequestContent, target};

/// Why there is no response, and what it means for the connection.
pub(in crate::net::upstream) struct SendError {
    failure: Failure,
    /// `None` if only this request failed, for a reason of its own.
    end: Option<StreamEnd>,
}

impl SendError {
    fn of_request(failure: Failure) -> Self {
        Self { failure, end: None }
    }

    /// Returns true if the connection broke: those made at the same time are likely to be dead, too.
    pub(in crate::net::upstream) fn is_of_connection(&self) -> bool {
        self.end == Some(StreamEnd::Broken)
    }

    /// Returns true if the connection refuses requests although it is not busy.
    pub(in crate::net::upstream) fn is_useless(&self) -> bool {
        self.end == Some(StreamEnd::Refused) && !self.failure.may_retry_at_once()
    }

    /// Returns true if the upstream wants HTTP/1.1.
    pub(in crate::net::upstream) fn requires_http1(&self) -> bool {
        self.end == Some(StreamEnd::RequiresHttp1)
    }

    pub(in crate::net::upstream) fn into_failure(self) -> Failure {
        self.failure
    }
}

impl Http2Conn {
    /// Sends a request and waits for the head of the response, at most `limit` after the upstream last took
    /// some of the request. Content that is not sent by then goes on while the response is read.
    pub(in crate::net::upstream) async fn send<B: RequestContent>(
        &self,
        slot: Slot,
        mut request: Request<Outgoing<B>>,
        origin: &Origin,
        progress: Option<Rc<Progress>>,
        limit: Duration,
    ) -> Result<Response<Content<B>>, SendError> {
        let provenance = self.carry();
        address(&mut request, origin);
        let is_head = *request.method() == Method::HEAD;
        let (head, content) = request.into_parts();
        let is_empty = content.is_end_stream();
        let written = self.0.counts.written();
        // A clone, because a handle that has opened a stream waits for it before the next one.
        let mut sender = self.0.sender.borrow().clone();
        let sent = sender.send_request(Request::from_parts(head, ()), is_empty);
        let (mut response, stream) = sent.map_err(|error| SendError {
            failure: Failure::new(cause(&error), provenance, Exposure::Unprocessed),
            end: Some(StreamEnd::Broken),
        })?;
        drop(sender);
        let mut upload = (!is_empty).then(|| Upload::new(content, stream));
        let head = poll_fn(|cx| {
            if let Some(Poll::Ready(uploaded)) = upload.as_mut().map(|upload| upload.poll(cx)) {
                upload = None;
                if uploaded == Uploaded::BrokenOff {
                    return Poll::Ready(None);
                }
            }
            Pin::new(&mut response).poll(cx).map(Some)
        });
        let response = match awaited(head, progress.as_deref(), limit).await {
            // Dropping the stream resets it; others on the connection go on.
            Err(_) => return Err(SendError::of_request(Failure::timeout(provenance))),
            Ok(None) => return Err(SendError::of_request(broken_off(provenance))),
            Ok(Some(Err(error))) => return Err(self.send_error(&error, provenance, written)),
            Ok(Some(Ok(response))) => response,
        };
        self.accepted();
        let cancel = upload.map(|upload| self.go_on(upload, progress, limit));
        let is_bodiless = is_head
            || matches!(response.status(), StatusCode::NO_CONTENT | StatusCode::NOT_MODIFIED);
        let length = content_length(response.headers());
        Ok(response.map(|stream| {
            let stream = ResponseStream::new(stream, slot, length, is_bodiless, cancel);
            Content::http2(stream, provenance)
        }))
    }

    /// Sends the rest of the content in a task of its own. It ends when what is returned is dropped without a
    /// word; once the response has ended, also when the upstream takes no more for `limit`.
    fn go_on<B: RequestContent>(
        &self,
        mut upload: Upload<B>,
        progress: Option<Rc<Progress>>,
        limit: Duration,
    ) -> oneshot::Sender<()> {
        let (go_on, mut response) = oneshot::channel();
        let slot = self.slot();
        spawn_local(async move {
            let _slot = slot;
            let may_end_alone = poll_fn(|cx| match upload.poll(cx) {
                Poll::Ready(_) => Poll::Ready(false),
                Poll::Pending => Pin::new(&mut response).poll(cx).map(|ended| ended.is_ok()),
            });
            if may_end_alone.await {
                // Whatever ends it, the upload resets its stream if it is not whole.
                drop(awaited(poll_fn(|cx| upload.poll(cx)), progress.as_deref(), limit).await);
            }
        });
        go_on
    }

    fn send_error(&self, error: &h2::Error, provenance: Provenance, written: u64) -> SendError {
        let end = match StreamEnd::of(error) {
            StreamEnd::Broken if self.0.requires_http1.get() => StreamEnd::RequiresHttp1,
            end => end,
        };
        let exposure = end.exposure(self.0.counts.written() > written);
        let failure = Failure::new(cause(error), provenance, exposure);
        let needs_no_pause = match end {
            StreamEnd::Refused => self.refused(),
            StreamEnd::RequiresHttp1 => true,
            StreamEnd::GoneAway | StreamEnd::Reset | StreamEnd::Broken => false,
        };
        let failure = if needs_no_pause { failure.retry_at_once() } else { failure };
        SendError { failure, end: Some(end) }
    }
}

/// The request's own content has failed; whoever made it knows why.
fn broken_off(provenance: Provenance) -> Failure {
    let reason = "the content of the request broke off".to_owned();
    Failure::new(Cause::Closed(reason), provenance, Exposure::Unanswered)
}

fn content_length(fields: &HeaderMap) -> Option<u64> {
    fields.get(CONTENT_LENGTH)?.to_str().ok()?.parse().ok()
}

/// RFC 9113 §8.3.1: scheme and authority are part of the target; there is no `Host`.
fn address<B: RequestContent>(request: &mut Request<Outgoing<B>>, origin: &Origin) {
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = origin.uri(target(request.uri()));
    let length = request.body().size_hint().exact();
    let is_expected = matches!(*request.method(), Method::POST | Method::PUT | Method::PATCH);
    let fields = request.headers_mut();
    fields.remove(HOST);
    fields.remove(CONNECTION);
    fields.remove(TRANSFER_ENCODING);
    if let Some(length) = length
        && (length > 0 || is_expected)
    {
        // RFC 9110 §8.6: a user agent should send it where the method gives content a meaning.
        fields.entry(CONTENT_LENGTH).or_insert_with(|| HeaderValue::from(length));
    }
}
