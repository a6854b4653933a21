//! `run`: the sidecar itself.

use tokio::sync::oneshot;
use tokio::time::Instant;

use crate::app::{App, Running};
use crate::config::{Config, Source};
use crate::net::listen::{Address, Passed};
use crate::net::tunnel::Route;
use crate::telemetry;
use crate::token::status::Status;

use super::ready::{Demands, NextStep};
use super::service_manager::ServiceManager;
use super::signals::{Meaning, Signals, Waiting};
use super::style::complain;
use super::{ConfigFile, Exit};

/// Arguments of `run`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Run {
    #[command(flatten)]
    file: ConfigFile,
}

const HELP: &str = "\
Examples:
  webwork-sidecar run --config sidecar.toml
  webwork-sidecar run          with the file that WEBWORK_SIDECAR_CONFIG names

SIGTERM and Ctrl-C drain, after drain.delay: running requests are finished, for
9 s at most. A second one leaves no time for either, but an exchange with the
authorization server and its write are always finished. SIGHUP reads the
configuration again; changed files are noticed without it.";

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
        let passed = match Passed::of_process(source.environment.socket_names()) {
            Ok(passed) => passed,
            Err(error) => return failed(error),
        };
        let demands = Demands::of(&config.guard);
        match started(config, source, passed) {
            Ok(running) => {
                attend(signals, running, &demands);
                Exit::Done
            }
            Err(exit) => exit,
        }
    }
}

/// Waits for the end to be wanted, and brings it about.
fn attend(waiting: Waiting, running: Running, demands: &Demands) {
    let Waiting { runtime, mut signals } = waiting;
    let mut manager = ServiceManager::of_process();
    runtime.block_on(async {
        let urgency = until_the_end(&mut signals, &mut manager, &running, demands).await;
        tracing::info!("stopping");
        manager.stopping();
        running.drain();
        let haste = running.haste();
        let (done, ended) = oneshot::channel();
        let joining = std::thread::spawn(move || {
            running.join();
            done.send(()).ok();
        });
        let mut ended = std::pin::pin!(ended);
        let again = async {
            if urgency == Urgency::Usual {
                signals.received().await;
            }
            tracing::warn!("asked again: what runs is cut off, but for an exchange and its write");
            haste.hurry();
        };
        tokio::select! {
            _ = &mut ended => {}
            () = again => drop(ended.await),
        }
        joining.join().ok();
    });
}

/// Whether it is known by now how the sidecar stands with its credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Start {
    Open,
    Over,
}

/// How the end was asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Urgency {
    /// Once.
    Usual,
    /// By a second signal, while requests were still taken after the first one.
    Repeated,
}

/// After a signal requests are taken for as long as is configured, because callers may have been told to
/// stop at the same moment and still have something to finish. Who orders the end knows that there is none.
async fn until_the_end(
    signals: &mut Signals,
    manager: &mut ServiceManager,
    running: &Running,
    demands: &Demands,
) -> Urgency {
    let sources = running.sources();
    let mut configuration = sources.configuration.clone();
    let mut ticks = tokio::time::interval(manager.interval());
    let mut delayed_until = None;
    let mut token = sources.token.clone();
    let mut decided = std::pin::pin!(async { token.wait_for(Status::is_decided).await.is_ok() });
    let mut start = Start::Open;
    loop {
        tokio::select! {
            meaning = signals.next() => match meaning {
                Meaning::End if delayed_until.is_some() => return Urgency::Repeated,
                Meaning::End if running.delay().is_zero() => return Urgency::Usual,
                Meaning::End => {
                    let delay = running.delay();
                    let delay_s = delay.as_secs_f64();
                    tracing::info!(delay_s, "told to stop; serving on until the delay is over");
                    delayed_until = Some(Instant::now() + delay);
                }
                Meaning::Reload => {
                    manager.reloading();
                    configuration.mark_unchanged();
                    sources.reload.order();
                }
            },
            () = at(delayed_until) => return Urgency::Usual,
            () = sources.stop.ordered() => return Urgency::Usual,
            Ok(()) = configuration.changed() => manager.reloaded(),
            is_ready = &mut decided, if start == Start::Open => {
                start = Start::Over;
                if is_ready {
                    manager.tell(sources);
                    match NextStep::of(&sources.report(), demands) {
                        step @ NextStep::Request(_) => tracing::info!("ready: {step}"),
                        step => tracing::warn!("not ready: {step}"),
                    }
                }
            }
            _ = ticks.tick() => manager.tell(sources),
        }
    }
}

/// Waits for this moment; for ever, if there is none.
pub(super) async fn at(moment: Option<Instant>) {
    match moment {
        Some(moment) => tokio::time::sleep_until(moment).await,
        None => std::future::pending().await,
    }
}

/// Builds and starts the sidecar: what `demo` does, too.
pub(super) fn started(config: Config, source: Source, passed: Passed) -> Result<Running, Exit> {
    for warning in &config.warnings {
        tracing::warn!("{warning}");
    }
    tell_proxies(&config);
    let app = App::adopt(config, source, passed).map_err(failed)?;
    for address in app.proxy_addresses() {
        tracing::info!(url = url(address), "forwarding");
    }
    for address in app.admin_addresses() {
        tracing::info!(url = url(address), "admin");
    }
    for address in app.health_addresses() {
        tracing::info!(url = url(address), "health");
    }
    for address in app.metrics_addresses() {
        tracing::info!(url = url(address), "metrics");
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
