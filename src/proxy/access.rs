//! One line in the log, and one place in the counters, for each request.

use std::rc::Rc;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, request};

use super::response::Body;
use super::service::Proxy;
use crate::answer::Answer;
use crate::clock::Stopwatch;
use crate::telemetry::{Kind, Origin};
use crate::token::current::{Bearer, Renewal};

/// A request from its head to the last byte of its answer, however it ends.
#[derive(Debug)]
pub(super) struct Entry {
    proxy: Rc<Proxy>,
    kind: Kind,
    began: Stopwatch,
    /// How long the upstream was waited for.
    waited: Duration,
    status: Option<StatusCode>,
    /// The token that the request carried last.
    bearer: Option<Bearer>,
    /// Not there when nobody reads it: a copy of the path is not for nothing.
    line: Option<Box<Line>>,
}

#[derive(Debug)]
struct Line {
    method: Method,
    /// Without the query, which may hold what a log should not.
    path: String,
    /// The trace that the caller's request belongs to: W3C Trace Context.
    trace: Option<String>,
    head: Option<Duration>,
    bytes: u64,
    /// `error.code` of an answer of the sidecar's own.
    code: Option<&'static str>,
}

impl Entry {
    pub(super) fn begin(proxy: Rc<Proxy>, head: &request::Parts) -> Self {
        proxy.counters().began();
        let line = proxy.config().access_log.then(|| {
            Box::new(Line {
                method: head.method.clone(),
                path: head.uri.path().to_owned(),
                trace: trace_id(&head.headers),
                head: None,
                bytes: 0,
                code: None,
            })
        });
        let (kind, began) = (Kind::from(&head.method), Stopwatch::start());
        Self { proxy, kind, began, waited: Duration::ZERO, status: None, bearer: None, line }
    }

    /// The request was sent with this token.
    pub(super) fn carried(&mut self, bearer: &Bearer) {
        self.bearer = Some(bearer.clone());
    }

    /// Whether the request carried a personal access token.
    pub(super) fn is_personal(&self) -> bool {
        self.bearer.as_ref().is_some_and(|bearer| bearer.renewal() == Renewal::Person)
    }

    /// The upstream took so long, with its connection, to answer or to fail.
    pub(super) fn waited(&mut self, span: Duration) {
        self.waited += span;
    }

    /// Drops fields of the response that have the request's token in them.
    pub(super) fn clean_echoes(&self, fields: &mut HeaderMap) {
        if let Some(bearer) = &self.bearer {
            self.proxy.clean_echoes(fields, bearer);
        }
    }

    /// The head of the answer is known.
    pub(super) fn answered(&mut self, status: StatusCode, origin: Origin) {
        let took = self.began.elapsed();
        let counters = self.proxy.counters();
        counters.answered(self.kind, status, origin);
        counters.added(took.saturating_sub(self.waited));
        self.status = Some(status);
        if let Some(line) = &mut self.line {
            line.head = Some(took);
        }
    }

    /// The answer is the sidecar's, because there is none of the upstream's.
    pub(super) fn refuse(mut self, answer: Answer) -> Response<Body> {
        if let Some(line) = &mut self.line {
            line.code = Some(answer.code().as_str());
        }
        self.proxy.counters().refused(answer.code() as usize);
        self.own(answer.into_response())
    }

    /// The answer is one of the sidecar's own.
    pub(super) fn own(mut self, response: Response<Bytes>) -> Response<Body> {
        self.answered(response.status(), Origin::Sidecar);
        response.map(|content| Body::own(content, self))
    }

    /// Content went to the caller.
    pub(super) fn sent(&mut self, bytes: usize) {
        self.proxy.counters().sent(bytes);
        if let Some(line) = &mut self.line {
            line.bytes += bytes as u64;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        let total = self.began.elapsed();
        self.proxy.counters().ended();
        if self.status.is_some() {
            self.proxy.counters().took(total);
        }
        let Some(line) = self.line.take() else { return };
        // To the microsecond: more digits are noise.
        let millis = |span: Duration| span.as_micros() as f64 / 1e3;
        tracing::info!(
            target: "access",
            method = %line.method,
            path = line.path,
            trace_id = line.trace,
            status = self.status.map(|status| status.as_u16()),
            error.code = line.code,
            bytes = line.bytes,
            head_ms = line.head.map(millis),
            total_ms = millis(total),
            generation = self.bearer.as_ref().map(|bearer| bearer.generation().0),
        );
    }
}

/// The trace's id in a `traceparent` of version 00, which passes to the upstream as it is. Anything else
/// would put a caller's text into the log.
fn trace_id(fields: &HeaderMap) -> Option<String> {
    let value = fields.get("traceparent")?.to_str().ok()?;
    let parts: Vec<_> = value.split('-').collect();
    let [version, trace, parent, flags] = parts.as_slice() else { return None };
    let is_hex = |part: &str, length| {
        part.len() == length && part.bytes().all(|it| matches!(it, b'0'..=b'9' | b'a'..=b'f'))
    };
    let is_id = |part: &str, length| is_hex(part, length) && part.bytes().any(|it| it != b'0');
    let valid = *version == "00" && is_id(trace, 32) && is_id(parent, 16) && is_hex(flags, 2);
    valid.then(|| (*trace).to_owned())
}

#[cfg(test)]
mod tests {
    use http::HeaderValue;

    use super::*;

    #[test]
    fn a_trace_is_known_by_its_id_and_nothing_else_is_taken_for_one() {
        let trace = "4bf92f3577b34da6a3ce929d0e0e4736";
        let (parent, none) = ("00f067aa0ba902b7", "0".repeat(32));
        for (value, told) in [
            (format!("00-{trace}-{parent}-01"), Some(trace.to_owned())),
            (format!("00-{none}-{parent}-01"), None),
            (format!("00-{trace}-0000000000000000-01"), None),
            (format!("01-{trace}-{parent}-01"), None),
            (format!("00-{}-{parent}-01", trace.to_uppercase()), None),
            (format!("00-{trace}-{parent}-01-more"), None),
            ("\"}".to_owned(), None),
        ] {
            let field = HeaderValue::from_str(&value).unwrap();
            let fields: HeaderMap =
                [(http::HeaderName::from_static("traceparent"), field)].into_iter().collect();
            assert_eq!(trace_id(&fields), told, "{value}");
        }
    }
}
