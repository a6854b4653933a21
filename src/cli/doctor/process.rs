//! What the process was given: variables and limits.

use rustix::process::{Resource, getrlimit};

use super::finding::Findings;
use crate::config::Environment;

/// A caller's connection and one to the upstream for each of 1,024 callers, and some for the rest.
const ENOUGH_FILES: u64 = 2_200;

/// Proxies of the environment: their names, never their values, which may hold a password.
pub(super) fn proxies(environment: &Environment, findings: &mut Findings) {
    let set = environment.proxy_variables();
    if set.is_empty() {
        findings.ok("proxy variables", "none is set");
    } else {
        findings.ok("proxy variables", format!("set: {}", set.join(", ")));
    }
}

/// Limits of this process; those of a service may differ.
pub(super) fn limits(findings: &mut Findings) {
    let files = getrlimit(Resource::Nofile).current.unwrap_or(u64::MAX);
    if files < ENOUGH_FILES {
        findings.warn(
            "open files",
            format!("the limit is {files}, too few for 1,024 callers at a time"),
            format!("raise it: `ulimit -n 8192`, or LimitNOFILE=8192 of a service ({ENOUGH_FILES} are enough)"),
        );
    } else {
        findings.ok("open files", format!("the limit is {files}"));
    }
    // Every command forbids them before it reads a secret.
    match getrlimit(Resource::Core).current {
        Some(0) => findings.ok("core dumps", "none is ever written"),
        _ => findings.warn(
            "core dumps",
            "a crash could write secrets to a core file",
            "start with `ulimit -c 0`, or LimitCORE=0 of a service",
        ),
    }
}
