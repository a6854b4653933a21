//! What the real binary writes to its log: what the operator should know at every start, and nothing
//! that a caller slips in.

use std::fs::{File, Permissions, set_permissions};
use std::io::{Read, Write};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt;
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::process::{Child, Stdio};

use rustix::process::{Pid, Signal, kill_process};

use crate::support::{Credential, PATIENCE, Place, Process, Service, until};

#[test]
fn a_secret_in_the_environment_is_warned_of_at_every_start() {
    const VARIABLE: &str = "WEBWORK_SIDECAR_CREDENTIAL__AUTHORIZATION_CODE__CLIENT_SECRET";
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    for _ in 0..2 {
        let mut command = place.command("run");
        command.env(VARIABLE, service.client_secret());
        let sidecar = Process::listening(command);
        let warning = sidecar.says("holds a secret");
        assert!(warning.contains("\"WARN\"") && warning.contains(VARIABLE), "{warning}");
        assert!(warning.contains(&format!("{VARIABLE}_FILE")), "{warning}");
        assert!(warning.contains("systemd credential"), "{warning}");
        sidecar.has_token();
        assert!(sidecar.lines().iter().all(|line| !line.contains(service.client_secret())));
        sidecar.stop();
    }
}

#[test]
fn a_secret_in_a_file_for_everybody_is_warned_of_at_every_start() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::ClientCredentials, "");
    let secret = format!("client_secret = {:?}", service.client_secret());
    place.amend("client_secret_file = \"client_secret\"", &secret);
    set_permissions(place.configuration(), Permissions::from_mode(0o644)).unwrap();
    for _ in 0..2 {
        let sidecar = place.run();
        let warning = sidecar.says("can be read by others");
        assert!(warning.contains("sidecar.toml") && warning.contains("mode 0644"), "{warning}");
        sidecar.has_token();
        sidecar.stop();
    }
}

/// Every way in which a caller can put a control character into a head: raw and escaped, in ASCII and
/// beyond, where the server must refuse it and where it may not.
fn hostile(authority: &str) -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    for control in ["\x1b[31m", "\x07", "\x7f", "\0", "\r", "\n", "\u{9b}31m", "\u{85}"] {
        for head in [
            format!("GET /api/a{control}z?q=forged HTTP/1.1\r\nHost: {authority}\r\n"),
            format!("GET /api/a?q=forged{control}z HTTP/1.1\r\nHost: {authority}\r\n"),
            format!("GE{control}T /api/ HTTP/1.1\r\nHost: {authority}\r\n"),
            format!("GET /api/ HTTP/1.1\r\nHost: evil{control}.example\r\n"),
            format!("GET /api/ HTTP/1.1\r\nHost: {authority}\r\nX-Forged: a{control}z\r\n"),
            format!("GET /api/ HTTP/1.1\r\nHost: {authority}\r\nX-{control}: forged\r\n"),
            format!("GET /api/ HTTP/1.1\r\nHost: {authority}\r\nOrigin: a{control}z\r\n"),
            format!("GET /api/ HTTP/1{control}.1\r\nHost: {authority}\r\n"),
        ] {
            requests.push([head.as_bytes(), b"Connection: close\r\n\r\n"].concat());
        }
    }
    requests
}

#[test]
fn a_caller_cannot_forge_a_line_or_reach_the_terminal() {
    let service = Service::quiet();
    for format in ["json", "text"] {
        let more = "[proxy]\naccess_log = true\n";
        let place = Place::with(&service, Credential::PersonalAccessToken, more);
        place.amend("level = \"info\"", "level = \"debug\"");
        place.amend("format = \"json\"", &format!("format = {format:?}"));
        let sidecar = match format {
            "json" => Process::listening(place.command("run")),
            _ => Process::listening_in_text(place.command("run")),
        };
        let authority = sidecar.proxy().strip_prefix("http://").unwrap().to_owned();
        let requests = hostile(&authority);
        for request in &requests {
            let mut caller = TcpStream::connect(&authority).unwrap();
            caller.set_read_timeout(Some(PATIENCE)).unwrap();
            caller.write_all(request).unwrap();
            let mut answer = Vec::new();
            // A refusal may end in a reset, after the answer.
            caller.read_to_end(&mut answer).ok();
            assert!(answer.starts_with(b"HTTP/1.1 "), "{:?}", String::from_utf8_lossy(request));
        }
        sidecar.get("/api/v2/the-last-one?q=forged");
        sidecar.says("the-last-one");
        let lines = sidecar.lines();
        let told = |line: &&String| line.contains("access") || line.contains("malformed");
        assert!(lines.iter().filter(told).count() > requests.len() / 2);
        for line in lines {
            assert!(!line.contains(char::is_control), "{line:?}");
            assert!(!line.contains("forged"), "neither queries nor fields are logged: {line}");
            let is_event = match format {
                "json" => line.starts_with("{\"timestamp\":\"") && line.ends_with('}'),
                _ => line.starts_with("20") && line.split_whitespace().nth(1).is_some(),
            };
            assert!(is_event, "{line}");
        }
        sidecar.stop();
    }
}

/// Sends a request and reads its answer.
fn asked(authority: &str, head: &str) -> String {
    let mut caller = TcpStream::connect(authority).unwrap();
    caller.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(caller, "{head}\r\nConnection: close\r\n\r\n").unwrap();
    let mut answer = Vec::new();
    caller.read_to_end(&mut answer).ok();
    String::from_utf8_lossy(&answer).into_owned()
}

#[test]
fn a_refusal_is_one_line_for_its_kind_and_its_origin_or_host() {
    let service = Service::quiet();
    let more = "[proxy]\naccess_log = true\n";
    let place = Place::with(&service, Credential::PersonalAccessToken, more);
    let sidecar = place.run();
    let authority = sidecar.proxy().strip_prefix("http://").unwrap().to_owned();
    let page =
        |origin: &str| format!("POST /api/a HTTP/1.1\r\nHost: {authority}\r\nOrigin: {origin}");
    for _ in 0..20 {
        for (head, code) in [
            (page("http://localhost:3000"), "cross_site"),
            (page("http://localhost:5173"), "cross_site"),
            ("GET /api/b HTTP/1.1\r\nHost: evil.example".into(), "host_not_allowed"),
            ("GET /api/b HTTP/1.1\r\nHost: localhost".into(), "host_not_allowed"),
            (format!("GET //api/c HTTP/1.1\r\nHost: {authority}"), "bad_request"),
            (format!("GET /api/a#d HTTP/1.1\r\nHost: {authority}"), "bad_request"),
        ] {
            let answer = asked(&authority, &head);
            assert!(answer.contains(&format!("\"code\":\"{code}\"")), "{answer}");
        }
    }
    sidecar.get("/api/v2/the-last-one");
    sidecar.says("the-last-one");
    let lines = sidecar.lines();
    let refused: Vec<_> = lines.iter().filter(|line| line.contains("request refused")).collect();
    assert_eq!(refused.len(), 6, "{refused:#?}");
    for (word, code) in [
        ("\"origin\":\"http://localhost:3000\"", "cross_site"),
        ("\"origin\":\"http://localhost:5173\"", "cross_site"),
        ("\"host\":\"evil.example\"", "host_not_allowed"),
        ("\"host\":\"localhost\"", "host_not_allowed"),
        ("remove one slash", "bad_request"),
        ("percent-encoded or left out", "bad_request"),
    ] {
        let code = format!("\"error.code\":\"{code}\"");
        let count = refused.iter().filter(|it| it.contains(word) && it.contains(&code)).count();
        assert_eq!(count, 1, "{word}: {refused:#?}");
    }
    let logged = |code: &str| {
        let code = format!("\"error.code\":\"{code}\"");
        let is_logged = |line: &&String| line.contains("\"access\"") && line.contains(&code);
        lines.iter().filter(is_logged).count()
    };
    assert_eq!(
        (logged("cross_site"), logged("host_not_allowed"), logged("bad_request")),
        (40, 40, 20)
    );
    sidecar.stop();
}

#[test]
fn callers_that_invent_hosts_and_origins_do_not_fill_the_log() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let sidecar = place.run();
    let authority = sidecar.proxy().strip_prefix("http://").unwrap().to_owned();
    for number in 0..100 {
        asked(&authority, &format!("GET /api/ HTTP/1.1\r\nHost: evil-{number}.example"));
        let page =
            format!("GET /api/ HTTP/1.1\r\nHost: {authority}\r\nOrigin: http://a-{number}.example");
        asked(&authority, &page);
    }
    sidecar.says("too many kinds of refused requests");
    let lines = sidecar.lines();
    sidecar.stop();
    let refused = lines.iter().filter(|line| line.contains("refused")).count();
    // A minute may have passed meanwhile.
    assert!(refused <= 3 * 33, "{refused}");
}

/// A sidecar that logs every request to `log`, reached through a socket because it cannot tell where it
/// listens.
fn logging_to(place: &Place, log: impl Into<Stdio>) -> (Child, PathBuf) {
    let socket = place.path("proxy.sock");
    place.amend("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"unix:{}\"]", socket.display()));
    let mut command = place.command("run");
    let sidecar = command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(log).spawn().unwrap();
    until("it listens", || UnixStream::connect(&socket).is_ok());
    (sidecar, socket)
}

fn answers(socket: &Path, requests: usize) {
    let mut stream = UnixStream::connect(socket).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    let path = "x".repeat(1_000);
    for _ in 0..requests {
        write!(stream, "GET /api/{path} HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
        let mut bytes = [0; 4096];
        let length = stream.read(&mut bytes).unwrap();
        assert!(bytes[..length].starts_with(b"HTTP/1.1 404 "));
    }
}

#[test]
fn a_log_that_cannot_be_written_stops_nothing() {
    let service = Service::quiet();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (dead, pipe) = std::io::pipe().unwrap();
    drop(dead);
    let (_asleep, unread) = std::io::pipe().unwrap();
    for log in [Stdio::from(full), Stdio::from(pipe), Stdio::from(unread)] {
        let place = Place::rotating(&service, 0.5);
        place.amend("[refresh]", "[proxy]\naccess_log = true\n[refresh]");
        let (mut sidecar, socket) = logging_to(&place, log);
        // More than a pipe holds.
        answers(&socket, 200);
        assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
        let id = Pid::from_raw(sidecar.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let mut ended = None;
        until("it ends", || {
            ended = sidecar.try_wait().unwrap();
            ended.is_some()
        });
        assert_eq!(ended.unwrap().code(), Some(0));
    }
}

#[test]
fn lines_that_are_lost_are_counted() {
    let service = Service::quiet();
    let full = File::options().write(true).open("/dev/full").unwrap();
    let (_asleep, unread) = std::io::pipe().unwrap();
    // More than wait, where they are not read; a few, where none can be written.
    for (log, requests) in [(Stdio::from(unread), 9_000), (Stdio::from(full), 10)] {
        let place = Place::rotating(&service, 0.5);
        place.amend("[refresh]", "[proxy]\naccess_log = true\n[refresh]");
        let admin = place.path("admin.sock");
        let unix = format!("admin = [\"unix:{}\"]", admin.display());
        place.amend("admin = [\"127.0.0.1:0\"]", &unix);
        let (mut sidecar, socket) = logging_to(&place, log);
        answers(&socket, requests);
        until("lost lines are counted", || lost(&admin) > 0.0);
        sidecar.kill().unwrap();
        sidecar.wait().unwrap();
    }
}

/// Lost lines as the metric tells them.
fn lost(admin: &Path) -> f64 {
    let mut stream = UnixStream::connect(admin).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    write!(stream, "GET /metrics HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n")
        .unwrap();
    let mut page = String::new();
    stream.read_to_string(&mut page).unwrap();
    let sample =
        page.lines().find_map(|line| line.strip_prefix("webwork_sidecar_log_lines_dropped_total "));
    sample.unwrap().parse().unwrap()
}
