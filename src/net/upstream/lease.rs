//! A connection in the hands of one request.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::uri::PathAndQuery;
use http::{Method, Request, Response, Uri, Version};
use hyper::client::conn::TrySendError;
use tokio::task::spawn_local;

use super::connection::{Shared, Single, Stream};
use super::content::Content;
use super::failure::{Exposure, Failure, Provenance, is_of_one_stream};
use super::progress::{Outgoing, Progress, awaited};
use super::{Origin, Pool, RequestContent};
use crate::net::framing::Asked;

/// A connection that one request may use once.
pub(super) struct Lease<B> {
    pool: Rc<Pool<B>>,
    connection: Leased<B>,
    provenance: Provenance,
}

enum Leased<B> {
    Single(Single<B>),
    Shared(Shared<B>, Stream),
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
        let provenance = single.serve();
        Self { pool: Rc::clone(pool), connection: Leased::Single(single), provenance }
    }

    pub(super) fn shared(pool: &Rc<Pool<B>>, shared: Shared<B>) -> Self {
        let provenance = shared.serve();
        let stream = shared.stream();
        Self { pool: Rc::clone(pool), connection: Leased::Shared(shared, stream), provenance }
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
            Leased::Shared(shared, stream) => {
                send_shared(&pool, (shared, stream), provenance, request, progress, limit).await
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
    let content = Content::on_single(incoming, pool, single, provenance);
    Ok(Sent::Answered(Response::from_parts(head, content)))
}

async fn send_shared<B: RequestContent>(
    pool: &Rc<Pool<B>>,
    (mut shared, stream): (Shared<B>, Stream),
    provenance: Provenance,
    mut request: Request<Outgoing<B>>,
    progress: Option<&Progress>,
    limit: Duration,
) -> Result<Sent<B>, Failure> {
    address_http2(&mut request, pool.origin());
    match awaited(shared.sender.try_send_request(request), progress, limit).await {
        // Dropping the future resets the stream; others on the connection go on.
        Err(_) => Err(Failure::timeout(provenance)),
        Ok(Ok(response)) => Ok(Sent::Answered(
            response.map(|incoming| Content::on_shared(incoming, stream, provenance)),
        )),
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
