//! Upstreams that cannot prove who they are: no byte of HTTP is sent to them.

use std::io::{Read, Write};
use std::net::{TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, channel};

use rcgen::{
    BasicConstraints, CertificateParams, CertifiedIssuer, DnType, IsCa, KeyPair, date_time_ymd,
};
use rustls::pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer};
use rustls::{ServerConfig, ServerConnection, Stream};

use crate::support::{Door, PATIENCE, SECRETS, Sidecar, write};

/// What is wrong with each of them, and the line of `threats.txt`.
pub(crate) const CASES: [(&str, &str); 8] = [
    ("expired", THREAT),
    ("not-yet-valid", THREAT),
    ("another-name", THREAT),
    ("unknown-authority", THREAT),
    ("self-signed", THREAT),
    ("plain-http", THREAT),
    ("tls-1.1", THREAT),
    ("nobody-listens", THREAT),
];

const THREAT: &str = "tls";

#[test]
fn the_upstream_has_to_prove_itself() {
    let mut failures = Vec::new();
    for (name, _) in CASES {
        let upstream = Impostor::start(name);
        let sidecar = upstream.sidecar();
        // Twice, because the first must leave nothing behind that the second could use.
        for _ in 0..2 {
            let answer = sidecar.ask(Door::Proxy, "{get}\r\n");
            let expected =
                if name == "nobody-listens" { "upstream_connect" } else { "upstream_tls" };
            if (answer.status, answer.code().as_deref()) != (502, Some(expected)) {
                failures.push(format!("{name}: {answer:?}"));
            }
        }
        let heard = upstream.heard();
        if heard.windows(4).any(|four| four == b"GET " || four == b"HTTP") {
            failures.push(format!("{name}: it was sent {}", String::from_utf8_lossy(&heard)));
        }
        let said = sidecar.lines().concat();
        assert!(!SECRETS.iter().any(|secret| said.contains(secret)), "{said}");
        sidecar.stop();
    }
    assert!(failures.is_empty(), "{}", failures.join("\n"));
}

#[test]
fn an_upstream_that_proves_itself_is_served() {
    let upstream = Impostor::start("honest");
    let sidecar = upstream.sidecar();
    assert_eq!(sidecar.ask(Door::Proxy, "{get}\r\n").status, 200);
    let heard = String::from_utf8(upstream.heard()).unwrap();
    assert!(heard.contains(SECRETS[0]), "{heard}");
    sidecar.stop();
}

/// A server and what it was told; it ends with the test's process.
struct Impostor {
    url: String,
    authority: String,
    heard: Receiver<Vec<u8>>,
}

impl Impostor {
    fn start(flaw: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let url = format!("https://localhost:{}", listener.local_addr().unwrap().port());
        let (tell, heard) = channel();
        let (config, authority) = identity(flaw);
        let flaw = flaw.to_owned();
        if flaw != "nobody-listens" {
            std::thread::spawn(move || {
                for stream in listener.incoming().map_while(Result::ok) {
                    stream.set_read_timeout(Some(PATIENCE)).unwrap();
                    let heard = match flaw.as_str() {
                        "plain-http" => answer(stream, PLAIN),
                        // A ServerHello of TLS 1.1 that chooses a cipher of that time.
                        "tls-1.1" => answer(stream, OLD_HELLO),
                        _ => converse(stream, &config),
                    };
                    tell.send(heard).ok();
                }
            });
        }
        Self { url, authority, heard }
    }

    fn sidecar(&self) -> Sidecar {
        let prepare = |place: &std::path::Path| write(&place.join("ca.pem"), &self.authority);
        Sidecar::with(&self.url, "ca_file = \"ca.pem\"\n", prepare)
    }

    /// Everything that came after the handshake, or instead of one.
    fn heard(&self) -> Vec<u8> {
        self.heard.try_iter().flatten().collect()
    }
}

const PLAIN: &[u8] = b"HTTP/1.1 400 Bad Request\r\nContent-Length: 0\r\n\r\n";

const OLD_HELLO: &[u8] = b"\x16\x03\x02\x00\x2a\x02\x00\x00\x26\x03\x02\
    0123456789abcdef0123456789abcdef\x00\x00\x2f\x00";

/// Reads what comes first, answers with these bytes, and reads on to the end.
fn answer(mut stream: TcpStream, bytes: &[u8]) -> Vec<u8> {
    let mut heard = vec![0; 16 << 10];
    let first = stream.read(&mut heard).unwrap_or_default();
    heard.truncate(first);
    if stream.write_all(bytes).is_ok() {
        stream.read_to_end(&mut heard).ok();
    }
    heard
}

/// A handshake, and one exchange if it succeeds.
fn converse(mut stream: TcpStream, config: &Arc<ServerConfig>) -> Vec<u8> {
    let mut tls = ServerConnection::new(Arc::clone(config)).unwrap();
    let mut stream = Stream::new(&mut tls, &mut stream);
    let mut heard = Vec::new();
    let mut piece = [0; 4096];
    while let Ok(read @ 1..) = stream.read(&mut piece) {
        heard.extend_from_slice(&piece[..read]);
        if heard.ends_with(b"\r\n\r\n") {
            let answer = b"HTTP/1.1 200 OK\r\nContent-Length: 2\r\nConnection: close\r\n\r\nok";
            stream.write_all(answer).ok();
            stream.conn.send_close_notify();
            stream.flush().ok();
            break;
        }
    }
    heard
}

/// What it presents, and the authority that the sidecar trusts.
fn identity(flaw: &str) -> (Arc<ServerConfig>, String) {
    let trusted = authority("trusted");
    let stranger = authority("stranger");
    let name = if flaw == "another-name" { "evil.example" } else { "localhost" };
    let mut params = CertificateParams::new(vec![name.to_owned()]).unwrap();
    match flaw {
        "expired" => params.not_after = date_time_ymd(2001, 1, 1),
        "not-yet-valid" => params.not_before = date_time_ymd(4001, 1, 1),
        _ => {}
    }
    let key = KeyPair::generate().unwrap();
    let certificate = match flaw {
        "self-signed" => params.self_signed(&key),
        "unknown-authority" => params.signed_by(&key, &stranger),
        _ => params.signed_by(&key, &trusted),
    };
    let chain = vec![CertificateDer::from(certificate.unwrap())];
    let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(key.serialize_der()));
    let config =
        ServerConfig::builder_with_provider(Arc::new(rustls::crypto::ring::default_provider()))
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(chain, key);
    (Arc::new(config.unwrap()), trusted.pem())
}

fn authority(name: &str) -> CertifiedIssuer<'static, KeyPair> {
    let mut params = CertificateParams::new(Vec::new()).unwrap();
    params.is_ca = IsCa::Ca(BasicConstraints::Unconstrained);
    params.distinguished_name.push(DnType::CommonName, name);
    CertifiedIssuer::self_signed(params, KeyPair::generate().unwrap()).unwrap()
}
