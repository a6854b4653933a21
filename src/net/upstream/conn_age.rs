//! When a connection was made and last used, and whether it has carried a request.

use std::cell::Cell;

use tokio::time::Instant;

use super::config::Config;
use super::failure::Provenance;

/// The times of one connection.
#[derive(Debug)]
pub(super) struct ConnAge {
    born: Instant,
    last_use: Cell<Instant>,
    carried: Cell<bool>,
}

impl ConnAge {
    pub(super) fn new() -> Self {
        let born = Instant::now();
        Self { born, last_use: Cell::new(born), carried: Cell::new(false) }
    }

    /// Notes a request, and returns whether the connection had carried one before.
    pub(super) fn carry(&self) -> Provenance {
        if self.carried.replace(true) { Provenance::Reused } else { Provenance::New }
    }

    /// Whether the next request is the first one.
    pub(super) fn provenance(&self) -> Provenance {
        if self.carried.get() { Provenance::Reused } else { Provenance::New }
    }

    pub(super) fn touch(&self) {
        self.last_use.set(Instant::now());
    }

    /// Returns true if the upstream may have closed the connection by now because it was not used.
    pub(super) fn is_stale(&self, config: &Config) -> bool {
        self.last_use.get().elapsed() > config.idle_timeout
    }

    /// Returns true if new requests should go to a new connection, so that address changes are followed.
    pub(super) fn is_old(&self, config: &Config) -> bool {
        self.born.elapsed() > config.max_age
    }
}
