//! Clients of other people before the real binary: what they send without being asked to is served or answered
//! with a sentence.

use std::process::Command;

use crate::support::{Credential, Outcome, Place, Process, Service, left_out, write};

/// Sends a POST to each target with Node, over TCP or a Unix socket, and prints the target that arrived.
const NODE: &str = "
const http = require('node:http');
const [where, ...targets] = process.argv.slice(2);
const place = where.startsWith('/') ? {socketPath: where} : {port: where, host: 'localhost'};
(async () => { for (const path of targets) await new Promise((done, fail) => {
    http.request({...place, path, method: 'POST', family: 4}, it => {
        console.log(it.statusCode, it.headers['x-echo-target']); it.resume(); it.on('end', done);
    }).on('error', fail).end();
}); })();
";

/// The same with Python. Over a Unix socket its path is the host, as with requests-unixsocket.
const PYTHON: &str = "
import http.client, socket, sys, urllib.parse
where, *targets = sys.argv[1:]
class Unix(http.client.HTTPConnection):
    def connect(self):
        self.sock = socket.socket(socket.AF_UNIX)
        self.sock.connect(where)
for target in targets:
    if where.startswith('/'):
        connection = Unix(urllib.parse.quote(where, safe=''))
    else:
        connection = http.client.HTTPConnection('127.0.0.1', int(where))
    connection.request('POST', target)
    answer = connection.getresponse()
    print(answer.status, answer.headers['x-echo-target'])
";

const ECHO: &str = "/api/v2/_simulator/echo";

fn is_there(program: &str) -> bool {
    let is_there = Command::new(program).arg("--version").output().is_ok();
    if !is_there {
        left_out(&format!("{program} is not installed"));
    }
    is_there
}

/// Without the proxy that this host may have for its packages.
fn command(program: &str) -> Command {
    let mut command = Command::new(program);
    command.env("NO_PROXY", "*").env("no_proxy", "*");
    command
}

/// What it prints.
fn said(command: Command) -> String {
    let outcome = Outcome::of(command);
    assert_eq!(outcome.code, Some(0), "{outcome:#?}");
    outcome.result
}

fn script(place: &Place, program: &str, name: &str, text: &str, arguments: &[&str]) -> String {
    let file = place.path(name);
    write(&file, text);
    let mut command = command(program);
    command.arg(file).args(arguments);
    said(command)
}

/// A POST with curl to `url`; prints what arrived.
fn curl(url: &str, arguments: &[&str]) -> String {
    let mut command = command("curl");
    command.args(["--silent", "--show-error", "--globoff", "--path-as-is", "--max-time", "40"]);
    command.args(["--output", "/dev/null", "--write-out", "%{http_code} %header{x-echo-target}\n"]);
    said({
        command.args(["--data", ""]).args(arguments).arg(url);
        command
    })
}

#[test]
fn targets_of_other_peoples_clients_arrive() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let sidecar = place.run();
    let port = sidecar.proxy().rsplit(':').next().unwrap().to_owned();
    let ascii = [
        ("?q=`a`", "?q=`a`"),
        ("?q={\"a\":[1]}", "?q={%22a%22:[1]}"),
        ("?q=<a>|b^c\\d", "?q=%3Ca%3E|b^c\\d"),
    ];
    let targets: Vec<_> = ascii.iter().map(|(sent, _)| format!("{ECHO}{sent}")).collect();
    let targets: Vec<&str> = targets.iter().map(String::as_str).collect();
    let expected: String = ascii
        .iter()
        .map(|(_, arrived)| format!("200 {}{ECHO}{arrived}\n", service.url()))
        .collect();
    if is_there("curl") {
        let all: String =
            targets.iter().map(|it| curl(sidecar.proxy(), &["--request-target", it])).collect();
        assert_eq!(all, expected);
        let target = format!("{ECHO}?q=größe");
        let arrived = curl(sidecar.proxy(), &["--request-target", &target]);
        assert!(arrived.starts_with("200 "), "{arrived}");
    }
    if is_there("node") {
        assert_eq!(
            script(&place, "node", "post.js", NODE, &[&[&*port], &*targets].concat()),
            expected
        );
        // Node writes a target in Latin-1.
        let arrived = script(&place, "node", "post.js", NODE, &[&port, &format!("{ECHO}?q=größe")]);
        assert_eq!(arrived, format!("200 {}{ECHO}?q=gr%F6%DFe\n", service.url()));
    }
    if is_there("python3") {
        let arrived =
            script(&place, "python3", "post.py", PYTHON, &[&[&*port], &*targets].concat());
        assert_eq!(arrived, expected);
    }
    sidecar.stop();
}

#[test]
fn a_unix_socket_serves_whatever_its_clients_call_it() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let socket = place.path("proxy.sock");
    place.amend("proxy = [\"127.0.0.1:0\"]", &format!("proxy = [\"unix:{}\"]", socket.display()));
    let sidecar = Process::listening(place.command("run"));
    sidecar.has_token();
    let path: &str = socket.to_str().unwrap();
    let expected = format!("200 {}{ECHO}\n", service.url());
    if is_there("curl") {
        for host in ["localhost:9180", "localhost", "unix", "docker", "_", "127.0.0.1:80"] {
            let url = format!("http://{host}{ECHO}");
            assert_eq!(curl(&url, &["--unix-socket", path]), expected, "{host}");
        }
        let url = format!("http://localhost{ECHO}");
        for field in ["Host: %2Frun%2Fp.sock", "Host;"] {
            assert_eq!(
                curl(&url, &["--unix-socket", path, "--header", field]),
                expected,
                "{field}"
            );
        }
    }
    if is_there("node") {
        assert_eq!(script(&place, "node", "post.js", NODE, &[path, ECHO]), expected);
    }
    if is_there("python3") {
        assert_eq!(script(&place, "python3", "post.py", PYTHON, &[path, ECHO]), expected);
    }
    sidecar.stop();
}

#[test]
fn curl_shows_why_http2_with_prior_knowledge_does_not_work() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let sidecar = place.run();
    if is_there("curl") {
        let mut command = command("curl");
        command.args(["--silent", "--http2-prior-knowledge", "--max-time", "40"]);
        command.arg(sidecar.proxy());
        let shown = Outcome::of(command).result;
        assert!(shown.contains("The sidecar speaks HTTP/1.1 to its callers"), "{shown}");
    }
    sidecar.stop();
}
