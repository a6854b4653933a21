//! The vocabulary of these tests: a sidecar without its configuration, callers and upstreams that are
//! real sockets, some of them ill-behaved.

use std::future::Future;
use std::io;
use std::net::SocketAddr;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::thread::JoinHandle;
use std::time::Duration;

use bytes::Bytes;
use http::{HeaderMap, Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use rustls::pki_types::{PrivateKeyDer, PrivatePkcs8KeyDer};
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::TlsAcceptor;
use tokio_rustls::server::TlsStream;
use url::Url;
use webwork_sidecar::answer::Answer;
use webwork_sidecar::net::drain::{self, Drainer};
use webwork_sidecar::net::listen::{Address, Listeners};
use webwork_sidecar::net::origin::Origin;
use webwork_sidecar::net::serve::{self, Limit, Terms};
use webwork_sidecar::net::tls::Trust;
use webwork_sidecar::net::upstream;
use webwork_sidecar::proxy;
use webwork_sidecar::proxy::core::{Core, Gate};
use webwork_sidecar::proxy::service::Admission;
use webwork_sidecar::telemetry::{Meter, Totals};
use webwork_sidecar::token::bearer::AccessToken;
use webwork_sidecar::token::current::{Access, Bearer, Generation, Publisher, Rejection, channel};

/// No awaited event takes longer, or the test has failed.
pub(crate) const PATIENCE: Duration = Duration::from_secs(20);

pub(crate) async fn soon<F: Future>(event: F) -> F::Output {
    tokio::time::timeout(PATIENCE, event).await.expect("it should have happened by now")
}

pub(crate) fn bearer(generation: u64) -> Bearer {
    let token = AccessToken::new(format!("token-{generation}")).unwrap();
    Bearer::new(Generation(generation), &token)
}

/// A sidecar that is about to start.
pub(crate) struct Start {
    pub(crate) upstream: upstream::Config,
    pub(crate) serve: serve::Config,
    pub(crate) proxy: proxy::Config,
    pub(crate) admission: Admission,
    pub(crate) listen: Address,
    pub(crate) cores: usize,
}

/// A running sidecar. Its token is generation 1 until a test publishes another.
pub(crate) struct Sidecar {
    pub(crate) address: Address,
    pub(crate) publisher: Publisher,
    pub(crate) rejections: tokio::sync::mpsc::UnboundedReceiver<Rejection>,
    meter: Meter,
    drainer: Option<Drainer>,
    threads: Vec<JoinHandle<io::Result<()>>>,
}

impl Start {
    pub(crate) fn with(upstream: &Upstream) -> Self {
        let url = Url::parse(&upstream.url).unwrap();
        let mut config = upstream::Config::new(Origin::of(&url).unwrap());
        config.ca_file = upstream.ca_file.as_ref().map(|file| file.path().to_owned());
        Self {
            upstream: config,
            serve: serve::Config::default(),
            proxy: proxy::Config::default(),
            admission: Arc::new(|_| Ok(())),
            listen: "127.0.0.1:0".parse().unwrap(),
            cores: 1,
        }
    }

    pub(crate) fn go(self) -> Sidecar {
        let trust = Trust::load(self.upstream.ca_file.as_deref()).unwrap();
        let listeners = Listeners::bind(&self.listen, self.cores).unwrap();
        let (publisher, current, rejections) = channel();
        publisher.publish(Access::Ready(bearer(1)));
        let (drainer, drain) = drain::channel();
        let (meter, limit) = (Meter::default(), Limit::new(&self.serve));
        let threads = listeners.sockets.into_iter().map(|socket| {
            let core = Core {
                terms: Terms {
                    config: self.serve.clone(),
                    limit: limit.clone(),
                    drain: drain.clone(),
                    counters: meter.core(),
                },
                proxy: self.proxy.clone(),
                upstream: self.upstream.clone(),
                trust: trust.clone(),
                current: current.clone(),
                gates: vec![Gate { sockets: vec![socket], admission: Arc::clone(&self.admission) }],
            };
            std::thread::spawn(move || core.run())
        });
        Sidecar {
            address: listeners.address,
            publisher,
            rejections,
            threads: threads.collect(),
            meter,
            drainer: Some(drainer),
        }
    }
}

impl Sidecar {
    pub(crate) fn with(upstream: &Upstream) -> Self {
        Start::with(upstream).go()
    }

    pub(crate) async fn caller(&self) -> Caller<TcpStream> {
        let Address::Tcp(address) = self.address else { panic!("not TCP") };
        Caller::new(TcpStream::connect(address).await.unwrap())
    }

    /// One request on a connection of its own.
    pub(crate) async fn ask(&self, request: &str) -> Reply {
        let mut caller = self.caller().await;
        caller.send(request).await;
        caller.reply().await
    }

    pub(crate) async fn get(&self, target: &str) -> Reply {
        self.ask(&format!("GET {target} HTTP/1.1\r\nHost: localhost\r\n\r\n")).await
    }

    pub(crate) fn totals(&self) -> Totals {
        self.meter.totals()
    }

    /// Waits until the counters say so.
    pub(crate) async fn until(&self, told: impl Fn(Totals) -> bool) {
        soon(async {
            while !told(self.totals()) {
                tokio::task::yield_now().await;
            }
        })
        .await;
    }

    pub(crate) fn drain(&self, within: Duration) {
        self.drainer.as_ref().unwrap().drain(within);
    }

    /// Waits for all cores to end.
    pub(crate) async fn ended(&mut self) {
        let threads = std::mem::take(&mut self.threads);
        let all = tokio::task::spawn_blocking(move || {
            threads.into_iter().for_each(|thread| thread.join().unwrap().unwrap());
        });
        soon(all).await.unwrap();
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        self.drainer.take();
        for thread in self.threads.drain(..) {
            let ended = thread.join();
            assert!(std::thread::panicking() || matches!(ended, Ok(Ok(()))), "{ended:?}");
        }
    }
}

/// A caller that writes what it likes.
pub(crate) struct Caller<S>(Wire<S>);

/// What a caller got.
#[derive(Debug)]
pub(crate) struct Reply {
    pub(crate) status: u16,
    pub(crate) fields: HeaderMap,
    pub(crate) content: Vec<u8>,
    pub(crate) trailers: HeaderMap,
}

impl Reply {
    pub(crate) fn text(&self) -> &str {
        std::str::from_utf8(&self.content).unwrap()
    }

    /// `error.code` of an answer of the sidecar's own.
    pub(crate) fn code(&self) -> String {
        let body: serde_json::Value = serde_json::from_slice(&self.content).unwrap();
        body["error"]["code"].as_str().unwrap().to_owned()
    }
}

impl<S: AsyncRead + AsyncWrite + Unpin> Caller<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self(Wire::new(stream))
    }

    pub(crate) async fn send(&mut self, bytes: impl AsRef<[u8]>) {
        self.0.write(bytes).await;
    }

    pub(crate) async fn reply(&mut self) -> Reply {
        self.reply_to("GET").await
    }

    pub(crate) async fn reply_to(&mut self, method: &str) -> Reply {
        let (line, fields) = soon(self.0.head()).await.expect("an answer");
        let status = line.split(' ').nth(1).unwrap().parse().unwrap();
        let bodiless = method == "HEAD" || status < 200 || status == 204 || status == 304;
        let (content, trailers) = match bodiless {
            true => Default::default(),
            false => soon(self.0.content(&fields)).await.unwrap(),
        };
        Reply { status, fields, content, trailers }
    }

    /// Reads a head, and none of the content.
    pub(crate) async fn head(&mut self) -> (String, HeaderMap) {
        soon(self.0.head()).await.expect("an answer")
    }

    pub(crate) async fn is_closed(&mut self) -> bool {
        soon(self.0.head()).await.is_none()
    }

    /// Everything up to the end of the connection, be it orderly or not.
    pub(crate) async fn rest(mut self) -> Vec<u8> {
        soon(async { while self.0.fill().await {} }).await;
        self.0.buffer
    }

    pub(crate) fn stream(&mut self) -> &mut S {
        &mut self.0.stream
    }
}

/// One end of a connection, in HTTP/1.1's own bytes.
pub(crate) struct Wire<S> {
    stream: S,
    buffer: Vec<u8>,
}

impl<S: AsyncRead + AsyncWrite + Unpin> Wire<S> {
    pub(crate) fn new(stream: S) -> Self {
        Self { stream, buffer: Vec::new() }
    }

    pub(crate) async fn write(&mut self, bytes: impl AsRef<[u8]>) {
        self.stream.write_all(bytes.as_ref()).await.unwrap();
        self.stream.flush().await.unwrap();
    }

    /// The first line and the fields; `None` when the connection has ended.
    pub(crate) async fn head(&mut self) -> Option<(String, HeaderMap)> {
        let end = loop {
            if let Some(at) = self.buffer.windows(4).position(|four| four == b"\r\n\r\n") {
                break at + 4;
            }
            if !self.fill().await {
                assert!(self.buffer.is_empty(), "cut off: {:?}", self.buffer);
                return None;
            }
        };
        let head: Vec<u8> = self.buffer.drain(..end).collect();
        let head = String::from_utf8(head).unwrap();
        let (line, fields) = head.split_once("\r\n").unwrap();
        Some((line.to_owned(), parsed(fields)))
    }

    /// The content, and the trailers if it is chunked; `None` when it was cut off.
    pub(crate) async fn content(&mut self, fields: &HeaderMap) -> Option<(Vec<u8>, HeaderMap)> {
        if fields.get("transfer-encoding").is_some_and(|value| value == "chunked") {
            return self.chunks().await;
        }
        let length = fields.get("content-length").map(|value| value.to_str().unwrap().parse());
        match length {
            Some(length) => Some((self.take(length.unwrap()).await?, HeaderMap::new())),
            None => Some((Vec::new(), HeaderMap::new())),
        }
    }

    async fn chunks(&mut self) -> Option<(Vec<u8>, HeaderMap)> {
        let mut content = Vec::new();
        loop {
            let size = usize::from_str_radix(&self.line().await?, 16).unwrap();
            if size == 0 {
                break;
            }
            content.extend(self.take(size).await?);
            assert_eq!(self.line().await?, "");
        }
        let mut trailers = String::new();
        loop {
            let line = self.line().await?;
            if line.is_empty() {
                return Some((content, parsed(&trailers)));
            }
            trailers.push_str(&line);
            trailers.push_str("\r\n");
        }
    }

    async fn line(&mut self) -> Option<String> {
        loop {
            if let Some(at) = self.buffer.windows(2).position(|two| two == b"\r\n") {
                let line = self.buffer.drain(..at + 2).take(at).collect();
                return Some(String::from_utf8(line).unwrap());
            }
            if !self.fill().await {
                return None;
            }
        }
    }

    pub(crate) async fn take(&mut self, length: usize) -> Option<Vec<u8>> {
        while self.buffer.len() < length {
            if !self.fill().await {
                return None;
            }
        }
        let rest = self.buffer.split_off(length);
        Some(std::mem::replace(&mut self.buffer, rest))
    }

    /// Whether there was more. A reset is an end too.
    async fn fill(&mut self) -> bool {
        matches!(self.stream.read_buf(&mut self.buffer).await, Ok(read) if read > 0)
    }
}

fn parsed(lines: &str) -> HeaderMap {
    let mut fields = HeaderMap::new();
    for (name, value) in lines.lines().filter_map(|line| line.split_once(": ")) {
        fields.append(
            http::HeaderName::try_from(name).unwrap(),
            http::HeaderValue::try_from(value).unwrap(),
        );
    }
    fields
}

/// The other end of the sidecar.
pub(crate) struct Upstream {
    pub(crate) url: String,
    pub(crate) ca_file: Option<tempfile::NamedTempFile>,
    connections: Arc<AtomicUsize>,
    task: tokio::task::JoinHandle<()>,
}

impl Drop for Upstream {
    fn drop(&mut self) {
        self.task.abort();
    }
}

pub(crate) type Content = BoxBody<Bytes, hyper::Error>;

pub(crate) fn full(content: impl Into<Bytes>) -> Content {
    Full::new(content.into()).map_err(|never| match never {}).boxed()
}

impl Upstream {
    /// How many connections it has accepted.
    pub(crate) fn connections(&self) -> usize {
        self.connections.load(Ordering::SeqCst)
    }

    /// Plain HTTP/1.1, well-behaved.
    pub(crate) async fn plain<F, R>(answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = Response<Content>> + Send + 'static,
    {
        Self::raw(move |stream, _| serve_http1(stream, answer.clone())).await
    }

    /// Over TLS, well-behaved, with the protocols of `alpn`.
    pub(crate) async fn tls<F, R>(alpn: &[&str], answer: F) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = Response<Content>> + Send + 'static,
    {
        Self::with_certificate(&Certificate::good(), alpn, answer).await
    }

    pub(crate) async fn with_certificate<F, R>(
        certificate: &Certificate,
        alpn: &[&str],
        answer: F,
    ) -> Self
    where
        F: Fn(Request<Incoming>) -> R + Clone + Send + 'static,
        R: Future<Output = Response<Content>> + Send + 'static,
    {
        Self::tls_raw(certificate, alpn, move |stream, _| {
            let answer = answer.clone();
            async move {
                if stream.get_ref().1.alpn_protocol() == Some(b"h2") {
                    serve_http2(stream, answer).await;
                } else {
                    serve_http1(stream, answer).await;
                }
            }
        })
        .await
    }

    /// Whatever `behave` does with each connection once TLS stands.
    pub(crate) async fn tls_raw<F, R>(certificate: &Certificate, alpn: &[&str], behave: F) -> Self
    where
        F: Fn(TlsStream<TcpStream>, usize) -> R + Clone + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let acceptor = certificate.acceptor(alpn);
        let mut upstream = Self::raw(move |stream, number| {
            let (acceptor, behave) = (acceptor.clone(), behave.clone());
            async move {
                if let Ok(stream) = acceptor.accept(stream).await {
                    behave(stream, number).await;
                }
            }
        })
        .await;
        upstream.url = upstream.url.replace("http://127.0.0.1", "https://localhost");
        upstream.ca_file = certificate.ca_file();
        upstream
    }

    /// Whatever `behave` does with each connection; they are numbered from 0.
    pub(crate) async fn raw<F, R>(behave: F) -> Self
    where
        F: Fn(TcpStream, usize) -> R + Send + 'static,
        R: Future<Output = ()> + Send + 'static,
    {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address: SocketAddr = listener.local_addr().unwrap();
        let connections = Arc::<AtomicUsize>::default();
        let count = Arc::clone(&connections);
        let task = tokio::spawn(async move {
            let mut running = tokio::task::JoinSet::new();
            loop {
                let (stream, _) = listener.accept().await.unwrap();
                stream.set_nodelay(true).unwrap();
                running.spawn(behave(stream, count.fetch_add(1, Ordering::SeqCst)));
            }
        });
        Self { url: format!("http://{address}"), ca_file: None, connections, task }
    }
}

async fn serve_http1<S, F, R>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin,
    F: Fn(Request<Incoming>) -> R,
    R: Future<Output = Response<Content>>,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let _ = hyper::server::conn::http1::Builder::new()
        // Room for what the sidecar adds to a caller's hundred.
        .max_headers(110)
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

async fn serve_http2<S, F, R>(stream: S, answer: F)
where
    S: AsyncRead + AsyncWrite + Unpin + Send + 'static,
    F: Fn(Request<Incoming>) -> R + Send + 'static,
    R: Future<Output = Response<Content>> + Send + 'static,
{
    let service = service_fn(move |request| {
        let answer = answer(request);
        async { Ok::<_, std::convert::Infallible>(answer.await) }
    });
    let _ = hyper::server::conn::http2::Builder::new(TokioExecutor::new())
        .serve_connection(TokioIo::new(stream), service)
        .await;
}

/// A server certificate and the authority that signed it.
pub(crate) struct Certificate {
    chain: Vec<rustls::pki_types::CertificateDer<'static>>,
    key: Vec<u8>,
    ca: Option<String>,
}

impl Certificate {
    pub(crate) fn good() -> Self {
        Self::signed(|_| ())
    }

    /// Signed by an authority that the sidecar trusts, with something to be wrong about it.
    pub(crate) fn signed(change: impl FnOnce(&mut rcgen::CertificateParams)) -> Self {
        let ca_key = rcgen::KeyPair::generate().unwrap();
        let mut ca = rcgen::CertificateParams::new(Vec::new()).unwrap();
        ca.is_ca = rcgen::IsCa::Ca(rcgen::BasicConstraints::Unconstrained);
        ca.distinguished_name.push(rcgen::DnType::CommonName, "test authority");
        let ca_certificate = ca.self_signed(&ca_key).unwrap();
        let issuer = rcgen::Issuer::new(ca, ca_key);
        let key = rcgen::KeyPair::generate().unwrap();
        let mut params = rcgen::CertificateParams::new(vec!["localhost".to_owned()]).unwrap();
        change(&mut params);
        let certificate = params.signed_by(&key, &issuer).unwrap();
        Self {
            chain: vec![certificate.der().clone()],
            key: key.serialize_der(),
            ca: Some(ca_certificate.pem()),
        }
    }

    /// Signed by an authority that nobody knows.
    pub(crate) fn untrusted() -> Self {
        Self { ca: None, ..Self::good() }
    }

    fn acceptor(&self, alpn: &[&str]) -> TlsAcceptor {
        let provider = Arc::new(rustls::crypto::ring::default_provider());
        let key = PrivateKeyDer::Pkcs8(PrivatePkcs8KeyDer::from(self.key.clone()));
        let mut config = rustls::ServerConfig::builder_with_provider(provider)
            .with_safe_default_protocol_versions()
            .unwrap()
            .with_no_client_auth()
            .with_single_cert(self.chain.clone(), key)
            .unwrap();
        config.alpn_protocols = alpn.iter().map(|name| name.as_bytes().to_vec()).collect();
        TlsAcceptor::from(Arc::new(config))
    }

    fn ca_file(&self) -> Option<tempfile::NamedTempFile> {
        let pem = self.ca.as_ref()?;
        let file = tempfile::NamedTempFile::new().unwrap();
        write(file.path(), pem);
        Some(file)
    }
}

fn write(path: &Path, text: &str) {
    use std::io::Write;
    std::fs::File::create(path).unwrap().write_all(text.as_bytes()).unwrap();
}

/// Refuses everything, as a guard may.
pub(crate) fn refusing(code: webwork_sidecar::answer::Code) -> Admission {
    Arc::new(move |_| Err(Answer::new(code).closing()))
}
