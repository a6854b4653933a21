//! The redirection endpoint, where it is on this host: RFC 6749 §3.1.2, RFC 8252 §7.3.

use std::net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr};

use url::{Host, Url};

/// A redirection endpoint that one of our listeners can be.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Redirection {
    /// Scheme, host and port, as a browser writes an origin.
    pub origin: String,
    /// Host and port, as a browser writes them into `Host`.
    pub authority: String,
    /// The path, as a browser asks for it.
    pub path: String,
    /// What a listener of its own binds, the most probable address first.
    pub addresses: Vec<SocketAddr>,
}

impl Redirection {
    /// The endpoint of a `redirect_uri`; none if it is elsewhere, or behind somebody else's TLS.
    pub fn here(redirect_uri: &str) -> Option<Self> {
        let url = Url::parse(redirect_uri).ok().filter(|url| url.scheme() == "http")?;
        let port = url.port_or_known_default()?;
        let ips: Vec<IpAddr> = match url.host()? {
            Host::Ipv4(ip) => vec![ip.into()],
            Host::Ipv6(ip) => vec![ip.into()],
            Host::Domain("localhost") => {
                vec![Ipv4Addr::LOCALHOST.into(), Ipv6Addr::LOCALHOST.into()]
            }
            Host::Domain(_) => return None,
        };
        let origin = url.origin().ascii_serialization();
        Some(Self {
            authority: origin.strip_prefix("http://")?.to_owned(),
            origin,
            path: url.path().to_owned(),
            addresses: ips.into_iter().map(|ip| SocketAddr::new(ip, port)).collect(),
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_endpoint_of_this_host_is_known_as_browsers_write_it() {
        for (uri, authority, path, addresses) in [
            ("http://127.0.0.1:9181/callback", "127.0.0.1:9181", "/callback", "127.0.0.1:9181"),
            ("http://127.0.0.1", "127.0.0.1", "/", "127.0.0.1:80"),
            ("http://LocalHost:80/a?b=c", "localhost", "/a", "127.0.0.1:80 [::1]:80"),
            ("http://[::1]:7/%41/", "[::1]:7", "/%41/", "[::1]:7"),
        ] {
            let seen = Redirection::here(uri).unwrap();
            assert_eq!((&*seen.authority, &*seen.path), (authority, path), "{uri}");
            assert_eq!(seen.origin, format!("http://{authority}"));
            let bound: Vec<_> = seen.addresses.iter().map(ToString::to_string).collect();
            assert_eq!(bound.join(" "), addresses, "{uri}");
        }
        for uri in ["https://127.0.0.1:9181/callback", "https://app.example/cb", "com.app:/cb"] {
            assert_eq!(Redirection::here(uri), None, "{uri}");
        }
    }
}
