//! The proxy that the environment names, as every other program there uses it.

use std::process::Command;

use crate::support::{Credential, Outbound, Outcome, Place, Process, Service, write};

/// The service under its real name, which only the proxy knows to be the simulator.
fn place(service: &Service, credential: Credential) -> Place {
    let place = Place::with(service, credential, "");
    place.amend(service.url(), "https://api.webwork-tracker.com");
    place
}

fn outbound(service: &Service) -> Outbound {
    Outbound::to(service.url().trim_start_matches("https://"))
}

/// Both ways of the sidecar lead through the proxy; what it was asked is returned.
fn works_through(outbound: &Outbound, command: Command) -> (Vec<String>, Vec<String>) {
    let sidecar = Process::listening(command);
    sidecar.has_token();
    let answer = sidecar.get("/api/v2/workspaces");
    assert_eq!(answer.status, 200, "{answer:?}\n{}", sidecar.last());
    let said = sidecar.lines();
    sidecar.stop();
    let heads = outbound.heads();
    assert_eq!(heads.len(), 2, "an exchange and a request: {heads:?}");
    for head in &heads {
        assert!(head.starts_with("connect api.webwork-tracker.com:443 http/1.1\r\n"), "{head}");
    }
    (heads, said)
}

#[test]
fn the_proxy_of_the_environment_is_used_for_upstream_and_token_endpoint() {
    let service = Service::quiet();
    let (place, outbound) = (place(&service, Credential::AuthorizationCode), outbound(&service));
    let address = outbound.address();
    let mut command = place.command("run");
    command.env("HTTPS_PROXY", format!("http://me:canary@{address}")).env("NO_PROXY", "localhost");
    let (heads, said) = works_through(&outbound, command);
    // RFC 7617: the Base64 of me:canary.
    assert!(heads.iter().all(|head| head.contains("proxy-authorization: basic bwu6y2fuyxj5")));
    let said = said.join("\n");
    for whose in ["upstream", "token endpoint"] {
        assert!(said.contains(&format!("reaching the {whose} through a proxy")), "{said}");
    }
    assert!(said.contains(&format!("\"proxy\":\"{address}\"")), "{said}");
    assert!(said.contains("HTTPS_PROXY holds the password of a proxy"), "{said}");
    assert!(!said.contains("canary") && !said.contains("bWU6Y2FuYXJ5"), "{said}");
}

#[test]
fn the_proxy_of_the_configuration_goes_before_that_of_the_environment() {
    let service = Service::quiet();
    let (place, outbound) = (place(&service, Credential::ClientCredentials), outbound(&service));
    write(&place.path("proxy"), &format!("http://{}\n", outbound.address()));
    let mut command = place.command("run");
    command.env("WEBWORK_SIDECAR_UPSTREAM__PROXY_FILE", place.path("proxy"));
    command.env("HTTPS_PROXY", "http://127.0.0.1:1").env("NO_PROXY", "*");
    works_through(&outbound, command);
}

#[test]
fn an_address_of_this_host_needs_no_proxy_where_no_proxy_names_it() {
    let service = Service::quiet();
    let outbound = outbound(&service);
    for (exempt, tunnels) in [("127.0.0.1", 0), ("elsewhere.example", 2)] {
        let place = Place::with(&service, Credential::AuthorizationCode, "");
        let mut command = place.command("run");
        for variable in ["HTTPS_PROXY", "HTTP_PROXY", "ALL_PROXY"] {
            command.env(variable, outbound.address().to_string());
        }
        command.env("NO_PROXY", exempt);
        let sidecar = Process::listening(command);
        sidecar.has_token();
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
        assert_eq!(outbound.heads().len(), tunnels, "{exempt}");
        sidecar.stop();
    }
}

#[test]
fn a_check_goes_the_same_way() {
    let service = Service::quiet();
    let (place, outbound) = (place(&service, Credential::AuthorizationCode), outbound(&service));
    let mut command = place.command("check");
    command.arg("--online").env("all_proxy", format!("http://{}/", outbound.address()));
    Outcome::of(command).expect(0, &["ok  GET /api/v2/workspaces"]);
    assert_eq!(outbound.heads().len(), 2);
}

#[test]
fn a_proxy_that_cannot_be_used_stops_the_start() {
    let service = Service::quiet();
    let place = place(&service, Credential::AuthorizationCode);
    let mut command = place.command("run");
    command.env("ALL_PROXY", "socks5h://me:canary@127.0.0.1:1080");
    let outcome = Outcome::of(command);
    outcome.expect(2, &["ALL_PROXY: only HTTP proxies are supported; SOCKS is not"]);
    assert!(!format!("{outcome:?}").contains("canary"));
}
