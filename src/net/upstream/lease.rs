//! A connection in the hands of one request.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri, Version};
use hyper::client::conn::{TrySendError, http1, http2};
use tokio::task::spawn_local;
use tokio::time::Instant;

use super::content::Content;
use super::failure::{Exposure, Failure, Provenance, is_of_one_stream};
use super::progress::{Outgoing, Progress, awaited};
use super::traffic::Traffic;
use super::{Origin, Pool, RequestContent};
use crate::net::framing::Asked;

/// When a connection was made and last used, and whether it has served.
#[derive(Debug)]
struct Times {
    born: Instant,
    last_use: Cell<Instant>,
    served: Cell<bool>,
}

impl Times {
    fn new() -> Self {
        let born = Instant::now();
        Self { born, last_use: Cell::new(born), served: Cell::new(false) }
    }
}

/// An HTTP/1.1 connection: one request at a time.
#[derive(Debug)]
pub(super) struct Single<B> {
    sender: http1::SendRequest<Outgoing<B>>,
    traffic: Rc<Traffic>,
    times: Times,
}

impl<B> Single<B> {
    pub(super) fn new(sender: http1::SendRequest<Outgoing<B>>, traffic: Rc<Traffic>) -> Self {
        Self { sender, traffic, times: Times::new() }
    }

    /// Whether the last exchange is over and the next one may begin.
    pub(super) fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed() && !self.traffic.is_spoilt()
    }

    /// Waits for that; a connection that closes instead never becomes ready.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    pub(super) fn born(&self) -> Instant {
        self.times.born
    }

    pub(super) fn last_use(&self) -> Instant {
        self.times.last_use.get()
    }

    pub(super) fn touch(&self) {
        self.times.last_use.set(Instant::now());
    }
}

/// An HTTP/2 connection: any number of requests at a time.
#[derive(Debug)]
pub(super) struct Shared<B> {
    sender: http2::SendRequest<Outgoing<B>>,
    times: Rc<Times>,
}

impl<B> Clone for Shared<B> {
    fn clone(&self) -> Self {
        Self { sender: self.sender.clone(), times: Rc::clone(&self.times) }
    }
}

impl<B> Shared<B> {
    pub(super) fn new(sender: http2::SendRequest<Outgoing<B>>) -> Self {
        Self { sender, times: Rc::new(Times::new()) }
    }

    pub(super) fn is_closed(&self) -> bool {
        self.sender.is_closed()
    }

    pub(super) fn is_same(&self, other: &Self) -> bool {
        Rc::ptr_eq(&self.times, &other.times)
    }

    pub(super) fn born(&self) -> Instant {
        self.times.born
    }

    pub(super) fn last_use(&self) -> Instant {
        self.times.last_use.get()
    }

    pub(super) fn touch(&self) {
        self.times.last_use.set(Instant::now());
    }
}

/// A connection that one request may use once.
pub(super) struct Lease<B> {
    pool: Rc<Pool<B>>,
    connection: Leased<B>,
    provenance: Provenance,
}

enum Leased<B> {
    Single(Single<B>),
    Shared(Shared<B>),
}

/// What became of a request.
pub(super) enum Sent<B> {
    /// The head of the response is here.
    Answered(Response<Content<B>>),
    /// The connection was dead; the request comes back untouched.
    Returned(Request<Outgoing<B>>, Failure),
}

impl<B: RequestContent> Lease<B> {
    pub(super) fn single(pool: &Rc<Pool<B>>, single: Single<B>) -> Self {
        let provenance = used(&single.times);
        Self { pool: Rc::clone(pool), connection: Leased::Single(single), provenance }
    }

    pub(super) fn shared(pool: &Rc<Pool<B>>, shared: Shared<B>) -> Self {
        let provenance = used(&shared.times);
        Self { pool: Rc::clone(pool), connection: Leased::Shared(shared), provenance }
    }

    pub(super) fn provenance(&self) -> Provenance {
        self.provenance
    }

    /// Sends the request and waits for the head of the response, at most `limit` after the request
    /// has last made progress.
    pub(super) async fn send(
        self,
        request: Request<Outgoing<B>>,
        progress: Option<&Progress>,
        limit: Duration,
    ) -> Result<Sent<B>, Failure> {
        let Self { pool, connection, provenance } = self;
        match connection {
            Leased::Single(single) => {
                send_single(pool, single, provenance, request, progress, limit).await
            }
            Leased::Shared(shared) => {
                send_shared(&pool, shared, provenance, request, progress, limit).await
            }
        }
    }
}

async fn send_single<B: RequestContent>(
    pool: Rc<Pool<B>>,
    mut single: Single<B>,
    provenance: Provenance,
    mut request: Request<Outgoing<B>>,
    progress: Option<&Progress>,
    limit: Duration,
) -> Result<Sent<B>, Failure> {
    address_http1(&mut request, pool.origin());
    single.traffic.announce(match *request.method() {
        Method::HEAD => Asked::Head,
        _ => Asked::Other,
    });
    let before = single.traffic.now();
    let response = match awaited(single.sender.try_send_request(request), progress, limit).await {
        // Dropping the sender closes the connection: a late answer must not meet the next request.
        Err(_) => return Err(Failure::timeout(provenance)),
        Ok(Ok(response)) => response,
        Ok(Err(error)) => {
            let after = single.traffic.now();
            let exposure = if after.read > before.read {
                Exposure::Begun
            } else if after.written > before.written {
                Exposure::Unanswered
            } else {
                Exposure::Unprocessed
            };
            return returned(error, provenance, exposure);
        }
    };
    let (head, incoming) = response.into_parts();
    let content = Content::on_single(incoming, pool, single);
    Ok(Sent::Answered(Response::from_parts(head, content)))
}

async fn send_shared<B: RequestContent>(
    pool: &Rc<Pool<B>>,
    mut shared: Shared<B>,
    provenance: Provenance,
    mut request: Request<Outgoing<B>>,
    progress: Option<&Progress>,
    limit: Duration,
) -> Result<Sent<B>, Failure> {
    address_http2(&mut request, pool.origin());
    match awaited(shared.sender.try_send_request(request), progress, limit).await {
        // Dropping the future resets the stream; others on the connection go on.
        Err(_) => Err(Failure::timeout(provenance)),
        Ok(Ok(response)) => Ok(Sent::Answered(response.map(Content::on_shared))),
        Ok(Err(error)) => {
            if !is_of_one_stream(error.error()) {
                pool.retire(&shared);
            }
            returned(error, provenance, Exposure::Unanswered)
        }
    }
}

fn returned<B>(
    mut error: TrySendError<Request<Outgoing<B>>>,
    provenance: Provenance,
    exposure: Exposure,
) -> Result<Sent<B>, Failure> {
    match error.take_message() {
        Some(request) => {
            let failure = Failure::of(error.error(), provenance, Exposure::Unprocessed);
            Ok(Sent::Returned(request, failure))
        }
        None => Err(Failure::of(error.error(), provenance, exposure)),
    }
}

fn used(times: &Times) -> Provenance {
    if times.served.replace(true) { Provenance::Reused } else { Provenance::New }
}

/// RFC 9112 §3.2.1: origin-form, and the origin in `Host`.
fn address_http1<B: RequestContent>(request: &mut Request<B>, origin: &Origin) {
    let content = request.body();
    let has_unknown_length = !content.is_end_stream() && content.size_hint().exact().is_none();
    *request.version_mut() = Version::HTTP_11;
    *request.uri_mut() = Uri::from(target(request.uri()));
    let fields = request.headers_mut();
    if let Ok(host) = HeaderValue::from_str(origin.authority().as_str()) {
        fields.insert(HOST, host);
    }
    if fields.contains_key(TE) {
        // RFC 9110 §10.1.4: TE is for the next hop only, and must be announced as such.
        fields.insert(CONNECTION, HeaderValue::from_static("te"));
    }
    if has_unknown_length {
        // hyper takes a GET or DELETE of unknown length to have no content unless it is told.
        fields.insert(TRANSFER_ENCODING, HeaderValue::from_static("chunked"));
    }
}

/// RFC 9113 §8.3.1: scheme and authority are part of the target; there is no `Host`.
fn address_http2<B>(request: &mut Request<B>, origin: &Origin) {
    *request.version_mut() = Version::HTTP_2;
    *request.uri_mut() = origin.uri(target(request.uri()));
    let fields = request.headers_mut();
    fields.remove(HOST);
    fields.remove(CONNECTION);
    fields.remove(TRANSFER_ENCODING);
}

fn target(uri: &Uri) -> PathAndQuery {
    uri.path_and_query().cloned().unwrap_or_else(|| PathAndQuery::from_static("/"))
}

/// Gives a connection back as soon as its last exchange is over, which it usually is already.
pub(super) fn give_back<B: RequestContent>(pool: Rc<Pool<B>>, mut single: Single<B>) {
    if single.is_ready() {
        pool.rest(single);
    } else if !single.sender.is_closed() {
        // The response was there before the end of the request.
        spawn_local(async move {
            let patience = pool.config.idle_timeout;
            if let Ok(true) = tokio::time::timeout(patience, single.ready()).await {
                pool.rest(single);
            }
        });
    }
}
