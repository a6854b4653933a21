//! An upstream that records every byte and answers with whatever it was told to.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::io::{Read, Write};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Condvar, Mutex, MutexGuard};

use super::answer::{chunks, field, find};
use super::{PATIENCE, Spelt};

/// What it answers when it was told nothing else.
pub(crate) const HONEST: &str = "{\"success\":true}";

/// A server on a port of its own. It ends with the test's process.
#[derive(Clone)]
pub(crate) struct Upstream {
    address: SocketAddr,
    shared: Arc<Shared>,
}

/// A request that arrived whole.
#[derive(Clone, Debug)]
pub(crate) struct Request {
    /// The number of its connection.
    pub(crate) connection: usize,
    /// Request line and fields; chunks as they came, with their extensions and trailers.
    pub(crate) head: String,
    pub(crate) content: Vec<u8>,
    length: usize,
}

impl Request {
    /// Its bytes, those of its chunks included.
    pub(crate) fn length(&self) -> usize {
        self.length
    }
}

#[derive(Default)]
struct Shared {
    seen: Mutex<Record>,
    news: Condvar,
}

/// Everything that arrived.
#[derive(Default)]
struct Record {
    requests: Vec<Request>,
    bytes: Vec<u8>,
    /// What has arrived of requests that are not whole, by connection.
    begun: BTreeMap<usize, usize>,
    streams: BTreeMap<usize, TcpStream>,
    ended: BTreeSet<usize>,
    scripts: VecDeque<Spelt>,
}

/// A moment in the record.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Mark {
    requests: usize,
    bytes: usize,
}

impl Upstream {
    pub(crate) fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let address = listener.local_addr().unwrap();
        let shared = Arc::<Shared>::default();
        let accepting = Arc::clone(&shared);
        std::thread::spawn(move || {
            for (number, stream) in listener.incoming().map_while(Result::ok).enumerate() {
                let shared = Arc::clone(&accepting);
                std::thread::spawn(move || shared.converse(number, &stream));
            }
        });
        Self { address, shared }
    }

    pub(crate) fn url(&self) -> String {
        format!("http://{}", self.address)
    }

    /// Answers the next request with these bytes.
    pub(crate) fn answers(&self, script: Spelt) {
        self.record().scripts.push_back(script);
    }

    pub(crate) fn mark(&self) -> Mark {
        let record = self.record();
        Mark { requests: record.requests.len(), bytes: record.bytes.len() }
    }

    /// The whole requests since then.
    pub(crate) fn requests_since(&self, mark: Mark) -> Vec<Request> {
        self.record().requests[mark.requests..].to_vec()
    }

    /// How many bytes have arrived since then.
    pub(crate) fn bytes_since(&self, mark: Mark) -> usize {
        self.record().bytes.len() - mark.bytes
    }

    /// Whether these bytes have ever arrived.
    pub(crate) fn has_seen(&self, what: &str) -> bool {
        find(&self.record().bytes, what.as_bytes()).is_some()
    }

    /// Waits until every request that was begun is whole or its connection has ended.
    pub(crate) fn settles(&self) -> bool {
        self.wait(|record| record.begun.keys().any(|number| !record.ended.contains(number)))
    }

    /// Waits until the sidecar has hung up on this connection.
    pub(crate) fn is_hung_up(&self, connection: usize) -> bool {
        self.wait(|record| !record.ended.contains(&connection))
    }

    /// Hangs up on everybody.
    pub(crate) fn hang_up(&self) {
        for stream in self.record().streams.values() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }

    fn record(&self) -> MutexGuard<'_, Record> {
        self.shared.seen.lock().unwrap()
    }

    fn wait(&self, mut goes_on: impl FnMut(&mut Record) -> bool) -> bool {
        let waited = self.shared.news.wait_timeout_while(self.record(), PATIENCE, &mut goes_on);
        !waited.unwrap().1.timed_out()
    }
}

impl Shared {
    fn converse(&self, number: usize, stream: &TcpStream) {
        stream.set_nodelay(true).unwrap();
        self.seen.lock().unwrap().streams.insert(number, stream.try_clone().unwrap());
        self.answer_all(number, stream);
        // Whoever ended it: afterwards nothing holds it open.
        stream.shutdown(Shutdown::Both).ok();
        let mut record = self.seen.lock().unwrap();
        record.streams.remove(&number);
        record.ended.insert(number);
        self.news.notify_all();
    }

    /// Reads and answers until either side hangs up.
    fn answer_all(&self, number: usize, mut stream: &TcpStream) {
        let mut buffer = Vec::new();
        let mut piece = vec![0; 64 << 10];
        while let Ok(read @ 1..) = stream.read(&mut piece) {
            buffer.extend_from_slice(&piece[..read]);
            self.seen.lock().unwrap().bytes.extend_from_slice(&piece[..read]);
            while let Some(request) = whole(&buffer, number) {
                buffer.drain(..request.length);
                let is_head = request.head.starts_with("HEAD ");
                let script = {
                    let mut record = self.seen.lock().unwrap();
                    record.requests.push(request);
                    record.begun.remove(&number);
                    record.scripts.pop_front()
                };
                let script = script.unwrap_or_else(|| honest(is_head));
                // Who does not want to hear it all hangs up.
                if stream.write_all(&script.bytes).is_err() || script.is_final {
                    return;
                }
            }
            let mut record = self.seen.lock().unwrap();
            if !buffer.is_empty() {
                record.begun.insert(number, buffer.len());
            }
            self.news.notify_all();
        }
    }
}

fn honest(is_head: bool) -> Spelt {
    let content = if is_head { "" } else { HONEST };
    let length = HONEST.len();
    let bytes = format!(
        "HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: {length}\r\n\r\n{content}"
    );
    Spelt { bytes: bytes.into_bytes(), is_final: false }
}

/// The first request, if it is whole.
fn whole(bytes: &[u8], connection: usize) -> Option<Request> {
    let end = find(bytes, b"\r\n\r\n")? + 4;
    let mut head = String::from_utf8_lossy(&bytes[..end]).into_owned();
    let (content, length) = match field(&head, "transfer-encoding") {
        Some(_) => {
            let (content, length) = chunks(&bytes[end..])?;
            head.push_str(&String::from_utf8_lossy(&bytes[end..end + length]));
            (content, length)
        }
        None => {
            let length = field(&head, "content-length").map_or(0, |value| value.parse().unwrap());
            (bytes.get(end..end + length)?.to_vec(), length)
        }
    };
    Some(Request { connection, head, content, length: end + length })
}
