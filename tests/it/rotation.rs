//! No caller notices a rotation, whichever server there is and whatever the operator has.
//!
//! `ROTATIONS` asks for more of them than an ordinary run has.

use std::time::Duration;

use super::support::{Credential, Load, PERSONAL_ACCESS_TOKEN, Sidecar};
use webwork_sidecar::clock;
use webwork_sidecar::simulator::Personality;

const PERSONALITIES: [Personality; 3] =
    [Personality::League8, Personality::League9, Personality::Rfc9700];

/// Tokens that are replaced more than once in a second, and die soon after.
async fn short_lived(credential: Credential, personality: Personality) -> Sidecar {
    Sidecar::with(credential)
        .personality(personality)
        .access_life(Duration::from_secs(6))
        .set("refresh.at", "0.1")
        .start()
        .await
}

/// Lets callers work through the rotations and counts what the service saw.
async fn rotates_unnoticed(credential: Credential, personality: Personality) {
    let sidecar = short_lived(credential, personality).await;
    let load = Load::on(&sidecar, 4).await;
    let began = clock::now();
    for rotation in 1..=rotations() {
        sidecar.until_generation(rotation + 1).await;
    }
    let took = clock::now().since(began);
    let answers = load.ends_well().await;
    let (service, sources) = (sidecar.service.clone(), sidecar.sources().clone());
    sidecar.stop().await;
    let (journal, status) = (service.found_nothing_wrong(), sources.token.borrow().clone());
    assert_eq!(journal.exchanges().len() as u64, status.rotations + 1);
    assert_eq!(journal.grants(), status.generation.0);
    assert_eq!((journal.api_answers(200), sources.meter.totals().answers), (answers, answers));
    println!(
        "{} {personality}: {answers} answers, {} rotations, {took:?}",
        credential.name(),
        status.rotations
    );
}

#[expect(clippy::disallowed_methods, reason = "a number of rotations is no configuration")]
fn rotations() -> u64 {
    std::env::var("ROTATIONS").map_or(5, |number| number.parse().expect("a number"))
}

#[tokio::test]
async fn of_a_refresh_token() {
    let [a, b, c] = PERSONALITIES.map(|it| rotates_unnoticed(Credential::AuthorizationCode, it));
    tokio::join!(a, b, c);
}

#[tokio::test]
async fn of_client_credentials() {
    let [a, b, c] = PERSONALITIES.map(|it| rotates_unnoticed(Credential::ClientCredentials, it));
    tokio::join!(a, b, c);
}

/// Nothing rotates by itself here: the operator puts a new token into the file.
async fn is_replaced_unnoticed(personality: Personality) {
    let sidecar = short_lived(Credential::PersonalAccessToken, personality).await;
    let load = Load::on(&sidecar, 4).await;
    for generation in 2..=4 {
        sidecar.put(PERSONAL_ACCESS_TOKEN, &sidecar.service.new_personal_access_token());
        sidecar.until_generation(generation).await;
    }
    let answers = load.ends_well().await;
    let journal = sidecar.service.found_nothing_wrong();
    assert_eq!((journal.exchanges().len(), journal.api_requests()), (0, answers));
}

#[tokio::test]
async fn of_a_personal_access_token() {
    let [a, b, c] = PERSONALITIES.map(is_replaced_unnoticed);
    tokio::join!(a, b, c);
}
