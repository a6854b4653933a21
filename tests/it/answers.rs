//! Whatever form an answer of the token endpoint has: tokens are found, refusals are believed, and no
//! refresh token is presented more than twice.

use std::os::unix::fs::PermissionsExt;
use std::time::Duration;

use tokio::task::JoinSet;
use webwork_sidecar::simulator::{Disguise, Fault, Personality, Target, TokenKind, What, When};
use webwork_sidecar::token::order::Asked;
use webwork_sidecar::token::state::{Loss, Standing};

use super::support::{Credential, INTERVAL, REFRESH_TOKEN, Sidecar, fault};

const WORKSPACES: &str = "/api/v2/workspaces";

fn answer(code: u16, content: &str) -> What {
    What::Answer { code, content: content.to_owned() }
}

fn at_the_token_endpoint(when: When, what: What) -> Fault {
    fault(Target::TokenEndpoint, when, what)
}

#[tokio::test]
async fn tokens_are_found_in_every_form() {
    for form in [Disguise::Gzip, Disguise::Form, Disguise::Nested, Disguise::Surrounded] {
        let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
        sidecar.service.suffers(at_the_token_endpoint(When::After, What::Disguised { form }));
        sidecar.order_refresh().await;
        sidecar.until_generation(2).await;
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200, "{form:?}");
        let journal = sidecar.service.found_nothing_wrong();
        assert_eq!((journal.exchanges().len(), journal.reuses()), (2, 0), "{form:?}");
    }
}

/// It holds the only copy of the tokens, so a person can take them out of it.
#[tokio::test]
async fn an_answer_that_cannot_be_read_is_kept_until_the_next_grant() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    let what = What::Disguised { form: Disguise::Xml };
    sidecar.service.suffers(at_the_token_endpoint(When::After, what));
    sidecar.order_refresh().await;
    let status = sidecar.until_state(Standing::Lost).await;
    assert_eq!(status.loss, Some(Loss::AnswerLost));
    let path = sidecar.state_file("unread-answer");
    let named = path.to_str().unwrap();
    assert!(status.trouble.is_some_and(|trouble| trouble.contains(named)));
    assert_eq!(path.metadata().unwrap().permissions().mode() & 0o777, 0o600);
    let kept = std::fs::read_to_string(&path).unwrap();
    assert!(kept.starts_with("HTTP/1.1 200\r\n") && kept.contains("<refresh_token>def"), "{kept}");

    let sidecar = sidecar.restart().await;
    assert!(sidecar.status().trouble.is_some_and(|trouble| trouble.contains(named)));
    sidecar.put(REFRESH_TOKEN, &sidecar.service.new_refresh_token());
    sidecar.until_generation(2).await;
    // It is removed in the background.
    super::support::soon(async {
        while path.exists() {
            tokio::task::yield_now().await;
        }
    })
    .await;
}

#[tokio::test]
async fn a_refusal_counts_whatever_its_status() {
    for (content, state) in [
        (r#"{"error":"invalid_grant"}"#, Standing::Lost),
        ("error=bad_refresh_token&error_description=The+token", Standing::Lost),
        (r#"{"ok":false,"error":"invalid_refresh_token"}"#, Standing::Lost),
        (r#"{"success":false,"error":"invalid_client"}"#, Standing::Misconfigured),
        (r#"{"ok":false,"error":"bad_client_secret"}"#, Standing::Misconfigured),
    ] {
        let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
        sidecar.service.suffers(at_the_token_endpoint(When::Before, answer(200, content)));
        sidecar.order_refresh().await;
        let status = sidecar.until_state(state).await;
        assert!(status.loss.is_none_or(|loss| loss == Loss::Refused), "{content}");
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200, "{content}");
        assert_eq!(sidecar.service.exchanges(), 2, "{content}");
    }
}

/// The old access token goes on working, so nothing but the answers tells that something is wrong.
#[tokio::test]
async fn nonsense_does_not_see_a_refresh_token_more_than_twice() {
    for (when, content) in [
        (When::Before, r#"{"success":false}"#),
        (When::Before, r#"{"error":"something_new"}"#),
        (When::Before, "<html>Welcome</html>"),
        (When::Before, ""),
    ] {
        let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
        let what = answer(200, content);
        sidecar.service.suffers(Fault { count: 1000, ..at_the_token_endpoint(when, what) });
        sidecar.order_refresh().await;
        let status = sidecar.until_state(Standing::Lost).await;
        assert_eq!(status.loss, Some(Loss::AnswerLost), "{content}");
        assert!(status.trouble.is_some_and(|trouble| trouble.contains("sign in")), "{content}");
        assert_eq!(sidecar.order_refresh().await, Asked::Useless, "{content}");
        let sidecar = sidecar.restart().await;
        assert_eq!(sidecar.order_refresh().await, Asked::Useless, "{content}");
        // The first one brought the tokens in use, which work.
        assert_eq!(sidecar.service.exchanges(), 3, "{content}");
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200, "{content}");
    }
}

#[tokio::test]
async fn callers_are_told_when_the_next_attempt_is() {
    let what = What::Status { code: 429, retry_after: Some(86_400) };
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .suffering(at_the_token_endpoint(When::Before, what))
        .start()
        .await;
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "token_pending"));
    let wait: u64 = reply.fields["retry-after"].to_str().unwrap().parse().unwrap();
    assert!((80_000..=86_400).contains(&wait), "{wait}");
}

#[tokio::test]
async fn a_client_that_is_refused_is_not_told_to_sign_in() {
    let what = answer(401, r#"{"error":"invalid_client"}"#);
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .suffering(at_the_token_endpoint(When::Before, what))
        .start()
        .await;
    let reply = sidecar.get(WORKSPACES).await;
    assert_eq!((reply.status, reply.code().as_str()), (503, "sign_in_required"));
    let text = reply.text().to_lowercase();
    assert!(text.contains("client_secret") && !text.contains("sign in"), "{text}");
    let trouble = sidecar.status().trouble.unwrap().to_lowercase();
    assert!(trouble.contains("client_secret") && !trouble.contains("sign in"), "{trouble}");
}

/// A dead token, and answers that are lost one soon after the other: requests wait for the planned retry.
#[tokio::test]
async fn lost_answers_in_a_row_are_nobodys_401() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .personality(Personality::League9)
        .grace(Duration::from_secs(300))
        .set(INTERVAL, "30s")
        .start()
        .await;
    for generation in [2, 3, 4] {
        sidecar.service.suffers(at_the_token_endpoint(When::After, What::Cut));
        sidecar.service.faults().revoke(TokenKind::AccessTokens);
        let mut callers = JoinSet::new();
        for _ in 0..20 {
            let mut caller = sidecar.caller().await;
            let request = sidecar.get_request(WORKSPACES);
            let mut status = sidecar.sources().token.clone();
            callers.spawn(async move {
                let mut seen = Vec::new();
                while status.borrow_and_update().generation.0 < generation {
                    caller.send(request.clone()).await;
                    seen.push(caller.reply().await.status);
                }
                seen
            });
        }
        let seen: Vec<u16> = callers.join_all().await.into_iter().flatten().collect();
        assert!(seen.iter().all(|status| [200, 503].contains(status)), "{generation}: {seen:?}");
        assert!(seen.contains(&200), "{generation}: {seen:?}");
    }
    // The first one, and for each loss the lost one and one more.
    assert_eq!(sidecar.service.exchanges(), 7);
}
