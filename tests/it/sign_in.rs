//! A person signs in: by the admin listener, with every server, and with everything that can go wrong.

use std::sync::Arc;
use std::time::Duration;

use serde_json::Value;
use tokio::net::TcpStream;
use webwork_sidecar::admin::sign_in::Way;
use webwork_sidecar::net::tls::Trust;
use webwork_sidecar::secret::Secret;
use webwork_sidecar::simulator::{
    Client, ClientKind, GrantType, Personality, Target, TokenKind, What, When,
};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::sign_in::{Desk, SignInError};
use webwork_sidecar::token::state::Standing;
use webwork_sidecar::token::status::Availability;

use super::support::{
    Browser, CLIENT_SECRET, Caller, Credential, HOME, Log, REFRESH_TOKEN, Reply, Setup, Sidecar,
    fault, soon,
};

const WORKSPACES: &str = "/api/v2/workspaces";

const SERVERS: [Personality; 3] =
    [Personality::League8, Personality::League9, Personality::Rfc9700];

const SCOPE: &str = "credential.authorization_code.scope";
const REDIRECT_URI: &str = "credential.authorization_code.redirect_uri";

fn signed_out() -> Setup {
    Sidecar::with(Credential::SignInToCome).plain()
}

fn signed_in() -> Setup {
    Sidecar::with(Credential::AuthorizationCode).plain()
}

/// A request of a program to the admin listener.
async fn program(sidecar: &Sidecar, line: &str, content: &str) -> Reply {
    let mut caller = Caller::new(TcpStream::connect(sidecar.admin).await.unwrap());
    let length = content.len();
    caller
        .send(format!(
            "{line} HTTP/1.1\r\nHost: {}\r\nContent-Type: application/x-www-form-urlencoded\r\n\
             Content-Length: {length}\r\n\r\n{content}",
            sidecar.admin
        ))
        .await;
    caller.reply().await
}

fn pasted(url: &str) -> String {
    format!("url={}", url::form_urlencoded::byte_serialize(url.as_bytes()).collect::<String>())
}

#[tokio::test]
async fn a_browser_signs_in_and_out_at_every_server_by_every_name() {
    for personality in SERVERS {
        let sidecar = signed_out().personality(personality).start().await;
        let info = sidecar.report().sign_in;
        assert_eq!(
            (info.way, info.callback_origin.unwrap()),
            (Way::Callback, format!("http://{HOME}"))
        );
        assert_eq!(info.authorization_origin.unwrap(), sidecar.service.url());
        let other = format!("localhost:{}", sidecar.admin.port());
        for (turn, host) in [HOME, &other, &sidecar.admin.to_string()].into_iter().enumerate() {
            let mut browser = Browser::at(&sidecar);
            assert_eq!(browser.signs_in(host, "auto").await, "done", "{personality:?} {host}");
            assert!(!browser.has_cookie(HOME));
            // The page that comes next tells of it already.
            let status = sidecar.status();
            assert_eq!((status.state, status.trouble), (Standing::Active, None));
            assert_eq!(status.generation, Generation(2 * turn as u64 + 1));
            assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
            sidecar.refresh().await;
            assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
        }
        let reply = Browser::at(&sidecar).press(&other, "/sign-out", "").await;
        assert_eq!(reply.fields["location"], "/?sign_in=out");
        assert_eq!(sidecar.status().state, Standing::SignedOut);
        assert_eq!(sidecar.get(WORKSPACES).await.code(), "sign_in_required");
        sidecar.service.found_nothing_wrong();
    }
}

#[tokio::test]
async fn a_program_signs_in_with_a_browser_elsewhere_and_the_address_pasted() {
    for personality in SERVERS {
        let sidecar = signed_out().personality(personality).start().await;
        let reply = program(&sidecar, "POST /sign-in", "").await;
        let begun: Value = serde_json::from_slice(&reply.content).unwrap();
        assert_eq!((reply.status, begun["expires_in"].as_u64()), (200, Some(600)));
        let mut browser = Browser::at(&sidecar);
        let ticket = begun["url"].as_str().unwrap();
        let url = browser.follow(ticket).await.fields["location"].to_str().unwrap().to_owned();
        // A ticket counts once.
        assert_eq!(browser.follow(ticket).await.code(), "sign_in_unknown");
        let back = browser.decides(&url, "auto").await;
        let (start, end) = back.split_at(back.len() / 2);
        let form = pasted(&format!(" \"{start}\r\n  {end}\"\n"));
        let reply = program(&sidecar, "POST /sign-in/paste", &form).await;
        assert_eq!(reply.status, 200, "{}", reply.text());
        let report: Value = serde_json::from_slice(&reply.content).unwrap();
        assert_eq!(report["token"]["state"], "active");
        let again = program(&sidecar, "POST /sign-in/paste", &form).await;
        assert_eq!((again.status, again.code().as_str()), (403, "sign_in_unknown"));
        let reply = program(&sidecar, "POST /sign-out", "").await;
        let report: Value = serde_json::from_slice(&reply.content).unwrap();
        assert_eq!(report["token"]["state"], "signed_out");
        sidecar.service.found_nothing_wrong();
    }
}

#[tokio::test]
async fn a_redirection_endpoint_elsewhere_is_signed_in_to_by_pasting() {
    // Not even the libraries log what came back.
    let libraries = Log::of_process().with_libraries();
    let client = Client {
        id: "elsewhere".into(),
        kind: ClientKind::Confidential(Secret::new("a secret of its own".into())),
        grants: vec![GrantType::AuthorizationCode, GrantType::RefreshToken],
        redirect_uris: vec!["https://app.example/done?tab=1".into()],
    };
    let sidecar = signed_out()
        .client(client)
        .set("credential.authorization_code.client_id", "elsewhere")
        .set(REDIRECT_URI, "https://app.example/done?tab=1")
        .start_with(CLIENT_SECRET, "a secret of its own")
        .await;
    assert_eq!(sidecar.report().sign_in.way, Way::Paste);
    let mut browser = Browser::at(&sidecar);
    let url = browser.begins(&sidecar.admin.to_string()).await;
    let back = browser.decides(&url, "auto").await;
    assert!(back.starts_with("https://app.example/done?tab=1&code="));
    let host = sidecar.admin.to_string();
    let reply = browser.press(&host, "/sign-in/paste", &pasted("https://app.example/done")).await;
    assert_eq!(reply.fields["location"], "/?sign_in=address");
    let reply = browser.press(&host, "/sign-in/paste", &pasted(&back)).await;
    assert_eq!(reply.fields["location"], "/?sign_in=done");
    assert_eq!(sidecar.refresh().await.generation, Generation(2));
    // No path of this listener is a callback now.
    assert_eq!(sidecar.page("/done?code=a&state=b").await.code(), "not_found");
    drop(libraries);
}

#[tokio::test]
async fn what_goes_wrong_is_told_in_one_word_and_leaves_the_grant_as_it_was() {
    for personality in SERVERS {
        for (setup, decision, expected, hint) in [
            (signed_in(), "deny", "denied", "Access was denied: sign in again and approve"),
            // league 8 forgets the state here, and the sign-in waits on.
            (
                signed_in().set(SCOPE, "read,unheard-of"),
                "auto",
                "scope",
                "credential.authorization_code.scope",
            ),
            (signed_in().code_life(Duration::ZERO), "auto", "code", "The code has expired"),
        ] {
            let sidecar = setup.personality(personality).start().await;
            let mut browser = Browser::at(&sidecar);
            assert_eq!(browser.signs_in(HOME, decision).await, expected, "{personality:?}");
            let stateless = expected == "scope" && personality == Personality::League8;
            assert_eq!(browser.has_cookie(HOME), stateless);
            let trouble = sidecar.report().sign_in.trouble.unwrap();
            assert!(trouble.contains(hint) && trouble.ends_with('.'), "{trouble}");
            assert_eq!(sidecar.status().generation, Generation(1));
            assert_eq!(sidecar.refresh().await.generation, Generation(2));
            assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
            sidecar.service.found_nothing_wrong();
        }
    }
}

#[tokio::test]
async fn a_wrong_secret_costs_the_code_alone() {
    for personality in SERVERS {
        let sidecar =
            signed_out().personality(personality).start_with(CLIENT_SECRET, "wrong").await;
        assert_eq!(Browser::at(&sidecar).signs_in(HOME, "auto").await, "client");
        assert_eq!(sidecar.status().state, Standing::SignedOut);
        let before = sidecar.configuration().read_at;
        sidecar.put(CLIENT_SECRET, sidecar.service.client_secret());
        sidecar.until_configured(|it| it.read_at > before).await;
        // The order to read the credential again was given before that was told, and is obeyed first.
        sidecar.order_refresh().await;
        assert_eq!(Browser::at(&sidecar).signs_in(HOME, "auto").await, "done");
        assert_eq!(sidecar.report().sign_in.trouble, None);
    }
}

#[tokio::test]
async fn an_answer_that_is_lost_is_told_and_the_grant_from_before_goes_on() {
    for (when, what, expected) in [
        (When::After, What::Cut, "answer_lost"),
        (When::After, What::TruncatedJson, "answer_lost"),
        (When::Before, What::ServerError, "answer_lost"),
        (When::Before, What::Status { code: 429, retry_after: Some(9) }, "server"),
    ] {
        let sidecar = signed_in().start().await;
        let mut browser = Browser::at(&sidecar);
        let url = browser.begins(HOME).await;
        let back = browser.decides(&url, "auto").await;
        sidecar.service.suffers(fault(Target::TokenEndpoint, when, what.clone()));
        let reply = browser.follow(&back).await;
        assert_eq!(reply.fields["location"], format!("/?sign_in={expected}"), "{what:?}");
        assert_eq!(sidecar.refresh().await.generation, Generation(2));
        assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
    }
}

#[tokio::test]
async fn a_code_is_good_once_and_the_second_time_is_told() {
    for personality in SERVERS {
        let sidecar = signed_out().personality(personality).start().await;
        let config = sidecar.config().unwrap();
        let desk = Arc::new(Desk::of(config.token, Trust::load(None).unwrap()));
        let pending = desk.begin().await.unwrap();
        let mut browser = Browser::at(&sidecar);
        let back = browser.decides(&pending.url(), "auto").await;
        let proof = pending.pasted(&back).unwrap();
        let grant = desk.finish(proof.clone()).await.unwrap();
        assert_eq!(sidecar.until_generation(1).await.generation, grant.generation);
        assert_eq!(desk.finish(proof).await.unwrap_err(), SignInError::CodeUsed, "{personality:?}");
        // Another redirect URI, another verifier, no code of this server.
        let other = desk.begin().await.unwrap();
        let back = browser.decides(&other.url(), "auto").await;
        let code = back.split("code=").nth(1).unwrap().split('&').next().unwrap();
        let state = pending.url();
        let state = state.split("state=").nth(1).unwrap().split('&').next().unwrap();
        let injected = pending.returned(&format!("code={code}&state={state}")).unwrap();
        assert_eq!(desk.finish(injected).await.unwrap_err(), SignInError::Verifier);
        let garbage = pending.returned(&format!("code=def50200dead&state={state}")).unwrap();
        let seen = desk.finish(garbage).await.unwrap_err();
        assert_eq!(seen, SignInError::CodeUnknown, "{personality:?}");
    }
}

#[tokio::test]
async fn what_is_forged_or_comes_twice_changes_nothing() {
    let libraries = Log::of_process().with_libraries();
    let sidecar = signed_out().start().await;
    let mut browser = Browser::at(&sidecar);
    let url = browser.begins(HOME).await;
    let back = browser.decides(&url, "auto").await;
    let callback = format!("http://{HOME}/callback");
    // Another browser, with the right answer; this one, with others.
    assert_eq!(Browser::at(&sidecar).follow(&back).await.code(), "sign_in_unknown");
    for query in [
        "",
        "code=attackers&state=guessed",
        "code=attackers",
        "error=access_denied",
        "error=access_denied&state=guessed",
        "begin=guessed",
        "code=a&code=b&state=guessed",
    ] {
        let reply = browser.follow(&format!("{callback}?{query}")).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "sign_in_unknown"), "{query}");
        assert!(!reply.text().contains("attackers") && !reply.text().contains("guessed"));
        assert_eq!(reply.fields["cache-control"], "no-store");
        assert_eq!(reply.fields["referrer-policy"], "no-referrer");
    }
    assert_eq!(sidecar.service.exchanges(), 0);
    let reply = browser.follow(&back).await;
    assert_eq!(reply.fields["location"], "/?sign_in=done");
    assert_eq!(browser.follow(&back).await.code(), "sign_in_unknown");
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 1);
    drop(libraries);
}

#[tokio::test]
async fn an_answer_of_another_server_sends_nothing_to_anybody() {
    let sidecar = signed_out().start().await;
    let mut browser = Browser::at(&sidecar);
    let url = browser.begins(HOME).await;
    let back = browser.decides(&url, "auto").await;
    let mixed_up = format!("{back}&iss=https%3A%2F%2Fevil.example");
    assert_eq!(browser.follow(&mixed_up).await.fields["location"], "/?sign_in=issuer");
    assert_eq!(browser.follow(&back).await.code(), "sign_in_unknown");
    assert_eq!(sidecar.service.exchanges(), 0);
    // That of ours may name itself.
    let url = browser.begins(HOME).await;
    let back = browser.decides(&url, "auto").await;
    let issuer: String =
        url::form_urlencoded::byte_serialize(sidecar.service.url().as_bytes()).collect();
    let reply = browser.follow(&format!("{back}&iss={issuer}")).await;
    assert_eq!(reply.fields["location"], "/?sign_in=done");
}

#[tokio::test]
async fn no_page_of_another_site_begins_ends_or_frames_a_sign_in() {
    let sidecar = signed_in().start().await;
    let host = sidecar.admin;
    for target in ["/sign-in", "/sign-in/paste", "/sign-out"] {
        for fields in [
            "Origin: https://evil.example\r\n",
            "Origin: null\r\n",
            "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: document\r\n",
            "Referer: https://evil.example/\r\n",
        ] {
            let mut caller = Caller::new(TcpStream::connect(host).await.unwrap());
            caller
                .send(format!(
                    "POST {target} HTTP/1.1\r\nHost: {host}\r\n{fields}Content-Length: 0\r\n\r\n"
                ))
                .await;
            assert_eq!(caller.reply().await.code(), "cross_site", "{target} {fields}");
        }
        assert_eq!(sidecar.page(target).await.status, 405, "{target}");
    }
    let mut caller = Caller::new(TcpStream::connect(host).await.unwrap());
    caller
        .send(format!(
            "GET /callback?code=a&state=b HTTP/1.1\r\nHost: {HOME}\r\nSec-Fetch-Site: cross-site\r\n\
             Sec-Fetch-Mode: navigate\r\nSec-Fetch-Dest: iframe\r\n\r\n"
        ))
        .await;
    assert_eq!(caller.reply().await.code(), "cross_site");
    assert_eq!(sidecar.status().generation, Generation(1));
}

#[tokio::test]
async fn nobody_is_sent_to_a_browser_for_what_could_not_be_kept() {
    const NEXT: &str = "grant.json.next";
    let sidecar = signed_in().start().await;
    sidecar.obstruct(NEXT);
    let host = sidecar.admin.to_string();
    let reply = Browser::at(&sidecar).press(&host, "/sign-in", "").await;
    assert_eq!(reply.fields["location"], "/?sign_in=store");
    let reply = program(&sidecar, "POST /sign-in", "").await;
    assert_eq!((reply.status, reply.code().as_str()), (400, "sign_in_failed"));
    assert!(reply.text().contains(NEXT), "{}", reply.text());
    sidecar.clear(NEXT);
    assert_eq!(Browser::at(&sidecar).signs_in(HOME, "auto").await, "done");
    assert_eq!(sidecar.status().generation, Generation(2));
}

#[tokio::test]
async fn other_credentials_know_no_sign_in() {
    for credential in [Credential::ClientCredentials, Credential::PersonalAccessToken] {
        let sidecar = Sidecar::with(credential).start().await;
        assert_eq!(sidecar.report().sign_in.way, Way::None);
        for line in ["POST /sign-in", "POST /sign-out"] {
            let reply = program(&sidecar, line, "").await;
            assert_eq!((reply.status, reply.code().as_str()), (400, "sign_in_failed"));
            assert!(reply.text().contains(credential.name()), "{}", reply.text());
        }
        assert_eq!(sidecar.page("/callback").await.code(), "not_found");
    }
}

#[tokio::test]
async fn a_sign_in_heals_a_lost_grant() {
    let sidecar = signed_in().start().await;
    sidecar.service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Lost).await;
    assert_eq!(Browser::at(&sidecar).signs_in(HOME, "auto").await, "done");
    let status = sidecar.status();
    assert_eq!((status.state, status.loss, status.trouble), (Standing::Active, None, None));
    assert_eq!(sidecar.refresh().await.generation, Generation(3));
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
}

#[tokio::test]
async fn a_sign_in_waits_for_the_exchange_on_the_wire_and_counts_after_it() {
    let sidecar = signed_in().start().await;
    let mut browser = Browser::at(&sidecar);
    let url = browser.begins(HOME).await;
    let back = browser.decides(&url, "auto").await;
    let slow = What::Delay { ms: 1500 };
    sidecar.service.suffers(fault(Target::TokenEndpoint, When::After, slow));
    sidecar.order_refresh().await;
    sidecar.until(|status| status.token == Availability::Hold).await;
    assert_eq!(browser.follow(&back).await.fields["location"], "/?sign_in=done");
    assert_eq!(sidecar.until_generation(3).await.generation, Generation(3));
    assert_eq!(sidecar.refresh().await.generation, Generation(4));
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.status().generation, Generation(4));
    sidecar.service.found_nothing_wrong();
}

#[tokio::test]
async fn after_a_sign_out_neither_a_restart_nor_an_old_seed_brings_the_grant_back() {
    let sidecar = signed_in().start().await;
    let exchanges = sidecar.service.exchanges();
    assert_eq!(program(&sidecar, "POST /sign-out", "").await.status, 200);
    let sidecar = sidecar.restart().await;
    assert_eq!(sidecar.status().state, Standing::SignedOut);
    assert_eq!(sidecar.get(WORKSPACES).await.code(), "sign_in_required");
    assert_eq!(sidecar.service.exchanges(), exchanges);
    // A new one is the operator's word.
    sidecar.put(REFRESH_TOKEN, &sidecar.service.new_refresh_token());
    assert_eq!(sidecar.until_generation(2).await.generation, Generation(2));
    sidecar.service.found_nothing_wrong();
}

#[tokio::test]
async fn a_sign_in_goes_before_a_seed_that_could_not_be_used_yet() {
    let sidecar = signed_in()
        .suffering(fault(
            Target::TokenEndpoint,
            When::Before,
            What::Status { code: 429, retry_after: Some(3600) },
        ))
        .start()
        .await;
    sidecar.until_state(Standing::Retrying).await;
    assert_eq!(Browser::at(&sidecar).signs_in(HOME, "auto").await, "done");
    let sidecar = sidecar.restart().await;
    assert_eq!(
        (sidecar.status().state, sidecar.status().generation),
        (Standing::Active, Generation(1))
    );
    assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 2);
}

#[tokio::test]
async fn a_sign_in_while_the_upstream_is_asked_about_the_old_token_is_not_overlooked() {
    let sidecar = signed_in().start().await;
    sidecar.service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Lost).await;
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    let mut browser = Browser::at(&sidecar);
    let url = browser.begins(HOME).await;
    let back = browser.decides(&url, "auto").await;
    // A 401 that no exchange can cure makes the refresher ask, and this answer takes its time.
    let slow = What::Delay { ms: 2_000 };
    for _ in 0..2 {
        sidecar.service.suffers(fault(Target::Api, When::Before, slow.clone()));
    }
    let mut caller = sidecar.caller().await;
    caller.send(sidecar.get_request(WORKSPACES)).await;
    soon(async {
        while !sidecar.service.faults().list().is_empty() {
            tokio::task::yield_now().await;
        }
    })
    .await;
    assert_eq!(browser.follow(&back).await.fields["location"], "/?sign_in=done");
    assert_eq!(sidecar.until_generation(2).await.generation, Generation(2));
    assert_eq!(sidecar.get(WORKSPACES).await.status, 200);
}

#[tokio::test]
async fn where_programs_show_a_key_a_browser_signs_in_without_and_sees_no_page() {
    const KEY: &str = "a-key-for-callers";
    let sidecar = signed_out().set("guard.caller_key", KEY).start().await;
    let mut browser = Browser::at(&sidecar);
    assert_eq!(browser.press(HOME, "/sign-in", "").await.code(), "caller_key");
    let mut caller = Caller::new(TcpStream::connect(sidecar.admin).await.unwrap());
    caller
        .send(format!(
            "POST /sign-in HTTP/1.1\r\nHost: {HOME}\r\nX-Sidecar-Key: {KEY}\r\nContent-Length: 0\r\n\r\n"
        ))
        .await;
    let begun: Value = serde_json::from_slice(&caller.reply().await.content).unwrap();
    let ticket = begun["url"].as_str().unwrap();
    let url = browser.follow(ticket).await.fields["location"].to_str().unwrap().to_owned();
    let back = browser.decides(&url, "auto").await;
    assert_eq!(browser.follow(&back).await.fields["location"], "?sign_in=done");
    for (word, text) in [("done", "Signed in."), ("denied", "Not signed in")] {
        let page = browser.follow(&format!("http://{HOME}/callback?sign_in={word}")).await;
        assert_eq!(page.status, 200);
        assert!(page.text().starts_with(text), "{}", page.text());
    }
    assert_eq!(sidecar.status().state, Standing::Active);
}
