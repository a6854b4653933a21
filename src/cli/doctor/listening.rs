//! Who listens where the sidecar does, or would.

use http::StatusCode;

use crate::admin::{Mood, Report};
use crate::config::Contact;

use super::super::addresses::{Running, obstacles};
use super::super::ask::{AskError, Target, Whom};
use super::finding::Findings;

const RUNNING: &str = "running sidecar";

/// Returns what a running sidecar says of itself.
pub(super) fn examine(whom: &Whom, findings: &mut Findings) -> Option<Report> {
    let target = match whom.target() {
        Ok(target) => target,
        Err(error) => {
            findings.failed(RUNNING, &error.to_string());
            return None;
        }
    };
    match target.get("/status") {
        Ok((StatusCode::OK, content)) => match serde_json::from_slice::<Report>(&content) {
            Ok(report) => {
                running(&report, findings);
                let sidecar = Running::Sidecar(Box::new(report.facts.clone()));
                addresses(whom, &target, sidecar, findings);
                return Some(report);
            }
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
        Err(AskError::Silent { .. }) => {
            findings.skip(RUNNING, "none answers at the admin address");
            addresses(whom, &target, Running::Nobody, findings);
        }
        Err(AskError::AnyPort | AskError::NoAddress) => {
            findings.skip(RUNNING, "none can be asked at the admin address");
            addresses(whom, &target, Running::Unknown, findings);
        }
        Err(AskError::Stranger(address)) => findings.fail(
            "addresses",
            format!("another program listens at {address}"),
            "stop it, or set another address in listen.admin",
        ),
        Err(error) => findings.failed(RUNNING, &error.to_string()),
    }
    None
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

/// Whether `run` could listen at the addresses of the configuration.
fn addresses(whom: &Whom, target: &Target, running: Running, findings: &mut Findings) {
    let Ok(Contact { listen, .. }) = whom.source().contact() else { return };
    for obstacle in obstacles(&listen, &running, target) {
        findings.fail("addresses", obstacle.to_string(), obstacle.fix());
    }
}
