//! `check` and `doctor` say beforehand what `run` does.

use std::fs;
use std::net::TcpListener;
use std::os::unix::net::UnixListener;
use std::process::Command;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use webwork_sidecar::simulator::TokenKind;
use webwork_sidecar::token::state::Standing;

use crate::support::{Credential, Outcome, Place, Service, binary, write};

const COMMANDS: [&str; 2] = ["check", "doctor"];

/// Both commands end with this code and say this.
fn say(place: &Place, code: i32, text: &str) {
    for command in COMMANDS {
        Outcome::of(place.command(command)).expect(code, &[text]);
    }
}

fn check_online(place: &Place) -> Outcome {
    let mut command = place.command("check");
    command.arg("--online");
    Outcome::of(command)
}

/// A place whose stored grant was lost.
fn lost(service: &Service) -> Place {
    let place = Place::rotating(service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.order_exchange();
    sidecar.until("it is lost", |report| report.token.state == Standing::Lost);
    sidecar.stop();
    place
}

#[test]
fn a_new_refresh_token_helps_against_a_lost_grant() {
    let service = Service::quiet();
    let place = lost(&service);
    say(&place, 1, "refused the refresh token");
    let sidecar = place.run();
    sidecar.until("it is still lost", |report| report.token.state == Standing::Lost);
    sidecar.stop();

    place.seed(&service);
    Outcome::of(place.command("check")).expect(0, &["ok  state directory"]);
    Outcome::of(place.command("doctor")).expect(0, &["ok   grant", "new refresh token"]);
    let sidecar = place.run();
    assert_eq!(sidecar.has_token().token.generation.0, 2);
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    sidecar.stop();
    // By now it is the one that is in use.
    Outcome::of(place.command("check")).expect(0, &[]);
    Outcome::of(place.command("doctor")).expect(0, &["ok   grant", "generation 2"]);
}

#[test]
fn check_online_exchanges_a_new_refresh_token_as_run_does() {
    let service = Service::quiet();
    let place = lost(&service);
    check_online(&place).expect(1, &["refused the refresh token"]);
    // The access token from before may live or not.
    for generation in [2, 3] {
        place.seed(&service);
        check_online(&place).expect(0, &[&format!("generation {generation},"), "ok  GET"]);
        assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
        service.faults().revoke(TokenKind::RefreshTokens);
        service.faults().revoke(TokenKind::AccessTokens);
    }
}

#[test]
fn a_refresh_token_that_was_spent_is_no_new_one() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let seed = fs::read_to_string(place.path("refresh_token")).unwrap();
    let sidecar = place.run();
    sidecar.has_token();
    service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.order_exchange();
    sidecar.until("it is lost", |report| report.token.state == Standing::Lost);
    sidecar.stop();
    write(&place.path("refresh_token"), &seed);
    say(&place, 1, "refused the refresh token");
}

/// A command with a configuration file that is named as people name it, from the directory where it is.
fn here(place: &Place, command: &str) -> Command {
    let mut here = Command::new(binary());
    here.args([command, "--config", "sidecar.toml"]).current_dir(place.path("."));
    here
}

#[test]
fn a_relative_state_directory_is_where_run_makes_it() {
    let service = Service::quiet();
    for name in ["kept", "deep/er/kept", "./kept"] {
        let place = Place::with(&service, Credential::AuthorizationCode, "");
        let directory = format!("directory = {:?}", place.state());
        place.amend(&directory, &format!("directory = {name:?}"));
        let path = fs::canonicalize(place.path(".")).unwrap().join(name.trim_start_matches("./"));
        let told = format!("{} (run will make it)", path.display());
        for command in COMMANDS {
            let outcome = Outcome::of(here(&place, command));
            let shown = outcome.result.replace("/./", "/");
            assert!(outcome.code == Some(0) && shown.contains(&told), "{told}: {outcome:#?}");
            assert!(!path.exists(), "{command} has made it");
        }
        let sidecar = crate::support::Process::listening(here(&place, "run"));
        sidecar.has_token();
        sidecar.stop();
        assert!(path.join("grant.json").exists(), "{name}");
        for command in COMMANDS {
            Outcome::of(here(&place, command)).expect(0, &[]);
        }
    }
}

#[test]
fn a_state_directory_that_run_cannot_make_is_told() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    let directory = format!("directory = {:?}", place.state());
    place.amend(&directory, "directory = \"token/kept\"");
    for command in ["run", "check", "doctor"] {
        Outcome::of(here(&place, command)).expect(1, &["token/kept"]);
    }
    // Only a shell knows what is meant.
    place.amend("directory = \"token/kept\"", "directory = \"~/kept\"");
    for (old, new) in [("~/kept", "~/kept"), ("~/kept", "$HOME/kept"), ("$HOME/kept", "~me/kept")] {
        place.amend(old, new);
        for command in ["run", "check", "doctor"] {
            Outcome::of(here(&place, command)).expect(2, &["only a shell replaces ~ and $"]);
        }
        assert!(!place.path(new.split('/').next().unwrap()).exists());
    }
}

#[test]
fn an_address_of_another_program_is_told() {
    let service = Service::quiet();
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let taken = (taken.local_addr().unwrap().to_string(), taken);
    for which in ["proxy", "admin"] {
        let place = Place::with(&service, Credential::PersonalAccessToken, "");
        place.amend(
            &format!("{which} = [\"127.0.0.1:0\"]"),
            &format!("{which} = [\"{}\"]", taken.0),
        );
        Outcome::of(place.command("run")).expect(1, &[&taken.0, "in use"]);
        // As an admin address, that of a program that accepts and says nothing may also be a sidecar that
        // hangs.
        Outcome::of(place.command("check")).expect(1, &["not ok", &taken.0, "in use by another"]);
        let doctor = Outcome::of(place.command("doctor"));
        doctor.expect(1, &["FAIL", &taken.0]);
    }

    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let _socket = UnixListener::bind(place.path("proxy.sock")).unwrap();
    for (name, why) in
        [("proxy.sock", "in use"), ("token", "not a socket"), ("none/socket", "directory first")]
    {
        let address = format!("unix:{}", place.path(name).display());
        let text = fs::read_to_string(place.configuration()).unwrap();
        place.amend("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [{address:?}]"));
        for command in ["run", "check", "doctor"] {
            Outcome::of(place.command(command)).expect(1, &[&address, why]);
        }
        write(&place.configuration(), &text);
    }
}

#[test]
fn the_addresses_of_the_running_sidecar_are_free_for_the_next_one() {
    let service = Service::quiet();
    let health = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let more = format!("[health]\nlisten = [\"{health}\"]\n");
    let place = Place::with(&service, Credential::PersonalAccessToken, &more);
    let socket = format!("unix:{}", place.path("proxy.sock").display());
    place.amend("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"127.0.0.1:0\", {socket:?}]"));
    let sidecar = place.run();
    sidecar.has_token();
    let address = |url: &str| url.strip_prefix("http://").unwrap().to_owned();
    let (proxy, admin) = (address(sidecar.proxy()), address(sidecar.admin()));
    place.amend("proxy = [\"127.0.0.1:0\"", &format!("proxy = [\"{proxy}\""));
    // One that cannot be asked is known by how it refuses.
    say(&place, 0, "ok ");
    place.amend("admin = [\"127.0.0.1:0\"]", &format!("admin = [\"{admin}\"]"));
    Outcome::of(place.command("check")).expect(0, &["ok  addresses"]);
    Outcome::of(place.command("doctor")).expect(0, &["ok   running sidecar"]);

    // The next start would meet another program.
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let other = taken.local_addr().unwrap().to_string();
    place.amend(&proxy, &other);
    say(&place, 1, &format!("{other} is in use by another program"));
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    sidecar.stop();
}

#[test]
fn a_personal_access_token_that_has_ended_is_told() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let claims = BASE64_URL_SAFE_NO_PAD.encode("{\"exp\":1700000000.5,\"scopes\":[\"read\"]}");
    write(&place.path("token"), &format!("eyJ0.{claims}.c2ln"));
    say(&place, 1, "make a new one at https://");
    Outcome::of(place.command("check")).expect(1, &["has ended (at 2023-11-14 22:13 UTC)"]);
    check_online(&place).expect(1, &["401"]);
    let sidecar = place.run();
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 401);
    let report = sidecar.until("it is refused", |it| it.token.state == Standing::Rejected);
    assert!(report.token.trouble.unwrap().contains("make a new one at https://"));
    sidecar.stop();
}
