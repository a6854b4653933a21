//! The content of a request, kept so that the request can be sent again.
//!
//! Content streams. What has passed is also kept, up to a limit; beyond it the tape is thrown away,
//! and with it the possibility to send the request again. The limit is a limit of memory too: kept
//! bytes are copied, because a slice of hyper's buffer would keep the whole buffer alive.

use std::cell::RefCell;
use std::pin::Pin;
use std::rc::Rc;
use std::task::{Context, Poll, ready};

use bytes::Bytes;
use http::StatusCode;
use http_body::{Body, Frame, SizeHint};

use crate::answer::{Answer, Code};
use crate::net::framing::Flaw;
use crate::net::serve::{Content, ContentError};

/// The content of one request.
#[derive(Debug)]
pub(super) struct Tape<C = Content>(Option<Rc<RefCell<Recording<C>>>>);

#[derive(Debug)]
struct Recording<C> {
    source: C,
    /// What has passed so far; empty again once it was too much.
    kept: Vec<u8>,
    limit: usize,
    state: State,
    /// Only the newest playback may go on: one that was replaced still sits in a dying connection.
    newest: u32,
    /// The length of the whole, where the caller told it.
    length: Option<u64>,
}

/// How much of the content is known.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum State {
    /// More may come.
    Open,
    /// All has passed.
    Ended,
    /// The caller did not send it whole: it paused for too long, broke off, or sent nonsense.
    Paused,
    Broken,
    Malformed(Flaw),
}

impl<C: Body<Data = Bytes> + Unpin> Tape<C> {
    /// Content that is kept up to `limit` bytes.
    pub(super) fn of(source: C, limit: usize) -> Self {
        if source.is_end_stream() {
            return Self::empty();
        }
        let length = source.size_hint().exact();
        Self(Some(Rc::new(RefCell::new(Recording {
            source,
            kept: Vec::new(),
            limit,
            state: State::Open,
            newest: 0,
            length,
        }))))
    }
}

impl Tape {
    /// The response has begun. What has not arrived of the content by then is read all the same, so that the
    /// caller's connection can carry the next request. Returns false if the response should announce a close
    /// instead: it refuses content of which much is still to come.
    pub(super) fn read_rest(&self, status: StatusCode) -> bool {
        let Some(recording) = &self.0 else { return true };
        let mut recording = recording.borrow_mut();
        if recording.state != State::Open || recording.source.is_end_stream() {
            return true;
        }
        let is_refusal = status.is_client_error() || status.is_server_error();
        if is_refusal && recording.source.has_long_rest() {
            return false;
        }
        recording.source.read_rest_when_dropped();
        true
    }
}

impl<C> Tape<C> {
    /// No content.
    pub(super) fn empty() -> Self {
        Self(None)
    }

    /// Plays the content from its beginning: what was kept, then the rest as it arrives. Earlier
    /// playbacks end with an error.
    pub(super) fn play(&self) -> Playback<C> {
        Playback(self.0.as_ref().map(|recording| {
            let number = {
                let mut recording = recording.borrow_mut();
                recording.newest += 1;
                recording.newest
            };
            Playing { recording: Rc::clone(recording), number, position: 0 }
        }))
    }

    /// Whether everything that has passed is still here.
    pub(super) fn is_whole(&self) -> bool {
        self.0.as_ref().is_none_or(|recording| recording.borrow().is_whole())
    }

    /// Whether all of the content, by the length that was told, can be kept.
    pub(super) fn fits(&self) -> bool {
        self.0.as_ref().is_none_or(|recording| {
            let recording = recording.borrow();
            recording.length.is_some_and(|length| length <= recording.limit as u64)
        })
    }

    /// What to tell a caller that failed to send its content.
    pub(super) fn failure(&self) -> Option<Answer> {
        match self.0.as_ref()?.borrow().state {
            State::Open | State::Ended => None,
            State::Paused => Some(Answer::new(Code::CallerTimeout)),
            State::Broken => {
                Some(Answer::new(Code::BadRequest).message("The content of the request broke off."))
            }
            State::Malformed(flaw) => Some(Answer::from(flaw)),
        }
    }
}

impl<C> Recording<C> {
    fn is_whole(&self) -> bool {
        self.limit > 0
    }

    fn keep(&mut self, data: &Bytes) {
        if self.is_whole() && self.kept.len() + data.len() <= self.limit {
            self.kept.extend_from_slice(data);
        } else {
            self.kept = Vec::new();
            self.limit = 0;
        }
    }
}

/// The content of one attempt.
#[derive(Debug)]
pub(super) struct Playback<C = Content>(Option<Playing<C>>);

#[derive(Debug)]
struct Playing<C> {
    recording: Rc<RefCell<Recording<C>>>,
    number: u32,
    position: u64,
}

/// Why a playback ended early.
#[derive(Debug, thiserror::Error)]
pub(super) enum PlaybackError {
    /// The caller did not send it whole.
    #[error(transparent)]
    Content(ContentError),
    /// The request is being sent again elsewhere.
    #[error("the request is being sent again")]
    Replaced,
}

impl<C: Body<Data = Bytes, Error = ContentError> + Unpin> Playing<C> {
    fn poll_data(&mut self, cx: &mut Context<'_>) -> Poll<Option<Result<Bytes, PlaybackError>>> {
        let mut recording = self.recording.borrow_mut();
        if recording.newest != self.number {
            return Poll::Ready(Some(Err(PlaybackError::Replaced)));
        }
        if let Some(rest) =
            usize::try_from(self.position).ok().and_then(|at| recording.kept.get(at..))
            && !rest.is_empty()
        {
            return Poll::Ready(Some(Ok(Bytes::copy_from_slice(rest))));
        }
        while recording.state == State::Open {
            match ready!(Pin::new(&mut recording.source).poll_frame(cx)) {
                Some(Ok(frame)) => {
                    // A caller's trailers end here: a server that takes them for fields would let
                    // them frame or authorise our request.
                    if let Ok(data) = frame.into_data() {
                        recording.keep(&data);
                        return Poll::Ready(Some(Ok(data)));
                    }
                }
                Some(Err(error)) => {
                    recording.state = match error {
                        ContentError::Paused => State::Paused,
                        ContentError::Broken(_) => State::Broken,
                        ContentError::Malformed(flaw) => State::Malformed(flaw),
                    };
                    return Poll::Ready(Some(Err(PlaybackError::Content(error))));
                }
                None => recording.state = State::Ended,
            }
        }
        Poll::Ready(None)
    }
}

impl<C: Body<Data = Bytes, Error = ContentError> + Unpin> Body for Playback<C> {
    type Data = Bytes;
    type Error = PlaybackError;

    fn poll_frame(
        mut self: Pin<&mut Self>,
        cx: &mut Context<'_>,
    ) -> Poll<Option<Result<Frame<Bytes>, Self::Error>>> {
        let Some(playing) = &mut self.0 else { return Poll::Ready(None) };
        let data = ready!(playing.poll_data(cx));
        if let Some(Ok(data)) = &data {
            playing.position += data.len() as u64;
        }
        Poll::Ready(data.map(|data| data.map(Frame::data)))
    }

    fn is_end_stream(&self) -> bool {
        let Some(playing) = &self.0 else { return true };
        let recording = playing.recording.borrow();
        let has_ended = recording.state == State::Ended || recording.source.is_end_stream();
        has_ended && playing.position >= recording.kept.len() as u64
    }

    fn size_hint(&self) -> SizeHint {
        let Some(playing) = &self.0 else { return SizeHint::with_exact(0) };
        match playing.recording.borrow().length {
            Some(length) => SizeHint::with_exact(length.saturating_sub(playing.position)),
            None => SizeHint::default(),
        }
    }
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use tokio::sync::mpsc;

    use super::*;

    type Frames = mpsc::UnboundedSender<Result<Frame<Bytes>, ContentError>>;

    /// Content that a test sends piece by piece.
    #[derive(Debug)]
    struct Piecewise(mpsc::UnboundedReceiver<Result<Frame<Bytes>, ContentError>>);

    impl Body for Piecewise {
        type Data = Bytes;
        type Error = ContentError;

        fn poll_frame(
            mut self: Pin<&mut Self>,
            cx: &mut Context<'_>,
        ) -> Poll<Option<Result<Frame<Bytes>, ContentError>>> {
            self.0.poll_recv(cx)
        }
    }

    fn tape(limit: usize) -> (Frames, Tape<Piecewise>) {
        let (frames, source) = mpsc::unbounded_channel();
        (frames, Tape::of(Piecewise(source), limit))
    }

    fn send(frames: &Frames, data: &'static str) {
        frames.send(Ok(Frame::data(Bytes::from_static(data.as_bytes())))).unwrap();
    }

    async fn next(playback: &mut Playback<Piecewise>) -> Bytes {
        playback.frame().await.unwrap().unwrap().into_data().unwrap()
    }

    #[tokio::test]
    async fn a_replay_sends_what_was_kept_and_then_the_rest() {
        let (frames, tape) = tape(10);
        let mut first = tape.play();
        send(&frames, "one");
        send(&frames, "two");
        assert_eq!((next(&mut first).await, next(&mut first).await), ("one".into(), "two".into()));
        let mut second = tape.play();
        assert_eq!(next(&mut second).await, "onetwo");
        send(&frames, "six");
        assert_eq!(next(&mut second).await, "six");
        drop(frames);
        assert!(second.frame().await.is_none() && second.is_end_stream());
        assert_eq!(tape.play().collect().await.unwrap().to_bytes(), "onetwosix");
    }

    #[tokio::test]
    async fn beyond_the_limit_nothing_is_kept() {
        let (frames, tape) = tape(5);
        let mut playback = tape.play();
        send(&frames, "12345");
        next(&mut playback).await;
        assert!(tape.is_whole());
        send(&frames, "6");
        assert_eq!(next(&mut playback).await, "6");
        assert!(!tape.is_whole());
        assert_eq!(tape.0.as_ref().unwrap().borrow().kept.capacity(), 0);
    }

    #[tokio::test]
    async fn a_replaced_playback_takes_nothing_from_its_successor() {
        let (frames, tape) = tape(10);
        let mut old = tape.play();
        let mut new = tape.play();
        send(&frames, "data");
        let error = old.frame().await.unwrap().unwrap_err();
        assert!(matches!(error, PlaybackError::Replaced));
        assert_eq!(next(&mut new).await, "data");
    }

    #[tokio::test]
    async fn trailers_of_a_caller_go_no_further() {
        let (frames, tape) = tape(10);
        send(&frames, "data");
        let mut trailers = http::HeaderMap::new();
        trailers.insert("authorization", http::HeaderValue::from_static("Bearer other"));
        frames.send(Ok(Frame::trailers(trailers))).unwrap();
        drop(frames);
        let collected = tape.play().collect().await.unwrap();
        assert!(collected.trailers().is_none());
        assert_eq!(collected.to_bytes(), "data");
    }

    #[tokio::test]
    async fn a_broken_caller_is_remembered() {
        let (frames, tape) = tape(10);
        frames.send(Err(ContentError::Paused)).unwrap();
        assert!(tape.play().frame().await.unwrap().is_err());
        assert_eq!(tape.failure().unwrap().code(), Code::CallerTimeout);
    }
}
