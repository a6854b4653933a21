//! Answers to callers that speak HTTP/1.0.
//!
//! HTTP/1.0 has no chunks: content of unknown length ends with its connection. Whether all of it has arrived, only
//! the caller's kernel can tell: an orderly end says so, and a reset denies it.

use std::cell::Cell;
use std::rc::Weak;

use http::header::{CONNECTION, HeaderValue};
use http::{Response, Version};
use http_body::Body;

use super::line::Line;

/// How a connection to such a caller must end.
#[derive(Debug)]
pub(super) struct Ending {
    line: Weak<dyn Line>,
    is_http10: Cell<bool>,
    /// The content that is being sent must not look whole yet.
    is_open: Cell<bool>,
}

impl Ending {
    pub(super) fn new(line: Weak<dyn Line>) -> Self {
        Self { line, is_http10: Cell::new(false), is_open: Cell::new(false) }
    }

    /// Prepares an answer. hyper closes the connection behind content of unknown length, but tells a caller that has
    /// asked for it that the connection stays open.
    pub(super) fn settle<B: Body>(&self, response: &mut Response<B>) {
        self.is_http10.set(true);
        let content = response.body();
        if !content.is_end_stream() && content.size_hint().exact().is_none() {
            response.headers_mut().insert(CONNECTION, HeaderValue::from_static("close"));
            self.open();
        }
        if response.headers().contains_key(CONNECTION) {
            // hyper adds `keep-alive` to the `close` of an answer of a later version.
            *response.version_mut() = Version::HTTP_10;
        }
    }

    /// The content of an answer has broken off.
    pub(super) fn break_off(&self) {
        if self.is_http10.get() {
            self.open();
        }
    }

    /// The connection ends in good order.
    pub(super) fn close(&self) {
        if self.is_open.replace(false)
            && let Some(line) = self.line.upgrade()
        {
            line.ends_with_reset(false);
        }
    }

    /// Whether the content is not whole, so that the connection ends with a reset.
    pub(super) fn is_open(&self) -> bool {
        self.is_open.get()
    }

    /// From now on the connection ends with a reset, whoever ends it.
    fn open(&self) {
        self.is_open.set(true);
        if let Some(line) = self.line.upgrade() {
            line.ends_with_reset(true);
        }
    }
}
