//! Is the request meant for us? The defence against DNS rebinding.
//!
//! A web page can make its own name resolve to 127.0.0.1, and the browser then takes the sidecar for
//! the page's own server. The name stays in `Host`, so an exact list of names with their ports stops
//! it. `0.0.0.0` reaches local programs too and is therefore never on the list.

use std::net::{IpAddr, Ipv6Addr, SocketAddr};

use http::header::HOST;
use http::request::Parts;
use http::{Uri, Version};

use super::target::byte_of;
use super::{Callback, InvalidConfig, Refusal};

/// Where the requests of one guard come in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Door<'a> {
    /// TCP listeners with the addresses that they are bound to; only their ports matter, so that a
    /// wildcard address adds nothing to the list.
    Tcp(&'a [SocketAddr]),
    /// A Unix socket: no browser reaches it, and clients make up a name for it.
    Unix,
}

/// The values of `Host` that are ours, ready to be compared.
#[derive(Clone, Debug)]
pub(super) struct Authorities {
    allowed: Vec<String>,
    absence: Absence,
    others: Others,
}

/// What a request without `Host` means.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    Refused,
    /// HTTP/1.0 has no `Host`, and over a Unix socket there is nothing to be told apart.
    AllowedInHttp10,
}

/// What becomes of a well-formed `Host` that is not on the list.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Others {
    Refused,
    /// DNS rebinding ends at an IP address, so over a Unix socket the name protects nothing. Clients send
    /// the URL's host, a word such as `docker`, the path of the socket, or nothing.
    Admitted,
}

impl Authorities {
    /// The loopback names and `hosts`, each with every port of the door, and the name of the callback. A
    /// Unix socket without `hosts` takes any name.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the entry of `hosts` that is no host.
    pub(super) fn new(
        hosts: &[String],
        callback: Option<&Callback>,
        door: Door<'_>,
    ) -> Result<Self, InvalidConfig> {
        let mut allowed = Vec::new();
        for name in LOOPBACK {
            allowed.extend(at_door(name, door));
        }
        for host in hosts {
            let (name, port) = split(host).ok_or_else(|| InvalidConfig::Host(host.clone()))?;
            if is_unspecified(name) {
                return Err(InvalidConfig::EveryHost(host.clone()));
            }
            match port {
                Some(_) => allowed.push(host.clone()),
                None => allowed.extend(at_door(name, door)),
            }
        }
        allowed.extend(callback.map(|callback| callback.authority.clone()));
        let absence = match door {
            Door::Tcp(_) => Absence::Refused,
            Door::Unix => Absence::AllowedInHttp10,
        };
        let others = match door {
            Door::Unix if hosts.is_empty() => Others::Admitted,
            _ => Others::Refused,
        };
        Ok(Self { allowed, absence, others })
    }

    /// Exactly one `Host`, and one of ours.
    pub(super) fn admit(&self, head: &Parts) -> Result<(), Refusal> {
        let mut values = head.headers.get_all(HOST).iter();
        let Some(value) = values.next() else {
            let optional = head.version == Version::HTTP_10;
            return match self.absence {
                Absence::AllowedInHttp10 if optional => Ok(()),
                _ => Err(Refusal::HostMissing),
            };
        };
        if values.next().is_some() {
            return Err(Refusal::HostRepeated);
        }
        let ours = |host: &String| host.as_bytes().eq_ignore_ascii_case(value.as_bytes());
        if self.allowed.iter().any(ours) {
            return Ok(());
        }
        let host = value.to_str().map_err(|_| Refusal::HostMalformed)?;
        match (self.others, split(host)) {
            (Others::Admitted, _) if is_well_formed(host) => Ok(()),
            (_, Some((name, port))) => Err(self.foreign(host, name, port, &head.uri)),
            (_, None) => Err(Refusal::HostMalformed),
        }
    }

    /// The list begins with the name that everybody knows, at the door's own port.
    fn foreign(&self, host: &str, name: &str, port: Option<u16>, target: &Uri) -> Refusal {
        let first = self.allowed.first().map_or(LOOPBACK[0], String::as_str);
        let (host, first) = (host.to_owned(), first.to_owned());
        if target.host().is_some_and(|other| other.eq_ignore_ascii_case(name)) {
            return Refusal::ForwardProxy { host, ours: first };
        }
        let is_named =
            |ours: &&String| split(ours).is_some_and(|it| it.0.eq_ignore_ascii_case(name));
        match (port, self.allowed.iter().find(is_named)) {
            (None, Some(ours)) => Refusal::HostWithoutPort { host, ours: ours.clone() },
            _ => Refusal::HostForeign { host, ours: first },
        }
    }
}

/// Names that no DNS answer can give to somebody else.
const LOOPBACK: [&str; 3] = ["localhost", "127.0.0.1", "[::1]"];

/// The port that URLs leave out, RFC 9110 §4.2.1.
const HTTP_PORT: u16 = 80;

fn at_door(name: &str, door: Door<'_>) -> Vec<String> {
    match door {
        Door::Unix => vec![name.to_owned()],
        Door::Tcp(bound) => bound
            .iter()
            .flat_map(|address| {
                let bare = (address.port() == HTTP_PORT).then(|| name.to_owned());
                bare.into_iter().chain([format!("{name}:{}", address.port())])
            })
            .collect(),
    }
}

/// `uri-host [ ":" port ]` (RFC 9110 §7.2), narrowed to what names and addresses consist of: escapes,
/// user information and empty ports have no honest use here.
fn split(authority: &str) -> Option<(&str, Option<u16>)> {
    let end = if authority.starts_with('[') {
        authority.find(']')? + 1
    } else {
        authority.find(':').unwrap_or(authority.len())
    };
    let (name, rest) = authority.split_at(end);
    let port = match rest.strip_prefix(':') {
        Some(digits) if digits.bytes().all(|byte| byte.is_ascii_digit()) => {
            Some(digits.parse().ok()?)
        }
        Some(_) => return None,
        None if rest.is_empty() => None,
        None => return None,
    };
    is_name(name).then_some((name, port))
}

/// The same with what RFC 3986 §3.2.2 calls a name, escapes and the empty one included, but without the comma
/// of a list.
fn is_well_formed(authority: &str) -> bool {
    if authority.starts_with('[') {
        return split(authority).is_some();
    }
    let (name, port) = authority.split_once(':').unwrap_or((authority, "0"));
    let is_port = port.bytes().all(|byte| byte.is_ascii_digit()) && port.parse::<u16>().is_ok();
    is_port && is_reg_name(name.as_bytes())
}

fn is_reg_name(mut name: &[u8]) -> bool {
    while let [first, rest @ ..] = name {
        name = match (first, rest) {
            (b'%', [high, low, rest @ ..]) if byte_of(*high, *low).is_some() => rest,
            (byte, rest) if byte.is_ascii_alphanumeric() || b"-._~!$&'()*+;=".contains(byte) => {
                rest
            }
            _ => return false,
        };
    }
    true
}

fn is_name(name: &str) -> bool {
    match name.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
        Some(address) => address.parse::<Ipv6Addr>().is_ok(),
        // 253 is the longest name that DNS can carry; compose services may have `_`.
        None => {
            (1..=253).contains(&name.len())
                && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || b"-._".contains(&byte))
        }
    }
}

fn is_unspecified(name: &str) -> bool {
    let address = name.trim_start_matches('[').trim_end_matches(']').parse::<IpAddr>();
    address.is_ok_and(|address| address.to_canonical().is_unspecified())
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    fn verdict(authorities: &Authorities, version: Version, hosts: &[&str]) -> Result<(), Refusal> {
        let mut request = Request::get("/api/").version(version);
        for host in hosts {
            request = request.header(HOST, *host);
        }
        authorities.admit(&request.body(()).unwrap().into_parts().0)
    }

    fn at(bound: &[&str], hosts: &[&str]) -> Authorities {
        let bound: Vec<SocketAddr> = bound.iter().map(|text| text.parse().unwrap()).collect();
        let hosts: Vec<String> = hosts.iter().map(|text| (*text).to_owned()).collect();
        Authorities::new(&hosts, None, Door::Tcp(&bound)).unwrap()
    }

    fn admitted(authorities: &Authorities, host: &str) -> bool {
        verdict(authorities, Version::HTTP_11, &[host]).is_ok()
    }

    #[test]
    fn the_loopback_names_with_a_bound_port_are_ours() {
        let authorities = at(&["127.0.0.1:9180", "[::1]:9280"], &[]);
        for host in ["localhost:9180", "LocalHost:9280", "127.0.0.1:9180", "[::1]:9180"] {
            assert!(admitted(&authorities, host), "{host}");
        }
    }

    #[test]
    fn any_other_host_is_foreign() {
        let authorities = at(&["127.0.0.1:9180"], &["sidecar"]);
        for host in [
            "localhost:80",
            "localhost:9181",
            "localhost:09180",
            "localhost.:9180",
            "localhost.evil.example:9180",
            "evil-localhost:9180",
            "127.0.0.1.nip.io:9180",
            "127.0.0.2:9180",
            "127.1:9180",
            "2130706433:9180",
            "0.0.0.0:9180",
            "0:9180",
            "[::]:9180",
            "[::ffff:127.0.0.1]:9180",
            "[0:0:0:0:0:0:0:1]:9180",
            "evil.example",
            "sidecar:80",
        ] {
            let ours = "localhost:9180".to_owned();
            let expected = Err(Refusal::HostForeign { host: host.into(), ours });
            assert_eq!(verdict(&authorities, Version::HTTP_11, &[host]), expected, "{host}");
        }
    }

    #[test]
    fn a_host_that_two_parsers_could_read_differently_is_malformed() {
        let authorities = at(&["127.0.0.1:9180"], &[]);
        for host in [
            "",
            ":9180",
            "localhost:",
            "localhost:+9180",
            "localhost:99999",
            "localhost:9180:9180",
            "localhost:9180, evil.example",
            "localhost:9180/",
            "localhost:9180#",
            "evil.example@localhost:9180",
            "http://localhost:9180",
            "local%68ost:9180",
            "localhost :9180",
            "[::1",
            "[::1]9180",
            "[::1%25lo]:9180",
            "::1:9180",
            "*:9180",
        ] {
            let expected = Err(Refusal::HostMalformed);
            assert_eq!(verdict(&authorities, Version::HTTP_11, &[host]), expected, "{host:?}");
        }
        let endless = "a".repeat(254);
        assert_eq!(
            verdict(&authorities, Version::HTTP_11, &[&endless]),
            Err(Refusal::HostMalformed)
        );
    }

    #[test]
    fn there_is_exactly_one_host() {
        let authorities = at(&["127.0.0.1:9180"], &[]);
        let twice = ["localhost:9180", "localhost:9180"];
        assert_eq!(verdict(&authorities, Version::HTTP_11, &twice), Err(Refusal::HostRepeated));
        assert_eq!(verdict(&authorities, Version::HTTP_11, &[]), Err(Refusal::HostMissing));
        assert_eq!(verdict(&authorities, Version::HTTP_10, &[]), Err(Refusal::HostMissing));
    }

    #[test]
    fn the_port_may_be_left_out_on_port_80_alone() {
        let authorities = at(&["127.0.0.1:80"], &["sidecar"]);
        for host in ["localhost", "localhost:80", "[::1]", "sidecar", "sidecar:80"] {
            assert!(admitted(&authorities, host), "{host}");
        }
        assert!(!admitted(&at(&["127.0.0.1:8080"], &[]), "localhost"));
    }

    #[test]
    fn a_wildcard_address_adds_no_name() {
        let authorities = at(&["0.0.0.0:9180", "[::]:9180"], &[]);
        assert!(admitted(&authorities, "localhost:9180"));
        assert!(!admitted(&authorities, "0.0.0.0:9180") && !admitted(&authorities, "[::]:9180"));
    }

    #[test]
    fn a_configured_name_goes_with_its_port_or_with_every_bound_one() {
        let authorities = at(&["0.0.0.0:9180", "0.0.0.0:9280"], &["Sidecar", "public.example:443"]);
        for host in ["sidecar:9180", "SIDECAR:9280", "public.example:443"] {
            assert!(admitted(&authorities, host), "{host}");
        }
        for host in ["sidecar:443", "public.example:9180", "public.example"] {
            assert!(!admitted(&authorities, host), "{host}");
        }
    }

    #[test]
    fn the_callback_has_a_name_of_its_own() {
        let callback =
            |authority: &str| Callback { authority: authority.into(), path: "/callback".into() };
        let bound = ["0.0.0.0:9181".parse().unwrap()];
        for (authority, other) in [("127.0.0.1:7777", "127.0.0.1:7778"), ("localhost", "[::1]")] {
            let callback = callback(authority);
            let authorities = Authorities::new(&[], Some(&callback), Door::Tcp(&bound)).unwrap();
            assert!(admitted(&authorities, authority) && admitted(&authorities, "localhost:9181"));
            assert!(!admitted(&authorities, other), "{other}");
        }
    }

    #[test]
    fn a_name_of_ours_without_its_port_is_told_so() {
        let authorities = at(&["127.0.0.1:9180", "[::1]:9180"], &["sidecar", "public.example:443"]);
        for (host, ours) in [
            ("localhost", "localhost:9180"),
            ("LOCALHOST", "localhost:9180"),
            ("127.0.0.1", "127.0.0.1:9180"),
            ("[::1]", "[::1]:9180"),
            ("sidecar", "sidecar:9180"),
            ("public.example", "public.example:443"),
        ] {
            let expected = Refusal::HostWithoutPort { host: host.into(), ours: ours.into() };
            assert_eq!(verdict(&authorities, Version::HTTP_11, &[host]), Err(expected), "{host}");
        }
    }

    #[test]
    fn use_as_a_forward_proxy_is_told_apart() {
        let authorities = at(&["127.0.0.1:9180"], &[]);
        for (method, target, host) in [
            ("GET", "http://api.example/a", "api.example"),
            ("GET", "http://api.example:8080/a", "api.example:8080"),
            ("GET", "http://me:secret@api.example/a", "api.example"),
            ("CONNECT", "api.example:443", "api.example:443"),
        ] {
            let request = Request::builder().method(method).uri(target).header(HOST, host);
            let seen = authorities.admit(&request.body(()).unwrap().into_parts().0);
            let ours = "localhost:9180".to_owned();
            assert_eq!(seen, Err(Refusal::ForwardProxy { host: host.into(), ours }), "{target}");
        }
    }

    #[test]
    fn a_unix_socket_takes_any_one_name() {
        let authorities = Authorities::new(&[], None, Door::Unix).unwrap();
        for host in [
            "localhost",
            "localhost:9180",
            "127.0.0.1:9180",
            "localhost:80",
            "[::1]:9180",
            "unix",
            "docker",
            "_",
            "%2Frun%2Fp.sock",
            "api.example",
            "",
        ] {
            assert!(admitted(&authorities, host), "{host}");
        }
        for host in [
            "a b",
            "localhost:",
            "localhost:99999",
            "localhost:+1",
            "a:1:2",
            "/run/p.sock",
            "%2",
            "%zz",
            "me@localhost",
            "http://localhost",
            "localhost,evil.example",
            "[::1",
            "[a]",
            "a\"b",
            "a\\b",
        ] {
            let seen = verdict(&authorities, Version::HTTP_11, &[host]);
            assert_eq!(seen, Err(Refusal::HostMalformed), "{host}");
        }
        let twice = ["localhost", "localhost"];
        assert_eq!(verdict(&authorities, Version::HTTP_11, &twice), Err(Refusal::HostRepeated));
        assert_eq!(verdict(&authorities, Version::HTTP_10, &[]), Ok(()));
        assert_eq!(verdict(&authorities, Version::HTTP_11, &[]), Err(Refusal::HostMissing));
    }

    #[test]
    fn a_unix_socket_with_configured_hosts_takes_those_alone() {
        let hosts = ["sidecar".to_owned(), "other:80".to_owned()];
        let authorities = Authorities::new(&hosts, None, Door::Unix).unwrap();
        for host in ["localhost", "127.0.0.1", "sidecar", "other:80"] {
            assert!(admitted(&authorities, host), "{host}");
        }
        for host in ["evil.example", "unix", "localhost:9180", "other", "_"] {
            assert!(!admitted(&authorities, host), "{host}");
        }
    }

    #[test]
    fn a_configured_host_that_is_none_is_refused() {
        for host in ["", "*", "*.example", "http://a", "a/b", "a b", "a:b", "a:70000", "[a]"] {
            let verdict = Authorities::new(&[host.to_owned()], None, Door::Unix).map(drop);
            assert_eq!(verdict, Err(InvalidConfig::Host(host.into())), "{host:?}");
        }
        for host in ["0.0.0.0", "0.0.0.0:9180", "[::]", "[::]:9180", "[::ffff:0.0.0.0]"] {
            let verdict = Authorities::new(&[host.to_owned()], None, Door::Unix).map(drop);
            assert_eq!(verdict, Err(InvalidConfig::EveryHost(host.into())), "{host:?}");
        }
    }
}
