//! No token is spent whose successor could not be kept, and several sidecars spend none twice.

use std::time::Duration;

use webwork_sidecar::simulator::{Target, What, When};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::state::Standing;
use webwork_sidecar::token::status::Availability;

use super::support::{Answers, Credential, Load, Sidecar, fault};

const WORKSPACES: &str = "/api/v2/workspaces";

/// The file in which a successor is written before it takes the record's place.
const NEXT: &str = "grant.json.next";

#[tokio::test]
async fn nothing_is_spent_while_its_successor_could_not_be_stored() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.obstruct(NEXT);
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Retrying).await;
    assert!(status.trouble.unwrap().contains(NEXT));
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.service.exchanges(), 1);
    sidecar.clear(NEXT);
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
}

#[tokio::test]
async fn a_successor_that_cannot_be_stored_is_used_told_and_stored_later() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let slow = What::Delay { ms: 2000 };
    sidecar.service.suffers(fault(Target::TokenEndpoint, When::After, slow));
    sidecar.order_refresh().await;
    // On the wire: the rehearsal has succeeded.
    sidecar.until(|status| status.token == Availability::Hold).await;
    sidecar.obstruct(NEXT);
    let status = sidecar.until_state(Standing::Unsaved).await;
    assert_eq!(status.generation, Generation(2));
    assert_eq!(Some(sidecar.carried().await), status.fingerprint.map(|it| it.to_string()));
    let page = sidecar.page("/readyz").await;
    assert_eq!((page.status, page.text()), (200, "ready (degraded: unsaved)\n"));
    sidecar.clear(NEXT);
    sidecar.until_generation(2).await;
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.status().generation, Generation(2));
    assert_eq!(sidecar.refresh().await.generation, Generation(3));
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 3);
}

/// Two sidecars on one directory, at work through eleven rotations; then one goes on alone. Tells what
/// the callers of either saw, and leaves to the test what they may see.
async fn two_at_work() -> [Answers; 2] {
    let first = Sidecar::with(Credential::AuthorizationCode)
        .access_life(Duration::from_secs(4))
        .set("refresh.at", "0.1")
        .start()
        .await;
    let second = first.another().start().await;
    let loads = [Load::on(&first, 2).await, Load::on(&second, 2).await];
    tokio::join!(first.until_generation(12), second.until_generation(12));
    let [one, other] = loads;
    let answers = [one.end().await, other.end().await];
    first.stop().await;
    let next = second.status().generation.0 + 2;
    let load = Load::on(&second, 2).await;
    second.until_generation(next).await;
    load.ends_well().await;
    let (service, sources) = (second.service.clone(), second.sources().clone());
    second.stop().await;
    let generation = sources.token.borrow().generation;
    assert_eq!(service.found_nothing_wrong().exchanges().len() as u64, generation.0);
    println!("{answers:?}, {generation} generations");
    answers
}

#[tokio::test]
async fn two_sidecars_on_one_directory_make_one_exchange_for_each_generation() {
    for answers in two_at_work().await {
        assert!(answers[&200] > 100, "{answers:?}");
    }
}

#[tokio::test]
async fn callers_of_two_sidecars_on_one_directory_see_no_401() {
    for answers in two_at_work().await {
        assert_eq!(answers.keys().collect::<Vec<_>>(), [&200], "{answers:?}");
    }
}
