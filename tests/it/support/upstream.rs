//! Upstreams that are real sockets, some of them ill-behaved.

use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use bytes::Bytes;
use http::{Request, Response};
use http_body_util::combinators::BoxBody;
use http_body_util::{BodyExt, Full};
use hyper::body::Incoming;
use hyper::service::service_fn;
use hyper_util::rt::{TokioExecutor, TokioIo};
use tokio::io::{AsyncRead, AsyncWrite};
use tokio::net::{TcpListener, TcpStream};
use tokio_rustls::server::TlsStream;

use super::Certificate;

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
