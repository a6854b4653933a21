//! The way to the API and to the token endpoint: names, connections, certificates, clocks.

use std::time::Duration;

use http::HeaderMap;
use http::header::DATE;
use jiff::{SignedDuration, Timestamp};
use x509_cert::Certificate;
use x509_cert::der::Decode;
use x509_cert::der::oid::ObjectIdentifier;
use x509_cert::der::oid::db::rfc4519;
use x509_cert::name::Name;

use crate::clock;
use crate::config::Config;
use crate::net::connect::{ConnectError, Connection, Dial, connect};
use crate::net::origin::Origin;
use crate::net::reach::addresses;
use crate::net::tls::{Alpn, Trust};
use crate::net::tunnel::Route;

use super::super::proof::asked;
use super::super::style::relative;
use super::ends_soon;
use super::finding::Findings;

/// Longest time for one answer.
const LIMIT: Duration = Duration::from_secs(20);

/// A clock that is off by more may cost tokens (the server has no leeway), …
const ODD: SignedDuration = SignedDuration::from_secs(60);

/// … and one that is off by this much makes certificates doubtful.
const WRONG: SignedDuration = SignedDuration::from_mins(60);

pub(super) async fn examine(config: &Config, trust: Trust, findings: &mut Findings) {
    let upstream = config.upstream.dial(trust.clone());
    reachable("upstream", &upstream, findings).await;
    if let Some(app) = config.token.credential.registration()
        && let Ok(origin) = Origin::with(&app.token_url, app.plaintext)
        && origin.authority() != upstream.origin.authority()
    {
        let dial = Dial { origin, route: app.route.clone(), trust, ..upstream.clone() };
        reachable("token endpoint", &dial, findings).await;
    }
    clocks(&upstream, findings).await;
}

async fn reachable(whose: &'static str, dial: &Dial, findings: &mut Findings) {
    let (host, port) = (dial.origin.host(), dial.origin.port());
    match &dial.route {
        Route::Through(proxy) => findings.ok(whose, format!("{host} through the proxy {proxy}")),
        Route::Direct => match addresses(host, port).await {
            Ok(found) => {
                let found: Vec<_> = found.iter().map(|address| address.ip().to_string()).collect();
                findings.ok(whose, format!("{host} is {}", found.join(", ")));
            }
            Err(error) => return findings.fail(whose, error.to_string(), remedy(&error)),
        },
    }
    match connect(dial, Alpn::Http2OrHttp1).await {
        Ok(connection) => certified(whose, &connection, findings),
        Err(error) => findings.fail(whose, error.to_string(), remedy(&error)),
    }
}

fn remedy(error: &ConnectError) -> &'static str {
    match error {
        ConnectError::Dns { .. } => {
            "correct the host in upstream.url or token_url, or this host's resolver (/etc/resolv.conf)"
        }
        ConnectError::Connect { .. } | ConnectError::Timeout { .. } => {
            "let this host out to there: firewall, network policy, or a proxy in upstream.proxy or HTTPS_PROXY"
        }
        ConnectError::Proxy { .. } => {
            "correct upstream.proxy, HTTPS_PROXY or NO_PROXY; upstream.proxy_file can hold a password"
        }
        ConnectError::Tls { fault, .. } => fault.hint().unwrap_or(
            "correct the host, or the clock of this host; a private authority goes into upstream.ca_file",
        ),
    }
}

/// The certificate that the other end has shown, and was believed.
fn certified(whose: &'static str, connection: &Connection, findings: &mut Findings) {
    let chain = connection.certificates();
    let Some(leaf) = chain.first().and_then(|der| Certificate::from_der(der).ok()) else {
        return findings.ok(whose, "a connection can be made, without TLS");
    };
    let certificate = leaf.tbs_certificate();
    let end = certificate.validity().not_after.to_unix_duration();
    let now = clock::now().wall();
    let end = Timestamp::UNIX_EPOCH.checked_add(end).unwrap_or(now);
    let shown = format!(
        "TLS stands: {} certificates, issued by {}, ends {}",
        chain.len(),
        distinguished(certificate.issuer()),
        relative(end, now)
    );
    if ends_soon(end, now) {
        findings.warn(whose, shown, "nothing here, but tell its operator to renew it");
    } else {
        findings.ok(whose, shown);
    }
}

/// A name as people read it, its nearest part first (RFC 4514). The crate would do it, with a table of every
/// object identifier there is: 110 kB of the program.
fn distinguished(name: &Name) -> String {
    let mut parts: Vec<_> = name
        .iter()
        .map(|part| {
            let kind = KINDS.iter().find(|(kind, _)| *kind == part.oid);
            let kind = kind.map_or_else(|| part.oid.to_string(), |(_, name)| (*name).to_owned());
            let text = String::from_utf8_lossy(part.value.value());
            format!("{kind}={}", text.replace(char::is_control, "\u{fffd}"))
        })
        .collect();
    parts.reverse();
    parts.join(",")
}

const KINDS: [(ObjectIdentifier, &str); 6] = [
    (rfc4519::CN, "CN"),
    (rfc4519::O, "O"),
    (rfc4519::OU, "OU"),
    (rfc4519::L, "L"),
    (rfc4519::ST, "ST"),
    (rfc4519::C, "C"),
];

/// One request without a token: its answer has a date.
async fn clocks(upstream: &Dial, findings: &mut Findings) {
    const CHECK: &str = "clock";
    let reply = asked(upstream, None, LIMIT).await;
    let Some(skew) = reply.ok().and_then(|reply| skew(&reply.fields)) else {
        return findings.skip(CHECK, "the upstream told no time");
    };
    let shown = format!("{} s apart from the upstream's", skew.as_secs().abs());
    let fix = "set this host's clock, with NTP for example: tokens and certificates depend on it";
    match skew.abs() {
        apart if apart > WRONG => findings.fail(CHECK, shown, fix),
        apart if apart > ODD => findings.warn(CHECK, shown, fix),
        _ => findings.ok(CHECK, shown),
    }
}

fn skew(fields: &HeaderMap) -> Option<SignedDuration> {
    let told = httpdate::parse_http_date(fields.get(DATE)?.to_str().ok()?).ok()?;
    let told = Timestamp::try_from(told).ok()?;
    Some(clock::now().wall().duration_since(told))
}
