//! A panic tells its place, and nothing that was at hand: before there is a log, and in either format
//! of it.
//!
//! Standard error belongs to a process, so each case runs in one of its own: this binary once more.

#![allow(clippy::expect_used, clippy::panic, clippy::unwrap_used, reason = "these are tests")]

use std::process::{Command, Stdio};
use std::thread;

use webwork_sidecar::telemetry::log::{self, Config, Format};
use webwork_sidecar::telemetry::panics::{self, Defect};

/// What the panics say. Each half by itself is in the source, and so could be in a path.
const CANARY: &str = "canary-f3a9";

/// Set in the processes that are to panic: which log they start.
const CASE: &str = "PANIC_CASE";

#[test]
fn a_panic_shows_its_place_and_nothing_else() {
    for case in ["none", "json", "text"] {
        let output = Command::new(std::env::current_exe().unwrap())
            .args(["--exact", "the_process_that_panics", "--nocapture", "--test-threads=1"])
            .args(["--ignored"])
            .env(CASE, case)
            .env("RUST_BACKTRACE", "full")
            .stdin(Stdio::null())
            .output()
            .unwrap();
        let said = [output.stdout, output.stderr].concat();
        let said = String::from_utf8(said).unwrap();
        assert!(output.status.success(), "{case}: {said}");
        assert!(!said.contains(CANARY), "{case}: {said}");
        let lines: Vec<_> = said.lines().filter(|line| line.contains(file!())).collect();
        assert_eq!(lines.len(), 3, "{case}: {said}");
        for line in lines {
            assert!(line.contains("a defect ended a task; please report it"), "{case}: {line}");
            assert_eq!(line.starts_with('{'), case == "json", "{line}");
        }
        assert!(said.contains("Defect: a defect ended a task\n"), "{said}");
    }
}

/// Panics in every way that shows a text: formatted, unwrapped, in a task.
#[test]
#[ignore = "the other test runs it, in a process of its own"]
#[expect(
    clippy::disallowed_methods,
    reason = "the one way to tell a process of its own what to do"
)]
fn the_process_that_panics() {
    panics::mute();
    let format = match std::env::var(CASE).as_deref() {
        Ok("json") => Some(Format::Json),
        Ok("text") => Some(Format::Text),
        _ => None,
    };
    // Written out when the test is over.
    let _log = format.map(|format| log::start(&Config { format, ..Config::default() }));
    assert!(thread::spawn(|| panic!("{CANARY}")).join().is_err());
    assert!(thread::spawn(|| failed().unwrap()).join().is_err());
    let runtime = tokio::runtime::Builder::new_current_thread().build().unwrap();
    let ended = runtime.block_on(async { tokio::spawn(async { panic!("{CANARY}") }).await });
    let error = ended.unwrap_err();
    assert!(error.to_string().contains(CANARY), "what tokio tells needs no Defect any more");
    let defect = std::io::Error::from(Defect::from(error));
    eprintln!("Defect: {defect}");
}

fn failed() -> Result<(), String> {
    Err(CANARY.to_owned())
}
