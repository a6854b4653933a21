//! A 401 that a new token cures is never seen; one that none cures costs next to nothing.

use http::Response;
use tokio::task::JoinSet;
use webwork_sidecar::simulator::{Fault, MachineTokens, Refusals, Target, TokenKind, What, When};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::state::Standing;

use super::support::{Credential, ECHO, INTERVAL, PERSONAL_ACCESS_TOKEN, Sidecar, Upstream, full};

const WORKSPACES: &str = "/api/v2/workspaces";

#[tokio::test]
async fn a_thousand_at_once_cost_one_exchange() {
    let sidecar =
        Sidecar::with(Credential::AuthorizationCode).plain().set(INTERVAL, "30s").start().await;
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    // Refused at once, but told late: all of them are on the way when the first one is.
    let what = What::Delay { ms: 1500 };
    sidecar.service.suffers(Fault { target: Target::Api, when: When::After, what, count: 1000 });
    let mut callers = Vec::new();
    for _ in 0..1000 {
        callers.push(sidecar.caller().await);
    }
    let mut answers = JoinSet::new();
    for mut caller in callers {
        let request = sidecar.get_request(WORKSPACES);
        answers.spawn(async move {
            caller.send(request).await;
            caller.reply().await.status
        });
    }
    assert!(answers.join_all().await.iter().all(|status| *status == 200));
    let journal = sidecar.service.found_nothing_wrong();
    assert_eq!((journal.exchanges().len(), journal.api_answers(200)), (2, 1000));
    let totals = sidecar.report().traffic;
    assert_eq!((totals.unauthorized, totals.replays), (0, journal.api_answers(401)));
    println!("{} of 1000 requests met a 401", totals.replays);
    assert!(totals.replays > 0);
}

#[tokio::test]
async fn one_that_stays_passes_and_costs_one_exchange() {
    let sidecar = Sidecar::with(Credential::ClientCredentials)
        .machine_tokens(MachineTokens::Refused)
        .set(INTERVAL, "30s")
        .start()
        .await;
    for _ in 0..20 {
        let reply = sidecar.get(WORKSPACES).await;
        assert_eq!(reply.status, 401);
        assert!(reply.text().contains("Please provide a valid Bearer token"));
    }
    // One for the first token, and one for the first 401.
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
    assert_eq!(sidecar.status().generation, Generation(2));
}

#[tokio::test]
async fn an_api_that_shows_its_login_page_instead_gets_a_fresh_token() {
    for refusals in [Refusals::LoginUnlessJson, Refusals::Login] {
        let sidecar = Sidecar::with(Credential::AuthorizationCode).refusals(refusals);
        let sidecar = sidecar.set(INTERVAL, "30s").start().await;
        sidecar.service.faults().revoke(TokenKind::AccessTokens);
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200, "{refusals:?}");
        let reply = sidecar.post(ECHO, b"content").await;
        assert_eq!((reply.status, reply.text()), (200, "content"), "{refusals:?}");
        assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2, "{refusals:?}");
    }
}

#[tokio::test]
async fn a_login_page_that_stays_passes_and_costs_one_exchange() {
    let sidecar = Sidecar::with(Credential::ClientCredentials)
        .machine_tokens(MachineTokens::Refused)
        .refusals(Refusals::LoginUnlessJson)
        .set(INTERVAL, "30s")
        .start()
        .await;
    for _ in 0..20 {
        let reply = sidecar.get(WORKSPACES).await;
        assert_eq!((reply.status, reply.fields["location"].to_str().unwrap()), (302, "/login"));
    }
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
}

#[tokio::test]
async fn a_refused_personal_access_token_is_told_and_not_fought() {
    for (refusals, status) in [(Refusals::Unauthorized, 401), (Refusals::Login, 302)] {
        refused_personal_access_token(refusals, status).await;
    }
}

async fn refused_personal_access_token(refusals: Refusals, status: u16) {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).refusals(refusals).start().await;
    assert!(sidecar.report().ready);
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    for _ in 0..5 {
        assert_eq!(sidecar.get(WORKSPACES).await.status, status);
    }
    sidecar.until_state(Standing::Rejected).await;
    assert!(!sidecar.report().ready);
    let journal = sidecar.service.found_nothing_wrong();
    assert_eq!((journal.exchanges().len(), journal.api_requests()), (0, 5));
    sidecar.put(PERSONAL_ACCESS_TOKEN, &sidecar.service.new_personal_access_token());
    sidecar.until_generation(2).await;
    assert!(sidecar.report().ready);
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
}

#[tokio::test]
async fn one_over_content_that_was_not_kept_passes_and_is_the_last() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    let content = vec![b'x'; (64 << 10) + 1];
    let reply = sidecar.post(ECHO, &content).await;
    assert_eq!(reply.status, 401);
    let why = reply.fields["proxy-status"].to_str().unwrap();
    assert!(why.contains("not replayed"), "{why}");
    sidecar.until_generation(2).await;
    let reply = sidecar.post(ECHO, &content).await;
    assert_eq!((reply.status, reply.content.len()), (200, content.len()));
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
}

/// Laravel Sanctum's tokens begin with a number and `|`.
#[tokio::test]
async fn a_personal_access_token_of_another_form_is_sent_as_it_is() {
    for token in ["12|canaryABC0123", "user:canary%41&='x'"] {
        let (seen, mut carried) = tokio::sync::mpsc::unbounded_channel();
        let upstream = Upstream::plain(move |request| {
            let fields = request.headers().get_all("authorization");
            let fields: Vec<_> = fields.iter().map(|it| it.to_str().unwrap().to_owned()).collect();
            seen.send(fields).unwrap();
            async { Response::new(full("")) }
        })
        .await;
        let setup =
            Sidecar::with(Credential::PersonalAccessToken).set("upstream.url", &upstream.url);
        let content = format!("\u{feff}{token}\r\n\r\n");
        let sidecar = setup.start_with(PERSONAL_ACCESS_TOKEN, &content).await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200, "{token}");
        assert_eq!(carried.recv().await.unwrap(), [format!("Bearer {token}")]);
    }
}
