//! The end: in order, in time, and never in the middle of an exchange.

use std::io::{Read, Write};
use std::net::TcpStream;
use std::time::Duration;

use rustix::process::Signal;
use webwork_sidecar::simulator::{Fault, Target, What, When};

use crate::support::{Credential, PATIENCE, Place, Process, Service, until};

/// A request whose answer comes after so many milliseconds, and has reached the API.
fn request_in_flight(service: &Service, sidecar: &Process, ms: u64) -> TcpStream {
    let what = What::Delay { ms };
    service.faults().add(Fault { target: Target::Api, when: When::Before, what, count: 1 });
    let authority = sidecar.proxy().strip_prefix("http://").unwrap();
    let mut caller = TcpStream::connect(authority).unwrap();
    caller.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(caller, "GET /api/v2/workspaces HTTP/1.1\r\nHost: {authority}\r\n\r\n").unwrap();
    service.until_struck();
    caller
}

#[test]
fn a_request_in_flight_is_finished_and_new_connections_are_refused() {
    let service = Service::quiet();
    for signal in [Signal::TERM, Signal::INT] {
        let place = Place::rotating(&service, 0.5);
        let sidecar = place.run();
        sidecar.has_token();
        let mut caller = request_in_flight(&service, &sidecar, 2_000);
        let authority = sidecar.proxy().strip_prefix("http://").unwrap().to_owned();
        sidecar.signal(signal);
        sidecar.says("\"stopping\"");
        until("new connections are refused", || TcpStream::connect(&authority).is_err());
        let mut answer = String::new();
        caller.read_to_string(&mut answer).unwrap();
        assert!(answer.starts_with("HTTP/1.1 200 "), "{answer}");
        assert_eq!(sidecar.ended().code(), Some(0));
    }
}

#[test]
fn a_request_that_never_ends_does_not_keep_the_process() {
    let service = Service::quiet();
    let place =
        Place::with(&service, Credential::PersonalAccessToken, "[drain]\ntimeout = \"500ms\"\n");
    let sidecar = place.run();
    let _caller = request_in_flight(&service, &sidecar, 600_000);
    sidecar.stop();
}

#[test]
fn with_a_delay_callers_are_served_on_until_a_second_signal_or_an_order() {
    let service = Service::quiet();
    for ended_by_order in [false, true] {
        let place =
            Place::with(&service, Credential::PersonalAccessToken, "[drain]\ndelay = \"10min\"\n");
        let sidecar = place.run();
        sidecar.has_token();
        sidecar.signal(Signal::TERM);
        sidecar.says("serving on until the delay is over");
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
        if ended_by_order {
            sidecar.asked(&["stop"]).expect(0, &[]);
        } else {
            sidecar.signal(Signal::TERM);
        }
        assert_eq!(sidecar.ended().code(), Some(0));
    }
}

#[test]
fn an_exchange_on_the_wire_and_its_write_are_finished_first() {
    let service = Service::quiet();
    for when in [When::Before, When::After] {
        let place = Place::rotating(&service, 0.5);
        place.amend("[refresh]", "[drain]\ntimeout = \"100ms\"\n[refresh]");
        let grants = service.grants();
        service.delay_exchange(when, Duration::from_millis(1_500));
        let sidecar = place.run();
        service.until_struck();
        sidecar.stop();
        assert_eq!(service.grants(), grants + 1);
        assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
        assert!(!place.has_intent());
    }
}

#[test]
fn a_second_signal_leaves_no_time_but_to_an_exchange_and_its_write() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    service.delay_exchange(When::After, Duration::from_millis(1_500));
    let sidecar = place.run();
    service.until_struck();
    sidecar.signal(Signal::TERM);
    sidecar.says("\"stopping\"");
    sidecar.signal(Signal::TERM);
    sidecar.signal(Signal::INT);
    assert_eq!(sidecar.ended().code(), Some(0));
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn a_second_signal_cuts_off_what_runs() {
    let service = Service::quiet();
    let place =
        Place::with(&service, Credential::PersonalAccessToken, "[drain]\ntimeout = \"1min\"\n");
    let sidecar = place.run();
    let _caller = request_in_flight(&service, &sidecar, 600_000);
    sidecar.signal(Signal::TERM);
    sidecar.says("\"stopping\"");
    sidecar.signal(Signal::TERM);
    sidecar.says("asked again");
    sidecar.says("the connections that are left are cut off");
    assert_eq!(sidecar.ended().code(), Some(0));
}

#[test]
fn a_restart_exchanges_nothing_that_is_not_due() {
    let service = Service::quiet();
    for credential in [Credential::AuthorizationCode, Credential::PersonalAccessToken] {
        let exchanges = service.journal().exchanges().len();
        let place = Place::with(&service, credential, "");
        for restart in 0..3 {
            let sidecar = place.run();
            sidecar.has_token();
            assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
            if restart == 1 { sidecar.kill() } else { sidecar.stop() }
        }
        let first = usize::from(credential == Credential::AuthorizationCode);
        assert_eq!(service.journal().exchanges().len(), exchanges + first, "{credential:?}");
    }
}

#[test]
fn a_killed_process_leaves_no_lock() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    // Killed while it holds the lock, before the server has done anything.
    service.delay_exchange(When::Before, Duration::from_secs(600));
    let sidecar = place.run();
    service.until_struck();
    sidecar.kill();
    let sidecar = place.run();
    sidecar.within(Duration::from_secs(5), "a token", |report| report.ready);
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn a_hangup_is_no_end_in_the_middle_of_an_exchange() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    service.delay_exchange(When::After, Duration::from_millis(1_500));
    let sidecar = place.run();
    service.until_struck();
    sidecar.signal(Signal::HUP);
    sidecar.says("as ordered");
    sidecar.has_token();
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
    sidecar.signal(Signal::QUIT);
    assert_eq!(sidecar.ended().code(), Some(0));
}
