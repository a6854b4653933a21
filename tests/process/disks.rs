//! Disks that are full, read-only or broken: no token is spent that could not be stored, what was
//! granted is not lost, and the end of the trouble is noticed without a restart.

use std::fs::{self, File};
use std::io::Write;
use std::path::PathBuf;
use std::time::Duration;

use webwork_sidecar::token::state::Standing;

use crate::support::{Credential, Mount, Place, Process, Service, left_out, traced, until, within};

/// The longest time from the end of the trouble to the next token.
const RECOVERY: Duration = Duration::from_secs(30);

/// A state directory on a small file system of its own.
fn small_disk(place: &Place) -> Option<Mount> {
    fs::create_dir(place.state()).unwrap();
    let disk = Mount::new(&["-t", "tmpfs", "-o", "size=64k,mode=0700", "tmpfs"], &place.state());
    if disk.is_none() {
        left_out("mounting a file system is not permitted");
    }
    disk
}

/// Fills the disk; returns what to remove to have room again.
fn filled(place: &Place) -> PathBuf {
    let filler = place.state().join("filler");
    let mut file = File::create(&filler).unwrap();
    while file.write_all(&[b'x'; 512]).is_ok() {}
    filler
}

/// Waits until the sidecar has found out a few times that it cannot store anything.
fn fails_to_store(sidecar: &Process, lines: usize, trouble: &str) {
    let (mut from, mut line) = (lines, String::new());
    for _ in 0..2 {
        (from, line) = sidecar.goes_on_to_say("the exchange will be repeated", from);
    }
    assert!(line.contains(trouble), "{line}");
}

#[test]
fn a_full_disk_stops_exchanges_before_they_start() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let Some(_disk) = small_disk(&place) else { return };
    let sidecar = place.run();
    sidecar.has_token();

    let filler = filled(&place);
    let lines = sidecar.lines().len();
    sidecar.order_exchange();
    fails_to_store(&sidecar, lines, "reserve room");
    assert_eq!(service.journal().exchanges().len(), 1, "nothing is sent");
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "the live token stays in use");
    let report = sidecar.report();
    assert_eq!((report.ready, report.token.state), (true, Standing::Retrying));

    fs::remove_file(filler).unwrap();
    sidecar.within(RECOVERY, "the exchange", |report| report.token.generation.0 == 2);
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
    assert_eq!(service.journal().exchanges().len(), 2);
}

#[test]
fn a_full_disk_at_the_first_start_is_told_and_waited_for() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let Some(_disk) = small_disk(&place) else { return };
    let filler = filled(&place);
    let sidecar = place.run();
    fails_to_store(&sidecar, 0, "No space left");
    let answer = sidecar.get("/api/v2/workspaces");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "token_pending");
    assert!(sidecar.probe("/readyz").content.contains("No space left"));
    assert_eq!(service.journal().exchanges(), []);
    fs::remove_file(filler).unwrap();
    sidecar.within(RECOVERY, "the first exchange", |report| report.ready);
}

#[test]
fn a_read_only_disk_stops_exchanges_before_they_start() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let Some(disk) = small_disk(&place) else { return };
    let sidecar = place.run();
    sidecar.has_token();
    until("the disk is idle", || disk.again("ro"));
    let lines = sidecar.lines().len();
    sidecar.order_exchange();
    fails_to_store(&sidecar, lines, "Read-only file system");
    assert_eq!(service.journal().exchanges().len(), 1, "nothing is sent");
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    assert!(disk.again("rw"));
    sidecar.within(RECOVERY, "the exchange", |report| report.token.generation.0 == 2);
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

/// Starts a sidecar whose system calls fail; `None` if tracing is not permitted.
fn run_with(place: &Place, call: &str, fault: &str, paths: &[&str]) -> Option<Process> {
    let (filter, inject) = (format!("trace={call}"), format!("inject={call}:{fault}"));
    let mut arguments = traced(&filter, &inject);
    arguments.extend(paths.iter().flat_map(|path| ["-P", path]));
    let mut sidecar = Process::start(place.run_under("strace", &arguments));
    let listens = |sidecar: &Process| sidecar.lines().iter().any(|line| line.contains("\"admin\""));
    until("it starts", || listens(&sidecar) || sidecar.has_ended());
    if listens(&sidecar) {
        sidecar.finds_addresses();
        return Some(sidecar);
    }
    left_out("strace may not trace here");
    None
}

#[test]
fn a_rehearsal_that_fails_is_repeated_and_nothing_is_sent_meanwhile() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let fault = "error=EIO:when=1";
    let Some(sidecar) = run_with(&place, "fsync", fault, &[]) else { return };
    let line = sidecar.says("the exchange will be repeated");
    assert!(line.contains("Input/output error"), "{line}");
    assert_eq!(service.journal().exchanges(), []);
    sidecar.within(RECOVERY, "a token", |report| report.token.state == Standing::Active);
    assert_eq!(service.journal().exchanges().len(), 1);
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn a_write_that_fails_after_the_grant_is_repeated_and_nothing_is_lost() {
    let service = Service::quiet();
    std::thread::scope(|scope| {
        // Those that only the write after a grant makes; the rename by its name.
        for (call, paths) in
            [("pwrite64", &[][..]), ("ftruncate", &[]), ("renameat", &["grant.json.next"])]
        {
            let service = &service;
            scope.spawn(move || {
                let place = Place::rotating(service, 0.5);
                let fault = "error=EIO:when=1";
                let Some(sidecar) = run_with(&place, call, fault, paths) else { return };
                let line = sidecar.says("NOT stored");
                assert!(line.contains("Input/output error"), "{line}");
                assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "{call}: in use");
                sidecar.within(RECOVERY, call, |report| report.token.state == Standing::Active);
                let report = sidecar.report();
                assert_eq!((report.token.generation.0, report.token.trouble), (1, None));
                let stored = place.record().unwrap();
                assert_eq!(
                    stored.grant.map(|grant| grant.access.fingerprint()),
                    report.token.fingerprint
                );
                assert_eq!((stored.intent, stored.loss), (None, None), "{call}");
            });
        }
    });
    let journal = service.journal();
    assert_eq!(journal.reuses(), 0);
    assert!(journal.exchanges().len() <= 3, "{:?}", journal.exchanges());
}

#[test]
fn a_sync_that_fails_after_the_grant_is_repeated_and_nothing_is_lost() {
    let service = Service::quiet();
    // The successor's file is synced at the rehearsal and again with its content.
    let place = Place::rotating(&service, 0.5);
    let next = place.state().join("grant.json.next");
    let fault = "error=EIO:when=2..3";
    let Some(sidecar) = run_with(&place, "fsync", fault, &[next.to_str().unwrap()]) else { return };
    sidecar.within(RECOVERY, "a token", |report| report.token.state == Standing::Active);
    within(RECOVERY, "it is stored", || {
        place.stored_refresh_token() == service.newest_refresh_token() && !place.has_intent()
    });
    assert_eq!((service.journal().exchanges().len(), service.journal().reuses()), (1, 0));
}

#[test]
fn the_end_waits_for_a_write_that_is_owed() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    // strace counts for each thread, and a later write may be another one's.
    let fault = "error=ENOSPC:when=1";
    let Some(sidecar) = run_with(&place, "pwrite64", fault, &[]) else { return };
    sidecar.says("NOT stored");
    assert!(sidecar.probe("/readyz").content.contains("unsaved"));
    assert_ne!(place.stored_refresh_token(), service.newest_refresh_token());
    sidecar.stop();
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
    assert!(!place.has_intent());
}

#[test]
fn a_second_directory_saves_what_the_first_cannot_take() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    let second = place.path("second");
    place.amend("[state]\n", &format!("[state]\nsecond_directory = {second:?}\n"));
    let first = place.state().join("grant.json.next");
    let fault = "error=EIO";
    let paths = [first.to_str().unwrap()];
    let Some(sidecar) = run_with(&place, "pwrite64", fault, &paths) else { return };
    let line = sidecar.says("NOT stored");
    assert!(line.contains("the second directory has a copy"), "{line}");
    sidecar.kill();
    assert_ne!(place.stored_refresh_token(), service.newest_refresh_token());
    let sidecar = place.run();
    sidecar.has_token();
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    assert_eq!(service.journal().exchanges().len(), 1, "nothing was lost, and nothing is due");
}
