//! Names change, and so do the addresses behind them: every new connection asks anew.

use std::net::Ipv4Addr;
use std::process::Command;

use webwork_sidecar::simulator::Security;
use webwork_sidecar::token::state::Standing;

use crate::support::{
    Answer, Credential, Names, Outbound, Outcome, Place, Process, Relay, Said, Service, get, quiet,
    until,
};

const NAME: &str = "api.webwork-tracker.com";

/// Addresses of this host that nothing else uses.
const ONE: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 2);
const OTHER: Ipv4Addr = Ipv4Addr::new(127, 0, 0, 3);

/// A service that is reached by a name, and what the operator has written for it.
struct World {
    service: Service,
    place: Place,
    names: Names,
}

impl World {
    /// `None` if this host does not permit it. The port is that of the service or a relay.
    fn new(credential: Credential, said: Said, upstream: &str, port: Option<u16>) -> Option<Self> {
        let service = Service::quiet();
        Self::before(service, credential, said, upstream, port)
    }

    fn before(
        service: Service,
        credential: Credential,
        said: Said,
        upstream: &str,
        port: Option<u16>,
    ) -> Option<Self> {
        let names = Names::saying(said)?;
        let place = Place::with(&service, credential, "");
        let url = match port {
            Some(port) => format!("https://{NAME}:{port}"),
            None => service.url().replace("127.0.0.1", NAME),
        };
        let written = format!("url = {:?}", service.url());
        place.amend(&written, &format!("url = {url:?}\n{upstream}"));
        Some(Self { service, place, names })
    }

    fn command(&self) -> Command {
        self.names.run(&self.place)
    }

    fn run(&self) -> Process {
        Process::listening(self.command())
    }
}

fn workspaces(sidecar: &Process) -> Answer {
    get(sidecar.proxy(), "/api/v2/workspaces").unwrap()
}

fn here() -> Said {
    Said::Addresses(vec![Ipv4Addr::LOCALHOST])
}

#[test]
fn a_name_that_is_not_resolved_is_told_and_asked_for_again() {
    for (said, status, code, words) in [
        (Said::NoSuchName, 502, "upstream_dns", "could not be resolved"),
        (Said::Failure, 502, "upstream_dns", "could not be resolved"),
        (Said::Addresses(Vec::new()), 502, "upstream_dns", "could not be resolved"),
        (Said::Nothing, 504, "upstream_timeout", "took too long (name resolution)"),
    ] {
        let limit = "connect_timeout = \"500ms\"";
        let case = said.clone();
        let Some(world) = World::new(Credential::PersonalAccessToken, said, limit, None) else {
            return;
        };
        let sidecar = world.run();
        let answer = workspaces(&sidecar);
        assert_eq!(answer.status, status, "{case:?}: {answer:?}");
        assert_eq!(answer.json()["error"]["code"], code, "{case:?}");
        assert!(answer.content.contains(words) && answer.content.contains(NAME), "{answer:?}");
        world.names.say(here());
        assert_eq!(workspaces(&sidecar).status, 200, "after {case:?}\n{}", sidecar.last());
        sidecar.stop();
    }
}

#[test]
fn a_token_endpoint_without_an_address_costs_no_refresh_token() {
    let said = Said::NoSuchName;
    let Some(world) = World::new(Credential::AuthorizationCode, said, "", None) else { return };
    let sidecar = world.run();
    let retrying = |state| state == Standing::Retrying;
    let report = sidecar.until("a retry", |report| retrying(report.token.state));
    let told = format!("token endpoint: the name {NAME} could not be resolved");
    assert!(report.token.trouble.as_ref().unwrap().contains(&told), "{report:?}");
    world.names.say(here());
    sidecar.has_token();
    assert_eq!(world.service.journal().exchanges().len(), 1);
    sidecar.stop();
}

#[test]
fn a_dead_address_among_others_costs_no_request() {
    let said = Said::Addresses(vec![ONE, OTHER, Ipv4Addr::LOCALHOST]);
    let Some(world) = World::new(Credential::AuthorizationCode, said, "", None) else { return };
    let sidecar = world.run();
    sidecar.has_token();
    assert_eq!(workspaces(&sidecar).status, 200);
    sidecar.stop();
}

/// The service at two addresses with the same port.
fn two_relays(service: &Service) -> (Relay, Relay) {
    let behind = service.url().trim_start_matches("https://");
    let one = Relay::new(ONE.into(), 0, behind);
    let other = Relay::new(OTHER.into(), one.port(), behind);
    (one, other)
}

#[test]
fn when_an_address_dies_the_next_request_goes_to_the_new_one() {
    let service = Service::quiet();
    let (one, other) = two_relays(&service);
    let (credential, said) = (Credential::PersonalAccessToken, Said::Addresses(vec![ONE]));
    let world = World::before(service, credential, said, "", Some(one.port()));
    let Some(world) = world else { return };
    let sidecar = world.run();
    assert_eq!(workspaces(&sidecar).status, 200);
    world.names.say(Said::Addresses(vec![OTHER]));
    assert_eq!(workspaces(&sidecar).status, 200);
    drop(one);
    for _ in 0..10 {
        assert_eq!(workspaces(&sidecar).status, 200, "{}", sidecar.last());
    }
    assert!(other.connections() > 0);
    sidecar.stop();
}

#[test]
fn an_address_that_has_changed_is_followed_although_the_old_one_lives() {
    let service = Service::quiet();
    let (one, other) = two_relays(&service);
    let (credential, said) = (Credential::PersonalAccessToken, Said::Addresses(vec![ONE]));
    let age = "max_age = \"1s\"";
    let world = World::before(service, credential, said, age, Some(one.port()));
    let Some(world) = world else { return };
    let sidecar = world.run();
    assert_eq!(workspaces(&sidecar).status, 200);
    world.names.say(Said::Addresses(vec![OTHER]));
    until("a connection to the new address", || {
        assert_eq!(workspaces(&sidecar).status, 200, "{}", sidecar.last());
        other.connections() > 0
    });
    sidecar.stop();
}

#[test]
fn plain_http_to_another_name_works_where_it_is_wanted_and_is_warned_about() {
    let service = Service::start(quiet(), Security::Plain);
    let Some(names) = Names::saying(here()) else { return };
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    let url = service.url().replace("127.0.0.1", NAME);
    place.amend(service.url(), &url);
    Outcome::of(place.command("check")).expect(2, &["upstream.allow_plaintext = true allows it"]);
    let allowed = format!("url = {url:?}\nallow_plaintext = true");
    place.amend(&format!("url = {url:?}"), &allowed);
    let sidecar = Process::listening(names.run(&place));
    sidecar.says(&format!("upstream.url is {url}, without TLS"));
    sidecar.has_token();
    assert_eq!(workspaces(&sidecar).status, 200);
    sidecar.stop();
}

#[test]
fn no_proxy_means_none() {
    let Some(world) = World::new(Credential::AuthorizationCode, here(), "", None) else { return };
    let outbound = Outbound::to(world.service.url().trim_start_matches("https://"));
    let mut command = world.command();
    command.env("HTTPS_PROXY", outbound.address().to_string());
    command.env("NO_PROXY", "localhost,webwork-tracker.com");
    let sidecar = Process::listening(command);
    sidecar.has_token();
    assert_eq!(workspaces(&sidecar).status, 200);
    assert_eq!(outbound.heads(), [""; 0]);
    sidecar.stop();
}
