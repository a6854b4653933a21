//! TLS, HTTP/2, start and stop.

use std::net::TcpListener;
use std::sync::Arc;

use axum::body::Bytes;
use axum::http::Request;
use axum::http::header::AUTHORIZATION;
use http_body_util::{BodyExt, Full};
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{CertificateDer, ServerName, pem::PemObject};
use rustls::{ClientConfig, RootCertStore};
use tokio::net::TcpStream;
use tokio_rustls::TlsConnector;
use tokio_rustls::client::TlsStream;

use crate::simulator::tests::peer::{address, listener, quiet, start};
use crate::simulator::{Config, Fault, Security, Simulator, Target, What, When};

async fn connect(
    simulator: &Simulator,
    name: &str,
    protocols: &[&str],
) -> std::io::Result<TlsStream<TcpStream>> {
    let mut roots = RootCertStore::empty();
    roots.add(CertificateDer::from_pem_slice(simulator.ca_pem().as_bytes()).unwrap()).unwrap();
    let provider = Arc::new(rustls::crypto::ring::default_provider());
    let mut config = ClientConfig::builder_with_provider(provider)
        .with_safe_default_protocol_versions()
        .unwrap()
        .with_root_certificates(roots)
        .with_no_client_auth();
    config.alpn_protocols = protocols.iter().map(|name| name.as_bytes().to_vec()).collect();
    let stream = TcpStream::connect(address(simulator)).await.unwrap();
    let name = ServerName::try_from(name.to_owned()).unwrap();
    TlsConnector::from(Arc::new(config)).connect(name, stream).await
}

async fn tls(config: Config) -> Simulator {
    Simulator::start(config, listener(), Security::Tls).await.unwrap()
}

#[tokio::test]
async fn the_certificate_is_good_for_every_name_it_should_have() {
    let simulator = tls(Config { names: vec!["simulator".into()], ..quiet() }).await;
    assert!(simulator.url().starts_with("https://127.0.0.1:"));
    for name in [
        "localhost",
        "127.0.0.1",
        "::1",
        "api.webwork-tracker.com",
        "webwork-tracker.com",
        "simulator",
    ] {
        connect(&simulator, name, &[]).await.unwrap();
    }
    assert!(connect(&simulator, "example.com", &[]).await.is_err());
}

#[tokio::test]
async fn both_versions_of_http_are_spoken() {
    let simulator = tls(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    let request = |uri: String| {
        Request::get(uri)
            .header("host", "localhost")
            .header(AUTHORIZATION, format!("Bearer {token}"))
            .body(Full::<Bytes>::default())
            .unwrap()
    };
    let stream = connect(&simulator, "localhost", &["h2", "http/1.1"]).await.unwrap();
    assert_eq!(stream.get_ref().1.alpn_protocol(), Some(&b"h2"[..]));
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let answer =
        sender.send_request(request("https://localhost/api/v2/workspaces".into())).await.unwrap();
    assert_eq!(answer.status(), 200);
    let trailers = format!("https://localhost{}", "/api/v2/_simulator/trailers");
    let answer = sender.send_request(request(trailers)).await.unwrap();
    assert!(answer.into_body().collect().await.unwrap().trailers().is_some());

    let stream = connect(&simulator, "localhost", &["http/1.1"]).await.unwrap();
    let (mut sender, connection) =
        hyper::client::conn::http1::handshake(TokioIo::new(stream)).await.unwrap();
    tokio::spawn(connection);
    let answer = sender.send_request(request("/api/v2/workspaces".into())).await.unwrap();
    assert_eq!(answer.status(), 200);
}

#[tokio::test]
async fn a_cut_ends_the_whole_http_2_connection() {
    let simulator = tls(quiet()).await;
    simulator.faults().add(Fault {
        target: Target::Api,
        when: When::Before,
        what: What::Cut,
        count: 1,
    });
    let stream = connect(&simulator, "localhost", &["h2"]).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (mut sender, connection) = handshake.await.unwrap();
    let ended = tokio::spawn(connection);
    let request =
        Request::get("https://localhost/api/v2/workspaces").body(Full::<Bytes>::default()).unwrap();
    assert!(sender.send_request(request).await.is_err());
    // It ends although the client still holds the sender.
    let _how = ended.await.unwrap();
}

#[tokio::test]
async fn plain_http_stays_on_the_loopback() {
    let everywhere = TcpListener::bind("0.0.0.0:0").unwrap();
    let refused = Simulator::start(quiet(), everywhere, Security::Plain).await.unwrap_err();
    assert!(refused.to_string().contains("loopback"), "{refused}");
}

#[tokio::test]
async fn a_stopped_simulator_listens_no_more() {
    let simulator = start(quiet()).await;
    let address = address(&simulator);
    simulator.stop().await;
    assert!(TcpStream::connect(address).await.is_err());
}

#[tokio::test]
async fn a_hundred_requests_share_one_http_2_connection() {
    let simulator = tls(quiet()).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    let stream = connect(&simulator, "localhost", &["h2"]).await.unwrap();
    let handshake =
        hyper::client::conn::http2::handshake(TokioExecutor::new(), TokioIo::new(stream));
    let (sender, connection) = handshake.await.unwrap();
    tokio::spawn(connection);
    let requests = (0..100).map(|_| {
        let (mut sender, token) = (sender.clone(), token.clone());
        tokio::spawn(async move {
            let request = Request::get("https://localhost/api/v2/workspaces")
                .header(AUTHORIZATION, format!("Bearer {token}"))
                .body(Full::<Bytes>::default())
                .unwrap();
            sender.send_request(request).await.unwrap().status()
        })
    });
    for request in requests.collect::<Vec<_>>() {
        assert_eq!(request.await.unwrap(), 200);
    }
    assert_eq!(simulator.journal().api_answers(200), 100);
}
