//! The promises, kept by the whole sidecar before a simulated service, and the way of a request with
//! real sockets on both sides.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::print_stdout,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed, and one that can may show its figures"
)]

mod admin;
mod answers;
mod canary;
mod connections;
mod content;
mod cors;
mod doubt;
mod early;
mod fields;
mod framing;
mod guard;
mod health;
mod http10;
mod http2;
mod late;
mod limits;
mod log;
mod metrics;
mod page;
mod policy;
mod proxies;
mod restart;
mod retries;
mod robustness;
mod rotation;
mod sign_in;
mod store;
mod support;
mod targets;
mod tls;
mod token;
mod truth;
mod unauthorized;
mod uploads;
mod volume;
