//! A connection to the upstream in the figures.

use std::sync::Arc;

use crate::telemetry::Counters;

/// Counts a connection for as long as it lives.
pub(super) struct Counted(Arc<Counters>);

impl Counted {
    pub(super) fn new(counters: &Arc<Counters>) -> Self {
        counters.opened();
        Self(Arc::clone(counters))
    }
}

impl Drop for Counted {
    fn drop(&mut self) {
        self.0.closed();
    }
}
