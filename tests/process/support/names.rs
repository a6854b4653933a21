//! A resolver of our own, and a process that asks it and nobody else.

use std::net::{Ipv4Addr, UdpSocket};
use std::process::Command;
use std::sync::{Arc, Mutex};

use super::{Place, left_out, write};

/// What the resolver says to every question for addresses.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum Said {
    Addresses(Vec<Ipv4Addr>),
    /// NXDOMAIN.
    NoSuchName,
    /// SERVFAIL.
    Failure,
    Nothing,
}

/// A DNS server on an address of this host: RFC 1035.
pub(crate) struct Names {
    address: Ipv4Addr,
    says: Arc<Mutex<Said>>,
}

impl Names {
    /// `None` if this host does not permit it.
    pub(crate) fn saying(said: Said) -> Option<Self> {
        let (socket, address) = socket()?;
        let says = Arc::new(Mutex::new(said));
        let answers = Arc::clone(&says);
        std::thread::spawn(move || {
            let mut question = [0; 512];
            while let Ok((length, asker)) = socket.recv_from(&mut question) {
                let said = answers.lock().unwrap().clone();
                if let Some(answer) = answer(&question[..length], &said) {
                    socket.send_to(&answer, asker).ok();
                }
            }
        });
        Some(Self { address, says })
    }

    pub(crate) fn say(&self, said: Said) {
        *self.says.lock().unwrap() = said;
    }

    /// The command `run` in a world in which this resolver is the only one.
    pub(crate) fn run(&self, place: &Place) -> Command {
        let resolver = format!("nameserver {}\noptions timeout:1 attempts:1\n", self.address);
        write(&place.path("resolv.conf"), &resolver);
        write(&place.path("nsswitch.conf"), "hosts: dns\n");
        let script = "cd \"$1\" && mount --bind resolv.conf /etc/resolv.conf && \
                      mount --bind nsswitch.conf /etc/nsswitch.conf && shift && exec \"$@\"";
        let here = place.path("");
        place.run_under("unshare", &["-m", "sh", "-c", script, "sh", here.to_str().unwrap()])
    }
}

/// Port 53 of the first address of this host's own network that has it free.
fn socket() -> Option<(UdpSocket, Ipv4Addr)> {
    let permitted = Command::new("unshare").args(["-m", "true"]).status();
    if !permitted.is_ok_and(|status| status.success()) {
        left_out("a process may not have its own mounts here");
        return None;
    }
    for last in 1..=254 {
        let address = Ipv4Addr::new(127, 53, 53, last);
        if let Ok(socket) = UdpSocket::bind((address, 53)) {
            return Some((socket, address));
        }
    }
    left_out("port 53 cannot be taken here");
    None
}

fn answer(question: &[u8], said: &Said) -> Option<Vec<u8>> {
    const A: [u8; 2] = [0, 1];
    let (code, addresses) = match said {
        Said::Addresses(addresses) => (0, addresses.as_slice()),
        Said::NoSuchName => (3, [].as_slice()),
        Said::Failure => (2, [].as_slice()),
        Said::Nothing => return None,
    };
    // The name ends with an empty label; type and class follow.
    let name = question.get(12..)?.iter().position(|byte| *byte == 0)?;
    let section = question.get(12..12 + name + 5)?;
    let addresses = if section[name + 1..name + 3] == A { addresses } else { &[] };
    let count = u8::try_from(addresses.len()).ok()?;
    let mut answer = question[..2].to_vec();
    answer.extend([0x81, 0x80 | code, 0, 1, 0, count, 0, 0, 0, 0]);
    answer.extend(section);
    for address in addresses {
        // The name as above, type A, class IN, no time to live, four bytes.
        answer.extend([0xc0, 12, 0, 1, 0, 1, 0, 0, 0, 0, 0, 4]);
        answer.extend(address.octets());
    }
    Some(answer)
}
