//! `wait`: blocks a script until the sidecar is so far.

use std::io;
use std::time::Duration;

use tokio::time::Instant;

use super::ask::{AskError, Probe, Target, Whom};
use super::style::{complain, say};
use super::{Exit, block_on};

/// Arguments of `wait`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Wait {
    #[command(flatten)]
    whom: Whom,
    /// What to wait for.
    #[arg(long = "for", value_enum, value_name = "WHAT", default_value_t = What::Ready)]
    what: What,
    /// How long to wait.
    #[arg(long, value_name = "SPAN", default_value = "60s", value_parser = super::span)]
    timeout: Duration,
}

/// What to wait for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub(super) enum What {
    /// Requests can be served.
    Ready,
    /// The start is over: there is a token, or a person is awaited.
    Started,
    /// Nothing answers at the admin address any more.
    Stopped,
}

const HELP: &str = "\
Examples:
  webwork-sidecar wait && curl http://localhost:9180/api/v2/workspaces
  webwork-sidecar wait --for started --timeout 30s";

/// How long to rest between two looks.
const PAUSE: Duration = Duration::from_millis(50);

impl Wait {
    pub(super) fn perform(self) -> Exit {
        let Self { whom, what, timeout } = self;
        // What is wrong with the configuration does not get better by waiting.
        let target = match whom.target() {
            Ok(target) => target,
            Err(error) => return error.told(),
        };
        match what.reached(&target, timeout) {
            Ok(Ok(())) => {
                say(what.done());
                Exit::Done
            }
            Ok(Err(last)) => {
                complain(format_args!("waited in vain: {last}"));
                Exit::Failed
            }
            Err(error) => AskError::Runtime(error).told(),
        }
    }
}

impl What {
    /// Looks until the sidecar is so far, at least once. When the time is over: what it said last.
    pub(super) fn reached(
        self,
        target: &Target,
        timeout: Duration,
    ) -> io::Result<Result<(), String>> {
        block_on(async {
            let deadline = Instant::now() + timeout;
            loop {
                let told = target.probe(self.probe()).await;
                if self.is_there(&told) {
                    return Ok(Ok(()));
                }
                if Instant::now() + PAUSE >= deadline {
                    let last = told.map_or_else(|error| error.to_string(), |(_, words)| words);
                    return Ok(Err(last));
                }
                tokio::time::sleep(PAUSE).await;
            }
        })
    }

    fn probe(self) -> Probe {
        match self {
            Self::Ready => Probe::Ready,
            Self::Started => Probe::Started,
            Self::Stopped => Probe::Live,
        }
    }

    fn is_there(self, told: &Result<(http::StatusCode, String), AskError>) -> bool {
        match (self, told) {
            (Self::Stopped, told) => matches!(told, Err(AskError::Silent { .. })),
            (_, Ok((status, _))) => status.is_success(),
            (_, Err(_)) => false,
        }
    }

    fn done(self) -> &'static str {
        match self {
            Self::Ready => "ready",
            Self::Started => "started",
            Self::Stopped => "stopped",
        }
    }
}
