//! What is in the memory of the real binary stays there, whoever of its own user asks.

use std::fs::{self, File};
use std::os::unix::fs::{FileExt, MetadataExt, chown};
use std::os::unix::process::{CommandExt, ExitStatusExt};
use std::path::Path;
use std::process::{Command, ExitStatus, Stdio};

use rustix::process::{Signal, geteuid};
use webwork_sidecar::token::state::Standing;

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

/// How often a text stands in the memory of a process.
fn copies(process: &Process, text: &str) -> usize {
    let maps = fs::read_to_string(format!("/proc/{}/maps", process.pid())).unwrap();
    let memory = File::open(format!("/proc/{}/mem", process.pid())).unwrap();
    let readable = maps.lines().filter(|line| line.split(' ').nth(1).unwrap().starts_with('r'));
    readable
        .map(|line| {
            let (start, end) = line.split(' ').next().unwrap().split_once('-').unwrap();
            let at = |digits| u64::from_str_radix(digits, 16).unwrap();
            let mut bytes = vec![0; usize::try_from(at(end) - at(start)).unwrap()];
            // The kernel's own pages cannot be read, and nothing of ours is in them.
            memory.read_exact_at(&mut bytes, at(start)).ok();
            String::from_utf8_lossy(&bytes).matches(text).count()
        })
        .sum()
}

/// The tokens that are stored.
fn tokens(place: &Place) -> [String; 2] {
    let record: serde_json::Value =
        serde_json::from_slice(&fs::read(place.grant_file()).unwrap()).unwrap();
    ["access_token", "refresh_token"].map(|name| {
        let token = record["grant"][name].as_str().unwrap();
        // Its end: no other token has it, and a part of it in a reused buffer does not count.
        token[token.len() - 40..].to_owned()
    })
}

#[test]
fn little_is_left_in_memory_of_a_token_that_is_spent() {
    if !geteuid().is_root() {
        return left_out("only root can read the memory of a sidecar");
    }
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    let spent = tokens(&place);
    for generation in 2..5 {
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
        sidecar.order_exchange();
        sidecar.until("the next token", |report| {
            report.token.generation.0 == generation && report.token.state == Standing::Active
        });
    }
    let live = tokens(&place);
    for (token, name) in live.iter().zip(["access token", "refresh token"]) {
        assert!(copies(&sidecar, token) > 0, "the {name} in use is found");
    }
    // A buffer of hyper that received it, one that sent it, and one of rustls between them.
    for (token, name) in spent.iter().zip(["access token", "refresh token"]) {
        let copies = copies(&sidecar, token);
        assert!(copies <= 3, "{copies} copies of a spent {name}");
    }
}
