//! What stands between the sidecar and the service: a relay, or a proxy that makes tunnels.

use std::io::{self, Read, Write};
use std::net::{IpAddr, Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::{Arc, Mutex};

/// Carries bytes both ways until both sides have ended.
pub(crate) fn carry(caller: TcpStream, server: TcpStream) {
    for (mut from, mut to) in
        [(caller.try_clone().unwrap(), server.try_clone().unwrap()), (server, caller)]
    {
        std::thread::spawn(move || {
            // Either end may break off at any time.
            io::copy(&mut from, &mut to).ok();
            to.shutdown(Shutdown::Write).ok();
        });
    }
}

/// The service at another address. Dropping it ends its connections, too.
pub(crate) struct Relay {
    address: SocketAddr,
    carried: Arc<Mutex<Vec<TcpStream>>>,
    open: Arc<Mutex<bool>>,
}

impl Relay {
    /// `port` 0 takes a free one.
    pub(crate) fn new(address: IpAddr, port: u16, behind: &str) -> Self {
        let listener = TcpListener::bind((address, port)).unwrap();
        let relay = Self {
            address: listener.local_addr().unwrap(),
            carried: Arc::default(),
            open: Arc::new(Mutex::new(true)),
        };
        let (carried, open) = (Arc::clone(&relay.carried), Arc::clone(&relay.open));
        let behind = behind.to_owned();
        std::thread::spawn(move || {
            for caller in listener.incoming() {
                if !*open.lock().unwrap() {
                    return;
                }
                let caller = caller.unwrap();
                carried.lock().unwrap().push(caller.try_clone().unwrap());
                carry(caller, TcpStream::connect(&behind).unwrap());
            }
        });
        relay
    }

    pub(crate) fn port(&self) -> u16 {
        self.address.port()
    }

    pub(crate) fn connections(&self) -> usize {
        self.carried.lock().unwrap().len()
    }
}

impl Drop for Relay {
    fn drop(&mut self) {
        *self.open.lock().unwrap() = false;
        // The thread that listens wakes up and lets go of its port.
        TcpStream::connect(self.address).ok();
        for stream in self.carried.lock().unwrap().iter() {
            stream.shutdown(Shutdown::Both).ok();
        }
    }
}

/// A proxy that leads every tunnel to the service, whatever its name.
pub(crate) struct Outbound {
    address: SocketAddr,
    heads: Arc<Mutex<Vec<String>>>,
}

impl Outbound {
    pub(crate) fn to(behind: &str) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").unwrap();
        let outbound = Self { address: listener.local_addr().unwrap(), heads: Arc::default() };
        let (heads, behind) = (Arc::clone(&outbound.heads), behind.to_owned());
        std::thread::spawn(move || {
            for caller in listener.incoming() {
                let mut caller = caller.unwrap();
                let Ok(head) = head(&mut caller) else { continue };
                heads.lock().unwrap().push(head);
                caller.write_all(b"HTTP/1.1 200 OK\r\n\r\n").unwrap();
                carry(caller, TcpStream::connect(&behind).unwrap());
            }
        });
        outbound
    }

    pub(crate) fn address(&self) -> SocketAddr {
        self.address
    }

    /// What it was asked, in lower case.
    pub(crate) fn heads(&self) -> Vec<String> {
        self.heads.lock().unwrap().clone()
    }
}

/// Byte by byte: what comes after the head belongs to the tunnel.
fn head(caller: &mut TcpStream) -> io::Result<String> {
    let mut head = Vec::new();
    let mut byte = [0];
    while !head.ends_with(b"\r\n\r\n") {
        caller.read_exact(&mut byte)?;
        head.push(byte[0]);
    }
    Ok(String::from_utf8(head).unwrap().to_ascii_lowercase())
}
