//! Secrets stay inside: whatever is logged, shown or answered while everything goes wrong has none.

use base64::Engine;
use base64::prelude::BASE64_STANDARD;
use webwork_sidecar::simulator::{Target, TokenKind, What, When};
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::state::Standing;

use super::support::{
    BEGINNINGS, CLIENT_SECRET, Credential, ECHO, Log, PERSONAL_ACCESS_TOKEN, REFRESH_TOKEN, Reply,
    Sidecar, fault,
};

const WORKSPACES: &str = "/api/v2/workspaces";

/// Planted where the operator puts secrets; no simulator ever made one of these.
const PLANTED: &str = "canary";

/// Everything that somebody could see of a sidecar.
#[derive(Default)]
struct Seen(Vec<String>);

impl Seen {
    /// Looks at everything that shows the state of this moment.
    async fn look(&mut self, sidecar: &Sidecar) {
        for page in ["/healthz", "/readyz", "/status", "/else"] {
            self.reply(sidecar.page(page).await);
        }
        self.reply(sidecar.page_for("/status", "evil.example").await);
        self.reply(sidecar.get("/oauth/token").await);
        self.reply(sidecar.get("/api/../x").await);
        self.0.push(format!("{:?} {:?}", sidecar.status(), sidecar.report()));
        self.0.push(format!("{:?}", sidecar.sources()));
        self.0.push(match sidecar.config() {
            Ok(config) => format!("{config:?}"),
            Err(errors) => format!("{errors} {errors:?}"),
        });
    }

    fn reply(&mut self, reply: Reply) -> u16 {
        self.0.push(format!("{:?} {}", reply.fields, String::from_utf8_lossy(&reply.content)));
        reply.status
    }

    /// What must not be seen: what was planted, what the service gave, and what it may give.
    fn has_none_of(self, sidecar: &Sidecar, log: &Log) {
        let (id, secret) = (sidecar.service.client_id(), sidecar.service.client_secret());
        let basic = |secret: &str| BASE64_STANDARD.encode(format!("{id}:{secret}"));
        let secrets = [PLANTED, secret, &basic(secret), &basic("canary-secret")];
        let text = log.text();
        let lines = self.0.iter().map(String::as_str).chain(text.lines());
        for line in lines {
            for secret in secrets.into_iter().chain(BEGINNINGS) {
                assert!(!line.contains(secret), "{secret}: {line}");
            }
        }
    }
}

#[tokio::test]
async fn nothing_shows_a_secret_of_an_app_in_trouble() {
    let (log, mut seen) = (Log::of_process(), Seen::default());
    let libraries = log.with_libraries();
    let sidecar = Sidecar::with(Credential::AuthorizationCode)
        .set("proxy.access_log", "true")
        .set("credential.authorization_code.client_authentication", "basic")
        .start()
        .await;
    seen.look(&sidecar).await;
    assert_eq!(seen.reply(sidecar.get("/api/v2/workspaces?q=canary").await), 200);
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    assert_eq!(seen.reply(sidecar.post(ECHO, vec![b'x'; 70_000]).await), 401);
    sidecar.until_generation(2).await;

    sidecar.put(REFRESH_TOKEN, "canary seed\u{7}");
    log.tells("configuration is invalid").await;
    seen.look(&sidecar).await;
    sidecar.put(REFRESH_TOKEN, "canary-seed");
    sidecar.until(|status| status.trouble.is_some() && status.state == Standing::Active).await;
    seen.look(&sidecar).await;
    sidecar.put(CLIENT_SECRET, "canary-secret");
    log.tells("the credential was read again").await;
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Misconfigured).await;
    seen.look(&sidecar).await;

    sidecar.put(CLIENT_SECRET, sidecar.service.client_secret());
    sidecar.until_generation(3).await;
    sidecar.service.suffers(fault(Target::TokenEndpoint, When::After, What::Cut));
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Lost).await;
    seen.look(&sidecar).await;
    assert_eq!(seen.reply(sidecar.get(WORKSPACES).await), 503);
    drop(libraries);
    seen.has_none_of(&sidecar, &log);
}

#[tokio::test]
async fn nothing_shows_a_personal_access_token_in_trouble() {
    let (log, mut seen) = (Log::of_process(), Seen::default());
    let sidecar = Sidecar::with(Credential::PersonalAccessToken)
        .set("proxy.access_log", "true")
        .set("log.level", "trace")
        .start()
        .await;
    seen.look(&sidecar).await;
    assert_eq!(seen.reply(sidecar.get(WORKSPACES).await), 200);
    sidecar.put(PERSONAL_ACCESS_TOKEN, "canary-token");
    sidecar.until(|status| status.generation == Generation(2)).await;
    assert_eq!(seen.reply(sidecar.get(WORKSPACES).await), 401);
    sidecar.until_state(Standing::Rejected).await;
    seen.look(&sidecar).await;
    sidecar.put(PERSONAL_ACCESS_TOKEN, "canary token");
    log.tells("configuration is invalid").await;
    seen.look(&sidecar).await;
    seen.has_none_of(&sidecar, &log);
}
