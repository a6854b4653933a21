//! The state directory: whether it is ours alone, keeps what it is given, and what is in it.

use std::path::Path;

use crate::clock;
use crate::config::Config;
use crate::token::Refresh;
use crate::token::record::Record;
use crate::token::source::{AuthorizationCode, Credential};
use crate::token::state::Loss;
use crate::token::store::Store;

use super::super::check::makeable;
use super::super::style::relative;
use super::finding::Findings;

const CHECK: &str = "state directory";
const GRANT: &str = "grant";

/// What is to be done where there is none.
const SIGN_IN: Loss = Loss::SignedOut;

pub(super) fn examine(config: &Config, findings: &mut Findings) {
    let token = &config.token;
    let Credential::AuthorizationCode(code) = &token.credential else {
        return findings.skip(CHECK, "this credential keeps nothing");
    };
    let directory = &token.state_directory;
    if !directory.exists() {
        match makeable(directory) {
            Ok(path) => findings.ok(CHECK, format!("{} (run will make it)", path.display())),
            Err(error) => return findings.failed(CHECK, &error.to_string()),
        }
        return match &code.seed {
            Some(_) => findings.ok(GRANT, "none yet; there is a refresh token to begin with"),
            None => findings.fail(GRANT, "there is none yet", SIGN_IN.advice()),
        };
    }
    let loaded = Store::open(directory, token.second_directory.as_deref())
        .and_then(|store| store.load().map(|record| (store, record)));
    let (store, record) = match loaded {
        Ok(opened) => opened,
        Err(error) => return findings.failed(CHECK, &error.to_string()),
    };
    durable(&store, directory, findings);
    match record {
        Some(record) => granted(record, code, &token.refresh, findings),
        None if code.seed.is_some() => {
            findings.ok(GRANT, "none yet; there is a refresh token to begin with");
        }
        None => findings.fail(GRANT, "there is none yet", SIGN_IN.advice()),
    }
}

/// Whether a successor could be stored, and would outlive a restart.
fn durable(store: &Store, directory: &Path, findings: &mut Findings) {
    let shown = directory.display();
    match store.lock() {
        Ok(Some(_lock)) => match store.rehearse() {
            Ok(()) => findings.ok(CHECK, format!("{shown} can be written durably")),
            Err(error) => findings.fail(
                CHECK,
                error.to_string(),
                "make room, or make the directory writable for this user; no token is spent meanwhile",
            ),
        },
        Ok(None) => findings.skip(CHECK, "a sidecar is exchanging tokens at this moment"),
        Err(error) => findings.failed(CHECK, &error.to_string()),
    }
    match filesystem(directory) {
        Some(Volatile::Memory) => findings.warn(
            CHECK,
            format!("{shown} is in memory (tmpfs): a restart of the host or the container loses the grant"),
            "put state.directory on a disk or a volume",
        ),
        Some(Volatile::Layer) => findings.warn(
            CHECK,
            format!("{shown} is in the container's own layer: a new container loses the grant"),
            "mount a volume there",
        ),
        None => {}
    }
}

/// A file system that forgets.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Volatile {
    Memory,
    Layer,
}

#[cfg(target_os = "linux")]
fn filesystem(directory: &Path) -> Option<Volatile> {
    // The numbers of linux/magic.h.
    match rustix::fs::statfs(directory).ok()?.f_type as u64 {
        0x0102_1994 | 0x8584_58f6 => Some(Volatile::Memory),
        0x794c_7630 => Some(Volatile::Layer),
        _ => None,
    }
}

#[cfg(not(target_os = "linux"))]
fn filesystem(_directory: &Path) -> Option<Volatile> {
    None
}

fn granted(record: Record, code: &AuthorizationCode, policy: &Refresh, findings: &mut Findings) {
    let (app, life) = (&code.registration, policy.refresh_token_life);
    let (intent, loss) = (record.intent.is_some(), record.loss);
    let ours = Record::new(app.client_id.clone(), app.token_url.to_string());
    let Ok(record) = record.seen_by(&ours) else {
        return findings.fail(
            GRANT,
            "the directory holds the grant of another app or another authorization server",
            "correct client_id or token_url, or give this app a state.directory of its own",
        );
    };
    let now = clock::now().wall();
    if code.seed.as_ref().is_some_and(|seed| record.is_new(seed)) {
        return findings
            .ok(GRANT, "there is a new refresh token, which run exchanges at its start");
    }
    let Some(grant) = record.grant else {
        let why = loss.map_or("there is none yet", Loss::advice);
        return findings.fail(GRANT, why, SIGN_IN.advice());
    };
    if let Some(loss) = loss {
        return findings.fail(GRANT, loss.advice(), SIGN_IN.advice());
    }
    let end = grant.refresh_issued.checked_add(life).unwrap_or(now);
    let shown = format!(
        "generation {}, fingerprint {}, scope: {}; the access token ends {}",
        grant.generation,
        grant.access.fingerprint(),
        grant.scope.map_or("not told".into(), |scope| scope.to_string()),
        grant.expires.map_or("at an unknown time".into(), |end| relative(end, now)),
    );
    if end <= now {
        let fix = "sign in again: `webwork-sidecar login`, or on the status page";
        findings.fail(GRANT, format!("{shown}; the refresh token has ended"), fix);
    } else {
        findings.ok(
            GRANT,
            format!("{shown}; the refresh token ends {} unless a sidecar runs", relative(end, now)),
        );
    }
    if intent {
        findings.warn(
            GRANT,
            "an exchange was announced and its end is not known",
            "start the sidecar: it finds out what became of it",
        );
    }
}
