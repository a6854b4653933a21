//! The vocabulary of these tests: cases in text files, a caller and an upstream that speak bytes, and
//! the process between them.

mod answer;
mod caller;
mod case;
mod process;
mod sidecar;
mod spelling;
mod upstream;
mod verdict;

use std::time::Duration;

use webwork_sidecar::clock;

pub(crate) use answer::Seen;
pub(crate) use caller::{Heard, Manner, Until, hear, talk};
pub(crate) use case::{Case, Group};
pub(crate) use process::{Bill, allow_descriptors};
pub(crate) use sidecar::{Door, SECRETS, Sidecar, write};
pub(crate) use spelling::{Spelt, Words, spell};
pub(crate) use upstream::{HONEST, Request, Upstream};

/// All the memory that the process may ever use, KiB.
pub(crate) const MEMORY: u64 = 64 << 10;

/// No awaited event takes longer, or the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);

/// Waits for something that nobody announces, such as a number in `/proc`.
pub(crate) fn until(what: &str, mut happened: impl FnMut() -> bool) {
    let start = clock::now();
    while !happened() {
        assert!(clock::now().since(start) < PATIENCE, "{what}: not within {PATIENCE:?}");
        std::thread::park_timeout(Duration::from_millis(5));
    }
}

/// Tells what a passing test would keep to itself.
pub(crate) fn report(line: &str) {
    use std::io::Write;
    // What a test prints is shown only when it fails; this goes past that.
    let mut terminal = std::io::stderr();
    writeln!(terminal, "{line}").unwrap();
}
