//! Reading the configuration again, and the commands that ask, wait and stop.

use std::process::Command;
use std::time::Duration;

use rustix::process::Signal;
use webwork_sidecar::simulator::When;

use crate::support::{Credential, Outcome, Place, Process, Service, binary, write};

#[test]
fn a_hangup_reads_the_configuration_again_and_turns_the_log_up() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    let read = sidecar.report().configuration.read_at;
    place.amend("level = \"info\"", "level = \"debug\"");
    sidecar.signal(Signal::HUP);
    sidecar.says("as ordered");
    sidecar.until("it was read", |report| report.configuration.read_at > read);
    sidecar.order_exchange();
    sidecar.says("exchanging tokens");
    sidecar.stop();
}

#[test]
fn an_invalid_configuration_is_told_and_the_old_one_stays_in_use() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    place.amend("[refresh]", "[refersh]");
    sidecar.signal(Signal::HUP);
    let report = sidecar.until("it is told", |report| report.configuration.trouble.is_some());
    let trouble = report.configuration.trouble.unwrap();
    assert!(trouble.contains("refersh") && trouble.contains("did you mean"), "{trouble}");
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    place.amend("[refersh]", "[drain]\ntimeout = \"8s\"\n[refresh]");
    sidecar.signal(Signal::HUP);
    let report = sidecar.until("it is mended", |report| report.configuration.trouble.is_none());
    assert_eq!(report.configuration.restart, ["[drain]"]);
    sidecar.stop();
}

#[test]
fn a_probe_tells_by_its_exit_code() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.asked(&["healthcheck"]).expect(0, &["ready"]);
    sidecar.asked(&["healthcheck", "--live"]).expect(0, &["alive"]);
    sidecar.asked(&["healthcheck", "--started"]).expect(0, &["started"]);
    sidecar.asked(&["wait"]).expect(0, &["ready"]);
    let admin = sidecar.admin().to_owned();
    sidecar.stop();
    for probe in ["healthcheck", "wait --timeout 0s"] {
        let mut command = Command::new(binary());
        command.args(probe.split(' ')).args(["--admin", &admin]);
        Outcome::of(command).expect(1, &["no sidecar answers"]);
    }
}

#[test]
fn a_probe_asks_at_the_health_listener_where_there_is_no_other() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    place.amend("admin = [\"127.0.0.1:0\"]", "admin = []");
    let socket = place.path("health.sock");
    place.amend("[state]", &format!("[health]\nlisten = [\"unix:{}\"]\n[state]", socket.display()));
    let sidecar = Process::start(place.command("run"));
    sidecar.says("\"health\"");
    let mut command = place.command("wait");
    command.args(["--for", "started"]);
    Outcome::of(command).expect(0, &["started"]);
    Outcome::of(place.command("healthcheck")).expect(0, &["ready"]);
    // What is wrong with the files does not concern a probe.
    write(&place.path("token"), "");
    Outcome::of(place.command("healthcheck")).expect(0, &["ready"]);
    sidecar.stop();
}

#[test]
fn waiting_for_a_token_that_does_not_come_ends() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    write(&place.path("refresh_token"), "");
    place.amend("refresh_token_file = \"refresh_token\"\n", "");
    let sidecar = place.run();
    sidecar.asked(&["wait", "--for", "started"]).expect(0, &["started"]);
    sidecar.asked(&["wait", "--timeout", "200ms"]).expect(1, &["waited in vain", "not ready"]);
    sidecar.asked(&["healthcheck"]).expect(1, &["not ready"]);
    sidecar.stop();
}

#[test]
fn a_job_stops_its_sidecar_which_finishes_its_exchange() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let grants = service.grants();
    service.delay_exchange(When::After, Duration::from_millis(1_500));
    let sidecar = place.run();
    service.until_struck();
    sidecar.asked(&["stop"]).expect(0, &["stopped"]);
    // It was not told before the exchange was over.
    assert_eq!(service.grants(), grants + 1);
    assert_eq!(sidecar.ended().code(), Some(0));
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn a_process_that_hangs_is_not_one_that_has_stopped() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.halt();
    let waited = sidecar.asked(&["wait", "--for", "stopped", "--timeout", "1s"]);
    sidecar.signal(Signal::CONT);
    waited.expect(1, &["waited in vain", "does not answer in time"]);
    sidecar.stop();
}
