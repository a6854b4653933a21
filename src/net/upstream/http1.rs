//! An HTTP/1.1 connection to the upstream: one request at a time.

use std::rc::Rc;
use std::time::Duration;

use http::header::{CONNECTION, HOST, HeaderValue, TE, TRANSFER_ENCODING};
use http::{Method, Request, Response, Uri, Version};
use hyper::client::conn::{TrySendError, http1};
use tokio::task::spawn_local;

use super::config::Config;
use super::conn_age::ConnAge;
use super::content::Content;
use super::failure::{Exposure, Failure, Provenance};
use super::progress::{Outgoing, Progress, awaited};
use super::traffic::Traffic;
use super::{Origin, Pool, RequestContent, target};
use crate::net::framing::Asked;

/// A connection that carries one request at a time.
#[derive(Debug)]
pub(super) struct Http1Conn<B> {
    sender: http1::SendRequest<Outgoing<B>>,
    traffic: Rc<Traffic>,
    age: ConnAge,
}

/// The result of sending a request.
pub(super) enum SendOutcome<B> {
    /// The head of the response has arrived.
    Answered(Response<Content<B>>),
    /// The connection was dead. The request comes back untouched.
    NotSent(Request<Outgoing<B>>, Failure),
}

impl<B> Http1Conn<B> {
    pub(super) fn new(sender: http1::SendRequest<Outgoing<B>>, traffic: Rc<Traffic>) -> Self {
        Self { sender, traffic, age: ConnAge::new() }
    }

    pub(super) fn age(&self) -> &ConnAge {
        &self.age
    }

    /// Returns true if the connection can carry a request now.
    pub(super) fn is_usable(&self, config: &Config) -> bool {
        self.is_ready() && !self.age.is_stale(config) && !self.age.is_old(config)
    }

    /// Returns true if content may come late that belongs to the last response, which must not have any.
    pub(super) fn is_suspect(&self) -> bool {
        self.traffic.is_suspect()
    }

    /// Notes that the last exchange is over.
    pub(super) fn rest(&self) {
        self.age.touch();
        self.traffic.rest();
    }

    /// Waits for the end of the last exchange. Returns false if the connection closes instead.
    pub(super) async fn ready(&mut self) -> bool {
        self.sender.ready().await.is_ok()
    }

    fn is_ready(&self) -> bool {
        self.sender.is_ready() && !self.sender.is_closed() && !self.traffic.is_spoilt()
    }
}

impl<B: RequestContent> Http1Conn<B> {
    /// Sends a request and waits for the head of the response, at most `limit` after the upstream last
    /// took some of the request.
    pub(super) async fn send(
        mut self,
        pool: Rc<Pool<B>>,
        mut request: Request<Outgoing<B>>,
        progress: Option<&Progress>,
        limit: Duration,
    ) -> Result<SendOutcome<B>, Failure> {
        let provenance = self.age.carry();
        address(&mut request, pool.origin());
        self.traffic.announce(match *request.method() {
            Method::HEAD => Asked::Head,
            _ => Asked::Other,
        });
        let before = self.traffic.now();
        let response = match awaited(self.sender.try_send_request(request), progress, limit).await {
            // Dropping the sender closes the connection: a late answer must not meet the next request.
            Err(_) => return Err(Failure::timeout(provenance)),
            Ok(Ok(response)) => response,
            Ok(Err(_)) if self.traffic.is_late() => return Err(Failure::late()),
            Ok(Err(error)) => {
                let after = self.traffic.now();
                let exposure = if after.read > before.read {
                    Exposure::Begun
                } else if after.written > before.written {
                    Exposure::Unanswered
                } else {
                    Exposure::Unprocessed
                };
                return not_sent(error, provenance, exposure);
            }
        };
        let (mut head, incoming) = response.into_parts();
        for (name, value) in self.traffic.surplus() {
            head.headers.append(name, value);
        }
        let content = Content::http1(incoming, pool, self, provenance);
        Ok(SendOutcome::Answered(Response::from_parts(head, content)))
    }

    /// Gives the connection back to the pool as soon as its last exchange is over, which it usually is
    /// already.
    pub(super) fn give_back(mut self, pool: Rc<Pool<B>>) {
        if self.is_ready() {
            pool.put_back(self);
        } else if !self.sender.is_closed() {
            // The response has ended before the request.
            spawn_local(async move {
                let patience = pool.config.idle_timeout;
                if let Ok(true) = tokio::time::timeout(patience, self.ready()).await {
                    pool.put_back(self);
                }
            });
        }
    }
}

impl<B> Drop for Http1Conn<B> {
    fn drop(&mut self) {
        self.traffic.give_up();
    }
}

fn not_sent<B>(
    mut error: TrySendError<Request<Outgoing<B>>>,
    provenance: Provenance,
    exposure: Exposure,
) -> Result<SendOutcome<B>, Failure> {
    match error.take_message() {
        Some(request) => {
            let failure = Failure::http1(error.error(), provenance, Exposure::Unprocessed);
            Ok(SendOutcome::NotSent(request, failure))
        }
        None => Err(Failure::http1(error.error(), provenance, exposure)),
    }
}

/// RFC 9112 §3.2.1: origin-form, and the origin in `Host`.
fn address<B: RequestContent>(request: &mut Request<B>, origin: &Origin) {
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
