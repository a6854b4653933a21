//! A connection in the figures.

use crate::telemetry::Counters;

/// Counts a connection for as long as it lives.
pub(super) struct Counted<'a>(&'a Counters);

impl<'a> Counted<'a> {
    pub(super) fn new(counters: &'a Counters) -> Self {
        counters.connected();
        Self(counters)
    }
}

impl Drop for Counted<'_> {
    fn drop(&mut self) {
        self.0.disconnected();
    }
}
