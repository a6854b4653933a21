//! Why TLS did not come about, for a person who has to mend it: which name, which date.

use std::io;

use jiff::Timestamp;
use rustls::pki_types::UnixTime;
use rustls::{AlertDescription, CertificateError, Error, InvalidMessage, OtherError};

use crate::answer::Code;

/// Why a handshake failed. Nothing was sent.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum TlsFault {
    /// Its time is over.
    #[error("the server's certificate has expired on {0}")]
    Expired(Date),
    /// Its time has not come, or our clock is behind.
    #[error(
        "the server's certificate is not valid yet, but from {0} on (is the clock of this host right?)"
    )]
    NotYetValid(Date),
    /// It belongs to somebody else.
    #[error("the server's certificate is for another name: for {presented}, not for {expected}")]
    WrongName {
        /// The host that we wanted to reach.
        expected: String,
        /// The names that it has.
        presented: String,
    },
    /// Nobody we trust has signed it.
    #[error(
        "the server's certificate is signed by itself or by an unknown authority; a private CA belongs in upstream.ca_file"
    )]
    UnknownAuthority,
    /// The authority that it names has not signed it.
    #[error(
        "a signature of the server's certificate is wrong; if its CA was made anew, upstream.ca_file needs the new one"
    )]
    Forged,
    /// It is the certificate of an authority, as `openssl req -x509` makes it.
    #[error(
        "the server's certificate is that of a certificate authority (CA:TRUE), as `openssl req -x509` makes it; make one with `-addext basicConstraints=critical,CA:FALSE -addext subjectAltName=DNS:HOST` (or IP:ADDRESS), and put that into upstream.ca_file"
    )]
    Authority,
    /// Something else is wrong with the certificate.
    #[error("the server's certificate is not acceptable ({0})")]
    Certificate(String),
    /// Neither TLS 1.2 nor TLS 1.3, or no algorithm that we have.
    #[error("the server speaks no TLS that is safe; it must have TLS 1.2 or 1.3 ({0})")]
    Outdated(String),
    /// Something else than TLS came back.
    #[error("the server does not speak TLS on this port")]
    NotTls,
    /// The other side refused us.
    #[error("the server refused the handshake ({0})")]
    Alert(String),
    /// The connection ended.
    #[error("the connection was closed during the handshake")]
    Closed,
    /// Something else.
    #[error("the handshake failed ({0})")]
    Handshake(String),
}

/// A moment of a certificate, to the second, in UTC.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Date(Timestamp);

impl std::fmt::Display for Date {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "{}", self.0.strftime("%Y-%m-%d %H:%M:%S UTC"))
    }
}

impl From<UnixTime> for Date {
    fn from(time: UnixTime) -> Self {
        let seconds = i64::try_from(time.as_secs()).unwrap_or(i64::MAX);
        Self(Timestamp::from_second(seconds).unwrap_or(Timestamp::MAX))
    }
}

impl TlsFault {
    pub(in crate::net) fn of(error: &io::Error) -> Self {
        match error.get_ref().and_then(|inner| inner.downcast_ref::<Error>()) {
            Some(Error::InvalidCertificate(certificate)) => of_certificate(certificate),
            Some(Error::AlertReceived(AlertDescription::ProtocolVersion)) => {
                Self::Outdated("it said so".to_owned())
            }
            Some(Error::AlertReceived(alert)) => Self::Alert(format!("{alert:?}")),
            Some(Error::PeerIncompatible(why)) => Self::Outdated(format!("{why:?}")),
            Some(Error::InvalidMessage(InvalidMessage::InvalidContentType)) => Self::NotTls,
            Some(other) => Self::Handshake(other.to_string()),
            None => match error.kind() {
                io::ErrorKind::UnexpectedEof
                | io::ErrorKind::ConnectionReset
                | io::ErrorKind::BrokenPipe => Self::Closed,
                _ => Self::Handshake(error.to_string()),
            },
        }
    }

    /// What to do, where the code's own hint would mislead.
    pub fn hint(&self) -> Option<&'static str> {
        match self {
            Self::Authority => Some(
                "Give the server a certificate with CA:FALSE. As long as it shows the certificate of an authority, upstream.ca_file does not help.",
            ),
            _ => None,
        }
    }

    /// What a caller is told.
    pub fn code(&self) -> Code {
        match self {
            Self::Expired(_)
            | Self::NotYetValid(_)
            | Self::WrongName { .. }
            | Self::UnknownAuthority
            | Self::Forged
            | Self::Authority
            | Self::Certificate(_) => Code::UpstreamTls,
            Self::Alert(_) => Code::UpstreamTlsAlert,
            Self::Outdated(_) | Self::NotTls | Self::Closed | Self::Handshake(_) => {
                Code::UpstreamTlsProtocol
            }
        }
    }
}

fn of_certificate(error: &CertificateError) -> TlsFault {
    use CertificateError as E;
    match error {
        E::ExpiredContext { not_after, .. } => TlsFault::Expired((*not_after).into()),
        E::NotValidYetContext { not_before, .. } => TlsFault::NotYetValid((*not_before).into()),
        E::NotValidForNameContext { expected, presented } => TlsFault::WrongName {
            expected: expected.to_str().into_owned(),
            presented: listed(presented),
        },
        E::UnknownIssuer => TlsFault::UnknownAuthority,
        E::BadSignature => TlsFault::Forged,
        E::Other(other) if is_of_an_authority(other) => TlsFault::Authority,
        other => TlsFault::Certificate(other.to_string()),
    }
}

fn is_of_an_authority(error: &OtherError) -> bool {
    matches!(error.0.downcast_ref(), Some(webpki::Error::CaUsedAsEndEntity))
}

/// Names shown of a certificate that has many.
const SHOWN: usize = 5;

fn listed(names: &[String]) -> String {
    let shown: Vec<_> = names.iter().take(SHOWN).map(|name| plain(name)).collect();
    match names.len() {
        0 => "no name at all".to_owned(),
        many if many > SHOWN => format!("{} and others", shown.join(", ")),
        _ => shown.join(", "),
    }
}

/// webpki writes `DnsName("api.example")`.
fn plain(name: &str) -> &str {
    let inside = name.split_once('(').and_then(|(_, rest)| rest.strip_suffix(')'));
    inside.unwrap_or(name).trim_matches('"')
}
