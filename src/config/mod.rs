//! The configuration: a TOML file, the environment and secret files in; the components' own
//! `Config` structs out. No other module knows TOML or reads the environment.
//!
//! ```text
//!   file ──▶ Document ──┐                        ┌─▶ listen, guard, transport, credential ─▶ Config
//!                       ├─▶ Reader (key, kind) ──┤
//!   Environment ────────┘                        └─▶ Errors: all of them, with place and advice
//! ```
//!
//! # Where the file is
//!
//! The argument of `--config`; else the variable `WEBWORK_SIDECAR_CONFIG`; else
//! [`DEFAULT_FILE`], if it exists; else there is no file, and the environment says everything.
//!
//! # Environment
//!
//! Every key has a variable: `WEBWORK_SIDECAR_` and the key's path in upper case, joined by `__`,
//! such as `WEBWORK_SIDECAR_UPSTREAM__URL`. It goes before the file. Lists are separated by commas.
//!
//! # Files
//!
//! Relative names are relative to the directory of the configuration file. Every secret `x` can be
//! given as `x_file`; a bare name there is looked up in `$CREDENTIALS_DIRECTORY` first. Line ends and
//! other white space around a secret are ignored.

mod account;
mod credential;
mod document;
mod endpoint;
pub mod env;
pub mod error;
mod file;
mod guard;
mod listen;
mod number;
mod reader;
mod route;
mod secret_file;
mod secret_text;
mod shown;
mod suggest;
mod syntax;
mod transport;
mod units;
mod unknown;
mod value;
pub mod warning;
mod watched;

use std::path::{Path, PathBuf};
use std::sync::LazyLock;

use crate::admin::configuration::Setting;
use crate::answer::pages::Readers;
use crate::net::{drain, serve, upstream};
use crate::telemetry::log::{self, Format};
use crate::{guard as guarding, proxy, token};

use document::Document;
pub use env::Environment;
pub use error::Errors;
use error::{Place, Problem};
pub use listen::{Chosen, Listen};
pub use number::span;
use number::{Share, Span, shown_span};
use reader::{Known, QUOTED, Reader};
use units::{days, hours, minutes, seconds};
use value::{Choice, Flag, Wrong};
pub use warning::Warning;
pub use watched::Watched;

/// The configuration file that is read when nobody names one.
pub const DEFAULT_FILE: &str = "/etc/webwork-sidecar/sidecar.toml";

/// Where state is kept unless systemd (`$STATE_DIRECTORY`) or the operator says otherwise.
pub const STATE_DIRECTORY: &str = "/var/lib/webwork-sidecar";

/// Everything that the operator decided, checked.
#[derive(Clone, Debug)]
pub struct Config {
    /// Where to listen.
    pub listen: Listen,
    /// How to reach the API.
    pub upstream: upstream::Config,
    /// What callers may take.
    pub caller: serve::Config,
    /// Who may call, and for what.
    pub guard: guarding::Config,
    /// How requests are forwarded.
    pub proxy: proxy::Config,
    /// Where tokens come from.
    pub token: token::Config,
    /// How the end is to be.
    pub drain: drain::Config,
    /// What is logged, and how.
    pub log: log::Config,
    /// What is allowed, but seldom meant; to be logged at every start.
    pub warnings: Vec<Warning>,
    /// Every file whose change asks for a reload: the configuration, secrets, certificates.
    pub watched: Vec<Watched>,
    /// Every key as it may be shown.
    pub settings: Vec<Setting>,
}

/// Where a configuration comes from, to be read now and again.
#[derive(Clone, Debug)]
pub struct Source {
    /// The file that was named, if one was.
    pub file: Option<PathBuf>,
    /// The variables.
    pub environment: Environment,
}

impl Source {
    /// Reads the configuration as it is now.
    ///
    /// # Errors
    ///
    /// As [`load`].
    pub fn load(&self) -> Result<Config, Errors> {
        load(self.file.as_deref(), &self.environment)
    }

    /// How to ask a sidecar that runs with this configuration, whatever else is wrong with it by now: its
    /// state is wanted most when a secret is missing.
    ///
    /// # Errors
    ///
    /// [`Errors`] for a file that is not there, or is no TOML.
    pub fn contact(&self) -> Result<Contact, Errors> {
        let document = located(self.file.as_deref(), &self.environment);
        let document = document.map(|path| Document::load(&path)).transpose()?;
        let root = document.as_ref().map(Document::parse).transpose()?;
        let mut reader = Reader::new(document.as_ref(), root.as_ref(), &self.environment);
        let (guard, listen) = doors(&mut reader);
        Ok(Contact { listen, guard })
    }

    /// Whether there is anything to read.
    pub fn is_empty(&self) -> bool {
        located(self.file.as_deref(), &self.environment).is_none()
            && self.environment.overrides().next().is_none()
    }
}

/// Where a sidecar can be asked, and what it asks for.
#[derive(Clone, Debug)]
pub struct Contact {
    /// Its addresses.
    pub listen: Listen,
    /// What it demands of callers.
    pub guard: guarding::Config,
}

/// Reads the configuration from a file (see the [module](self) for which one) and the environment.
///
/// # Errors
///
/// [`Errors`] lists everything that is wrong with either, and with the files that they name.
/// Nothing has been started or written then.
pub fn load(file: Option<&Path>, environment: &Environment) -> Result<Config, Errors> {
    if file.is_none() && environment.is_quoted(env::CONFIG) {
        return Err(Problem::new(Place::Variable(env::CONFIG.to_owned()), QUOTED).into());
    }
    let document = match located(file, environment) {
        Some(path) => Some(Document::load(&path)?),
        None => None,
    };
    let root = document.as_ref().map(Document::parse).transpose()?;
    let mut reader = Reader::new(document.as_ref(), root.as_ref(), environment);
    let parts = parts(&mut reader);
    reader.finish(|mut reader| {
        let Parts { listen, upstream, caller, guard, proxy, token, drain, log } = parts?;
        let settings = shown::settings(&mut reader, &token.credential);
        let Reader { warnings, watched, .. } = reader;
        Some(Config {
            listen,
            upstream,
            caller,
            guard,
            proxy,
            token,
            drain,
            log,
            warnings,
            watched,
            settings,
        })
    })
}

fn located(file: Option<&Path>, environment: &Environment) -> Option<PathBuf> {
    let named = environment.variable(env::CONFIG).map(PathBuf::from);
    let default = || Some(PathBuf::from(DEFAULT_FILE)).filter(|path| path.exists());
    file.map(Path::to_owned).or(named).or_else(default)
}

/// What the two layers say; warnings and files are known only when everything has been read.
struct Parts {
    listen: Listen,
    upstream: upstream::Config,
    caller: serve::Config,
    guard: guarding::Config,
    proxy: proxy::Config,
    token: token::Config,
    drain: drain::Config,
    log: log::Config,
}

/// Who gets in, and where.
fn doors(reader: &mut Reader<'_>) -> (guarding::Config, Listen) {
    let guard = guard::guard(reader);
    let protection = listen::Protection {
        caller_key: reader.gives_secret("guard.caller_key"),
        accounts: !guard.uids.is_empty() || !guard.gids.is_empty(),
        hosts: !guard.hosts.is_empty(),
    };
    let listen = listen::listen(reader, protection);
    (guard, listen)
}

fn parts(reader: &mut Reader<'_>) -> Option<Parts> {
    let (guard, listen) = doors(reader);
    let caller = transport::caller(reader);
    let mut proxy = proxy::Config {
        scope_check: guard::scope_check(reader),
        required_field: guard.required_field.clone(),
        readers: Readers::new(&guard.origins),
        ..transport::proxy(reader)
    };
    let refresh = refresh(reader);
    let exchange = exchange(reader);
    let state_directory = state_directory(reader);
    let second_directory = transport::directory(reader, "state.second_directory");
    let drain = transport::drain(reader);
    let log = log(reader);
    let upstream = transport::upstream(reader)?;
    let credential = credential::credential(reader, &upstream)?;
    proxy.login_pages = credential.login_pages();
    let upstream = upstream.config;
    let token = token::Config { credential, state_directory, second_directory, refresh, exchange };
    Some(Parts { listen, upstream, caller, guard, proxy, token, drain, log })
}

fn refresh(reader: &mut Reader<'_>) -> token::Refresh {
    let mut refresh = token::Refresh::default();
    reader.set("refresh.at", &Share(0.1..=0.95), &mut refresh.at);
    let life = Span(hours(1)..=days(3650));
    reader.set("refresh.refresh_token_life", &life, &mut refresh.refresh_token_life);
    let interval = Span(seconds(1)..=hours(1));
    reader.set("refresh.unauthorized_interval", &interval, &mut refresh.unauthorized_interval);
    reader.set("refresh.retry_in_doubt", &Flag, &mut refresh.retry_in_doubt);
    refresh
}

fn exchange(reader: &mut Reader<'_>) -> token::Exchange {
    let mut exchange = token::Exchange::default();
    let connecting = Span(units::millis(100)..=minutes(2));
    reader.set("exchange.connect_timeout", &connecting, &mut exchange.connect_timeout);
    reader.set("exchange.timeout", &Span(seconds(1)..=minutes(10)), &mut exchange.timeout);
    if exchange.connect_timeout >= exchange.timeout {
        let key = if reader.gives("exchange.timeout") {
            "exchange.timeout"
        } else {
            "exchange.connect_timeout"
        };
        let what = format!(
            "connecting may take {}, but the whole exchange only {}",
            shown_span(exchange.connect_timeout),
            shown_span(exchange.timeout)
        );
        let expected = "exchange.timeout longer than exchange.connect_timeout";
        reader.refuse(key, Wrong::new(what).expecting(expected));
    }
    exchange
}

fn state_directory(reader: &mut Reader<'_>) -> PathBuf {
    let named = transport::directory(reader, "state.directory");
    named.unwrap_or_else(|| {
        // systemd separates several directories by colons; the first one is ours.
        let systemd = reader.environment.text("STATE_DIRECTORY").and_then(Result::ok);
        let first = systemd.and_then(|list| list.split(':').next()).filter(|path| !path.is_empty());
        PathBuf::from(first.unwrap_or(STATE_DIRECTORY))
    })
}

fn log(reader: &mut Reader<'_>) -> log::Config {
    const FORMATS: Choice<Format> =
        Choice(&[("auto", Format::Auto), ("text", Format::Text), ("json", Format::Json)]);
    const LEVELS: Choice<tracing::Level> = Choice(&[
        ("error", tracing::Level::ERROR),
        ("warn", tracing::Level::WARN),
        ("info", tracing::Level::INFO),
        ("debug", tracing::Level::DEBUG),
        ("trace", tracing::Level::TRACE),
    ]);
    let mut log = log::Config::default();
    reader.set("log.format", &FORMATS, &mut log.format);
    reader.set("log.level", &LEVELS, &mut log.level);
    log
}

/// Every key there is, learned by reading an empty configuration.
fn known() -> &'static [Known] {
    static KNOWN: LazyLock<Vec<Known>> = LazyLock::new(|| {
        let environment = Environment::default();
        let mut reader = Reader::new(None, None, &environment);
        let nothing = parts(&mut reader);
        drop(nothing);
        reader.known
    });
    &KNOWN
}

#[cfg(test)]
mod tests {
    use super::shown::REFERENCE;
    use super::*;

    /// The comment above a key of the reference file, its own line included.
    fn explanation(key: &str) -> Option<String> {
        let (section, name) = key.rsplit_once('.')?;
        let header = format!("[{section}]");
        let bare = |line: &str| line.trim_start_matches(['#', ' ']).to_owned();
        let lines: Vec<_> = REFERENCE.lines().skip_while(|line| bare(line) != header).collect();
        let end = lines.iter().skip(1).position(|line| bare(line).starts_with('['));
        let lines = &lines[..end.map_or(lines.len(), |end| end + 1)];
        let at = lines.iter().position(|line| bare(line).starts_with(&format!("{name} = ")))?;
        let start = lines[..at].iter().rposition(|line| line.is_empty()).unwrap_or(0);
        Some(lines[start..=at].join(" "))
    }

    #[test]
    fn the_reference_file_explains_every_key() {
        let known = known();
        assert!(known.len() > 50, "{}", known.len());
        for Known { key, .. } in known {
            assert!(explanation(key).is_some(), "config/sidecar.toml lacks {key}");
        }
    }

    #[test]
    fn no_key_can_be_taken_for_a_service_of_kubernetes() {
        for Known { key, .. } in known() {
            for value in ["tcp://10.0.0.1:80", "10.0.0.1", "80", "tcp", "/web/x"] {
                let variable = env::variable_of(key);
                let environment = Environment::from([(variable.as_str(), value)]);
                assert_eq!(environment.overrides().next(), Some(&*variable), "{value}");
            }
        }
    }

    #[test]
    fn the_reference_file_tells_every_range() {
        let mut ranges = 0;
        for Known { key, expected } in known() {
            let Some((_, range)) = expected.split_once(" from ") else { continue };
            let range = range.split(',').next().unwrap_or(range);
            let told = explanation(key).unwrap_or_default();
            assert!(told.contains(range), "{key}: {range} is not in {told}");
            ranges += 1;
        }
        assert!(ranges > 15, "{ranges}");
    }
}
