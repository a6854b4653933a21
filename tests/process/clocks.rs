//! Clocks that jump, stand still or are wrong: the refresh comes within seconds of being due, and
//! there is no storm.
//!
//! `libfaketime` moves the wall clock alone; the boot clock goes on as it is. Suspend is imitated by a
//! process that stands still while its wall clock moves: its timers have not seen the time pass, and
//! only the wall clock tells. A boot clock cannot be moved under a running process; that either clock
//! alone is enough is shown by unit tests with both.

use std::fs;
use std::path::PathBuf;
use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use webwork_sidecar::clock;
use webwork_sidecar::simulator::{Config, Security, TokenKind};

use crate::support::{Place, Process, Service, left_out, pause, quiet, until, within, write};

/// The longest time from a refresh that is due to the new token.
const PROMPT: Duration = Duration::from_secs(5);

/// Long enough for a storm to show.
const WATCH: Duration = Duration::from_secs(3);

/// A sidecar whose wall clock a test moves.
struct Timed {
    service: Service,
    place: Place,
    library: PathBuf,
}

impl Timed {
    /// `None` if the library is not there.
    fn with(access_life: Duration) -> Option<Self> {
        let found = fs::read_dir("/usr/lib").into_iter().flatten().flatten().find_map(|entry| {
            let library = entry.path().join("faketime/libfaketime.so.1");
            library.exists().then_some(library)
        });
        let Some(library) = found else {
            left_out("libfaketime is not installed");
            return None;
        };
        let service = Service::start(Config { access_life, ..quiet() }, Security::Tls);
        let place = Place::rotating(&service, 0.5);
        Some(Self { service, place, library })
    }

    /// Sets the process's wall clock apart from ours, such as `+1d`.
    fn set(&self, offset: &str) {
        write(&self.path(".new"), offset);
        // Read in between, it is the old offset or the new one.
        fs::rename(self.path(".new"), self.path("")).unwrap();
    }

    fn path(&self, suffix: &str) -> PathBuf {
        self.place.path(&format!("offset{suffix}"))
    }

    fn run(&self) -> Process {
        let mut command = self.place.command("run");
        command.env("LD_PRELOAD", &self.library).env("FAKETIME_TIMESTAMP_FILE", self.path(""));
        command.env("FAKETIME_NO_CACHE", "1").env("FAKETIME_DONT_FAKE_MONOTONIC", "1");
        Process::listening(command)
    }

    fn exchanges(&self) -> usize {
        self.service.journal().exchanges().len()
    }

    /// Waits for the exchange with this number, and fails if more than that one come.
    fn exchanges_once(&self, sidecar: &Process, number: usize) {
        within(PROMPT, "the refresh", || self.exchanges() >= number);
        sidecar.has_token();
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
        pause(WATCH);
        assert_eq!(self.exchanges(), number, "a storm: {}", sidecar.last());
        assert_eq!(self.service.journal().reuses(), 0);
    }
}

/// How far the process's clock is from ours, as its log tells.
fn offset(sidecar: &Process) -> i64 {
    let line: serde_json::Value = serde_json::from_str(&sidecar.lines()[0]).unwrap();
    let told: jiff::Timestamp = line["timestamp"].as_str().unwrap().parse().unwrap();
    told.duration_since(clock::now().wall()).as_secs()
}

const DAY: i64 = 86_400;

#[test]
fn a_day_that_is_jumped_over_makes_one_refresh_due() {
    let Some(timed) = Timed::with(Duration::from_secs(3600)) else { return };
    timed.set("+0");
    let sidecar = timed.run();
    assert!(offset(&sidecar).abs() < 60);
    sidecar.has_token();
    timed.set("+1d");
    timed.exchanges_once(&sidecar, 2);
    sidecar.stop();
}

#[test]
fn a_day_that_comes_again_makes_nothing_due_and_delays_nothing() {
    let Some(timed) = Timed::with(Duration::from_secs(16)) else { return };
    timed.set("+1d");
    let sidecar = timed.run();
    assert!((offset(&sidecar) - DAY).abs() < 60, "{}", offset(&sidecar));
    sidecar.has_token();
    let start = clock::now();
    timed.set("+0");
    pause(WATCH);
    assert_eq!(timed.exchanges(), 1, "it is not due yet");
    let due = Duration::from_secs(8).mul_f64(1.05);
    let left = (due + PROMPT).saturating_sub(clock::now().since(start));
    within(left, "the refresh, by the boot clock", || timed.exchanges() == 2);
    timed.exchanges_once(&sidecar, 2);
    sidecar.stop();
}

#[test]
fn a_night_in_suspend_makes_one_refresh_due() {
    let Some(timed) = Timed::with(Duration::from_secs(4 * 3600)) else { return };
    timed.set("+0");
    let sidecar = timed.run();
    sidecar.has_token();
    sidecar.halt();
    timed.set("+8h");
    sidecar.signal(Signal::CONT);
    timed.exchanges_once(&sidecar, 2);
    sidecar.stop();
}

#[test]
fn a_clock_that_was_wrong_at_boot_is_told_and_survived() {
    let Some(timed) = Timed::with(Duration::from_secs(3600)) else { return };
    timed.set("-1000d");
    let sidecar = timed.run();
    assert!(offset(&sidecar) < -900 * DAY);
    sidecar.has_token();
    sidecar.says("the clock of this host differs");
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    timed.set("+0");
    timed.exchanges_once(&sidecar, 2);
    sidecar.stop();
}

#[test]
fn a_stored_token_that_seems_to_come_from_tomorrow_is_not_trusted_past_its_end() {
    let Some(timed) = Timed::with(Duration::from_secs(3600)) else { return };
    timed.set("+1d");
    let sidecar = timed.run();
    sidecar.has_token();
    sidecar.kill();
    timed.set("+0");
    let sidecar = timed.run();
    sidecar.has_token();
    assert_eq!(timed.exchanges(), 1, "nothing is due");
    // By its stored end it would live for a day and an hour.
    timed.service.faults().expire(TokenKind::AccessTokens);
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    assert_eq!(timed.service.journal().grants(), 2);
    sidecar.stop();
}

#[test]
fn the_boot_clock_of_another_boot_says_nothing() {
    let service =
        Service::start(Config { access_life: Duration::from_secs(3600), ..quiet() }, Security::Tls);
    let place = Place::rotating(&service, 0.5);
    let uptime = |command: &mut Command| {
        let output = command.arg("/proc/uptime").output().ok()?;
        let text = String::from_utf8(output.stdout).ok()?;
        text.split('.').next()?.parse::<u64>().ok()
    };
    let shifted = ["--time", "--boottime", "28800"];
    let (here, there) = (
        uptime(&mut Command::new("cat")),
        uptime(Command::new("unshare").args(shifted).arg("cat")),
    );
    if there.unwrap_or_default() < here.unwrap() + 28_000 {
        return left_out("time namespaces are not permitted");
    }
    let sidecar = Process::listening(place.run_under("unshare", &shifted));
    sidecar.has_token();
    sidecar.kill();
    for sidecar in [place.run(), Process::listening(place.run_under("unshare", &shifted))] {
        sidecar.has_token();
        let next = sidecar.report().token.next_exchange_at.unwrap();
        let ahead = next.duration_since(clock::now().wall()).as_secs();
        assert!((1_600..1_900).contains(&ahead), "{ahead}");
        pause(WATCH);
        sidecar.stop();
    }
    assert_eq!(service.journal().exchanges().len(), 1);
}

#[test]
fn refreshes_stay_prompt_when_the_clock_wanders() {
    let Some(timed) = Timed::with(Duration::from_secs(4)) else { return };
    timed.set("+0");
    let sidecar = timed.run();
    sidecar.has_token();
    for offset in ["-1d", "+1d", "-8h", "+0"] {
        let before = timed.exchanges();
        timed.set(offset);
        within(Duration::from_secs(2) + PROMPT, offset, || timed.exchanges() > before);
        until("it is in use", || sidecar.get("/api/v2/workspaces").status == 200);
    }
    let exchanges = timed.exchanges();
    assert!(exchanges <= 12, "a storm: {exchanges}");
    assert_eq!(timed.service.journal().reuses(), 0);
    sidecar.stop();
}
