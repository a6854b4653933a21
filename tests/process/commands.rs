//! The commands that end by themselves, and what their exit codes tell a script.

use std::fs::{self, Permissions};
use std::net::TcpListener;
use std::os::unix::fs::{PermissionsExt, chown};
use std::os::unix::process::CommandExt;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::Mutex;
use std::time::Duration;

use rustix::process::{Signal, geteuid};
use tempfile::TempDir;
use webwork_sidecar::simulator::{Config, Security, TokenKind, When};

use crate::support::{
    Credential, Outcome, Place, Process, Service, binary, left_out, quiet, write,
};

const CREDENTIALS: [Credential; 3] =
    [Credential::AuthorizationCode, Credential::ClientCredentials, Credential::PersonalAccessToken];

fn check(place: &Place) -> Outcome {
    Outcome::of(place.command("check"))
}

fn check_online(place: &Place) -> Outcome {
    let mut command = place.command("check");
    command.arg("--online");
    Outcome::of(command)
}

#[test]
fn a_wrong_configuration_ends_with_2_and_starts_nothing() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    place.amend("[listen]", "[listne]");
    let texts = ["sidecar.toml:", "listne", "did you mean \"listen\"?"];
    // `status` says so, too, and asks at the address that it finds: the sidecar may run with an older file.
    for (command, code) in [("run", 2), ("check", 2), ("status", 1)] {
        let outcome = Outcome::of(place.command(command));
        outcome.expect(code, &texts);
        assert_eq!(outcome.result, "", "{command}");
    }
    assert!(!place.state().exists());
    assert_eq!(service.journal().exchanges(), []);
}

#[test]
fn a_wrong_command_line_ends_with_2() {
    let outcome = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments);
        Outcome::of(command)
    };
    outcome(&["walk"]).expect(2, &["walk"]);
    outcome(&["demo", "--for", "soon"]).expect(2, &["such as 20s"]);
    outcome(&["--version"]).expect(0, &[env!("CARGO_PKG_VERSION")]);
    outcome(&["--help"]).expect(0, &["Exit codes"]);
}

#[test]
fn a_shell_takes_its_completions_and_every_command_has_a_page() {
    let printed = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.args(arguments);
        let outcome = Outcome::of(command);
        outcome.expect(0, &[]);
        outcome.result
    };
    let place = Place::empty();
    write(&place.path("bash"), &printed(&["completions", "bash"]));
    let mut shell = Command::new("bash");
    shell.arg("-n").arg(place.path("bash"));
    Outcome::of(shell).expect(0, &[]);
    for shell in ["zsh", "fish", "powershell", "elvish"] {
        assert!(printed(&["completions", shell]).contains("healthcheck"), "{shell}");
    }
    assert!(printed(&["man"]).contains("webwork\\-sidecar\\-login(1)"));
    for command in ["run", "login", "doctor", "man"] {
        let page = printed(&["man", command]);
        assert!(page.contains(&format!(".TH webwork-sidecar-{command} 1")), "{page}");
    }
    let mut wrong = Command::new(binary());
    wrong.args(["man", "walk"]);
    Outcome::of(wrong).expect(2, &["there is no command walk"]);
}

#[test]
fn a_template_that_nobody_filled_in_is_told() {
    let place = Place::empty();
    let mut init = Command::new(binary());
    init.args(["init", "--credential", "client-credentials"]).arg(place.configuration());
    Outcome::of(init).expect(0, &[]);
    write(&place.path("client_secret"), "secret");
    check(&place).expect(2, &["still the text of the template"]);
}

#[test]
fn a_taken_port_ends_with_1_and_is_named() {
    let service = Service::quiet();
    for which in ["proxy", "admin"] {
        let taken = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = taken.local_addr().unwrap().to_string();
        let place = Place::rotating(&service, 0.5);
        place.amend(&format!("{which} = [\"127.0.0.1:0\"]"), &format!("{which} = [\"{address}\"]"));
        Outcome::of(place.command("run")).expect(1, &[&address, "in use"]);
    }
    assert_eq!(service.journal().exchanges(), [], "nothing is sent before the addresses are there");
}

#[test]
fn check_says_that_everything_is_right_and_sends_nothing() {
    let service = Service::quiet();
    for credential in CREDENTIALS {
        let place = Place::with(&service, credential, "");
        check(&place).expect(0, &["ok  configuration", "ok  certificates"]);
    }
    assert_eq!(service.journal().exchanges(), []);
    assert_eq!(service.journal().api_requests(), 0);
}

#[test]
fn check_online_tries_token_and_api_with_every_credential() {
    let service = Service::start(Config { rate_limit: Some(60), ..quiet() }, Security::Tls);
    for credential in CREDENTIALS {
        let place = Place::with(&service, credential, "");
        let outcome = check_online(&place);
        outcome.expect(0, &["ok  token", "ok  GET /api/v2/workspaces", "requests left"]);
        if credential == Credential::AuthorizationCode {
            assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
            assert!(!place.has_intent());
            check_online(&place).expect(0, &["ok  token"]);
        }
    }
    // One for each OAuth2 app: the second check of the stored grant had nothing to exchange.
    assert_eq!(service.journal().exchanges().len(), 2);
}

#[test]
fn check_online_says_what_fails() {
    let service = Service::quiet();
    let unreachable = {
        let closed = TcpListener::bind("127.0.0.1:0").unwrap();
        closed.local_addr().unwrap().to_string()
    };
    for credential in CREDENTIALS {
        let place = Place::with(&service, credential, "");
        place.amend(service.url(), &format!("https://{unreachable}"));
        check_online(&place).expect(1, &["not ok", "refused"]);

        let place = Place::with(&service, credential, "");
        write(&place.path("ca.pem"), Service::quiet().ca_pem());
        check_online(&place).expect(1, &["not ok", "certificate"]);
    }
    for credential in [Credential::AuthorizationCode, Credential::ClientCredentials] {
        let place = Place::with(&service, credential, "");
        write(&place.path("client_secret"), "wrong");
        check_online(&place).expect(1, &["not ok", "correct client_id and client_secret"]);
    }
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    service.faults().revoke(TokenKind::RefreshTokens);
    check_online(&place).expect(1, &["not ok", "sign in again"]);
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    service.faults().revoke(TokenKind::AccessTokens);
    check_online(&place).expect(1, &["not ok", "401"]);
}

#[test]
fn check_online_that_is_interrupted_finishes_its_exchange() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    service.delay_exchange(When::After, Duration::from_millis(1_500));
    let mut command = place.command("check");
    command.arg("--online");
    let check = Process::start(command);
    service.until_struck();
    check.signal(Signal::INT);
    check.says("interrupted");
    assert_eq!(check.ended().code(), Some(1));
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
    assert!(!place.has_intent());
}

#[test]
fn a_refresh_token_to_begin_with_may_be_gone_after_that() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.stop();
    fs::remove_file(place.path("refresh_token")).unwrap();
    let sidecar = place.run();
    sidecar.says("there is no file");
    assert_eq!(sidecar.has_token().token.generation.0, 1);
    place.seed(&service);
    sidecar.until("the new one is taken", |report| report.token.generation.0 == 2);
    sidecar.stop();
}

#[test]
fn status_tells_people_and_programs_the_same() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.get("/api/v2/workspaces");
    // `status` finds the sidecar by its configuration.
    let admin = sidecar.report().facts.admin[0].clone();
    place.amend("admin = [\"127.0.0.1:0\"]", &format!("admin = [\"{admin}\"]"));
    Outcome::of(place.command("status")).expect(
        0,
        &["sidecar    ready", "state      active", "generation 1", "scope      read write"],
    );
    let mut command = place.command("status");
    command.arg("--json");
    let outcome = Outcome::of(command);
    outcome.expect(0, &[]);
    let report: serde_json::Value = serde_json::from_str(&outcome.result).unwrap();
    assert_eq!(report["ready"], true);
    assert_eq!(report["token"]["generation"], 1);
    assert_eq!(report["traffic"]["answers"], 1);
    sidecar.stop();
    Outcome::of(place.command("status")).expect(1, &["no sidecar answers at", &admin]);
}

#[test]
fn status_asks_the_sidecar_that_the_file_means_or_nobody() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    let admin = sidecar.report().facts.admin[0].clone();
    place.amend("admin = [\"127.0.0.1:0\"]", &format!("admin = [\"{admin}\"]"));
    // When a secret is missing its state is wanted most.
    fs::remove_file(place.path("client_secret")).unwrap();
    Outcome::of(place.command("status")).expect(0, &["client_secret", "state      active"]);
    let port = admin.rsplit(':').next().unwrap();
    for address in [admin.clone(), format!("localhost:{port}"), format!("http://localhost:{port}/")]
    {
        let mut command = Command::new(binary());
        command.args(["status", "--admin", &address]);
        Outcome::of(command).expect(0, &["state      active"]);
    }
    fs::remove_file(place.configuration()).unwrap();
    for command in ["status", "refresh"] {
        Outcome::of(place.command(command))
            .expect(2, &["sidecar.toml", "there is no such configuration file"]);
    }
}

#[test]
fn a_change_that_needs_a_restart_is_told() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    place.amend("[refresh]", "[guard]\nread_only = false\n[refresh]");
    let sidecar = place.run();
    sidecar.has_token();
    place.amend("read_only = false", "read_only = true");
    let line = sidecar.says("restart to apply it");
    assert!(line.contains("[guard]") && !line.contains("[listen]"), "{line}");
    sidecar.stop();
}

#[test]
fn status_of_a_lost_grant_is_a_failure_with_advice() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    service.faults().revoke(TokenKind::RefreshTokens);
    let sidecar = place.run();
    sidecar.until("the loss", |report| report.token.loss.is_some());
    let admin = sidecar.report().facts.admin[0].clone();
    place.amend("admin = [\"127.0.0.1:0\"]", &format!("admin = [\"{admin}\"]"));
    Outcome::of(place.command("status"))
        .expect(1, &["NOT READY", "The grant is LOST", "sign in again"]);
    let answer = sidecar.get("/api/v2/workspaces");
    assert_eq!(answer.status, 503);
    assert_eq!(answer.json()["error"]["code"], "sign_in_required");
    assert_eq!(sidecar.probe("/readyz").status, 503);
    assert_eq!(sidecar.probe("/livez").status, 200);
}

#[test]
fn commands_show_what_the_admin_listener_asks_for_and_tell_what_they_lack() {
    let service = Service::quiet();
    let guard = "[guard]\nrequired_field = \"X-WebWork-Proxy\"\ncaller_key_file = \"token\"\n";
    let place = Place::with(&service, Credential::PersonalAccessToken, guard);
    let admin = format!("unix:{}", place.path("admin.sock").display());
    place.amend("admin = [\"127.0.0.1:0\"]", &format!("admin = [{admin:?}]"));
    let sidecar = place.run();
    Outcome::of(place.command("status")).expect(0, &["sidecar    ready"]);
    let mut command = Command::new(binary());
    command.args(["status", "--admin", &admin]);
    let outcome = Outcome::of(command);
    outcome.expect(1, &["refuses", "The field x-webwork-proxy is missing"]);
    sidecar.stop();
}

#[test]
fn init_writes_a_configuration_and_never_overwrites_one() {
    let place = Place::empty();
    let file = place.path("new.toml");
    let init = |arguments: &[&str]| {
        let mut command = Command::new(binary());
        command.arg("init").arg(&file).args(arguments);
        Outcome::of(command)
    };
    init(&["--credential", "personal-access-token"]).expect(0, &["check --config", "--online"]);
    let written = fs::read_to_string(&file).unwrap();
    assert!(written.contains("[credential.personal_access_token]"), "{written}");
    init(&[]).expect(1, &["exists already and was left as it is"]);
    assert_eq!(fs::read_to_string(&file).unwrap(), written);
}

/// An account that owns nothing but its home.
const ORDINARY: u32 = 65_534;

/// A host of an ordinary user: the program, a home, and a directory to work in.
struct Home {
    directory: TempDir,
}

impl Home {
    fn new() -> Self {
        let home = Self { directory: tempfile::tempdir().unwrap() };
        fs::set_permissions(home.directory.path(), Permissions::from_mode(0o755)).unwrap();
        fs::copy(binary(), home.path("program")).unwrap();
        for name in ["home", "xdg", "work"] {
            fs::create_dir(home.path(name)).unwrap();
            home.gives(name);
        }
        home
    }

    fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    /// Makes a file or a directory the user's own.
    fn gives(&self, name: &str) {
        if geteuid().is_root() {
            chown(self.path(name), Some(ORDINARY), Some(ORDINARY)).unwrap();
        }
    }

    fn command(&self, arguments: &[&str], variables: &[(&str, &Path)]) -> Command {
        let mut command = Command::new(self.path("program"));
        command.args(arguments).current_dir(self.path("work")).env_clear();
        command.envs(variables.iter().copied());
        if geteuid().is_root() {
            command.uid(ORDINARY).gid(ORDINARY);
        }
        command
    }
}

#[test]
fn what_init_writes_for_an_ordinary_user_keeps_a_grant() {
    let service = Service::quiet();
    let host = Home::new();
    let (home, xdg, none) = (host.path("home"), host.path("xdg"), Path::new("/nonexistent"));
    let in_home = home.join(".local/state/webwork-sidecar");
    let app = [
        ("WEBWORK_SIDECAR_UPSTREAM__URL", service.url().to_owned()),
        ("WEBWORK_SIDECAR_UPSTREAM__CA_FILE", host.path("ca.pem").display().to_string()),
        ("WEBWORK_SIDECAR_LISTEN__PROXY", "127.0.0.1:0".to_owned()),
        ("WEBWORK_SIDECAR_LISTEN__ADMIN", "127.0.0.1:0".to_owned()),
        ("WEBWORK_SIDECAR_LOG__FORMAT", "json".to_owned()),
        ("WEBWORK_SIDECAR_CREDENTIAL__AUTHORIZATION_CODE__CLIENT_ID", service.client_id().into()),
        (
            "WEBWORK_SIDECAR_CREDENTIAL__AUTHORIZATION_CODE__REFRESH_TOKEN_FILE",
            "refresh_token".to_owned(),
        ),
    ];
    write(&host.path("ca.pem"), service.ca_pem());
    write(&host.path("work/client_secret"), service.client_secret());
    host.gives("ca.pem");
    host.gives("work/client_secret");
    let home_is = |path| vec![("HOME", path)];
    let cases = [
        (home_is(&*home), "init", in_home.clone()),
        (home_is(&home), "init --full", in_home.clone()),
        (vec![("HOME", &home), ("XDG_STATE_HOME", &xdg)], "init", xdg.join("webwork-sidecar")),
        (vec![("HOME", &home), ("XDG_STATE_HOME", none)], "init", in_home),
        (home_is(none), "init", host.path("work/state")),
    ];
    for (variables, init, expected) in cases {
        let (case, file) = (format!("{variables:?} {init}"), host.path("work/sidecar.toml"));
        let arguments: Vec<_> = init.split(' ').collect();
        Outcome::of(host.command(&arguments, &variables)).expect(0, &["check --config"]);
        write(
            &host.path("work/refresh_token"),
            &service.issue_refresh_token(&"read".parse().unwrap()),
        );
        host.gives("work/refresh_token");
        let mut command = host.command(&["run", "--config", "sidecar.toml"], &variables);
        command.envs(app.iter().map(|(name, value)| (name, value)));
        let sidecar = Process::listening(command);
        sidecar.has_token();
        sidecar.stop();
        let grant = fs::metadata(expected.join("grant.json"));
        assert!(grant.is_ok(), "{case}: {}", fs::read_to_string(&file).unwrap());
        let mode = fs::metadata(&expected).unwrap().permissions().mode();
        assert_eq!(mode & 0o777, 0o700, "{case}");
        fs::remove_dir_all(expected).unwrap();
        fs::remove_file(file).unwrap();
    }
}

/// Root runs a service, whose state is where the system keeps that.
#[test]
fn what_init_writes_for_root_keeps_the_default() {
    if !geteuid().is_root() {
        return left_out("only root is root");
    }
    let place = Place::empty();
    let file = place.path("sidecar.toml");
    let mut command = Command::new(binary());
    command.arg("init").arg(&file).env("XDG_STATE_HOME", place.path("xdg"));
    Outcome::of(command).expect(0, &["check --config"]);
    assert!(!fs::read_to_string(&file).unwrap().contains("[state]"));
}

/// The ports that the demo takes when they are free; for one test at a time.
pub(crate) static USUAL_PORTS: Mutex<()> = Mutex::new(());

#[test]
fn the_demo_ends_by_itself_with_a_summary() {
    let _turn = USUAL_PORTS.lock();
    let mut command = Command::new(binary());
    command.args(["demo", "--for", "6s", "--access-life", "3s"]);
    let demo = Process::start(command);
    calls_what_it_shows(&demo);
    let summary = demo.says("Requests answered");
    let expected = "Requests answered: 1; with an error: 0; with 401: 0. Rotations";
    assert!(summary.starts_with(expected), "{summary}");
    assert!(!summary.contains("refresh token: 0"), "{summary}");
    assert_eq!(demo.ended().code(), Some(0));
}

/// Does what the demo tells people to do.
fn calls_what_it_shows(demo: &Process) {
    let line = demo.says("curl http://localhost:");
    let url = line.trim().strip_prefix("curl ").unwrap();
    let (base, target) = url.split_at(url.find("/api").unwrap());
    let base = base.replace("localhost", "127.0.0.1");
    let answer = crate::support::get(&base, target).unwrap();
    assert_eq!(answer.status, 200, "{answer:?}");
    assert_eq!(answer.json()["success"], true);
}

#[test]
fn the_demo_listens_where_a_container_publishes() {
    let _turn = USUAL_PORTS.lock();
    let mut command = Command::new(binary());
    command.args(["demo", "--listen", "0.0.0.0"]);
    let demo = Process::start(command);
    calls_what_it_shows(&demo);
    demo.signal(Signal::TERM);
    assert_eq!(demo.ended().code(), Some(0));
}

#[test]
fn the_demo_says_when_its_usual_ports_are_taken() {
    let _turn = USUAL_PORTS.lock();
    // Whoever holds the port, this test or somebody else: it is taken.
    let _taken = TcpListener::bind("127.0.0.1:9180");
    let mut command = Command::new(binary());
    command.args(["demo", "--for", "1s"]);
    Outcome::of(command).expect(0, &["The default ports 9180 and 9181 are taken"]);
}

#[test]
fn nobody_is_ready_before_the_first_token() {
    let service = Service::quiet();
    for credential in [Credential::AuthorizationCode, Credential::ClientCredentials] {
        service.delay_exchange(When::After, Duration::from_secs(2));
        let place = Place::with(&service, credential, "");
        let sidecar = place.run();
        service.until_struck();
        let answer = sidecar.probe("/readyz");
        assert_eq!(answer.status, 503, "{answer:?}");
        assert!(answer.content.contains("first token is still being obtained"), "{answer:?}");
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "a request waits for it");
        assert_eq!(sidecar.probe("/readyz").status, 200);
    }
}

#[test]
fn a_request_that_comes_with_the_start_waits_for_the_first_token() {
    let service = Service::quiet();
    for credential in [Credential::AuthorizationCode, Credential::ClientCredentials] {
        for _ in 0..8 {
            let answer = Place::with(&service, credential, "").run().get("/api/v2/workspaces");
            assert_eq!(answer.status, 200, "{credential:?}: {answer:?}");
        }
    }
}
