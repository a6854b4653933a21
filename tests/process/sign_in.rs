//! `login` and `logout`: what a person sees, and what is stored.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use rustix::process::Signal;
use webwork_sidecar::simulator::{Security, When};
use webwork_sidecar::token::state::{Loss, Standing};

use crate::support::{Credential, Outcome, Place, Process, Service, get, quiet};

/// A service whose pages this test can open without TLS.
fn service() -> Service {
    Service::start(quiet(), Security::Plain)
}

/// A place where nobody has signed in, with a redirection endpoint on a port that is free.
fn place(service: &Service) -> (Place, String) {
    let free = TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap();
    let place = Place::with(service, Credential::AuthorizationCode, "");
    place.amend("refresh_token_file = \"refresh_token\"\n", "");
    place.add(&format!("redirect_uri = \"http://{free}/callback\""));
    (place, format!("http://{free}"))
}

fn login(place: &Place, arguments: &[&str]) -> Process {
    let mut command = place.command("login");
    command.args(arguments);
    Process::listening_to_us(command)
}

/// The address that the person is to open.
fn shown(process: &Process) -> String {
    process.says("/oauth/authorize?")
}

/// Where the authorization server sends the browser after this decision.
fn decided(service: &Service, url: &str, decision: &str) -> String {
    let target = url.strip_prefix(service.url()).unwrap();
    let answer = get(service.url(), &format!("{target}&approve={decision}")).unwrap();
    answer.location.unwrap_or_else(|| panic!("{}", answer.content))
}

/// What a person may see again of a sign-in is the address to open, and nothing of what came back.
fn shows_no_code(process: &Process) {
    for line in process.lines() {
        assert!(!line.contains("def50200") && !line.contains("code="), "{line}");
    }
}

#[test]
fn a_browser_on_this_host_comes_back_to_the_command() {
    let service = service();
    let (place, home) = place(&service);
    let login = login(&place, &["--no-browser"]);
    let back = decided(&service, &shown(&login), "auto");
    let target = back.strip_prefix(&home).unwrap();
    // What does not belong to it changes nothing, and gets an answer.
    let forged = get(&home, "/callback?code=attackers&state=guessed").unwrap();
    assert_eq!(forged.status, 403);
    assert!(!forged.content.contains("guessed"), "{forged:?}");
    login.says("ignored what came back");
    assert_eq!(get(&home, "/favicon.ico").unwrap().status, 404);
    assert_eq!(get(&home, "/callback?error=%3Cscript%3E").unwrap().status, 403);
    service.delay_exchange(When::After, Duration::from_millis(1_000));
    let answer = get(&home, target).unwrap();
    assert!(answer.status == 200 && answer.content.contains("has arrived"), "{answer:?}");
    shows_no_code(&login);
    // What README.md shows is what a person sees.
    let readme = include_str!("../../README.md");
    let shown = readme.split("```text\nSigned in").nth(1).and_then(|rest| rest.split("```").next());
    let shown = format!("Signed in{}", shown.unwrap());
    login.ends_with(0, &shown.lines().collect::<Vec<_>>());
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
    let sidecar = place.run();
    assert_eq!(sidecar.has_token().token.generation.0, 1);
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    assert_eq!(service.grants(), 1);
}

#[test]
fn an_address_from_anywhere_is_pasted_and_a_sidecar_that_runs_takes_the_grant_up() {
    let service = service();
    let (place, _) = place(&service);
    let sidecar = place.run();
    sidecar.until("nobody has signed in", |report| report.token.state == Standing::SignedOut);
    for generation in [1, 2] {
        let mut login = login(&place, &["--paste"]);
        let back = decided(&service, &shown(&login), "auto");
        let (start, end) = back.split_at(60);
        login.hears(&format!("\n  {start}\r\n{end}\n"));
        login.says("takes it up");
        shows_no_code(&login);
        login.ends_with(0, &["Signed in"]);
        sidecar.until("the grant is taken up", |report| {
            report.token.generation.0 == generation && report.token.state == Standing::Active
        });
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    }
    Outcome::of(place.command("logout")).expect(1, &["nothing was changed", "--yes"]);
    assert_eq!(sidecar.report().token.state, Standing::Active);
    let mut command = place.command("logout");
    command.arg("--yes");
    Outcome::of(command).expect(0, &["Signed out", "still knows it", service.url()]);
    sidecar.until("the grant is let go", |report| report.token.state == Standing::SignedOut);
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 503);
    let record = place.record().unwrap();
    assert_eq!((record.grant, record.loss), (None, Some(Loss::SignedOut)));
    assert!(!place.state().join("grant.json.previous").exists());
    sidecar.stop();
    let sidecar = place.run();
    assert_eq!(sidecar.report().token.state, Standing::SignedOut);
}

/// The server shows it to the person, and sends no browser back.
#[test]
fn an_error_page_in_the_browser_is_told_by_its_meaning() {
    let service = service();
    let (place, _) = place(&service);
    let mut login = login(&place, &["--paste"]);
    login.says("{\"error\":\"invalid_client\"}, client_id or redirect_uri is not as registered");
    login.hears(
        "{\n  \"error\": \"invalid_client\",\n  \"message\": \"Client authentication failed\"\n}\n",
    );
    login.ends_with(1, &["error page", "redirect_uri is not the registered one"]);
    assert_eq!(place.record(), None);
}

#[test]
fn what_went_wrong_is_told_and_nothing_is_stored() {
    let service = service();
    for (decision, spoiled, texts) in [
        ("deny", "", ["access was denied", "approve"]),
        (
            "auto",
            "&iss=https%3A%2F%2Fevil.example",
            ["another authorization server", "nothing was sent"],
        ),
        ("auto", "&state=x", ["state more than once", "sign in again"]),
    ] {
        let (place, _) = place(&service);
        let mut login = login(&place, &["--paste"]);
        let back = decided(&service, &shown(&login), decision);
        login.hears(&format!("{back}{spoiled}\n"));
        login.ends_with(1, &texts);
        assert_eq!(place.record(), None);
    }
    let (place, _) = place(&service);
    let mut login = login(&place, &["--paste"]);
    shown(&login);
    login.hears("https://api.webwork-tracker.com/?x=1\n");
    login.ends_with(1, &["not the address to which the browser was sent"]);
    assert_eq!(service.grants(), 0);
}

#[test]
fn nobody_is_waited_for_longer_than_was_said_and_ctrl_c_ends_it() {
    let service = service();
    let (place, _) = place(&service);
    for way in [&["--timeout", "200ms"][..], &["--timeout", "200ms", "--paste"]] {
        let login = login(&place, way);
        login.ends_with(1, &["nobody signed in within", "nothing was changed"]);
    }
    for way in [&["--no-browser"][..], &["--paste"]] {
        let login = login(&place, way);
        shown(&login);
        login.says(if way == ["--paste"] { "Then paste" } else { "Waiting for" });
        login.signal(Signal::INT);
        login.ends_with(1, &["interrupted"]);
    }
    assert_eq!(place.record(), None);
}

#[test]
fn ctrl_c_while_the_code_is_exchanged_loses_nothing() {
    let service = service();
    let (place, _) = place(&service);
    let mut login = login(&place, &["--paste"]);
    let back = decided(&service, &shown(&login), "auto");
    service.delay_exchange(When::After, Duration::from_millis(1_500));
    login.hears(&format!("{back}\n"));
    service.until_struck();
    login.signal(Signal::INT);
    login.ends_with(0, &["Signed in"]);
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn what_stands_in_the_way_is_told_before_anybody_is_sent_to_a_browser() {
    let service = service();
    let (place, home) = place(&service);
    let address = home.strip_prefix("http://").unwrap();
    let taken = TcpListener::bind(address).unwrap();
    Outcome::of(place.command("login")).expect(1, &[&home, "is taken", "sign in there"]);
    drop(taken);
    fs::create_dir(place.state()).unwrap();
    fs::set_permissions(place.state(), Permissions::from_mode(0o755)).unwrap();
    Outcome::of(place.command("login")).expect(1, &["mode 0755", "chmod 0700"]);
    for credential in [Credential::ClientCredentials, Credential::PersonalAccessToken] {
        let place = Place::with(&service, credential, "");
        for command in ["login", "logout"] {
            let mut command = place.command(command);
            if command.get_args().next().is_some_and(|name| name == "logout") {
                command.arg("--yes");
            }
            let outcome = Outcome::of(command);
            outcome.expect(1, &["[credential.authorization_code]"]);
            assert!(!outcome.result.contains("/oauth/authorize"), "{outcome:?}");
        }
    }
    assert_eq!(service.grants(), 0);
}
