//! Whatever the token endpoint answers, or does not answer: nothing is given up that is still good.

use std::time::Duration;

use webwork_sidecar::simulator::{Fault, Personality, Refusals, Target, What, When};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::order::Asked;
use webwork_sidecar::token::state::{Loss, Standing};
use webwork_sidecar::token::status::Availability;

use super::support::{Credential, REFRESH_TOKEN, Sidecar, fault};

const WORKSPACES: &str = "/api/v2/workspaces";

fn at_the_token_endpoint(when: When, what: What) -> Fault {
    fault(Target::TokenEndpoint, when, what)
}

/// A refresh that goes wrong and took no effect: callers use the old token until the sidecar has
/// helped itself, and no token is sent twice that was spent.
async fn survives(what: What) {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.service.suffers(at_the_token_endpoint(When::Before, what.clone()));
    sidecar.order_refresh().await;
    let status = sidecar.until(|status| status.trouble.is_some()).await;
    assert!(
        matches!(status.state, Standing::Retrying | Standing::InDoubt | Standing::Refreshing),
        "{what:?}: {status:?}"
    );
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!(reply.status, 200, "{what:?}");
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200, "{what:?}");
    let journal = sidecar.service.found_nothing_wrong();
    assert_eq!((journal.exchanges().len(), journal.grants()), (3, 2), "{what:?}");
    assert_eq!(sidecar.report().traffic.errors, 0, "{what:?}");
}

#[tokio::test]
async fn an_answer_that_is_none_is_survived() {
    tokio::join!(
        survives(What::Cut),
        survives(What::Html),
        survives(What::Garbage),
        survives(What::TruncatedJson),
    );
}

#[tokio::test]
async fn an_error_of_the_server_is_survived() {
    let status = |code, retry_after| What::Status { code, retry_after };
    tokio::join!(
        survives(What::ServerError),
        survives(status(500, None)),
        survives(status(502, None)),
        survives(status(503, Some(2))),
        survives(status(429, Some(2))),
    );
}

#[tokio::test]
async fn a_first_exchange_that_goes_wrong_is_repeated() {
    for what in [What::Cut, What::Status { code: 500, retry_after: None }] {
        let fault = at_the_token_endpoint(When::Before, what);
        let sidecar = Sidecar::with(Credential::AuthorizationCode).suffering(fault).start().await;
        sidecar.until_generation(1).await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
    }
}

#[tokio::test]
async fn a_pause_that_the_server_asks_for_is_made() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let what = What::Status { code: 429, retry_after: Some(3600) };
    sidecar.service.suffers(at_the_token_endpoint(When::Before, what));
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Retrying).await;
    let pause = status.next_exchange_at.unwrap().duration_since(status.since);
    assert!((3595..=3600).contains(&pause.as_secs()), "{pause}");
}

async fn loses(personality: Personality) {
    let sidecar =
        Sidecar::with(Credential::AuthorizationCode).personality(personality).start().await;
    sidecar.service.suffers(at_the_token_endpoint(When::After, What::Cut));
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Lost).await;
    assert_eq!(status.loss, Some(Loss::AnswerLost));
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "sign_in_required"));
    assert!(!sidecar.report().ready);
    // The first, the lost one and one last try: then the token is never sent again.
    assert_eq!(sidecar.service.exchanges(), 3);
    let sidecar = sidecar.restart().await;
    assert_eq!((sidecar.status().state, sidecar.status().loss), (Standing::Lost, status.loss));
    assert_eq!(sidecar.order_refresh().await, Asked::Useless);
    sidecar.put(REFRESH_TOKEN, &sidecar.service.new_refresh_token());
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.service.exchanges(), 4);
}

/// The probe of the old token is answered with a redirect to the login page, which means the same.
#[tokio::test]
async fn a_redirect_to_the_login_page_says_that_the_old_token_is_dead() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).refusals(Refusals::Login);
    let sidecar = sidecar.start().await;
    sidecar.service.suffers(at_the_token_endpoint(When::After, What::Cut));
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Lost).await;
    assert_eq!(status.loss, Some(Loss::AnswerLost));
    assert_eq!(sidecar.service.exchanges(), 3);
}

async fn hears_it_again(personality: Personality) {
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .personality(personality)
        .grace(Duration::from_secs(30))
        .start()
        .await;
    sidecar.service.suffers(at_the_token_endpoint(When::After, What::Cut));
    sidecar.order_refresh().await;
    sidecar.until_generation(2).await;
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert_eq!(sidecar.refresh().await.generation, Generation(3));
    let journal = sidecar.service.journal();
    assert_eq!((journal.exchanges().len(), journal.reuses()), (4, 1));
}

#[tokio::test]
async fn a_lost_answer_is_told_again_within_a_grace() {
    tokio::join!(hears_it_again(Personality::League9), hears_it_again(Personality::Rfc9700));
}

/// The strict server leaves the old access token alive, so the oracle cannot know of the loss; the
/// retry is a reuse, which ends everything. Callers see no 401 because of it, and the reason is true.
async fn loses_everything() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .personality(Personality::Rfc9700)
        .start()
        .await;
    sidecar.service.suffers(at_the_token_endpoint(When::After, What::Cut));
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Lost).await;
    assert_eq!(status.loss, Some(Loss::AnswerLost));
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "sign_in_required"));
    assert_eq!(sidecar.service.exchanges(), 3);
}

/// With the retry switched off that server sees the token once, and callers go on with the access token
/// that it left alive.
#[tokio::test]
async fn a_server_that_punishes_reuse_sees_no_token_twice() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .personality(Personality::Rfc9700)
        .set("refresh.retry_in_doubt", "false")
        .start()
        .await;
    sidecar.service.suffers(at_the_token_endpoint(When::After, What::Cut));
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Lost).await;
    assert_eq!(status.loss, Some(Loss::AnswerLost));
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    assert!(sidecar.report().ready);
    assert_eq!(sidecar.order_refresh().await, Asked::Useless);
    let journal = sidecar.service.found_nothing_wrong();
    assert_eq!((journal.exchanges().len(), journal.reuses()), (2, 0));
}

#[tokio::test]
async fn a_lost_answer_without_a_grace_is_a_loss_and_no_401() {
    tokio::join!(loses(Personality::League8), loses(Personality::League9), loses_everything());
}

#[tokio::test]
async fn callers_wait_for_a_slow_answer() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let what = What::Delay { ms: 2000 };
    sidecar.service.suffers(at_the_token_endpoint(When::After, what));
    let before = sidecar.carried().await;
    sidecar.order_refresh().await;
    sidecar.until(|status| status.token == Availability::Hold).await;
    let carried = sidecar.carried().await;
    let status = sidecar.until_generation(2).await;
    assert_ne!(carried, before);
    assert_eq!(Some(carried), status.fingerprint.map(|it| it.to_string()));
    let journal = sidecar.service.found_nothing_wrong();
    assert_eq!((journal.exchanges().len(), journal.api_answers(401)), (2, 0));
}
