//! hyper without sockets: bytes in, what it made of them out.

use std::convert::Infallible;
use std::future::Future;
use std::io;
use std::pin::{Pin, pin};
use std::sync::{Arc, Mutex};
use std::task::{Context, Poll, Waker};

use http::{Request, Response, request, response};
use http_body_util::{BodyExt, Empty};
use hyper::body::{Bytes, Incoming};
use hyper::rt::{Read, ReadBufCursor, Write};
use hyper::service::service_fn;
use webwork_sidecar::net::framing::{Asked, Limits, Reader, Requests, Responses, repaired};
use webwork_sidecar::net::serve;

/// A peer that says all of this, whatever it hears.
struct Peer<'a> {
    bytes: &'a [u8],
    turn: Turn,
}

/// Whose turn it is to speak.
#[derive(PartialEq)]
enum Turn {
    Peer,
    Hyper,
}

impl Read for Peer<'_> {
    fn poll_read(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        mut room: ReadBufCursor<'_>,
    ) -> Poll<io::Result<()>> {
        if self.turn == Turn::Hyper {
            return Poll::Pending;
        }
        let (now, later) = self.bytes.split_at(self.bytes.len().min(room.remaining()));
        room.put_slice(now);
        self.bytes = later;
        Poll::Ready(Ok(()))
    }
}

impl Write for Peer<'_> {
    fn poll_write(
        mut self: Pin<&mut Self>,
        _: &mut Context<'_>,
        bytes: &[u8],
    ) -> Poll<io::Result<usize>> {
        self.turn = Turn::Peer;
        Poll::Ready(Ok(bytes.len()))
    }

    fn poll_flush(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }

    fn poll_shutdown(self: Pin<&mut Self>, _: &mut Context<'_>) -> Poll<io::Result<()>> {
        Poll::Ready(Ok(()))
    }
}

/// Polls that no honest exchange of the largest input needs. Nothing here waits for anything but
/// itself.
const ENOUGH: usize = 10_000;

fn run<F: Future>(future: F) -> Option<F::Output> {
    let mut future = pin!(future);
    let mut context = Context::from_waker(Waker::noop());
    (0..ENOUGH).find_map(|_| match future.as_mut().poll(&mut context) {
        Poll::Ready(output) => Some(output),
        Poll::Pending => None,
    })
}

/// The limits of the product.
fn limits() -> Limits {
    let config = serve::Config::default();
    Limits { head: config.max_head, fields: config.max_fields, target: config.max_target }
}

/// The heads of all requests in the bytes, as a service behind the product's reader sees them.
pub fn requests(bytes: &[u8]) -> Vec<request::Parts> {
    let seen = Arc::<Mutex<Vec<request::Parts>>>::default();
    let service = service_fn(|request: Request<Incoming>| {
        let (head, content) = request.into_parts();
        seen.lock().unwrap().push(head);
        async {
            content.collect().await.ok();
            Ok::<_, Infallible>(Response::new(Empty::<Bytes>::new()))
        }
    });
    let clear = clear(bytes);
    let connection = hyper::server::conn::http1::Builder::new()
        .header_read_timeout(None)
        .half_close(true)
        .max_header_size(limits().head)
        .serve_connection(Peer { bytes: &clear, turn: Turn::Peer }, service);
    run(connection).expect("the connection ends with its bytes").ok();
    std::mem::take(&mut *seen.lock().unwrap())
}

/// What the product's reader lets pass of a caller's bytes.
fn clear(bytes: &[u8]) -> Vec<u8> {
    let mut reader = Requests::new(limits());
    let clear = reader.judge(bytes).clear;
    repaired(&bytes[..clear], &reader.repairs())
}

/// The head of the response to a GET, if the product's reader lets one pass, and whether its content was whole.
pub fn response(bytes: &[u8]) -> Option<(response::Parts, bool)> {
    let mut reader = responses();
    let clear = reader.judge(bytes).clear;
    let went = repaired(&bytes[..clear], &reader.repairs());
    is_plain(&went);
    run(async {
        let peer = Peer { bytes: &went, turn: Turn::Hyper };
        let (mut sender, connection) =
            hyper::client::conn::http1::handshake::<_, Empty<Bytes>>(peer).await.ok()?;
        let mut connection = pin!(connection);
        let exchange = async {
            let request = Request::get("/").header("host", "a.example").body(Empty::new()).unwrap();
            let (mut head, content) = sender.send_request(request).await.ok()?.into_parts();
            for (name, value) in reader.surplus() {
                head.headers.append(name, value);
            }
            Some((head, content.collect().await.is_ok()))
        };
        let mut exchange = pin!(exchange);
        let mut ended = false;
        std::future::poll_fn(|context| {
            if !ended {
                ended = connection.as_mut().poll(context).is_ready();
            }
            exchange.as_mut().poll(context)
        })
        .await
    })
    .expect("the exchange ends with its bytes")
}

/// A reader of the response to a GET, with the limits of the product.
fn responses() -> Responses {
    let mut reader = Responses::new(Limits { head: 64 << 10, fields: 256, target: 0 });
    reader.expect(Asked::Other);
    reader
}

/// What goes on needs no repair, and is read to where it was read before.
fn is_plain(went: &[u8]) {
    let mut reader = responses();
    assert_eq!(reader.judge(went).clear, went.len(), "{}", went.escape_ascii());
    assert!(reader.repairs().is_empty(), "{}", went.escape_ascii());
}
