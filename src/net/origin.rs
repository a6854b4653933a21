//! The other end of an outgoing connection: RFC 9110 §4.3.1, scheme, host and port.
//!
//! A token belongs to one origin. This type is made from the configuration once, and nothing that a
//! caller sends can reach it.

use std::fmt;
use std::net::IpAddr;

use http::uri::{Authority, PathAndQuery};
use rustls::pki_types::ServerName;
use url::{Host, Url};

/// How the connection is protected.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Protection {
    /// TLS, with the certificate checked for this name.
    Tls(ServerName<'static>),
    /// None: plain HTTP.
    Plain,
}

/// Where plain HTTP, which shows a token to the network, may go.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Plaintext {
    /// Only to this host.
    #[default]
    Loopback,
    /// Anywhere: the operator has said so.
    Anywhere,
}

/// Scheme, host and port.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Origin {
    protection: Protection,
    authority: Authority,
    host: String,
    port: u16,
}

/// A URL that names no origin that a token may be sent to.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidOrigin {
    /// Not `https`, nor `http` to a loopback address.
    #[error(
        "expected https; http is possible only to a loopback address, because it would show the token to the network"
    )]
    Scheme,
    /// No host, or one that no certificate can be checked for.
    #[error("expected a host name or an IP address")]
    Host,
    /// User name or password in the URL.
    #[error("a user name or password in a URL ends up in logs; remove it")]
    UserInfo,
}

impl Origin {
    /// The origin of `url`, which must be `https` unless it is on this host; path, query and fragment
    /// are the business of whoever calls.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] says what is wrong with the URL.
    pub fn of(url: &Url) -> Result<Self, InvalidOrigin> {
        Self::with(url, Plaintext::Loopback)
    }

    /// The origin of `url`, with plain HTTP where `plaintext` allows it.
    ///
    /// # Errors
    ///
    /// As [`Origin::of`].
    pub fn with(url: &Url, plaintext: Plaintext) -> Result<Self, InvalidOrigin> {
        if !url.username().is_empty() || url.password().is_some() {
            return Err(InvalidOrigin::UserInfo);
        }
        let parsed = url.host().ok_or(InvalidOrigin::Host)?;
        let host = match &parsed {
            Host::Domain(name) => (*name).to_owned(),
            Host::Ipv4(ip) => ip.to_string(),
            Host::Ipv6(ip) => ip.to_string(),
        };
        let protection = match url.scheme() {
            "https" => Protection::Tls(
                ServerName::try_from(host.clone()).map_err(|_| InvalidOrigin::Host)?,
            ),
            "http" if plaintext == Plaintext::Anywhere || is_loopback(&host) => Protection::Plain,
            _ => return Err(InvalidOrigin::Scheme),
        };
        let port = url.port_or_known_default().ok_or(InvalidOrigin::Scheme)?;
        let written = match url.port() {
            Some(port) => format!("{parsed}:{port}"),
            None => parsed.to_string(),
        };
        let authority = Authority::try_from(written).map_err(|_| InvalidOrigin::Host)?;
        Ok(Self { protection, authority, host, port })
    }

    /// TLS or not.
    pub fn protection(&self) -> &Protection {
        &self.protection
    }

    /// What `Host` and `:authority` say: the port is there only when it is not the scheme's own.
    pub fn authority(&self) -> &Authority {
        &self.authority
    }

    /// The name or address to connect to; an IPv6 address has no brackets.
    pub fn host(&self) -> &str {
        &self.host
    }

    /// The port to connect to.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Whether it is on this host.
    pub fn is_loopback(&self) -> bool {
        is_loopback(&self.host)
    }

    /// The absolute form of a request target on this origin.
    pub fn uri(&self, target: PathAndQuery) -> http::Uri {
        let mut parts = http::uri::Parts::default();
        parts.scheme = Some(match self.protection {
            Protection::Tls(_) => http::uri::Scheme::HTTPS,
            Protection::Plain => http::uri::Scheme::HTTP,
        });
        parts.authority = Some(self.authority.clone());
        parts.path_and_query = Some(target);
        // All three parts are there, which is all that `from_parts` can complain about.
        http::Uri::from_parts(parts).unwrap_or_default()
    }
}

impl fmt::Display for Origin {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let scheme = match self.protection {
            Protection::Tls(_) => "https",
            Protection::Plain => "http",
        };
        write!(f, "{scheme}://{}", self.authority)
    }
}

fn is_loopback(host: &str) -> bool {
    match host.parse::<IpAddr>() {
        Ok(ip) => ip.is_loopback(),
        Err(_) => host == "localhost",
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn origin(url: &str) -> Result<Origin, InvalidOrigin> {
        Origin::of(&Url::parse(url).unwrap())
    }

    #[test]
    fn the_port_is_written_only_when_it_is_not_the_default() {
        let plain = origin("https://api.webwork-tracker.com/").unwrap();
        assert_eq!((plain.authority().as_str(), plain.port()), ("api.webwork-tracker.com", 443));
        let local = origin("http://[::1]:8080").unwrap();
        assert_eq!((local.authority().as_str(), local.host()), ("[::1]:8080", "::1"));
        assert_eq!(local.to_string(), "http://[::1]:8080");
    }

    #[test]
    fn a_token_never_travels_in_the_clear() {
        assert_eq!(origin("http://api.webwork-tracker.com"), Err(InvalidOrigin::Scheme));
        assert_eq!(origin("http://localhost.example"), Err(InvalidOrigin::Scheme));
        assert_eq!(origin("ftp://localhost"), Err(InvalidOrigin::Scheme));
        assert!(origin("http://127.8.9.1:1").is_ok() && origin("http://localhost").is_ok());
    }

    #[test]
    fn a_token_travels_in_the_clear_where_the_operator_wants_it() {
        let url = Url::parse("http://api.staging.example:8080").unwrap();
        let origin = Origin::with(&url, Plaintext::Anywhere).unwrap();
        assert_eq!((origin.protection(), origin.is_loopback()), (&Protection::Plain, false));
    }

    #[test]
    fn user_names_are_refused() {
        assert_eq!(origin("https://me@host"), Err(InvalidOrigin::UserInfo));
    }

    #[test]
    fn a_target_is_joined_unchanged() {
        let uri = origin("https://a.example").unwrap().uri(PathAndQuery::from_static("/a%2Fb?c=d"));
        assert_eq!(uri.to_string(), "https://a.example/a%2Fb?c=d");
    }
}
