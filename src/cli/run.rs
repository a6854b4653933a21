//! `run`: the sidecar itself.

use crate::app::{App, Running};
use crate::config::{Config, Source};
use crate::net::listen::Address;
use crate::net::tunnel::Route;
use crate::telemetry;

use super::signals::Waiting;
use super::style::complain;
use super::{ConfigFile, Exit};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,
}

impl Run {
    pub(super) fn perform(self) -> Exit {
        let signals = match Waiting::listen() {
            Ok(signals) => signals,
            Err(error) => return failed(error),
        };
        let source = self.file.source();
        let config = match source.load() {
            Ok(config) => config,
            Err(errors) => {
                complain(errors);
                return Exit::Misconfigured;
            }
        };
        let _log = telemetry::log::start(&config.log);
        match started(config, source) {
            Ok(running) => {
                signals.wait(None);
                tracing::info!("stopping");
                running.drain();
                running.join();
                Exit::Done
            }
            Err(exit) => exit,
        }
    }
}

/// Builds and starts the sidecar: what `demo` does, too.
pub(super) fn started(config: Config, source: Source) -> Result<Running, Exit> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    tell_proxies(&config);
    let app = App::build(config, source).map_err(failed)?;
    for address in app.proxy_addresses() {
        tracing::info!(url = url(address), "forwarding");
    }
    for address in app.admin_addresses() {
        tracing::info!(url = url(address), "admin");
    }
    for address in app.health_addresses() {
        tracing::info!(url = url(address), "health");
    }
    app.start().map_err(failed)
}

/// Says through which proxy the upstream and the token endpoint are reached, if it is one.
fn tell_proxies(config: &Config) {
    let token_endpoint = config.token.credential.registration().map(|app| &app.route);
    for (whose, route) in
        [("upstream", Some(&config.upstream.route)), ("token endpoint", token_endpoint)]
    {
        if let Some(Route::Through(proxy)) = route {
            tracing::info!(%proxy, "reaching the {whose} through a proxy");
        }
    }
}

/// An address as a person would type it.
pub(super) fn url(address: &Address) -> String {
    match address {
        Address::Tcp(address) => format!("http://{address}"),
        Address::Unix(_) => address.to_string(),
    }
}

fn failed(error: impl std::fmt::Display) -> Exit {
    tracing::error!("{error}");
    Exit::Failed
}
