//! Cuts a drain short.

use std::sync::Arc;

use crate::net::drain::Drainer;

/// Ends a drain that has time left. What must be finished is finished all the same.
#[derive(Debug)]
pub struct Haste(pub(super) Arc<Drainer>);

impl Haste {
    /// Cuts off what still runs.
    pub fn hurry(&self) {
        self.0.hurry();
    }
}
