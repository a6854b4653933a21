//! `check`: is everything right, before anything depends on it?

use std::fmt::Display;
use std::path::{Path, PathBuf};
use std::time::Duration;

use rustix::fs::Access as Permitted;

use crate::clock;
use crate::config::{Config, Listen, Source, Warning};
use crate::net::connect::Dial;
use crate::net::drain;
use crate::net::login_redirect::LoginPages;
use crate::net::tls::Trust;
use crate::telemetry::panics::Defect;
use crate::telemetry::pulse::Pulses;
use crate::token::claims::Claims;
use crate::token::current::Access;
use crate::token::expiry::{Expiring, Expiry};
use crate::token::handle::Handle;
use crate::token::refresher::Refresher;
use crate::token::source::Credential;
use crate::token::state::Standing;
use crate::token::status::Status;

use super::addresses::{Running, obstacles};
use super::ask::Target;
use super::proof::{Failure, proven};
use super::signals::Signals;
use super::style::{complain, relative, say};
use super::{ConfigFile, Exit, block_on};

/// Arguments of `check`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Check {
    #[command(flatten)]
    file: ConfigFile,
    /// Also obtain a token and call GET /api/v2/workspaces. A refresh token that is due is exchanged
    /// and its successor stored, exactly as `run` would do it.
    #[arg(long)]
    online: bool,
}

const HELP: &str = "\
Examples:
  webwork-sidecar check --config sidecar.toml             files, keys, permissions, addresses
  webwork-sidecar check --config sidecar.toml --online    and whether the token works";

/// Longest time for the token and the API's answer.
const LIMIT: Duration = Duration::from_secs(70);

impl Check {
    pub(super) fn perform(self) -> Exit {
        let config = match self.file.load() {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        for warning in &config.warnings {
            complain(format_args!("warning: {warning}"));
        }
        if config.warnings.iter().any(|warning| matches!(warning, Warning::Template { .. })) {
            return Exit::Misconfigured;
        }
        say(format_args!("ok  configuration ({})", config.token.credential.kind()));
        let listens = listens(&config.listen, &self.file.source());
        match block_on(checked(config, self.online)) {
            Ok(()) if listens => Exit::Done,
            Ok(()) => Exit::Failed,
            Err(why) => {
                complain(format_args!("not ok: {why}"));
                Exit::Failed
            }
        }
    }
}

/// Whether `run` could listen. What a running sidecar of this configuration has is free once it has ended.
fn listens(listen: &Listen, source: &Source) -> bool {
    // The configuration was read a moment ago.
    let Ok(target) = Target::of(source) else { return true };
    let obstacles = obstacles(listen, &Running::at(&target), &target);
    for obstacle in &obstacles {
        complain(format_args!("not ok: {obstacle}: {}", obstacle.fix()));
    }
    if obstacles.is_empty() {
        say("ok  addresses");
    }
    obstacles.is_empty()
}

async fn checked(config: Config, online: bool) -> Result<(), Failure> {
    let trust = Trust::load(config.upstream.ca_file.as_deref())?;
    say("ok  certificates");
    let upstream = config.upstream.dial(trust.clone());
    let directory = config.token.state_directory.clone();
    if !online {
        unended(&config.token.credential)?;
    }
    let stores = matches!(config.token.credential, Credential::AuthorizationCode(_));
    if stores && !online && !directory.exists() {
        // A check changes nothing: `run` makes the directory.
        let directory = makeable(&directory)?;
        say(format_args!("ok  state directory {} (run will make it)", directory.display()));
        return seeded(&config.token.credential);
    }
    let login_pages = config.token.credential.login_pages();
    let (refresher, handle) = Refresher::new(config.token, trust, upstream.clone())?;
    if stores {
        say(format_args!("ok  state directory {}", directory.display()));
    }
    if !online {
        return usable(&handle.status.borrow());
    }
    let (drainer, drain) = drain::channel();
    // From here on no signal may end the process in the middle of an exchange.
    let mut signals = Signals::listen()?;
    let pulse = Pulses::default().of("refresher");
    let working = tokio::spawn(refresher.run(drain.clone(), drain, pulse));
    let result = tokio::select! {
        result = tokio::time::timeout(LIMIT, tried(handle, &upstream, &login_pages)) => {
            result.unwrap_or_else(|_| Err("no answer in time".into()))
        }
        () = signals.received() => Err("interrupted".into()),
    };
    drainer.drain(Duration::ZERO);
    // An exchange that is on the wire is finished first.
    working.await.map_err(Defect::from)?;
    result
}

/// Whether `run` has a token to send, or one that it would exchange. What went wrong before counts only
/// where nothing but a person can help: a new refresh token helps against a lost grant.
fn usable(status: &Status) -> Result<(), Failure> {
    let stuck = matches!(
        status.state,
        Standing::Lost | Standing::SignedOut | Standing::Misconfigured | Standing::Rejected
    );
    match &status.trouble {
        Some(trouble) if stuck => Err(trouble.clone().into()),
        _ => Ok(()),
    }
}

/// Whether the API would refuse the personal access token, by what the token says of its end.
fn unended(credential: &Credential) -> Result<(), Failure> {
    let Credential::PersonalAccessToken(token) = credential else { return Ok(()) };
    match Claims::of(token).expires {
        Some(at) if at <= clock::now().wall() => {
            let ended = Expiry { what: Expiring::PersonalAccessToken, at, days: 0 };
            Err(ended.advice().into())
        }
        _ => Ok(()),
    }
}

/// The absolute path of a directory that `run` could make: the nearest one above that is there must let
/// it. A relative path is relative to where this command runs, as it will be for `run`.
pub(super) fn makeable(directory: &Path) -> Result<PathBuf, Failure> {
    let directory = std::path::absolute(directory)?;
    let is_there = |path: &&Path| path.symlink_metadata().is_ok();
    let above = directory.ancestors().find(is_there).unwrap_or(Path::new("/"));
    let (shown, place) = (directory.display(), above.display());
    let failed = |why: &dyn Display| {
        format!(
            "the state directory {shown} is not there, and this user may not make it in {place} \
             ({why}): create it, or set state.directory"
        )
    };
    if !above.is_dir() {
        return Err(failed(&"this is not a directory").into());
    }
    rustix::fs::access(above, Permitted::WRITE_OK | Permitted::EXEC_OK)
        .map_err(|error| failed(&error))?;
    Ok(directory)
}

/// Without a stored grant there must be a refresh token to begin with.
fn seeded(credential: &Credential) -> Result<(), Failure> {
    match credential {
        Credential::AuthorizationCode(code) if code.seed.is_none() => {
            Err(Standing::SignedOut.advice().unwrap_or_default().into())
        }
        _ => Ok(()),
    }
}

/// Waits for a token and tries it.
async fn tried(
    mut handle: Handle,
    upstream: &Dial,
    login_pages: &LoginPages,
) -> Result<(), Failure> {
    // A refresh token to begin with is tried, too, where the token from before still lives.
    let is_due = |status: &Status| {
        status.next_exchange_at.is_some_and(|planned| planned <= clock::now().wall())
    };
    let settled = |status: &Status| status.is_decided() && !is_due(status);
    let status = handle.status.wait_for(settled).await?.clone();
    let access = handle.current.settled().await;
    let Access::Ready(bearer) = &*access else {
        return Err(status.trouble.unwrap_or("there is no token".into()).into());
    };
    usable(&status)?;
    say(described(&status));
    let reply = proven(upstream, login_pages, bearer).await?;
    say("ok  GET /api/v2/workspaces");
    let told = |name: &str| reply.fields.get(name).and_then(|value| value.to_str().ok());
    if let (Some(left), Some(limit)) = (told("x-ratelimit-remaining"), told("x-ratelimit-limit")) {
        say(format_args!("    budget: {left} of {limit} requests left in this minute"));
    }
    Ok(())
}

fn described(status: &Status) -> String {
    let now = clock::now().wall();
    let scope = status.scope.as_ref().map_or("not told".into(), ToString::to_string);
    let end = status.expires_at.map_or("not told".into(), |end| relative(end, now));
    format!("ok  token (generation {}, scope: {scope}, ends: {end})", status.generation)
}
