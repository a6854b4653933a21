//! API.md §2, "Success" and "Rotation", over the wire.

use std::time::Duration;

use crate::simulator::tests::peer::{form, is_good, quiet, refresh, send, start, start_as, tokens};
use crate::simulator::{Config, Personality, Rotation};

#[tokio::test]
async fn a_grant_has_the_four_fields_in_the_recorded_order() {
    let simulator = start_as(Personality::League9).await;
    let seed = simulator.issue_refresh_token(&"read write".parse().unwrap());
    let answer = refresh(&simulator, &seed).await;
    assert_eq!(answer.field("content-type"), Some("application/json; charset=UTF-8"));
    assert_eq!(answer.field("cache-control"), Some("no-store, private"));
    assert_eq!(answer.field("pragma"), Some("no-cache"));
    let text = answer.text();
    let start = "{\"token_type\":\"Bearer\",\"expires_in\":1296000,\"access_token\":\"eyJ0eXAi";
    assert!(text.starts_with(start), "{text}");
    assert!(text.contains("\",\"refresh_token\":\"def50200"), "{text}");
    assert_eq!(answer.json().as_object().unwrap().len(), 4);
    assert_eq!(tokens(&answer).1.len(), 740);
}

#[tokio::test]
async fn league_kills_the_old_access_token_and_spares_the_family() {
    for personality in [Personality::League8, Personality::League9] {
        let simulator = start_as(personality).await;
        let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
        let (first_access, first) = tokens(&refresh(&simulator, &seed).await);
        assert!(is_good(&simulator, &first_access).await);
        let (second_access, second) = tokens(&refresh(&simulator, &first).await);
        assert!(!is_good(&simulator, &first_access).await);
        assert!(!refresh(&simulator, &first).await.status.is_success());
        assert!(is_good(&simulator, &second_access).await, "a reuse revokes nothing else");
        tokens(&refresh(&simulator, &second).await);
    }
}

#[tokio::test]
async fn the_strict_server_ends_the_family_at_a_reuse() {
    let simulator = start_as(Personality::Rfc9700).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let (first_access, first) = tokens(&refresh(&simulator, &seed).await);
    let (second_access, second) = tokens(&refresh(&simulator, &first).await);
    assert!(is_good(&simulator, &first_access).await, "it lives on until it expires");
    assert_eq!(refresh(&simulator, &first).await.json()["error"], "invalid_grant");
    assert!(!is_good(&simulator, &first_access).await);
    assert!(!is_good(&simulator, &second_access).await);
    assert_eq!(refresh(&simulator, &second).await.json()["error"], "invalid_grant");
}

#[tokio::test]
async fn a_grace_answers_a_spent_token_with_the_same_pair() {
    let config = Config { grace: Duration::from_secs(3600), ..quiet() };
    let simulator = start(config).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let first = tokens(&refresh(&simulator, &seed).await);
    assert_eq!(tokens(&refresh(&simulator, &seed).await), first);
    assert_eq!(simulator.journal().reuses(), 1);
}

#[tokio::test]
async fn without_rotation_no_refresh_token_is_sent() {
    let config = Config { personality: Personality::League8, rotation: Rotation::Never, ..quiet() };
    let simulator = start(config).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    for _ in 0..2 {
        let answer = refresh(&simulator, &seed).await;
        assert_eq!(answer.status, 200);
        assert!(answer.json().get("refresh_token").is_none());
    }
}

#[tokio::test]
async fn client_credentials_get_an_access_token_alone_and_kill_nothing() {
    let simulator = start_as(Personality::League9).await;
    let credentials = format!(
        "grant_type=client_credentials&scope=read&client_id=1&client_secret={}",
        simulator.client_secret()
    );
    let mut access = Vec::new();
    for _ in 0..2 {
        let json = send(&simulator, form(&credentials)).await.unwrap().json();
        assert!(json.get("refresh_token").is_none());
        access.push(json["access_token"].as_str().unwrap().to_owned());
    }
    assert!(is_good(&simulator, &access[0]).await && is_good(&simulator, &access[1]).await);
}

#[tokio::test]
async fn short_lives_are_told_and_kept() {
    let config = Config { access_life: Duration::from_millis(1), ..quiet() };
    let simulator = start(config).await;
    let seed = simulator.issue_refresh_token(&"read".parse().unwrap());
    let (access, _) = tokens(&refresh(&simulator, &seed).await);
    while is_good(&simulator, &access).await {}
}
