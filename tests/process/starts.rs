//! What `run` says while it starts, and what of the environment counts.

use std::fs::OpenOptions;
use std::os::unix::fs::OpenOptionsExt;
use std::process::Command;
use std::time::{Duration, UNIX_EPOCH};

use serde_json::Value;

use crate::support::{Credential, Outcome, Place, Process, Service};

/// The log, without what other threads have still to say.
fn ended(sidecar: Process) -> Vec<Value> {
    let lines = sidecar.lines();
    sidecar.stop();
    lines.iter().filter_map(|line| serde_json::from_str(line).ok()).collect()
}

fn said(log: &[Value], message: &str) -> usize {
    log.iter()
        .filter(|event| event["message"].as_str().unwrap_or_default().starts_with(message))
        .count()
}

fn port(url: &str) -> &str {
    url.rsplit(':').next().unwrap()
}

#[test]
fn each_event_of_the_start_is_one_line_and_the_last_says_what_to_do() {
    let service = Service::quiet();
    for credential in [
        Credential::AuthorizationCode,
        Credential::ClientCredentials,
        Credential::PersonalAccessToken,
    ] {
        let place = Place::with(&service, credential, "");
        let sidecar = place.run();
        let ready = sidecar.says("\"ready: ");
        let curl = format!("curl http://localhost:{}/api/v2/workspaces", port(sidecar.proxy()));
        assert!(ready.contains(&curl) && ready.contains("\"INFO\""), "{ready}");
        // It comes from another thread.
        sidecar.says("\"a token is in use");
        let log = ended(sidecar);
        for message in ["forwarding", "admin", "a token is in use", "ready"] {
            assert_eq!(said(&log, message), 1, "{credential:?} {message}: {log:#?}");
        }
    }
}

/// What an earlier run could not read is named until there is a newer grant, and prevents no start.
#[test]
fn an_answer_that_could_not_be_read_is_named_until_a_grant_comes() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.stop();
    let kept = place.state().join("unread-answer");
    for (written, stays) in
        [(UNIX_EPOCH + Duration::from_secs(4_000_000_000), true), (UNIX_EPOCH, false)]
    {
        let file = OpenOptions::new().append(true).create(true).mode(0o600).open(&kept).unwrap();
        file.set_modified(written).unwrap();
        let sidecar = place.run();
        sidecar.has_token();
        assert_eq!(kept.exists(), stays);
        sidecar.stop();
    }
}

#[test]
fn where_a_person_is_needed_the_last_line_says_where() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    place.amend("refresh_token_file = \"refresh_token\"\n", "");
    let sidecar = place.run();
    let ready = sidecar.says("\"not ready: ");
    let page = format!("sign in at http://localhost:{}/", port(sidecar.admin()));
    assert!(ready.contains(&page), "{ready}");
    assert_eq!(said(&ended(sidecar), "not ready"), 1);
    // No browser gets past a field of the operator's choice.
    place.amend("[log]", "[guard]\nrequired_field = \"x-ours\"\n\n[log]");
    let sidecar = place.run();
    let ready = sidecar.says("\"not ready: ");
    assert!(ready.contains("`webwork-sidecar login`") && !ready.contains("http:"), "{ready}");
    sidecar.stop();
}

#[test]
fn a_client_that_is_refused_is_told_so_and_sent_to_no_sign_in() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::ClientCredentials, "");
    crate::support::write(&place.path("client_secret"), "wrong");
    let sidecar = place.run();
    let ready = sidecar.says("\"not ready: ");
    assert!(ready.contains("no valid token yet: the authorization server does not"), "{ready}");
    assert!(!ready.contains("sign in"), "{ready}");
    sidecar.stop();
}

#[test]
fn times_in_the_log_are_whole_seconds_and_spans_have_a_unit() {
    let service = Service::quiet();
    let more = "[proxy]\naccess_log = true\n";
    let place = Place::with(&service, Credential::ClientCredentials, more);
    let sidecar = place.run();
    sidecar.has_token();
    let reply = crate::support::get(sidecar.proxy(), "/api/v2/workspaces").unwrap();
    assert_eq!(reply.status, 200);
    sidecar.says("total_ms");
    for event in ended(sidecar) {
        for (name, value) in event.as_object().unwrap() {
            let text = value.to_string();
            if let Ok(time) = value.as_str().unwrap_or_default().parse::<jiff::Timestamp>()
                && name != "timestamp"
            {
                assert_eq!(time.subsec_nanosecond(), 0, "{name}: {event}");
            }
            if value.is_f64() {
                assert!(name.ends_with("_ms") || name.ends_with("_s"), "{name}: {event}");
                assert!(text.split('.').nth(1).unwrap().len() <= 3, "{name}: {event}");
            }
        }
    }
}

/// Everything that Kubernetes and Docker set for Services and links with such names.
fn links(command: &mut Command) {
    for name in ["", "_ADMIN", "_LISTEN", "_UPSTREAM_URL", "__X", "_LISTEN__PROXY"] {
        for (end, value) in [
            ("_SERVICE_HOST", "10.96.0.7"),
            ("_SERVICE_PORT", "9180"),
            ("_SERVICE_PORT_HTTP", "9180"),
            ("_PORT", "tcp://10.96.0.7:9180"),
            ("_PORT_9180_TCP", "tcp://10.96.0.7:9180"),
            ("_PORT_9180_TCP_PROTO", "tcp"),
            ("_PORT_9180_TCP_PORT", "9180"),
            ("_PORT_9180_TCP_ADDR", "10.96.0.7"),
            ("_NAME", "/web/webwork-sidecar"),
        ] {
            command.env(format!("WEBWORK_SIDECAR{name}{end}"), value);
        }
    }
    command.env("WEBWORK_SIDECAR_ENV_PATH", "/bin");
}

#[test]
fn variables_of_services_and_empty_ones_prevent_no_start() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::ClientCredentials, "");
    let mut command = place.command("run");
    links(&mut command);
    for name in ["LISTEN__PROXY", "GUARD__HOSTS", "UPSTREAM__URL", "LOG__LEVEL", "NO_SUCH__KEY"] {
        command.env(format!("WEBWORK_SIDECAR_{name}"), "");
    }
    let sidecar = Process::listening(command);
    sidecar.has_token();
    sidecar.stop();
}

#[test]
fn a_misspelt_variable_and_quotation_marks_are_told() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::ClientCredentials, "");
    for (name, value, told) in [
        ("WEBWORK_SIDECAR_LISTEN__PORT", "9180", "there is no such variable"),
        ("WEBWORK_SIDECAR_UPSTREAM_URL", "https://api.example", "WEBWORK_SIDECAR_UPSTREAM__URL?"),
        ("WEBWORK_SIDECAR_UPSTREAM__URL", "\"https://api.example\"", "--env-file"),
        ("WEBWORK_SIDECAR_CREDENTIAL__CLIENT_CREDENTIALS__CLIENT_ID", "'42'", "--env-file"),
        (
            "WEBWORK_SIDECAR_CREDENTIAL__CLIENT_CREDENTIALS__CLIENT_SECRET",
            "\"canary\"",
            "--env-file",
        ),
        ("WEBWORK_SIDECAR_LISTEN__PROXY", "\"127.0.0.1:0\"", "--env-file"),
    ] {
        let mut command = place.command("run");
        links(&mut command);
        command.env(name, value);
        let outcome = Outcome::of(command);
        outcome.expect(2, &[name, told]);
        assert!(!format!("{outcome:?}").contains("canary"), "{outcome:?}");
    }
}
