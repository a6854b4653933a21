//! `demo`: the main job on a simulated API, with one command and nothing to set up.

use std::io;
use std::net::{IpAddr, Ipv4Addr, SocketAddr, TcpListener};
use std::time::Duration;

use jiff::Timestamp;
use tempfile::TempDir;
use tokio::time::Instant;

use crate::admin::Report;
use crate::app::Running;
use crate::clock;
use crate::config::{Environment, STATE_DIRECTORY, Source};
use crate::net::listen::{Address, Passed};
use crate::scope::ScopeSet;
use crate::simulator::{Config, Personality, Security};
use crate::telemetry;

use super::Exit;
use super::run::{at, started};
use super::setup::{Ports, Served};
use super::signals::Waiting;
use super::style::{Ticker, complain, relative, say};

/// Arguments of `demo`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Demo {
    /// End by itself after this time, such as 30s, with a summary.
    #[arg(long = "for", value_name = "SPAN", value_parser = super::life)]
    limit: Option<Duration>,
    /// Address for callers; in a container, whose ports are published, 0.0.0.0.
    #[arg(long, value_name = "IP", default_value_t = IpAddr::V4(Ipv4Addr::LOCALHOST))]
    listen: IpAddr,
    /// The authorization server to imitate: league8, league9 or rfc9700.
    #[arg(long, default_value_t = Personality::League9)]
    personality: Personality,
    /// Life of an access token; its refresh comes after two thirds of it.
    #[arg(long, value_name = "SPAN", default_value = "20s", value_parser = super::life)]
    access_life: Duration,
    /// Let the simulated API limit requests per minute, as the real one does with 60.
    #[arg(long, value_name = "N")]
    rate_limit: Option<u32>,
}

const HELP: &str = "\
Examples:
  webwork-sidecar demo                                  until Ctrl-C
  webwork-sidecar demo --for 30s --access-life 6s       several rotations, then a summary
  docker run --rm --publish 127.0.0.1:9180:9180 webwork-sidecar demo --listen 0.0.0.0";

impl Demo {
    pub(super) fn perform(self) -> Exit {
        match self.shown() {
            Ok(exit) => exit,
            Err(error) => {
                complain(format_args!("the demo cannot run: {error}"));
                Exit::Failed
            }
        }
    }

    fn shown(self) -> io::Result<Exit> {
        let signals = Waiting::listen()?;
        let config = Config {
            personality: self.personality,
            access_life: self.access_life,
            rate_limit: self.rate_limit,
            token_rate_limit: None,
            ..Config::default()
        };
        let scope: ScopeSet = "read write admin".parse().map_err(io::Error::other)?;
        let listener = TcpListener::bind("127.0.0.1:0")?;
        let simulator = Served::start(config, listener, Security::Tls, scope)?;
        let directory = directory()?;
        let ports = ports(self.listen);
        let files = simulator.access.write(directory.path(), ports)?;
        let source =
            Source { file: files.into_iter().next(), environment: environment(self.listen, ports) };
        let mut config = source.load().map_err(|errors| io::Error::other(errors.to_string()))?;
        // That others can reach it is what `--listen` is for, and its tokens are of no use elsewhere.
        config.warnings.clear();
        let _log = telemetry::log::start(&config.log);
        let running = match started(config, source, Passed::default()) {
            Ok(running) => running,
            Err(exit) => return Ok(exit),
        };
        introduce(&running, &simulator, self.listen, ports);
        let mut ticker = Ticker::new();
        let stop = running.sources().stop.clone();
        let end = self.limit.map(|limit| Instant::now() + limit);
        let over = async {
            tokio::select! {
                () = stop.ordered() => {}
                () = at(end) => {}
            }
        };
        signals.wait_ticking(over, || {
            ticker.tick(&line(&running.sources().report(), clock::now().wall()));
        });
        let report = running.sources().report();
        ticker.end(&line(&report, clock::now().wall()));
        running.drain();
        running.join();
        say(summary(&report));
        Ok(Exit::Done)
    }
}

/// Where the demo keeps its files. An image from scratch has no /tmp, but it has a state directory.
fn directory() -> io::Result<TempDir> {
    tempfile::tempdir().or_else(|why| tempfile::tempdir_in(STATE_DIRECTORY).map_err(|_| why))
}

/// The default ports if they are free, for the line that everybody knows by heart.
fn ports(listen: IpAddr) -> Ports {
    let free = |port| TcpListener::bind((listen, port)).is_ok();
    if free(9180) && free(9181) { Ports::Default } else { Ports::Free }
}

/// What is said beside the written configuration.
fn environment(listen: IpAddr, ports: Ports) -> Environment {
    let mut variables = vec![("WEBWORK_SIDECAR_LOG__LEVEL", "warn".to_owned())];
    if listen != Ipv4Addr::LOCALHOST {
        let (proxy, admin) = if ports == Ports::Default { (9180, 9181) } else { (0, 0) };
        let at = |port| SocketAddr::new(listen, port).to_string();
        variables.push(("WEBWORK_SIDECAR_LISTEN__PROXY", at(proxy)));
        variables.push(("WEBWORK_SIDECAR_LISTEN__ADMIN", at(admin)));
        variables.push(("WEBWORK_SIDECAR_LISTEN__ALLOW_ANY_ADDRESS", "true".to_owned()));
    }
    Environment::from_iter(variables)
}

fn introduce(running: &Running, simulator: &Served, listen: IpAddr, ports: Ports) {
    let report = running.sources().report();
    let url = |addresses: &[String]| {
        let port = addresses.iter().find_map(|address| match address.parse() {
            Ok(Address::Tcp(address)) => Some(address.port()),
            _ => None,
        });
        let port = port.unwrap_or_default();
        if listen.is_unspecified() || listen == Ipv4Addr::LOCALHOST {
            format!("http://localhost:{port}")
        } else {
            format!("http://{}", SocketAddr::new(listen, port))
        }
    };
    let (base, admin) = (url(&report.facts.proxy), url(&report.facts.admin));
    if ports == Ports::Free {
        say("The default ports 9180 and 9181 are taken, so free ones are used this time.\n");
    }
    say(format_args!("simulated API   {} (TLS, tokens live shortly)", simulator.access.url));
    say(format_args!("sidecar         {base}   point any HTTP tool here"));
    say(format_args!("status page     {admin}/"));
    say("\nTry it in another terminal, without any token:\n");
    say(format_args!("  curl {base}/api/v2/workspaces\n"));
    say("Ctrl-C ends the demo.\n");
}

fn line(report: &Report, now: Timestamp) -> String {
    let token = &report.token;
    let next = token.next_exchange_at.filter(|next| *next > now);
    let refresh = next.map_or("now".into(), |next| relative(next, now));
    format!(
        "requests {} · token #{} · refresh {refresh} · failed {}",
        report.traffic.answers, token.generation, report.traffic.errors
    )
}

fn summary(report: &Report) -> String {
    format!(
        "\nRequests answered: {}; with an error: {}; with 401: {}. Rotations of the refresh token: {}.",
        report.traffic.answers,
        report.traffic.errors,
        report.traffic.unauthorized,
        report.token.rotations
    )
}
