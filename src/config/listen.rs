//! `[listen]`: where callers and the admin find us, and who else could.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use crate::net::listen::{Address, Permissions};

use super::account::{MODE, OWNER};
use super::reader::Reader;
use super::value::{Flag, List, Text, Wrong, quoted};
use super::warning::Warning;

/// Where the sidecar listens.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Listen {
    /// Addresses for callers; never empty.
    pub proxy: Vec<Address>,
    /// Who chose them.
    pub proxy_chosen: Chosen,
    /// Addresses for health and status; may be empty.
    pub admin: Vec<Address>,
    /// Who chose them.
    pub admin_chosen: Chosen,
    /// Addresses for health alone, without data; empty by default.
    pub health: Vec<Address>,
    /// Addresses for metrics alone; empty by default.
    pub metrics: Vec<Address>,
    /// Who may connect to Unix sockets.
    pub permissions: Permissions,
}

/// Who chose a list of addresses. An address of the default list that this host does not have, such
/// as `[::1]` without IPv6, is worth a warning; one that the operator wrote is an error.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Chosen {
    /// The sidecar did.
    Default,
    /// The operator did.
    Explicit,
}

/// Longest path of a Unix socket in bytes, on the system with the least room (macOS, with a NUL:
/// 104).
const LONGEST_SOCKET_PATH: usize = 103;

const PROXY: &str = "listen.proxy";
const ADMIN: &str = "listen.admin";
const HEALTH: &str = "health.listen";
const METRICS: &str = "metrics.listen";

const ADDRESS: Text<Address> = Text {
    expected: "an IP address with a port, such as \"127.0.0.1:9180\" or \"[::1]:9180\", or \"unix:/path/to/socket\"",
    check: address,
};

/// Whether callers have to show a key or run under some account, and under which names they may call.
#[derive(Clone, Copy, Debug)]
pub(super) struct Protection {
    pub(super) caller_key: bool,
    pub(super) accounts: bool,
    pub(super) hosts: bool,
}

pub(super) fn listen(reader: &mut Reader<'_>, protection: Protection) -> Listen {
    let (proxy, proxy_chosen) = addresses(reader, PROXY, 9180);
    let (admin, admin_chosen) = addresses(reader, ADMIN, 9181);
    // Three words without data: nothing that a caller key or a loopback address would have to protect.
    let health = reader.read(HEALTH, &List(ADDRESS)).unwrap_or_default();
    // Counters without a secret, for a scraper that knows no key.
    let metrics = reader.read(METRICS, &List(ADDRESS)).unwrap_or_default();
    let mut allow_any_address = false;
    reader.set("listen.allow_any_address", &Flag, &mut allow_any_address);
    if proxy.is_empty() {
        let wrong = Wrong::new("the list is empty, so nobody could call");
        reader.refuse(PROXY, wrong.expecting("at least one address"));
    }
    let lists = [(PROXY, &proxy), (ADMIN, &admin), (HEALTH, &health), (METRICS, &metrics)];
    refuse_doubles(reader, lists);
    let permissions = permissions(reader);
    let (unix, tcp): (Vec<_>, Vec<_>) =
        proxy.iter().partition(|address| matches!(address, Address::Unix(_)));
    if let Some(address) = tcp.first().filter(|_| protection.accounts) {
        refuse_accounts(reader, address);
    }
    if permissions.mode.is_open() && !protection.is_there() {
        let warning = |address: &Address| Warning::OpenSocket { address: address.clone() };
        reader.warnings.extend(unix.into_iter().map(warning));
    }
    for (key, addresses) in [(PROXY, &proxy), (ADMIN, &admin)] {
        for address in addresses.iter().filter(|address| !address.is_local()) {
            match (protection.caller_key, allow_any_address) {
                (false, false) => reader.refuse(key, open(address)),
                (false, true) => {
                    reader.warnings.push(Warning::OpenAddress { address: address.clone() });
                }
                (true, _) => {}
            }
            if !protection.hosts {
                reader.warnings.push(Warning::NoHosts { address: address.clone() });
            }
        }
    }
    Listen { proxy, proxy_chosen, admin, admin_chosen, health, metrics, permissions }
}

impl Protection {
    fn is_there(self) -> bool {
        self.caller_key || self.accounts
    }
}

fn permissions(reader: &mut Reader<'_>) -> Permissions {
    let mut permissions = Permissions::default();
    reader.set("listen.socket_mode", &MODE, &mut permissions.mode);
    if let Some((uid, gid)) = reader.read("listen.socket_owner", &OWNER) {
        (permissions.uid, permissions.gid) = (uid, gid);
    }
    permissions
}

fn refuse_accounts(reader: &mut Reader<'_>, address: &Address) {
    let key = if reader.gives("guard.uids") { "guard.uids" } else { "guard.gids" };
    let what = format!(
        "over \"{address}\", which is listened on, nobody can tell the account of a caller"
    );
    let expected = "Unix sockets alone in listen.proxy, such as \"unix:/run/webwork-sidecar/proxy.sock\"; or guard.caller_key_file instead";
    reader.refuse(key, Wrong::new(what).expecting(expected));
}

fn addresses(reader: &mut Reader<'_>, key: &str, port: u16) -> (Vec<Address>, Chosen) {
    match reader.read(key, &List(ADDRESS)) {
        Some(addresses) => (addresses, Chosen::Explicit),
        None => {
            let loopback = [IpAddr::V4(Ipv4Addr::LOCALHOST), IpAddr::V6(Ipv6Addr::LOCALHOST)];
            let addresses = loopback.map(|ip| Address::Tcp(SocketAddr::new(ip, port)));
            (addresses.to_vec(), Chosen::Default)
        }
    }
}

/// Reads one address; names are not resolved, because what they mean can change.
fn address(text: &str) -> Result<Address, Wrong> {
    let address = text.parse::<Address>().map_err(|_| {
        let wrong = Wrong::new(format!("found {}", quoted(text)));
        let local = text.strip_prefix("localhost:").map(|port| format!("127.0.0.1:{port}"));
        let any = text.strip_prefix(':').map(|port| format!("127.0.0.1:{port}"));
        let path = text.starts_with('/').then(|| format!("unix:{text}"));
        let port = text.parse::<u16>().ok().map(|port| format!("127.0.0.1:{port}"));
        match local.or(any).or(path).or(port) {
            Some(meant) => wrong.suggesting(meant),
            None => wrong,
        }
    })?;
    match &address {
        Address::Unix(path) if path.as_os_str().len() > LONGEST_SOCKET_PATH => {
            Err(Wrong::new("the path of the socket is too long")
                .expecting(format!("at most {LONGEST_SOCKET_PATH} bytes after \"unix:\"")))
        }
        _ => Ok(address),
    }
}

/// Every address is in one list, once. Of two lists with the same port, the later one is told of, unless
/// it is a default: then whoever wrote the other one is.
fn refuse_doubles(reader: &mut Reader<'_>, lists: [(&str, &Vec<Address>); 4]) {
    for (key, list) in lists {
        for (index, address) in list.iter().enumerate() {
            if !is_any_port(address) && list[..index].contains(address) {
                let wrong = Wrong::new(format!("\"{address}\" is in the list twice"));
                reader.refuse(key, wrong.expecting("every address once"));
            }
        }
    }
    for (later, (key, list)) in lists.iter().enumerate().skip(1) {
        for (other_key, others) in &lists[..later] {
            if let Some((address, other)) = shared(list, others) {
                let place = match address {
                    Address::Tcp(address) => format!("port {}", address.port()),
                    Address::Unix(_) => format!("\"{address}\""),
                };
                let written = if reader.gives(key) { key } else { other_key };
                let wrong = Wrong::new(format!(
                    "{place} would serve both {other_key} ({other}) and {key} ({address})"
                ));
                reader
                    .refuse(written, wrong.expecting("another port or socket for one of the two"));
                return;
            }
        }
    }
}

/// An address of one list that has the port or the socket of one of the other.
fn shared<'a>(list: &'a [Address], others: &'a [Address]) -> Option<(&'a Address, &'a Address)> {
    list.iter().filter(|address| !is_any_port(address)).find_map(|address| {
        let same = |other: &&Address| match (address, other) {
            (Address::Tcp(one), Address::Tcp(two)) => one.port() == two.port(),
            _ => address == *other,
        };
        others.iter().find(same).map(|other| (address, other))
    })
}

/// Port 0 is a new port every time.
fn is_any_port(address: &Address) -> bool {
    matches!(address, Address::Tcp(address) if address.port() == 0)
}

fn open(address: &Address) -> Wrong {
    Wrong::new(format!(
        "\"{address}\" can be reached from outside this host, and whoever reaches it could use the token"
    ))
    .expecting(
        "a loopback address such as \"127.0.0.1:9180\"; or set guard.caller_key_file, which callers must then know; or, if the network around is yours alone, listen.allow_any_address = true",
    )
}
