//! What is in the memory of the real binary stays there, whoever of its own user asks.

use std::fs;
use std::os::unix::fs::{MetadataExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Signal, geteuid};

use crate::support::{Credential, Outcome, Place, Process, Service, binary, left_out, until};

/// A user that is not root, as every sidecar should have one: root may look at everything.
const NOBODY: u32 = 65_534;

/// A process that hides nothing, to show that this host lets others look.
fn open_book(uid: u32) -> Process {
    let mut command = Command::new("sleep");
    command.arg("600").uid(uid);
    Process::start(command)
}

/// Whether a program of this user could read that file of the process.
fn is_read(uid: u32, process: &Process, file: &str) -> bool {
    let mut command = Command::new("cat");
    command.arg(format!("/proc/{}/{file}", process.pid())).uid(uid);
    let command = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null());
    command.status().unwrap().success()
}

/// A copy of the binary that every user can start, and a place that belongs to this one.
fn given_to(uid: u32, place: &Place) -> Command {
    let copy = place.path("webwork-sidecar");
    fs::copy(binary(), &copy).unwrap();
    give(copy.parent().unwrap(), uid);
    let mut command = Command::new(copy);
    command.args(["run", "--config"]).arg(place.configuration()).uid(uid).gid(uid);
    command
}

fn give(path: &Path, uid: u32) {
    if path.is_dir() {
        fs::read_dir(path).unwrap().for_each(|entry| give(&entry.unwrap().path(), uid));
    }
    chown(path, Some(uid), Some(uid)).unwrap();
}

#[test]
fn a_program_of_the_same_user_cannot_look_inside() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let (uid, command) = match geteuid() {
        root if root.is_root() => (NOBODY, given_to(NOBODY, &place)),
        own => (own.as_raw(), place.command("run")),
    };
    let sidecar = Process::listening(command);
    sidecar.has_token();
    let book = open_book(uid);
    for file in ["environ", "maps", "auxv", "io"] {
        assert!(!is_read(uid, &sidecar, file), "{file}");
        until("a process that hides nothing can be read", || is_read(uid, &book, file));
    }
    let owner =
        |process: &Process| fs::metadata(format!("/proc/{}/mem", process.pid())).unwrap().uid();
    assert_eq!((owner(&sidecar), owner(&book)), (0, uid));
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    sidecar.stop();
}

/// Ends a process by SIGABRT, as a crash does, where the system has been told to keep cores.
fn aborted(process: Process) -> ExitStatus {
    process.signal(Signal::ABORT);
    let status = process.ended();
    assert_eq!(status.signal(), Some(6), "{status}");
    status
}

/// The command in a shell that allows core files of any size, if this host does.
fn with_cores(place: &Place, command: &Command) -> Command {
    let mut shell = Command::new("sh");
    shell.args(["-c", "ulimit -c unlimited; exec \"$@\"", "sh"]).current_dir(place.path(""));
    shell.arg(command.get_program()).args(command.get_args());
    shell
}

#[test]
fn a_crash_leaves_no_core_file() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let sidecar = Process::listening(with_cores(&place, &place.command("run")));
    sidecar.has_token();
    let limits = fs::read_to_string(format!("/proc/{}/limits", sidecar.pid())).unwrap();
    let core = limits.lines().find(|line| line.starts_with("Max core file size")).unwrap();
    let words: Vec<_> = core.split_whitespace().collect();
    assert_eq!(words[4..6], ["0", "0"], "soft and hard limit: {core}");
    assert!(!aborted(sidecar).core_dumped());

    let mut sleep = Command::new("sleep");
    sleep.arg("600");
    let book = Process::start(with_cores(&place, &sleep));
    until("the shell has become the program", || {
        fs::read_to_string(format!("/proc/{}/comm", book.pid())).unwrap() == "sleep\n"
    });
    if !aborted(book).core_dumped() {
        left_out("this host keeps no core file of any process");
    }
}

#[test]
fn every_command_that_reads_secrets_is_confined() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    for arguments in [&["check"][..], &["status"], &["refresh"]] {
        let mut command = Command::new("strace");
        command.args(["-f", "-qq", "-e", "prctl,prlimit64,openat"]).arg(binary());
        command.args(arguments).arg("--config").arg(place.configuration());
        let calls = Outcome::of(command).trouble;
        let at = |call: &str| calls.find(call).unwrap_or_else(|| panic!("no {call} in {calls}"));
        let read = at("sidecar.toml");
        assert!(at("PR_SET_DUMPABLE") < read && at("RLIMIT_CORE") < read, "{arguments:?}: {calls}");
    }
}
