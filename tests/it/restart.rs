//! A restart, a corrected file and a new grant cost nothing that is still good.

use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::simulator::Outcome;
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::state::Standing;
use webwork_sidecar::token::status::Status;

use super::support::{CLIENT_SECRET, Credential, PERSONAL_ACCESS_TOKEN, REFRESH_TOKEN, Sidecar};

const WORKSPACES: &str = "/api/v2/workspaces";

#[tokio::test]
async fn a_restart_costs_no_exchange_when_none_is_due() {
    let mut sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    for _ in 0..3 {
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        sidecar = sidecar.restart().await;
    }
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 1);
}

#[tokio::test]
async fn an_old_seed_never_replaces_what_came_after_it() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    assert_eq!(sidecar.refresh().await.generation, Generation(2));
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.status().generation, Generation(2));
    assert_eq!(sidecar.refresh().await.generation, Generation(3));
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 3);
}

#[tokio::test]
async fn a_new_seed_replaces_the_grant_at_a_restart() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let seed = sidecar.service.new_refresh_token();
    sidecar.put(REFRESH_TOKEN, &seed);
    let sidecar = sidecar.restart().await;
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.service.presented_last(), Some(Fingerprint::of(&seed)));
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
}

#[tokio::test]
async fn a_new_seed_replaces_the_grant_while_it_runs() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let seed = sidecar.service.new_refresh_token();
    sidecar.put(REFRESH_TOKEN, &seed);
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.service.presented_last(), Some(Fingerprint::of(&seed)));
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
}

#[tokio::test]
async fn a_refused_seed_leaves_the_old_grant_in_use() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.put(REFRESH_TOKEN, "def50200deadbeef");
    let refused = |status: &Status| {
        status.state == Standing::Active
            && status
                .trouble
                .as_deref()
                .is_some_and(|trouble| trouble.contains("new refresh token"))
    };
    sidecar.until(refused).await;
    assert!(matches!(sidecar.service.last_outcome(), Outcome::Refused(_)));
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.service.exchanges(), 2);
    // It is not sent again, and the old grant goes on.
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.status().state, Standing::Active);
    assert_eq!(sidecar.refresh().await.generation, Generation(2));
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 3);
}

#[tokio::test]
async fn a_new_personal_access_token_is_used_without_a_restart() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let token = sidecar.service.new_personal_access_token();
    assert_ne!(sidecar.carried().await, Fingerprint::of(&token).to_string());
    sidecar.put(PERSONAL_ACCESS_TOKEN, &token);
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.carried().await, Fingerprint::of(&token).to_string());
}

#[tokio::test]
async fn a_corrected_secret_is_used_without_a_restart() {
    for credential in [Credential::AuthorizationCode, Credential::ClientCredentials] {
        let sidecar = Sidecar::with(credential).start_with(CLIENT_SECRET, "wrong").await;
        let status = sidecar.until_state(Standing::Misconfigured).await;
        assert!(status.trouble.unwrap().contains("client_secret"));
        let reply = sidecar.get(WORKSPACES).await;
        assert_eq!((reply.status, reply.code().as_str()), (503, "sign_in_required"));
        sidecar.put(CLIENT_SECRET, sidecar.service.client_secret());
        sidecar.until_generation(1).await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        // The seed that the wrong client presented was the good one, and is good still.
        assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
    }
}

#[tokio::test]
async fn a_wrong_client_costs_no_refresh_token() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.put(CLIENT_SECRET, "wrong");
    let sidecar = sidecar.restart().await;
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Misconfigured).await;
    assert_eq!(sidecar.service.last_outcome(), Outcome::Refused("invalid_client"));
    // The token that is there lives on.
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    sidecar.put(CLIENT_SECRET, sidecar.service.client_secret());
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.refresh().await.generation, Generation(2));
    sidecar.service.found_nothing_wrong();
}
