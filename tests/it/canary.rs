//! Secrets stay inside: whatever is logged, shown or answered while everything goes wrong has none.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use webwork_sidecar::simulator::{Target, TokenKind, What, When};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::state::Standing;

use super::support::{
    CLIENT_SECRET, Credential, ECHO, Log, PERSONAL_ACCESS_TOKEN, Planted, REFRESH_TOKEN, Reply,
    Sidecar, examine, examine_debug, fault,
};

const WORKSPACES: &str = "/api/v2/workspaces";

/// Looks at everything that shows the state of this moment.
async fn look(sidecar: &Sidecar) {
    for page in ["/livez", "/readyz", "/status", "/metrics", "/else"] {
        seen(&sidecar.page(page).await);
    }
    seen(&sidecar.page_for("/status", "evil.example").await);
    seen(&sidecar.get("/oauth/token").await);
    seen(&sidecar.get("/api/../x").await);
    examine_debug(&sidecar.status());
    examine_debug(&sidecar.report());
    examine_debug(&sidecar.config());
}

/// Nothing may be in here, wherever it comes from; returns the status.
fn seen(reply: &Reply) -> u16 {
    let text = String::from_utf8_lossy(&reply.content);
    examine("an answer", &format!("{:?} {:?} {text}", reply.fields, reply.trailers));
    reply.status
}

#[tokio::test]
async fn nothing_shows_a_secret_of_an_app_in_trouble() {
    let log = Log::of_process();
    let libraries = log.with_libraries();
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .set("proxy.access_log", "true")
        .set("credential.authorization_code.client_authentication", "basic")
        .start()
        .await;
    let basic =
        |secret: &str| BASE64_STANDARD.encode(format!("{}:{secret}", sidecar.service.client_id()));
    let _planted = Planted::new(basic("canary-secret"));
    look(&sidecar).await;
    assert_eq!(seen(&sidecar.get("/api/v2/workspaces?q=canary").await), 200);
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    assert_eq!(seen(&sidecar.post(ECHO, vec![b'x'; 70_000]).await), 401);
    sidecar.until_generation(2).await;

    sidecar.put(REFRESH_TOKEN, "canary seed\u{7}");
    sidecar.until_configured(|it| it.trouble.is_some()).await;
    look(&sidecar).await;
    sidecar.put(REFRESH_TOKEN, "canary-seed");
    sidecar.until(|status| status.trouble.is_some() && status.state == Standing::Active).await;
    look(&sidecar).await;
    let before = sidecar.configuration().read_at;
    sidecar.put(CLIENT_SECRET, "canary-secret");
    sidecar.until_configured(|it| it.read_at > before).await;
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Misconfigured).await;
    look(&sidecar).await;

    sidecar.put(CLIENT_SECRET, sidecar.service.client_secret());
    sidecar.until_generation(3).await;
    sidecar.service.suffers(fault(Target::TokenEndpoint, When::After, What::Cut));
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Lost).await;
    look(&sidecar).await;
    assert_eq!(seen(&sidecar.get(WORKSPACES).await), 503);
    drop(libraries);
}

#[tokio::test]
async fn nothing_shows_a_personal_access_token_in_trouble() {
    Log::of_process();
    let sidecar = Sidecar::with(Credential::PersonalAccessToken)
        .set("proxy.access_log", "true")
        .set("log.level", "trace")
        .start()
        .await;
    look(&sidecar).await;
    assert_eq!(seen(&sidecar.get(WORKSPACES).await), 200);
    sidecar.put(PERSONAL_ACCESS_TOKEN, "canary-token");
    sidecar.until(|status| status.generation == Generation(2)).await;
    assert_eq!(seen(&sidecar.get(WORKSPACES).await), 401);
    sidecar.until_state(Standing::Rejected).await;
    look(&sidecar).await;
    sidecar.put(PERSONAL_ACCESS_TOKEN, "canary token");
    sidecar.until_configured(|it| it.trouble.is_some()).await;
    look(&sidecar).await;
}
