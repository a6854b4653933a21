//! The real binary, as a system sees it: exit codes, signals, kill -9, broken disks and jumping clocks.
//!
//! What a host does not permit (tracing, mounting, time namespaces) is left out and says so; with
//! `CI=true` that is a failure. `KILLS`, `ROTATIONS` and `PATIENCE_TEST` ask for more than an ordinary
//! run, `SEED` for the same again, and `BIN` names another build of the binary, such as the release build.

#![allow(
    clippy::expect_used,
    clippy::panic,
    clippy::unwrap_used,
    clippy::print_stderr,
    reason = "a test that cannot go on has failed, and one that was left out says so"
)]

mod agreement;
mod clients;
mod clocks;
mod commands;
mod confined;
mod crashes;
mod disks;
mod doctor;
mod endings;
mod kills;
mod lifecycle;
mod limits;
mod logged;
mod manager;
mod names;
mod offline;
mod pairs;
mod planted;
mod proxies;
mod roots;
mod sign_in;
mod starts;
mod support;
mod terminal;
