//! Who gets in: hosts, pages, fields, keys and accounts, over real sockets of both listeners.

use std::net::SocketAddr;
use std::os::unix::fs::MetadataExt;
use std::path::Path;
use std::sync::Arc;

use http::Response;
use tokio::net::{TcpStream, UnixStream};
use webwork_sidecar::account::{Gid, Uid};
use webwork_sidecar::answer::Answer;
use webwork_sidecar::guard::{Config, Door, Guard, Pages};
use webwork_sidecar::net::listen::Address;

use super::support::{
    Caller, Credential, ECHO, Reply, Setup, Sidecar, Start, Upstream, full, soon,
};

/// One request on a connection of its own; a refused one ends it.
async fn ask(address: SocketAddr, request: &str) -> Reply {
    let mut caller = Caller::new(TcpStream::connect(address).await.unwrap());
    caller.send(request).await;
    let reply = caller.reply().await;
    if reply.status != 200 {
        assert_eq!(reply.fields["connection"], "close", "{request}");
        assert!(caller.is_closed().await, "{request}");
    }
    reply
}

async fn code(address: SocketAddr, request: &str) -> (u16, String) {
    let reply = ask(address, request).await;
    let code = if reply.status == 200 { String::new() } else { reply.code() };
    (reply.status, code)
}

/// Both listeners, each with a path that is there.
fn doors(sidecar: &Sidecar) -> [(SocketAddr, &'static str); 2] {
    [(sidecar.proxy, "/api/v2/workspaces"), (sidecar.admin, "/status")]
}

#[tokio::test]
async fn only_our_own_names_with_our_own_port_get_in() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken)
        .set("guard.hosts", "sidecar,public.example:443")
        .start()
        .await;
    for (door, path) in doors(&sidecar) {
        let port = door.port();
        for host in [
            &format!("localhost:{port}"),
            &format!("LOCALHOST:{port}"),
            &format!("127.0.0.1:{port}"),
            &format!("[::1]:{port}"),
            &format!("Sidecar:{port}"),
            "public.example:443",
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            assert_eq!(code(door, &request).await.0, 200, "{host}");
        }
        for host in [
            "evil.example",
            &format!("evil.example:{port}"),
            &format!("localhost.:{port}"),
            &format!("localhost.evil.example:{port}"),
            &format!("0.0.0.0:{port}"),
            &format!("[::]:{port}"),
            &format!("[::ffff:127.0.0.1]:{port}"),
            &format!("[0:0:0:0:0:0:0:1]:{port}"),
            &format!("127.1:{port}"),
            &format!("localhost:0{port}"),
            "localhost",
            "localhost:80",
            "sidecar",
            "public.example",
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n\r\n");
            let expected = (421, "host_not_allowed".to_owned());
            assert_eq!(code(door, &request).await, expected, "{host}");
        }
        for head in [
            format!("GET {path} HTTP/1.1\r\n\r\n"),
            format!("GET {path} HTTP/1.0\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost:\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: :{port}\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: localhost:\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: me@localhost:{port}\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: http://localhost:{port}\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}, evil.example\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: ::1:{port}\r\n\r\n"),
            format!("GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nHost: evil.example\r\n\r\n"),
            format!(
                "GET {path} HTTP/1.1\r\nHost: localhost:{port}\r\nHost: localhost:{port}\r\n\r\n"
            ),
        ] {
            assert_eq!(code(door, &head).await, (400, "bad_request".to_owned()), "{head}");
        }
        let absolute = |authority: &str, host: &str| {
            format!("GET http://{authority}{path} HTTP/1.1\r\nHost: {host}\r\n\r\n")
        };
        let ours = format!("localhost:{port}");
        let refused = (400, "bad_request".to_owned());
        assert_eq!(code(door, &absolute(&ours, &ours)).await, refused);
        assert_eq!(code(door, &absolute("evil.example", &ours)).await, refused);
        let foreign = code(door, &absolute(&ours, "evil.example")).await;
        assert_eq!(foreign, (421, "host_not_allowed".to_owned()));
    }
    assert_eq!(sidecar.service.journal().api_requests(), 6);
}

#[tokio::test]
async fn no_page_gets_in_with_get_or_post() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    for (door, path) in doors(&sidecar) {
        for (method, fields) in [
            ("GET", "Origin: https://evil.example"),
            ("GET", "Origin: null"),
            ("POST", "Origin: null"),
            ("GET", "Origin: http://localhost:3000"),
            ("GET", "Origin: http://localhost"),
            ("GET", "Sec-Fetch-Site: cross-site"),
            ("GET", "Sec-Fetch-Site: same-site"),
            ("HEAD", "Sec-Fetch-Site: cross-site\r\nSec-Fetch-Mode: navigate"),
            ("GET", "Sec-Fetch-Site: unheard-of"),
            ("GET", "Sec-Fetch-Site: none\r\nSec-Fetch-Site: cross-site"),
            ("POST", "Referer: https://evil.example/"),
            ("DELETE", "Referer: http://localhost:3000/"),
            ("OPTIONS", "Access-Control-Request-Method: GET"),
            (
                "OPTIONS",
                "Origin: https://evil.example\r\nAccess-Control-Request-Method: DELETE\r\n\
                 Access-Control-Request-Private-Network: true",
            ),
        ] {
            let mut caller = Caller::new(TcpStream::connect(door).await.unwrap());
            let request = format!("{method} {path} HTTP/1.1\r\nHost: {door}\r\n{fields}\r\n\r\n");
            caller.send(&request).await;
            let reply = caller.reply_to(method).await;
            assert_eq!(reply.status, 403, "{request}");
            assert!(method == "HEAD" || reply.code() == "cross_site", "{request}");
            let told = reply.fields.keys().find(|it| it.as_str().starts_with("access-control-"));
            assert_eq!(told, None, "{request}");
            assert!(caller.is_closed().await);
        }
        let websocket = format!(
            "GET {path} HTTP/1.1\r\nHost: {door}\r\nConnection: Upgrade\r\nUpgrade: websocket\r\n\
             Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"
        );
        assert_eq!(code(door, &websocket).await.0, 403);
    }
    assert_eq!(sidecar.service.journal().api_requests(), 0);
}

#[tokio::test]
async fn our_own_origin_is_foreign_to_the_proxy_and_at_home_on_the_pages() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    for ((door, path), expected) in doors(&sidecar).into_iter().zip([403, 200]) {
        let request = format!(
            "GET {path} HTTP/1.1\r\nHost: {door}\r\nOrigin: http://{door}\r\n\
             Sec-Fetch-Site: same-origin\r\n\r\n"
        );
        assert_eq!(code(door, &request).await.0, expected, "{path}");
    }
}

#[tokio::test]
async fn a_required_field_and_a_key_are_asked_for_and_not_forwarded() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken)
        .set("guard.required_field", "X-WebWork-Proxy")
        .set("guard.caller_key", "0123456789abcdef")
        .start()
        .await;
    let (key, field) = ("X-Sidecar-Key: 0123456789abcdef", "x-webwork-proxy: yes");
    for (door, path) in [(sidecar.proxy, ECHO), (sidecar.admin, "/status")] {
        for (fields, expected) in [
            (String::new(), "required_field"),
            (format!("{key}\r\n"), "required_field"),
            (format!("{field}\r\n"), "caller_key"),
            (format!("{field}\r\nX-Sidecar-Key: 0123456789abcdeg\r\n"), "caller_key"),
            (format!("{field}\r\n{key}\r\n{key}\r\n"), "caller_key"),
            (format!("{field}\r\n{key}\r\n"), ""),
        ] {
            let request = format!("GET {path} HTTP/1.1\r\nHost: {door}\r\n{fields}\r\n");
            let status = if expected.is_empty() { 200 } else { 403 };
            assert_eq!(code(door, &request).await, (status, expected.to_owned()), "{fields}");
        }
    }
    let request =
        format!("GET {ECHO} HTTP/1.1\r\nHost: {}\r\n{field}\r\n{key}\r\n\r\n", sidecar.proxy);
    let echo: serde_json::Value =
        serde_json::from_slice(&ask(sidecar.proxy, &request).await.content).unwrap();
    for arrived in echo["headers"].as_array().unwrap() {
        let name = arrived[0].as_str().unwrap();
        assert!(!["x-webwork-proxy", "x-sidecar-key"].contains(&name), "{echo}");
    }
}

/// Asks through a Unix socket that lets in the accounts of `config`.
async fn through_a_socket(directory: &Path, config: Config) -> Reply {
    let upstream = Upstream::plain(|_| async { Response::new(full("in")) }).await;
    let path = directory.join("proxy.sock");
    let mut start = Start::with(&upstream);
    start.listen = Address::Unix(path.clone());
    let guard = Guard::new(&config, Door::Unix, Pages::None).unwrap();
    start.admission =
        Arc::new(move |head, account| guard.admit(head, account).map_err(Answer::from));
    let _proxy = start.go();
    let mut caller = Caller::new(UnixStream::connect(&path).await.unwrap());
    caller.send("GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    caller.reply().await
}

#[tokio::test]
async fn only_programs_of_the_listed_accounts_get_in_through_a_unix_socket() {
    let directory = tempfile::tempdir().unwrap();
    let own = std::fs::metadata(directory.path()).unwrap();
    let (uid, gid) = (Uid(own.uid()), Gid(own.gid()));
    let (other_uid, other_gid) = (Uid(own.uid() + 1), Gid(own.gid() + 1));
    for (uids, gids, expected) in [
        (vec![], vec![], 200),
        (vec![other_uid, uid], vec![], 200),
        (vec![], vec![gid], 200),
        (vec![other_uid], vec![gid], 200),
        (vec![other_uid], vec![], 403),
        (vec![other_uid], vec![other_gid], 403),
    ] {
        let config = Config { uids: uids.clone(), gids: gids.clone(), ..Config::default() };
        let reply = through_a_socket(directory.path(), config).await;
        assert_eq!(reply.status, expected, "{uids:?} {gids:?}");
        if expected == 403 {
            assert_eq!(reply.code(), "caller_account");
            assert_eq!(reply.fields["connection"], "close");
        }
    }
}

/// A sidecar with a Unix socket alone, in this directory.
fn private(directory: &Path) -> Setup {
    let address = format!("unix:{}", directory.join("proxy.sock").display());
    Sidecar::with(Credential::PersonalAccessToken).set("listen.proxy", &address)
}

async fn through(directory: &Path, request: &str) -> Reply {
    let stream = UnixStream::connect(directory.join("proxy.sock")).await.unwrap();
    let mut caller = Caller::new(stream);
    caller.send(request).await;
    caller.reply().await
}

const GET: &str = "GET /api/v2/workspaces HTTP/1.1\r\nHost: localhost\r\n\r\n";

#[tokio::test]
async fn a_unix_socket_has_its_mode_and_owner() {
    let directory = tempfile::tempdir().unwrap();
    let own = std::fs::metadata(directory.path()).unwrap();
    let _sidecar = private(directory.path())
        .set("listen.socket_mode", "0660")
        .set("listen.socket_owner", &format!("{}:{}", own.uid(), own.gid()))
        .start()
        .await;
    let file = std::fs::metadata(directory.path().join("proxy.sock")).unwrap();
    assert_eq!((file.mode() & 0o777, file.uid(), file.gid()), (0o660, own.uid(), own.gid()));
    assert_eq!(through(directory.path(), GET).await.status, 200);
}

/// Names that clients make up for a Unix socket.
const NAMES: [&str; 10] = [
    "localhost",
    "localhost:9180",
    "127.0.0.1:9180",
    "localhost:80",
    "[::1]",
    "unix",
    "docker",
    "_",
    "%2Frun%2Fp.sock",
    "",
];

#[tokio::test]
async fn a_unix_socket_takes_any_one_name_and_no_malformed_one() {
    let directory = tempfile::tempdir().unwrap();
    let sidecar = private(directory.path()).start().await;
    for host in NAMES {
        let reply = through(directory.path(), &GET.replace("localhost", host)).await;
        assert_eq!(reply.status, 200, "{host}");
    }
    for request in [
        GET.replace("localhost", "a b"),
        GET.replace("localhost", "/run/p.sock"),
        GET.replace("localhost", "me@localhost"),
        GET.replace("localhost", "%zz"),
        GET.replace("Host: localhost\r\n", ""),
        GET.replace("Host: localhost\r\n", "Host: localhost\r\nHost: localhost\r\n"),
        GET.replace("GET /", "GET http://evil.example/"),
        GET.replace("GET /", "GET http://localhost/"),
    ] {
        let reply = through(directory.path(), &request).await;
        assert_eq!((reply.status, reply.code().as_str()), (400, "bad_request"), "{request}");
    }
    let page = GET.replace("\r\n\r\n", "\r\nOrigin: http://localhost\r\n\r\n");
    assert_eq!(through(directory.path(), &page).await.code(), "cross_site");
    assert_eq!(sidecar.service.journal().api_requests(), NAMES.len() as u64);
}

#[tokio::test]
async fn a_unix_socket_with_listed_hosts_takes_no_other() {
    let directory = tempfile::tempdir().unwrap();
    let _sidecar = private(directory.path()).set("guard.hosts", "sidecar").start().await;
    for host in ["localhost", "sidecar"] {
        let reply = through(directory.path(), &GET.replace("localhost", host)).await;
        assert_eq!(reply.status, 200, "{host}");
    }
    for host in ["evil.example", "unix", "_"] {
        let reply = through(directory.path(), &GET.replace("localhost", host)).await;
        assert_eq!((reply.status, reply.code().as_str()), (421, "host_not_allowed"), "{host}");
    }
}

/// Message and hint of a refusal.
fn told(reply: &Reply) -> String {
    let body: serde_json::Value = serde_json::from_slice(&reply.content).unwrap();
    format!("{} {}", body["message"].as_str().unwrap(), body["error"]["hint"].as_str().unwrap())
}

#[tokio::test]
async fn a_frequent_mistake_is_answered_with_its_name() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let (port, host) = (sidecar.proxy.port(), sidecar.proxy);
    for (request, status, words) in [
        ("GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n".into(), 421, "lacks the sidecar's port"),
        (
            "GET http://other.example/a HTTP/1.1\r\nHost: other.example\r\n\r\n".into(),
            421,
            "is no forward proxy",
        ),
        (
            "CONNECT other.example:443 HTTP/1.1\r\nHost: other.example:443\r\n\r\n".into(),
            421,
            "is no forward proxy",
        ),
        (
            format!("GET http://{host}/api/ HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            400,
            "as a forward proxy gets it",
        ),
        (format!("CONNECT a:1 HTTP/1.1\r\nHost: {host}\r\n\r\n"), 403, "opens no tunnel"),
        (
            format!("GET //api/v2 HTTP/1.1\r\nHost: {host}\r\n\r\n"),
            400,
            "contains \"//\"; remove one",
        ),
        ("\x16\x03\x01\x02\0\x01\0\x01\x7c".into(), 400, "plain HTTP"),
        (
            format!("POST /api/ HTTP/1.1\r\nHost: {host}\r\nOrigin: http://localhost:3000\r\n\r\n"),
            403,
            "Pages from http://localhost:3000 may not call the sidecar. To allow: guard.origins = \
             [\"http://localhost:3000\"]",
        ),
    ] {
        let reply = ask(sidecar.proxy, &request).await;
        assert_eq!(reply.status, status, "{request}");
        assert!(told(&reply).contains(words), "{request}: {}", told(&reply));
    }
    let reply = ask(sidecar.proxy, "GET /api/ HTTP/1.1\r\nHost: localhost\r\n\r\n").await;
    assert!(told(&reply).contains(&format!("Host: localhost:{port}")), "{}", told(&reply));
}

#[tokio::test]
async fn a_person_is_sent_to_the_status_page() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    let page = format!("http://localhost:{}/", sidecar.admin.port());
    let host = sidecar.proxy;
    for path in ["/", "/status"] {
        let browser = "Accept: text/html,application/xhtml+xml,*/*;q=0.8\r\nSec-Fetch-Site: none";
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\n{browser}\r\n\r\n");
        let reply = ask(host, &request).await;
        assert_eq!(reply.status, 403);
        assert_eq!(reply.fields["content-type"], "text/html; charset=utf-8");
        assert!(reply.fields.contains_key("content-security-policy"));
        assert!(reply.text().contains(&format!("<a href=\"{page}\">")), "{}", reply.text());
        let request = format!("GET {path} HTTP/1.1\r\nHost: {host}\r\nAccept: */*\r\n\r\n");
        let reply = ask(host, &request).await;
        assert_eq!((reply.status, reply.code().as_str()), (403, "policy"));
        assert!(told(&reply).contains(&page), "{}", told(&reply));
    }
}

#[tokio::test]
async fn http2_with_prior_knowledge_is_answered_in_http2() {
    let sidecar = Sidecar::with(Credential::PersonalAccessToken).start().await;
    for address in [sidecar.proxy, sidecar.admin] {
        let stream = TcpStream::connect(address).await.unwrap();
        let (mut sender, connection) =
            hyper::client::conn::http2::handshake::<_, _, http_body_util::Empty<bytes::Bytes>>(
                hyper_util::rt::TokioExecutor::new(),
                hyper_util::rt::TokioIo::new(stream),
            )
            .await
            .unwrap();
        let connection = tokio::spawn(connection);
        let request = http::Request::get(format!("http://{address}/api/"));
        let request = request.body(http_body_util::Empty::new()).unwrap();
        let response = soon(sender.send_request(request)).await.unwrap();
        assert_eq!(response.status(), 505);
        let (head, body) = response.into_parts();
        let content = soon(http_body_util::BodyExt::collect(body)).await.unwrap().to_bytes();
        let reply = Reply {
            status: 505,
            fields: head.headers,
            content: content.into(),
            trailers: http::HeaderMap::new(),
        };
        assert_eq!(reply.code(), "bad_request");
        assert!(told(&reply).contains("HTTP/1.1"), "{}", told(&reply));
        let ended = format!("{:?}", soon(connection).await.unwrap());
        assert!(ended.contains("HTTP_1_1_REQUIRED"), "{ended}");
    }
}

#[tokio::test]
async fn accounts_are_asked_for_by_the_proxy_and_not_by_probes_over_tcp() {
    let directory = tempfile::tempdir().unwrap();
    let own = std::fs::metadata(directory.path()).unwrap().uid();
    for (uid, expected) in [(own, 200), (own + 1, 403)] {
        let sidecar = private(directory.path()).set("guard.uids", &uid.to_string()).start().await;
        assert_eq!(through(directory.path(), GET).await.status, expected);
        assert_eq!(sidecar.page("/readyz").await.status, 200);
        let asked = u64::from(expected == 200);
        assert_eq!(sidecar.service.journal().api_requests(), asked);
    }
}
