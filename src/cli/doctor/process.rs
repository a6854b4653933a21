//! What the process was given: variables and limits.

use rustix::process::{Resource, Rlimit, getrlimit};

use super::finding::Findings;
use crate::admin::Report;
use crate::admin::capacity::Bound;
use crate::clock;
use crate::config::Environment;

/// Proxies of the environment: their names, never their values, which may hold a password.
pub(super) fn proxies(environment: &Environment, findings: &mut Findings) {
    let set = environment.proxy_variables();
    if set.is_empty() {
        findings.ok("proxy variables", "none is set");
    } else {
        findings.ok("proxy variables", format!("set: {}", set.join(", ")));
    }
}

/// The limits that count: those of the sidecar that runs. Without one, those that a sidecar started from
/// here would have.
pub(super) fn limits(running: Option<&Report>, findings: &mut Findings) {
    match running {
        Some(report) => limits_of(report, findings),
        None => {
            let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
            let told = |limit: Option<u64>| limit.map_or("any number".into(), |it| it.to_string());
            let detail = format!(
                "no sidecar runs that could tell its limit; one started from here may have {} open, and \
                 raises that up to {} as needed",
                told(current),
                told(maximum)
            );
            findings.skip("open files", detail);
        }
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

fn limits_of(report: &Report, findings: &mut Findings) {
    let capacity = &report.capacity;
    let (files, callers) = (capacity.open_files, capacity.max_connections);
    let files = format!("the running sidecar may have {files} open, enough for {callers} callers");
    match capacity.bound_by {
        Bound::OpenFiles => {
            let detail = format!("{files} and not for {}", capacity.configured_connections);
            findings.warn("open files", detail, capacity.fix());
        }
        Bound::Configuration | Bound::Memory => findings.ok("open files", files),
    }
    if let Some(memory) = capacity.memory {
        let mebibytes = |bytes: usize| bytes >> 20;
        let (held, all) = (mebibytes(memory.reserved), mebibytes(memory.limit));
        let detail = format!("callers may hold {all} MiB, and {held} MiB are reserved now");
        match (capacity.bound_by, memory.waited) {
            (Bound::Memory, _) => {
                let detail = format!("{detail}; that is enough for {callers} callers");
                findings.warn("memory", detail, capacity.fix());
            }
            (_, 0) => findings.ok("memory", detail),
            (_, waited) => {
                let fix = "give the container or service more memory, or raise caller.max_memory";
                findings.warn("memory", format!("{detail}; {waited} requests had to wait"), fix);
            }
        }
    }
    let (open, waited) = (capacity.connections, capacity.waited);
    match capacity.warning(clock::now().wall()) {
        Some(warning) => {
            let (detail, fix) = warning.split_once("; ").unwrap_or((&warning, capacity.fix()));
            findings.warn("connections", detail, fix);
        }
        None if waited > 0 => {
            let detail =
                format!("{open} of {callers} are open; {waited} had to wait since the start");
            findings.warn("connections", detail, capacity.fix());
        }
        None => findings.ok("connections", format!("{open} of {callers} are open")),
    }
    if capacity.dropped_log_lines > 0 {
        findings.warn(
            "log",
            format!("{} lines were lost", capacity.dropped_log_lines),
            "let whatever reads standard error read faster, or set log.level to \"warn\"",
        );
    }
}
