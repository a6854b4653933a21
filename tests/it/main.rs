//! The promises, kept by the whole sidecar before a simulated service, and the way of a request with
//! real sockets on both sides.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod connections;
mod content;
mod fields;
mod limits;
mod log;
mod rotation;
mod support;
mod tls;
mod token;
