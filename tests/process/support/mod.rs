//! The vocabulary of these tests: a simulated service, a place for configuration and state, and
//! processes that never outlive their test.

mod http;
mod mounts;
mod names;
mod place;
mod process;
mod relay;
mod service;
mod truth;

use std::path::PathBuf;
use std::time::Duration;

use webwork_sidecar::clock;

pub(crate) use http::{Answer, ask, get};
pub(crate) use mounts::Mount;
pub(crate) use names::{Names, Said};
pub(crate) use place::{Credential, Place, write};
pub(crate) use process::{Outcome, Process, traced};
pub(crate) use relay::{Outbound, Relay, carry};
pub(crate) use service::{Service, quiet};
pub(crate) use truth::{Truth, expected, finds, settle, truth};

/// No awaited event takes longer, or the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(45);

/// Waits for something that nobody announces, such as a file of another process.
pub(crate) fn until(what: &str, happened: impl FnMut() -> bool) -> Duration {
    within(PATIENCE, what, happened)
}

/// Waits like [`until`], with a limit that is a promise of the product; returns how long it took.
pub(crate) fn within(limit: Duration, what: &str, happened: impl FnMut() -> bool) -> Duration {
    awaited(limit, happened).unwrap_or_else(|| panic!("{what}: not within {limit:?}"))
}

/// How long it took until it happened; `None` if it did not within the limit.
fn awaited(limit: Duration, mut happened: impl FnMut() -> bool) -> Option<Duration> {
    let start = clock::now();
    loop {
        let passed = clock::now().since(start);
        if happened() {
            return Some(passed);
        }
        if passed >= limit {
            return None;
        }
        pause(Duration::from_millis(5));
    }
}

/// Lets time pass: between two looks, or until a random moment.
pub(crate) fn pause(span: Duration) {
    std::thread::park_timeout(span);
}

/// A variable that changes how a test is run.
#[expect(
    clippy::disallowed_methods,
    reason = "tests are chosen by the environment, not configured"
)]
pub(crate) fn chosen(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}

/// How often something is to be done: the number in the variable, or this many times.
pub(crate) fn times(variable: &str, otherwise: u32) -> u32 {
    chosen(variable).map_or(otherwise, |number| number.parse().expect("a number"))
}

/// The binary under test.
pub(crate) fn binary() -> PathBuf {
    chosen("BIN").map_or_else(|| env!("CARGO_BIN_EXE_webwork-sidecar").into(), PathBuf::from)
}

/// Says that this host does not permit a test. Where nothing may be left out, that is a failure.
pub(crate) fn left_out(why: &str) {
    assert!(chosen("CI").as_deref() != Some("true"), "in CI nothing may be left out: {why}");
    eprintln!("LEFT OUT: {why}");
}
