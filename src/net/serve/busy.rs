//! A request being served.

use std::rc::Rc;

use super::flow::Flow;
use super::seat::Seat;
use super::watched::Seated;
use crate::net::memory::Held;

/// A request is being served, with the memory that it may need.
#[derive(Debug)]
pub(super) struct Busy {
    seat: Rc<Seat>,
    held: Held,
}

impl Busy {
    pub(super) fn new(seat: Rc<Seat>) -> Self {
        Self { seat, held: Held::default() }
    }

    /// Holds this memory until the response has ended.
    pub(super) fn hold(&mut self, held: Held) {
        self.held = held;
    }

    pub(super) fn seat(&self) -> &Seat {
        &self.seat
    }

    /// Stays busy until the body of the answer is dropped.
    pub(super) fn with<B>(self, body: B) -> Seated<B> {
        Seated::new(body, self)
    }

    /// How much of the answer waits for the caller.
    pub(super) fn flow(&self) -> &Flow {
        self.seat.flow()
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        self.seat.rest();
    }
}
