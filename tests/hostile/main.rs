//! Hostile callers and hostile upstreams against the real binary, byte for byte.
//!
//! ```text
//! cases/*.txt      what is sent, by whom, and the verdict: a line for each case
//! suite            which files are played where: nearly all with the default configuration, slow and
//!                  silent peers with short limits instead of long waits, and callers without a key
//! stage            how a case is played, and the bill at the end: memory, descriptors, secrets
//! certificates     upstreams that cannot prove who they are
//! threats          every line of the threat model has its cases
//! ```
//!
//! After every case nothing of it may have reached the upstream, no secret may be in any answer, and
//! the next honest request is answered. `BIN=path` tries another build of the binary.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    reason = "a test that cannot go on has failed"
)]

mod certificates;
mod stage;
mod suite;
mod support;
mod threats;
