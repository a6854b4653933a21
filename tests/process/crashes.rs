//! kill -9 at the steps of an exchange, held still by the server: the next start knows the truth.

use std::net::{TcpListener, TcpStream};
use std::time::Duration;

use webwork_sidecar::simulator::{Config, Personality, Security, When};
use webwork_sidecar::token::state::Standing;

use crate::support::{Place, Process, Service, Truth, carry, finds, quiet, truth, until};

const FOREVER: Duration = Duration::from_secs(600);
const GRACE: Duration = Duration::from_secs(30);

#[test]
fn killed_before_the_intent_nothing_has_happened() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    // A door before the token endpoint, at first without anybody behind it.
    let door = TcpListener::bind("127.0.0.1:0").unwrap();
    place.add(&format!("token_url = \"https://{}/oauth/token\"", door.local_addr().unwrap()));
    let sidecar = place.run();
    let held = door.accept().unwrap();
    assert!(place.state().join("grant.json.next").exists(), "the write is rehearsed first");
    assert_eq!(place.record(), None);
    sidecar.kill();
    drop(held);
    let behind = service.url().strip_prefix("https://").unwrap().to_owned();
    std::thread::spawn(move || {
        door.incoming()
            .for_each(|caller| carry(caller.unwrap(), TcpStream::connect(&behind).unwrap()));
    });
    let sidecar = place.run();
    finds(&sidecar, &service, &place, Truth::Whole, "before the intent");
    assert_eq!(service.journal().exchanges().len(), 1);
}

#[test]
fn killed_before_the_server_has_processed_the_grant_lives() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    service.delay_exchange(When::Before, FOREVER);
    let sidecar = place.run();
    service.until_struck();
    assert!(place.has_intent());
    sidecar.kill();
    let sidecar = place.run();
    finds(&sidecar, &service, &place, Truth::Whole, "the first exchange");

    service.delay_exchange(When::Before, FOREVER);
    sidecar.order_exchange();
    service.until_struck();
    assert!(place.has_intent());
    sidecar.kill();
    let sidecar = place.run();
    sidecar.until("the old access token is asked", |r| r.token.state == Standing::InDoubt);
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "it lives and is used meanwhile");
    finds(&sidecar, &service, &place, Truth::Whole, "a later exchange");
    let journal = service.journal();
    assert_eq!((journal.reuses(), journal.api_answers(401)), (0, 0));
}

#[test]
fn killed_after_the_server_has_processed_the_loss_is_told() {
    std::thread::scope(|scope| {
        for personality in [Personality::League8, Personality::League9, Personality::Rfc9700] {
            scope.spawn(move || the_loss_is_told_by(personality));
        }
    });
}

fn the_loss_is_told_by(personality: Personality) {
    let service = Service::start(Config { personality, ..quiet() }, Security::Tls);
    let place = Place::rotating(&service, 0.5);
    let sidecar = place.run();
    sidecar.has_token();
    service.delay_exchange(When::After, FOREVER);
    sidecar.order_exchange();
    service.until_struck();
    sidecar.kill();
    until("the server notes it", || truth(&service, &place) == Truth::AnswerLost);
    let sidecar = place.run();
    finds(&sidecar, &service, &place, Truth::AnswerLost, personality.as_str());
    let trouble = sidecar.report().token.trouble.unwrap();
    assert!(trouble.contains("was lost") && trouble.contains("sign in again"), "{trouble}");
    let sent = service.journal().exchanges().len();
    // A restart knows it, too, and sends a dead token to nobody.
    sidecar.stop();
    let sidecar = place.run();
    finds(&sidecar, &service, &place, Truth::AnswerLost, personality.as_str());
    assert_eq!(service.journal().exchanges().len(), sent);
    place.seed(&service);
    finds_after_seed(&sidecar, &service, &place);
}

/// A new refresh token ends a loss without a restart.
fn finds_after_seed(sidecar: &Process, service: &Service, place: &Place) {
    sidecar.until("the seed is taken", |report| report.token.loss.is_none());
    finds(sidecar, service, place, Truth::Whole, "after a seed");
}

#[test]
fn killed_after_the_server_has_processed_a_grace_period_saves_it() {
    let service = Service::start(Config { grace: GRACE, ..quiet() }, Security::Tls);
    let place = Place::rotating(&service, 0.5);
    service.delay_exchange(When::After, FOREVER);
    let sidecar = place.run();
    service.until_struck();
    sidecar.kill();
    let sidecar = place.run();
    finds(&sidecar, &service, &place, Truth::Whole, "the first exchange");
    service.delay_exchange(When::After, FOREVER);
    sidecar.order_exchange();
    service.until_struck();
    sidecar.kill();
    let sidecar = place.run();
    finds(&sidecar, &service, &place, Truth::Whole, "a later exchange");
}
