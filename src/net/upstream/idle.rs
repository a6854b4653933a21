//! Idle HTTP/1.1 connections.

use super::Freshness;
use super::http1::Http1Conn;

/// Two stacks of connections: the one used last is the least likely to be closed.
///
/// A server that sends content where there must be none (204, 304, HEAD) does so right behind its
/// answer, where it can meet the next request. A request that may be sent again finds out whether it does;
/// any other one gets another connection.
#[derive(Debug)]
pub(super) struct Idle<B> {
    clean: Vec<Http1Conn<B>>,
    /// Those whose last answer had no content.
    suspect: Vec<Http1Conn<B>>,
}

/// Connections that are kept from requests that may not be sent again. Of more, they get the one that has
/// rested longest, or every POST that is answered with a 204 would cost a connection.
const MOST_SUSPECTS: usize = 8;

impl<B> Default for Idle<B> {
    fn default() -> Self {
        Self { clean: Vec::new(), suspect: Vec::new() }
    }
}

impl<B> Idle<B> {
    pub(super) fn push(&mut self, connection: Http1Conn<B>) {
        let stack = if connection.is_suspect() { &mut self.suspect } else { &mut self.clean };
        stack.push(connection);
    }

    /// The next connection for a request.
    pub(super) fn pop(&mut self, freshness: Freshness) -> Option<Http1Conn<B>> {
        match freshness {
            Freshness::Any => self.suspect.pop().or_else(|| self.clean.pop()),
            Freshness::Checked => self.clean.pop().or_else(|| {
                let is_full = self.suspect.len() >= MOST_SUSPECTS;
                is_full.then(|| self.suspect.remove(0))
            }),
            Freshness::New => None,
        }
    }

    /// Drops the others.
    pub(super) fn retain(&mut self, is_usable: impl Fn(&Http1Conn<B>) -> bool) {
        self.clean.retain(&is_usable);
        self.suspect.retain(is_usable);
    }

    pub(super) fn len(&self) -> usize {
        self.clean.len() + self.suspect.len()
    }

    pub(super) fn is_empty(&self) -> bool {
        self.len() == 0
    }
}
