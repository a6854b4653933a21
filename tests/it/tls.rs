//! Nothing is sent to a server that cannot prove who it is, and the answer says what was wrong.

use std::sync::Arc;
use std::time::Duration;

use http::Response;
use tokio::net::TcpStream;
use tokio::sync::mpsc;
use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::state::Standing;

use super::support::{
    Certificate, Credential, Ill, Proxy, Sidecar, Start, Upstream, file, full, is_no_request, soon,
};

/// What the caller of an upstream that is ill is told.
struct Told {
    status: u16,
    code: &'static str,
    /// RFC 9209 §2.3.
    error: &'static str,
    message: String,
}

fn certificate(message: impl Into<String>) -> Told {
    Told {
        status: 502,
        code: "upstream_tls",
        error: "tls_certificate_error",
        message: message.into(),
    }
}

fn protocol(message: &str) -> Told {
    let message = message.into();
    Told { status: 502, code: "upstream_tls", error: "tls_protocol_error", message }
}

/// Records of TLS 1.1: RFC 4346 §6.2.1.
fn tls_1_1(kind: u8, content: &[u8]) -> Vec<u8> {
    let length = u8::try_from(content.len()).unwrap();
    [&[kind, 3, 2, 0, length], content].concat()
}

const ALERT: u8 = 21;
const HANDSHAKE: u8 = 22;

/// RFC 4346 §7.4.1.3: version, random, no session, TLS_RSA_WITH_AES_128_CBC_SHA, no compression.
fn server_hello_of_1_1() -> Vec<u8> {
    let content = [&[3, 2][..], &[7; 32], &[0, 0, 0x2f, 0]].concat();
    let length = u8::try_from(content.len()).unwrap();
    tls_1_1(HANDSHAKE, &[&[2, 0, 0, length][..], &content].concat())
}

fn faults() -> Vec<(Ill, Told)> {
    let expired = Certificate::signed(|params| {
        params.not_before = rcgen::date_time_ymd(2020, 1, 1);
        params.not_after = rcgen::date_time_ymd(2021, 3, 4);
    });
    let future = Certificate::signed(|params| params.not_before = rcgen::date_time_ymd(3000, 1, 1));
    let named = |names: &[&str]| {
        Certificate::signed(|params| {
            params.subject_alt_names = names
                .iter()
                .map(|name| rcgen::SanType::DnsName((*name).try_into().unwrap()))
                .collect();
        })
    };
    let by_address = Certificate::signed(|params| {
        params.subject_alt_names = vec![rcgen::SanType::IpAddress([192, 0, 2, 7].into())];
    });
    let hosts = ["a.example", "b.example", "c.example", "d.example", "e.example", "f.example"];
    let unknown =
        "signed by itself or by an unknown authority; a private CA belongs in upstream.ca_file";
    let says = |bytes: &[u8]| Ill::Says(bytes.to_vec());
    vec![
        (Ill::Certificate(expired), certificate("has expired on 2021-03-04 00:00:00 UTC")),
        (
            Ill::Certificate(future),
            certificate("not valid yet, but from 3000-01-01 00:00:00 UTC on"),
        ),
        (
            Ill::Certificate(named(&["other.example"])),
            certificate("is for another name: for other.example, not for localhost"),
        ),
        (
            Ill::Certificate(named(&hosts)),
            certificate(
                "for a.example, b.example, c.example, d.example, e.example and others, not for localhost",
            ),
        ),
        (Ill::Certificate(by_address), certificate("for 192.0.2.7, not for localhost")),
        (Ill::Certificate(named(&[])), certificate("for no name at all, not for localhost")),
        (Ill::Certificate(Certificate::untrusted()), certificate(unknown)),
        (Ill::Certificate(Certificate::self_signed()), certificate(unknown)),
        (
            Ill::Certificate(Certificate::of_an_authority()),
            certificate("is that of a certificate authority"),
        ),
        (
            Ill::Says(tls_1_1(ALERT, &[2, 70])),
            protocol("no TLS that is safe; it must have TLS 1.2"),
        ),
        (Ill::Says(server_hello_of_1_1()), protocol("no TLS that is safe; it must have TLS 1.2")),
        (
            Ill::Says(tls_1_1(ALERT, &[2, 40])),
            Told {
                status: 502,
                code: "upstream_tls",
                error: "tls_alert_received",
                message: "the server refused the handshake (HandshakeFailure)".into(),
            },
        ),
        (says(b"HTTP/1.1 400 Bad Request\r\n\r\n"), protocol("does not speak TLS on this port")),
        (says(b"SSH-2.0-OpenSSH_9.9\r\n"), protocol("does not speak TLS on this port")),
        (says(b""), protocol("the connection was closed during the handshake")),
        (says(&server_hello_of_1_1()[..9]), protocol("was closed during the handshake")),
        (
            Ill::Silent,
            Told {
                status: 504,
                code: "upstream_timeout",
                error: "connection_timeout",
                message: "took too long (TLS handshake)".into(),
            },
        ),
    ]
}

#[tokio::test]
async fn the_hint_for_the_certificate_of_an_authority_does_not_send_people_to_the_ca_file() {
    let certificate = Certificate::of_an_authority();
    let answer = |_| async { Response::new(full("")) };
    // As it is, and as people put it into the CA file first.
    for trusted in [false, true] {
        let mut upstream = Upstream::with_certificate(&certificate, &["h2"], answer).await;
        upstream.ca_file = upstream.ca_file.take().filter(|_| trusted);
        let reply = Proxy::with(&upstream).get("/api/v2/workspaces").await;
        let error: serde_json::Value = serde_json::from_slice(&reply.content).unwrap();
        let message = error["message"].as_str().unwrap();
        assert!(message.contains("make one with `-addext basicConstraints="), "{message}");
        let hint = error["error"]["hint"].as_str().unwrap();
        assert!(hint.contains("upstream.ca_file does not help"), "{hint}");
    }
}

/// A server that is ill at first, and from its second connection on the one at the address behind it.
/// Tells what it read while it was ill.
async fn recovering(ill: Ill, behind: String) -> (Upstream, mpsc::UnboundedReceiver<Vec<u8>>) {
    let (tell, read) = mpsc::unbounded_channel();
    let ill = Arc::new(ill);
    let mut upstream = Upstream::raw(move |mut stream, number| {
        let (ill, tell, behind) = (Arc::clone(&ill), tell.clone(), behind.clone());
        async move {
            if number == 0 {
                tell.send(ill.fail(stream).await).unwrap();
                return;
            }
            let mut server = TcpStream::connect(behind).await.unwrap();
            // Either end may break off at any time.
            tokio::io::copy_bidirectional(&mut stream, &mut server).await.ok();
        }
    })
    .await;
    upstream.url = upstream.url.replace("http://127.0.0.1", "https://localhost");
    (upstream, read)
}

#[tokio::test]
async fn nothing_is_sent_to_an_upstream_that_is_not_proven_and_the_answer_says_why() {
    // The authority of the well one has this name, and another key.
    let forged =
        (Ill::Certificate(Certificate::forged()), certificate("a signature of the server's"));
    for (ill, told) in faults().into_iter().chain([forged]) {
        let good = Certificate::good();
        let well = Upstream::with_certificate(&good, &["h2", "http/1.1"], |request| async move {
            Response::new(full(request.headers()["authorization"].as_bytes().to_vec()))
        })
        .await;
        let authorities = format!("{}{}", ill.ca_pem(), good.ca_pem());
        let behind = well.url.replace("https://", "");
        let (mut upstream, mut read) = recovering(ill, behind).await;
        upstream.ca_file = Some(file(&authorities));
        let mut start = Start::with(&upstream);
        if told.status == 504 {
            start.upstream.tls_timeout = Duration::from_millis(100);
        }
        let mut proxy = start.go();

        let reply = proxy.get("/api/v2/workspaces").await;
        let message = reply.text();
        assert!(message.contains(&told.message), "{message}");
        assert_eq!((reply.status, reply.code().as_str()), (told.status, told.code), "{message}");
        let error = format!("webwork-sidecar; error={}", told.error);
        assert_eq!(reply.fields["proxy-status"], error.as_str(), "{message}");
        is_no_request(&soon(read.recv()).await.unwrap());

        let reply = proxy.get("/api/v2/workspaces").await;
        assert_eq!((reply.status, reply.text()), (200, "Bearer token-1"), "after {message}");
        assert!(proxy.rejections.try_recv().is_err(), "the token was doubted: {message}");
    }
}

#[tokio::test]
async fn nothing_is_sent_to_a_token_endpoint_that_is_not_proven_and_the_state_says_why() {
    let mut cases = tokio::task::JoinSet::new();
    for (ill, told) in faults() {
        cases.spawn(async move {
            let mut setup = Sidecar::with(Credential::AuthorizationCode);
            let service = setup.service().await;
            let authorities = format!("{}{}", ill.ca_pem(), service.ca_pem());
            let behind = service.url().replace("https://", "");
            // Only the silent one is to run into it, whatever else keeps this machine busy.
            let connect_timeout = if told.status == 504 { "1s" } else { "10s" };
            let (door, mut read) = recovering(ill, behind).await;
            let sidecar = setup
                .set(
                    "credential.authorization_code.token_url",
                    &format!("{}/oauth/token", door.url),
                )
                .set("exchange.connect_timeout", connect_timeout)
                .start_with("ca.pem", &authorities)
                .await;
            let status = sidecar.status();
            let trouble = status.trouble.unwrap();
            assert!(trouble.starts_with("token endpoint: "), "{trouble}");
            assert!(trouble.contains(&told.message), "{trouble}");
            assert_eq!(status.state, Standing::Retrying, "{trouble}");
            is_no_request(&soon(read.recv()).await.unwrap());
            let reply = sidecar.get("/api/v2/workspaces").await;
            assert_eq!((reply.status, reply.code().as_str()), (503, "token_pending"), "{trouble}");

            // The same refresh token is as good as ever.
            let status = sidecar.until_generation(1).await;
            assert_eq!((status.generation, status.trouble), (Generation(1), None));
            assert_eq!(sidecar.get("/api/v2/workspaces").await.status, 200);
            assert_eq!(sidecar.service.found_nothing_wrong().exchanges().len(), 1);
        });
    }
    cases.join_all().await;
}

#[tokio::test]
async fn an_upstream_of_one_protocol_is_spoken_to_in_it() {
    for alpn in [&["h2"][..], &["http/1.1"], &[]] {
        let upstream = Upstream::tls(alpn, |request| async move {
            Response::new(full(format!("{:?}", request.version())))
        })
        .await;
        let version = if alpn == ["h2"] { "HTTP/2.0" } else { "HTTP/1.1" };
        assert_eq!(Start::with(&upstream).go().get("/").await.text(), version);
    }
}
