//! Decides whether a request that got no response is sent again, and when.
//!
//! Two kinds are told apart. A connection that died while it was idle costs at most one further attempt, and
//! only where the upstream cannot have acted twice. A request that the upstream refused unread (RFC 9113 §8.7)
//! is sent again whatever its method, until a time is over: it was never processed, and the upstream only
//! asks for another moment or another connection.

use std::time::Duration;

use http::{Method, Response, StatusCode};
use tokio::time::Instant;

use crate::net::upstream::{self, Cause, Exposure, Failure, Freshness, Provenance, RequestContent};

/// The further attempts of one request.
#[derive(Debug)]
pub(super) struct Retries {
    /// A connection has died over the request.
    met_dead_connection: bool,
    /// Requests that the upstream had answered at the last refusal of this one.
    answered: Option<u64>,
    first_refusal: Option<Instant>,
    next_pause: Duration,
    paused: Duration,
}

/// When to send a request again, and on which connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Retry {
    pub(super) pause: Duration,
    pub(super) freshness: Freshness,
}

const FIRST_PAUSE: Duration = Duration::from_millis(1);
const LONGEST_PAUSE: Duration = Duration::from_millis(250);

/// How long a request is kept away from an upstream that refuses it and serves no other one, in all.
const PATIENCE: Duration = Duration::from_secs(10);

/// How long a request is sent again in all that the upstream refuses while it serves others.
const LONGEST: Duration = Duration::from_secs(60);

impl Retries {
    pub(super) fn new() -> Self {
        Self {
            met_dead_connection: false,
            answered: None,
            first_refusal: None,
            next_pause: FIRST_PAUSE,
            paused: Duration::ZERO,
        }
    }

    /// Returns when to send a request again whose content is still here, or `None` if it must not be, or no
    /// more.
    pub(super) fn after(&mut self, method: &Method, failure: &Failure) -> Option<Retry> {
        if !matches!(failure.cause(), Cause::Closed(_)) {
            return None;
        }
        match failure.exposure() {
            Exposure::Refused => self.refused(failure),
            Exposure::Unprocessed => self.dead_connection(),
            // RFC 9110 §9.2.2, RFC 9112 §9.3.1: only if once or twice makes no difference, and only if an
            // idle connection was dead: a new one that dies over a request will do so again.
            Exposure::Unanswered
                if method.is_idempotent() && failure.provenance() == Provenance::Reused =>
            {
                self.dead_connection()
            }
            Exposure::Unanswered | Exposure::Begun => None,
        }
    }

    /// Returns when to send a request again that was answered with a 408. A server may announce with it that
    /// it closes an idle connection, before the request arrived (RFC 9110 §15.5.9).
    pub(super) fn after_response<B: RequestContent>(
        &mut self,
        method: &Method,
        response: &Response<upstream::Content<B>>,
    ) -> Option<Retry> {
        let announces_close = response.status() == StatusCode::REQUEST_TIMEOUT
            && response.body().provenance() == Provenance::Reused
            && method.is_idempotent();
        if announces_close { self.dead_connection() } else { None }
    }

    fn dead_connection(&mut self) -> Option<Retry> {
        let is_first = !std::mem::replace(&mut self.met_dead_connection, true);
        is_first.then_some(Retry { pause: Duration::ZERO, freshness: Freshness::New })
    }

    /// An upstream that serves other requests meanwhile has taken them first, so the next attempt comes at once.
    /// One that serves none is left alone for a moment, or every request would cost it connections.
    fn refused(&mut self, failure: &Failure) -> Option<Retry> {
        let since = *self.first_refusal.get_or_insert_with(Instant::now);
        if since.elapsed() > LONGEST {
            return None;
        }
        let answered = failure.answered();
        let serves_others = self.answered.replace(answered).is_none_or(|before| answered > before);
        if serves_others {
            (self.next_pause, self.paused) = (FIRST_PAUSE, Duration::ZERO);
        }
        if serves_others || failure.may_retry_at_once() {
            return Some(Retry { pause: Duration::ZERO, freshness: Freshness::Checked });
        }
        self.pause()
    }

    fn pause(&mut self) -> Option<Retry> {
        let pause = self.next_pause;
        self.paused += pause;
        self.next_pause = (pause * 2).min(LONGEST_PAUSE);
        (self.paused <= PATIENCE).then_some(Retry { pause, freshness: Freshness::Checked })
    }
}
