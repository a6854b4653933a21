//! A proxy through which other hosts are reached, as many networks have one.

use std::sync::{Arc, Mutex};

use http::HeaderMap;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Upstream, Wire};

/// What it does instead of its duty.
#[derive(Clone, Debug)]
pub(crate) enum Lapse {
    /// It says this, and waits for the other side to close.
    Says(String),
    /// It says this and closes.
    Closes(String),
    /// It never answers.
    Hangs,
}

/// What a proxy has seen of one connection.
#[derive(Clone, Debug)]
pub(crate) struct Passed {
    pub(crate) line: String,
    pub(crate) fields: HeaderMap,
    /// What was sent through the tunnel, as it saw it.
    pub(crate) bytes: Vec<u8>,
}

/// A proxy that leads every tunnel to one server, whatever its name.
pub(crate) struct Outbound {
    server: Upstream,
    passed: Arc<Mutex<Vec<Passed>>>,
}

impl Outbound {
    /// Leads to this address, once it is done with its lapses, one for each connection.
    pub(crate) async fn to(address: &str, lapses: Vec<Lapse>) -> Self {
        let passed = Arc::<Mutex<Vec<Passed>>>::default();
        let (seen, address) = (Arc::clone(&passed), address.to_owned());
        let server = Upstream::raw(move |stream, number| {
            let (seen, address, lapse) =
                (Arc::clone(&seen), address.clone(), lapses.get(number).cloned());
            async move {
                let mut wire = Wire::new(stream);
                let Some((line, fields)) = wire.head().await else { return };
                let index = {
                    let mut seen = seen.lock().unwrap();
                    seen.push(Passed { line, fields, bytes: Vec::new() });
                    seen.len() - 1
                };
                match lapse {
                    None => {
                        wire.write("HTTP/1.1 200 Connection established\r\n\r\n").await;
                        let server = TcpStream::connect(address).await.unwrap();
                        carry(wire.into_stream(), server, |bytes| {
                            seen.lock().unwrap()[index].bytes.extend(bytes);
                        })
                        .await;
                    }
                    Some(Lapse::Closes(text)) => wire.write(text).await,
                    Some(Lapse::Says(text)) => {
                        wire.write(text).await;
                        wire.take(usize::MAX).await;
                    }
                    Some(Lapse::Hangs) => drop(wire.take(usize::MAX).await),
                }
            }
        })
        .await;
        Self { server, passed }
    }

    /// Its host and port.
    pub(crate) fn address(&self) -> &str {
        self.server.url.trim_start_matches("http://")
    }

    /// Everything it has seen so far.
    pub(crate) fn passed(&self) -> Vec<Passed> {
        self.passed.lock().unwrap().clone()
    }
}

/// Carries bytes both ways, and shows those of the first side.
async fn carry(from: TcpStream, to: TcpStream, mut show: impl FnMut(&[u8])) {
    let (mut from_read, mut from_write) = from.into_split();
    let (mut to_read, mut to_write) = to.into_split();
    let there = async {
        let mut buffer = Vec::with_capacity(16 << 10);
        while matches!(from_read.read_buf(&mut buffer).await, Ok(read) if read > 0) {
            show(&buffer);
            if to_write.write_all(&buffer).await.is_err() {
                break;
            }
            buffer.clear();
        }
        to_write.shutdown().await.ok();
    };
    let back = async {
        // Either end may break off at any time.
        tokio::io::copy(&mut to_read, &mut from_write).await.ok();
        from_write.shutdown().await.ok();
    };
    tokio::join!(there, back);
}
