//! Who listens where the sidecar does, or would.

use std::net::TcpListener;

use http::{Method, StatusCode};

use crate::admin::{Mood, Report};
use crate::net::listen::Address;

use super::super::ask::{AskError, Whom};
use super::finding::Findings;

const RUNNING: &str = "running sidecar";

pub(super) fn examine(whom: &Whom, findings: &mut Findings) {
    match whom.ask_quietly(Method::GET, "/status") {
        Ok((StatusCode::OK, content)) => match serde_json::from_slice::<Report>(&content) {
            Ok(report) => running(&report, findings),
            Err(_) => findings.warn(
                RUNNING,
                "what answers at the admin address is a sidecar of another version",
                "restart it with this program",
            ),
        },
        Ok((status, _)) => findings.warn(
            RUNNING,
            format!("what answers at the admin address says {status}"),
            "correct listen.admin or --admin",
        ),
        Err(AskError::Silent { .. } | AskError::AnyPort | AskError::NoAddress) => {
            findings.skip(RUNNING, "none answers at the admin address");
            ports(whom, findings);
        }
        Err(AskError::Stranger(address)) => findings.fail(
            "addresses",
            format!("another program listens at {address}"),
            "stop it, or set another address in listen.admin",
        ),
        Err(error) => findings.failed(RUNNING, &error.to_string()),
    }
}

fn running(report: &Report, findings: &mut Findings) {
    let told = format!("version {}: {}", report.facts.version, report.verdict.headline);
    let fix = || report.verdict.advice.clone().unwrap_or_else(|| "`status` says more".to_owned());
    match report.verdict.mood {
        Mood::Well | Mood::Passing | Mood::Ending => findings.ok(RUNNING, told),
        Mood::Degraded => findings.warn(RUNNING, told, fix()),
        Mood::Broken => findings.fail(RUNNING, told, fix()),
    }
    if let Some(trouble) = &report.configuration.trouble {
        let fix = "correct the files; the configuration from before is in use until then";
        findings.warn(RUNNING, trouble.clone(), fix);
    }
    match &report.rate_limit {
        Some(limit) if limit.remaining == 0 => findings.warn(
            "rate limit",
            format!("0 of {} requests are left in this window", limit.limit),
            "wait a minute: everybody who uses this account shares it",
        ),
        Some(limit) => {
            let left = format!("{} of {} requests are left", limit.remaining, limit.limit);
            findings.ok("rate limit", left);
        }
        None => findings.skip("rate limit", "the API has not told yet"),
    }
}

/// Whether the addresses are free for one that would start now.
fn ports(whom: &Whom, findings: &mut Findings) {
    let Ok(addresses) = whom.addresses() else { return };
    for (key, address) in addresses {
        let Address::Tcp(address) = address else { continue };
        if let Err(error) = TcpListener::bind(address)
            && error.kind() == std::io::ErrorKind::AddrInUse
        {
            let fix = format!("stop the program that has it, or set another address in {key}");
            findings.fail("addresses", format!("{address} is in use by another program"), fix);
        }
    }
}
