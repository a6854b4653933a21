//! `doctor` names the remedy of every broken set-up, and shows no secret.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;

use base64::Engine;
use base64::prelude::BASE64_URL_SAFE_NO_PAD;
use webwork_sidecar::simulator::TokenKind;
use webwork_sidecar::token::state::Standing;

use crate::support::{Credential, Outcome, Place, Process, Service, write};

fn doctor(place: &Place, arguments: &[&str]) -> Outcome {
    let mut command = place.command("doctor");
    command.args(arguments);
    Outcome::of(command)
}

/// A set-up that works but for what `breaks` does to it.
struct Broken {
    what: &'static str,
    credential: Credential,
    breaks: fn(&Place, &Service),
    /// What the report has to say.
    told: &'static [&'static str],
}

/// The record of a grant, as a sidecar leaves it.
fn granted(place: &Place) {
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.stop();
}

fn closed_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

const CODE: Credential = Credential::AuthorizationCode;
const PERSONAL: Credential = Credential::PersonalAccessToken;

const BROKEN: &[Broken] = &[
    Broken {
        what: "a key is misspelt",
        credential: CODE,
        breaks: |place, _| place.amend("[listen]", "[listne]"),
        told: &["FAIL configuration", "did you mean \"listen\"?"],
    },
    Broken {
        what: "the client ID of the template",
        credential: CODE,
        breaks: |place, service| {
            let id = format!("client_id = {:?}", service.client_id());
            place.amend(&id, "client_id = \"put-the-client-id-here\"");
        },
        told: &["still the text of the template", "-> put the client ID of the app there"],
    },
    Broken {
        what: "no file with the client secret",
        credential: CODE,
        breaks: |place, _| fs::remove_file(place.path("client_secret")).unwrap(),
        told: &["FAIL configuration", "create it or correct the name"],
    },
    Broken {
        what: "a secret that everybody can read",
        credential: CODE,
        breaks: |place, _| {
            let open = fs::Permissions::from_mode(0o644);
            fs::set_permissions(place.path("client_secret"), open).unwrap();
        },
        told: &["warn configuration", "-> run `chmod 600` on it"],
    },
    Broken {
        what: "a state directory that is open to others",
        credential: CODE,
        breaks: |place, _| {
            fs::create_dir(place.state()).unwrap();
            fs::set_permissions(place.state(), fs::Permissions::from_mode(0o755)).unwrap();
        },
        told: &["FAIL state directory", "is open to other users", "chmod 0700"],
    },
    Broken {
        what: "a file where the state directory should be",
        credential: CODE,
        breaks: |place, _| write(&place.state(), ""),
        told: &["FAIL configuration", "expected the name of a directory"],
    },
    Broken {
        what: "a torn record",
        credential: CODE,
        breaks: |place, _| {
            granted(place);
            write(&place.grant_file(), "{\"version\":1,");
        },
        told: &["FAIL state directory", "restore it, or move it away and sign in again"],
    },
    Broken {
        what: "a record that is a link",
        credential: CODE,
        breaks: |place, _| {
            granted(place);
            fs::rename(place.grant_file(), place.path("elsewhere")).unwrap();
            std::os::unix::fs::symlink(place.path("elsewhere"), place.grant_file()).unwrap();
        },
        told: &["FAIL state directory", "remove it if you did not put it there"],
    },
    Broken {
        what: "the grant of another app",
        credential: CODE,
        breaks: |place, service| {
            granted(place);
            let id = format!("client_id = {:?}", service.client_id());
            place.amend(&id, "client_id = \"another\"");
        },
        told: &["FAIL grant", "-> correct client_id or token_url"],
    },
    Broken {
        what: "a grant that is lost",
        credential: CODE,
        breaks: |place, service| {
            let sidecar = place.run();
            sidecar.has_token();
            service.faults().revoke(TokenKind::RefreshTokens);
            sidecar.order_exchange();
            sidecar.until("it is lost", |report| report.token.state == Standing::Lost);
            sidecar.stop();
        },
        told: &["FAIL grant", "refused the refresh token", "webwork-sidecar login"],
    },
    Broken {
        what: "nobody has signed in",
        credential: CODE,
        breaks: |place, _| place.amend("refresh_token_file = \"refresh_token\"\n", ""),
        told: &["FAIL grant", "with `webwork-sidecar login`"],
    },
    Broken {
        what: "a personal access token that has ended",
        credential: PERSONAL,
        breaks: |place, _| {
            let claims =
                BASE64_URL_SAFE_NO_PAD.encode("{\"exp\":1700000000.5,\"scopes\":[\"read\"]}");
            write(&place.path("token"), &format!("eyJ0.{claims}.c2ln"));
        },
        told: &["FAIL credential", "ended", "-> make a new one at https://"],
    },
    Broken {
        what: "a certificate authority that is none",
        credential: PERSONAL,
        breaks: |place, _| write(&place.path("ca.pem"), "nothing"),
        told: &["FAIL configuration", "expected a file in PEM form"],
    },
    Broken {
        what: "an upstream of an unknown authority",
        credential: PERSONAL,
        breaks: |place, _| place.amend("ca_file = \"ca.pem\"\n", ""),
        told: &["FAIL upstream", "a private authority goes into upstream.ca_file"],
    },
    Broken {
        what: "an upstream without a name",
        credential: PERSONAL,
        breaks: |place, service| {
            let url = format!("url = {:?}", service.url());
            place.amend(&url, "url = \"https://nowhere.invalid\"");
        },
        told: &["FAIL upstream", "could not be resolved", "/etc/resolv.conf"],
    },
    Broken {
        what: "an upstream that nobody reaches",
        credential: PERSONAL,
        breaks: |place, service| {
            let url = format!("url = {:?}", service.url());
            place.amend(&url, &format!("url = \"https://127.0.0.1:{}\"", closed_port()));
        },
        told: &["FAIL upstream", "could not be reached", "firewall, network policy, or a proxy"],
    },
    Broken {
        what: "a proxy that is not there",
        credential: PERSONAL,
        breaks: |place, _| {
            let proxy = format!("proxy = \"http://127.0.0.1:{}\"", closed_port());
            place.amend("[upstream]\n", &format!("[upstream]\n{proxy}\n"));
        },
        told: &["FAIL upstream", "-> correct upstream.proxy, HTTPS_PROXY or NO_PROXY"],
    },
];

#[test]
fn the_remedy_of_a_broken_set_up_is_named() {
    let service = Service::quiet();
    for Broken { what, credential, breaks, told } in BROKEN {
        let place =
            Place::with(&service, *credential, "[refresh]\nunauthorized_interval = \"1s\"\n");
        breaks(&place, &service);
        let outcome = doctor(&place, &[]);
        for text in *told {
            assert!(outcome.result.contains(text), "{what}: no {text:?} in\n{}", outcome.result);
        }
        let says = |text: &str| outcome.result.lines().any(|line| line.contains(text));
        let code = match (says("the configuration cannot be used"), says("FAIL ")) {
            (true, _) => 2,
            (false, broken) => i32::from(broken),
        };
        assert_eq!(outcome.code, Some(code), "{what}: {}", outcome.result);
    }
}

#[test]
fn a_set_up_that_works_is_well() {
    let service = Service::quiet();
    let exchanges = service.journal().exchanges().len();
    for credential in [CODE, PERSONAL, Credential::ClientCredentials] {
        let outcome = doctor(&Place::with(&service, credential, ""), &[]);
        outcome.expect(0, &["ok   upstream", "TLS stands", "ok   clock", "Nothing is"]);
    }
    assert_eq!(service.journal().exchanges().len(), exchanges, "nothing is spent");
}

#[cfg(target_os = "linux")]
#[test]
fn a_grant_that_a_restart_forgets_is_warned_of() {
    let service = Service::quiet();
    let place = Place::with(&service, CODE, "");
    let volatile = tempfile::tempdir_in("/dev/shm").unwrap();
    fs::set_permissions(volatile.path(), fs::Permissions::from_mode(0o700)).unwrap();
    let state = format!("directory = {:?}", place.state());
    place.amend(&state, &format!("directory = {:?}", volatile.path()));
    let told = ["warn state directory", "is in memory", "-> put state.directory on a disk"];
    doctor(&place, &["--offline"]).expect(0, &told);
}

#[test]
fn a_port_of_another_program_is_named() {
    let service = Service::quiet();
    let place = Place::with(&service, PERSONAL, "");
    let taken = TcpListener::bind("127.0.0.1:0").unwrap();
    let address = taken.local_addr().unwrap().to_string();
    place.amend("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"{address}\"]"));
    let outcome = doctor(&place, &["--offline"]);
    outcome.expect(1, &["FAIL addresses", &address, "set another address in listen.proxy"]);
}

fn at(place: &Place, sidecar: &Process, arguments: &[&str]) -> Outcome {
    let socket = sidecar.admin().strip_prefix("http://").unwrap();
    place.amend("admin = [\"127.0.0.1:0\"]", &format!("admin = [\"{socket}\"]"));
    let outcome = doctor(place, arguments);
    place.amend(&format!("admin = [\"{socket}\"]"), "admin = [\"127.0.0.1:0\"]");
    outcome
}

#[test]
fn the_running_sidecar_is_asked() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    at(&place, &sidecar, &["--offline"]).expect(0, &["ok   running sidecar", "not verified yet"]);
    service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.order_exchange();
    sidecar.until("it is lost", |report| report.token.state == Standing::Lost);
    let lost = at(&place, &sidecar, &["--offline"]);
    lost.expect(1, &["warn running sidecar", "LOST", "sign in"]);
    sidecar.stop();
}

/// The name of the file of a refresh token to begin with may be one that is not there yet.
#[test]
fn a_secret_in_the_place_of_a_name_is_not_shown() {
    let service = Service::quiet();
    let place = Place::with(&service, CODE, "");
    let pasted = "Kq3nGQ8Xz0/dLw5cYb7aTf1mRv2sHj6/pE9uIoNeWb+w==";
    place.amend(
        "refresh_token_file = \"refresh_token\"",
        &format!("refresh_token_file = {pasted:?}"),
    );
    for command in ["doctor", "check", "run", "status"] {
        let outcome = Outcome::of(place.command(command));
        assert!(
            !outcome.result.contains(pasted) && !outcome.trouble.contains(pasted),
            "{outcome:?}"
        );
    }
    doctor(&place, &[]).expect(2, &["looks like the secret itself"]);
}

#[test]
fn no_secret_is_shown() {
    let service = Service::quiet();
    for credential in [CODE, PERSONAL, Credential::ClientCredentials] {
        let place = Place::with(&service, credential, "");
        let secrets: Vec<String> = ["client_secret", "refresh_token", "token"]
            .map(|name| fs::read_to_string(place.path(name)).unwrap())
            .into();
        let sidecar = place.run();
        sidecar.has_token();
        let mut shown = String::new();
        for arguments in [&[][..], &["--json"], &["--offline"]] {
            let outcome = at(&place, &sidecar, arguments);
            shown.extend([outcome.result, outcome.trouble]);
        }
        assert!(!shown.contains(&format!("{:?}", service.client_id())), "the client ID in {shown}");
        shown.push_str(&sidecar.probe("/status").content);
        for arguments in [&["status"][..], &["status", "--json"]] {
            let status = sidecar.asked(arguments);
            status.expect(0, &["active"]);
            shown.extend([status.result, status.trouble]);
        }
        if let Some(grant) = place.record().and_then(|record| record.grant) {
            assert!(!shown.contains(grant.access.expose()));
            assert!(!shown.contains(grant.refresh.unwrap().expose()));
        }
        for secret in &secrets {
            assert!(!shown.contains(secret.as_str()), "a secret in {shown}");
        }
        sidecar.stop();
    }
}
