//! Probes: what they are told in every state, and what the listener for them alone does not tell.

use tokio::net::TcpStream;
use webwork_sidecar::simulator::{Target, TokenKind, What, When};
use webwork_sidecar::token::state::Standing;

use super::support::{Caller, Credential, Sidecar, fault};

const PROBES: [&str; 3] = ["/startupz", "/livez", "/readyz"];

async fn probed(sidecar: &Sidecar) -> [u16; 3] {
    let mut told = [0; 3];
    for (status, path) in told.iter_mut().zip(PROBES) {
        *status = sidecar.page(path).await.status;
    }
    told
}

#[tokio::test]
async fn a_start_ends_with_a_token() {
    let slow = fault(Target::TokenEndpoint, When::Before, What::Delay { ms: 8_000 });
    let setup = Sidecar::with(Credential::AuthorizationCode).suffering(slow);
    let sidecar = setup.start_undecided().await;
    assert_eq!(probed(&sidecar).await, [503, 200, 503]);
    sidecar.until_generation(1).await;
    assert_eq!(probed(&sidecar).await, [200, 200, 200]);
}

#[tokio::test]
async fn a_start_ends_with_a_person_who_is_awaited() {
    let sidecar = Sidecar::with(Credential::SignInToCome).start().await;
    assert_eq!(probed(&sidecar).await, [200, 200, 503]);
}

#[tokio::test]
async fn a_start_that_is_over_does_not_come_back() {
    let sidecar = Sidecar::with(Credential::AuthorizationCode).start().await;
    assert_eq!(probed(&sidecar).await, [200, 200, 200]);
    sidecar.service.faults().revoke(TokenKind::RefreshTokens);
    sidecar.service.faults().revoke(TokenKind::AccessTokens);
    sidecar.order_refresh().await;
    sidecar.until_state(Standing::Lost).await;
    sidecar.get("/api/v2/workspaces").await;
    assert_eq!(probed(&sidecar).await, [200, 200, 503]);
}

/// A kubelet asks by the address of the pod, and a page that rebinds a name learns one word.
#[tokio::test]
async fn the_health_listener_tells_words_to_anybody_and_nothing_else() {
    let setup = Sidecar::with(Credential::SignInToCome).set("health.listen", "127.0.0.1:0");
    let sidecar = setup.start().await;
    let ask = async |head: &str| {
        let stream = TcpStream::connect(sidecar.health.unwrap()).await.unwrap();
        let mut caller = Caller::new(stream);
        caller.send(format!("{head}\r\nHost: 10.1.2.3:9182\r\n\r\n")).await;
        caller.reply().await
    };
    for (path, told) in PROBES.into_iter().zip(["started\n", "alive\n", "not ready\n"]) {
        let reply = ask(&format!("GET {path} HTTP/1.1")).await;
        assert_eq!(reply.text(), told, "{path}");
    }
    for path in ["/", "/status", "/metrics", "/refresh", "/api/v2/workspaces", "/readyz/"] {
        assert_eq!(ask(&format!("GET {path} HTTP/1.1")).await.status, 404, "{path}");
    }
    assert_eq!(ask("POST /readyz HTTP/1.1").await.status, 405);
}

/// Anybody may fill it, and the operator still gets in at the other one.
#[tokio::test]
async fn a_health_listener_that_is_full_keeps_nobody_from_the_admin_listener() {
    let setup = Sidecar::with(Credential::PersonalAccessToken).set("health.listen", "127.0.0.1:0");
    let sidecar = setup.start().await;
    let mut callers = Vec::new();
    for _ in 0..64 {
        let mut caller = Caller::new(TcpStream::connect(sidecar.health.unwrap()).await.unwrap());
        caller.send("GET /livez HTTP/1.1\r\nHost: a\r\n\r\n").await;
        assert_eq!(caller.reply().await.status, 200);
        callers.push(caller);
    }
    assert_eq!(sidecar.page("/readyz").await.status, 200);
}
