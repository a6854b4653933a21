//! One line in the log, and one place in the counters, for each request.

use std::rc::Rc;

use bytes::Bytes;
use http::{HeaderMap, Method, Response, StatusCode, request};

use super::response::Body;
use super::service::Proxy;
use crate::clock::{self, Moment};
use crate::telemetry::Origin;
use crate::token::current::Bearer;

/// A request from its head to the last byte of its answer, however it ends.
#[derive(Debug)]
pub(super) struct Entry {
    proxy: Rc<Proxy>,
    /// The token that the request carried last.
    bearer: Option<Bearer>,
    /// Not there when nobody reads it: a clock and a copy of the path are not for nothing.
    line: Option<Box<Line>>,
}

#[derive(Debug)]
struct Line {
    method: Method,
    /// Without the query, which may hold what a log should not.
    path: String,
    began: Moment,
    answered: Option<Moment>,
    status: Option<StatusCode>,
    bytes: u64,
}

impl Entry {
    pub(super) fn begin(proxy: Rc<Proxy>, head: &request::Parts) -> Self {
        proxy.counters().began();
        let line = proxy.config().access_log.then(|| {
            Box::new(Line {
                method: head.method.clone(),
                path: head.uri.path().to_owned(),
                began: clock::now(),
                answered: None,
                status: None,
                bytes: 0,
            })
        });
        Self { proxy, bearer: None, line }
    }

    /// The request was sent with this token.
    pub(super) fn carried(&mut self, bearer: &Bearer) {
        self.bearer = Some(bearer.clone());
    }

    /// Drops fields of the response that have the request's token in them.
    pub(super) fn clean_echoes(&self, fields: &mut HeaderMap) {
        if let Some(bearer) = &self.bearer {
            self.proxy.clean_echoes(fields, bearer);
        }
    }

    /// The head of the answer is known.
    pub(super) fn answered(&mut self, status: StatusCode, origin: Origin) {
        self.proxy.counters().answered(status, origin);
        if let Some(line) = &mut self.line {
            line.status = Some(status);
            line.answered = Some(clock::now());
        }
    }

    /// The answer is one of the sidecar's own.
    pub(super) fn own(mut self, response: Response<Bytes>) -> Response<Body> {
        self.answered(response.status(), Origin::Sidecar);
        response.map(|content| Body::own(content, self))
    }

    /// Content went to the caller.
    pub(super) fn sent(&mut self, bytes: usize) {
        if let Some(line) = &mut self.line {
            line.bytes += bytes as u64;
        }
    }
}

impl Drop for Entry {
    fn drop(&mut self) {
        self.proxy.counters().ended();
        let Some(line) = self.line.take() else { return };
        let now = clock::now();
        let millis = |moment: Moment| moment.since(line.began).as_secs_f64() * 1e3;
        tracing::info!(
            target: "access",
            method = %line.method,
            path = line.path,
            status = line.status.map(|status| status.as_u16()),
            bytes = line.bytes,
            head_ms = line.answered.map(millis),
            total_ms = millis(now),
            generation = self.bearer.as_ref().map(|bearer| bearer.generation().0),
        );
    }
}
