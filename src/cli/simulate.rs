//! `simulate`: the API without the API, to develop an app offline.

use std::net::{SocketAddr, TcpListener};
use std::path::PathBuf;
use std::time::Duration;

use crate::scope::ScopeSet;
use crate::simulator::{Config, Personality, Security};

use super::Exit;

use super::setup::{Ports, Served};
use super::signals::Waiting;
use super::style::{complain, say};

/// Arguments of `simulate`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Simulate {
    /// Address to listen on; port 0 lets the system choose.
    #[arg(long, value_name = "ADDRESS", default_value = "127.0.0.1:9443")]
    listen: SocketAddr,
    /// Plain HTTP instead of TLS, on a loopback address.
    #[arg(long)]
    plain: bool,
    /// The authorization server to imitate: league8, league9 or rfc9700.
    #[arg(long, default_value_t = Personality::League9)]
    personality: Personality,
    /// Life of an access token, such as 20s or 15d.
    #[arg(long, value_name = "SPAN", default_value = "15d", value_parser = super::life)]
    access_life: Duration,
    /// Life of a refresh token.
    #[arg(long, value_name = "SPAN", default_value = "30d", value_parser = super::life)]
    refresh_life: Duration,
    /// How long a spent refresh token is answered with its successor again.
    #[arg(long, value_name = "SPAN", default_value = "0s", value_parser = super::span)]
    grace: Duration,
    /// API requests per minute; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 60)]
    rate_limit: u32,
    /// Token requests per minute; 0 for no limit.
    #[arg(long, value_name = "N", default_value_t = 60)]
    token_rate_limit: u32,
    /// Scope of the tokens that it hands out.
    #[arg(long, default_value = "read write admin")]
    scope: ScopeSet,
    /// Write a CA certificate, secrets and a ready configuration for each kind of credential here. All
    /// are new at every start: restart the sidecar then.
    #[arg(long, value_name = "DIR")]
    directory: Option<PathBuf>,
}

const HELP: &str = "\
Examples:
  webwork-sidecar simulate --directory ./simulated
  webwork-sidecar simulate --plain --listen 127.0.0.1:0 --personality league8 --access-life 20s

Make it misbehave, with its URL and the CA of --directory:
  curl --cacert DIR/ca.pem URL/_admin/faults -d \\
    '{\"target\":\"token_endpoint\",\"when\":\"after\",\"what\":\"cut\",\"count\":1}'
  target  token_endpoint, api
  when    before or after the request is processed
  what    cut, html, garbage, truncated_json, server_error, {\"delay\":{\"ms\":500}},
          {\"status\":{\"code\":503,\"retry_after\":5}}
  curl --cacert DIR/ca.pem URL/_admin/revoke -d '{\"what\":\"access_tokens\"}'   or refresh_tokens
  curl --cacert DIR/ca.pem URL/_admin/journal                               what it has seen

Its data: workspaces 501 and 502, such as /api/v2/members?workspace_id=501";

impl Simulate {
    pub(super) fn perform(self) -> Exit {
        let Ok(signals) = Waiting::listen() else { return Exit::Failed };
        let config = Config {
            personality: self.personality,
            access_life: self.access_life,
            refresh_life: self.refresh_life,
            grace: self.grace,
            rate_limit: Some(self.rate_limit).filter(|limit| *limit > 0),
            token_rate_limit: Some(self.token_rate_limit).filter(|limit| *limit > 0),
            ..Config::default()
        };
        let security = if self.plain { Security::Plain } else { Security::Tls };
        let served = TcpListener::bind(self.listen)
            .and_then(|listener| Served::start(config, listener, security, self.scope));
        let served = match served {
            Ok(served) => served,
            Err(error) => {
                complain(format_args!(
                    "cannot simulate at {}: {error}; `--listen 127.0.0.1:0` takes a free port",
                    self.listen
                ));
                return Exit::Failed;
            }
        };
        let url = &served.access.url;
        say(format_args!("API                     {url}/api/v2/"));
        say(format_args!("authorization endpoint  {url}/oauth/authorize"));
        say(format_args!("token endpoint          {url}/oauth/token"));
        say(format_args!("faults and journal      {url}/_admin/faults, {url}/_admin/journal"));
        if let Some(directory) = &self.directory {
            match served.access.write(directory, Ports::Default) {
                Ok(configurations) => {
                    say("\nStart a sidecar before it with one of:");
                    for path in configurations {
                        say(format_args!("  webwork-sidecar run --config {}", path.display()));
                    }
                }
                Err(error) => {
                    complain(format_args!("cannot write to {}: {error}", directory.display()));
                    return Exit::Failed;
                }
            }
        } else {
            say("\nWith --directory DIR it writes configurations that point a sidecar at it.");
        }
        signals.wait();
        Exit::Done
    }
}
