//! `stop`: ends a running sidecar in order, and waits until it has ended. For jobs.

use std::time::Duration;

use http::{Method, StatusCode};

use super::Exit;
use super::ask::{AskError, Whom, words};
use super::style::{complain, say};
use super::wait::What;

/// Arguments of `stop`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Stop {
    #[command(flatten)]
    whom: Whom,
    /// How long to wait for its end. An exchange with the authorization server is always finished.
    #[arg(long, value_name = "SPAN", default_value = "80s", value_parser = super::span)]
    timeout: Duration,
}

const HELP: &str = "\
Examples:
  report.sh; webwork-sidecar stop           the work of a job is done, so its sidecar may go
  webwork-sidecar stop --timeout 10s";

impl Stop {
    pub(super) fn perform(self) -> Exit {
        let Self { whom, timeout } = self;
        match whom.ask(Method::POST, "/stop") {
            Ok((StatusCode::ACCEPTED, _)) => {}
            Ok((_, content)) => {
                complain(words(&content));
                return Exit::Failed;
            }
            Err(error) => return error.told(),
        }
        let target = match whom.target() {
            Ok(target) => target,
            Err(error) => return error.told(),
        };
        match What::Stopped.reached(&target, timeout) {
            Ok(Ok(())) => {
                say("stopped");
                Exit::Done
            }
            Ok(Err(_)) => {
                complain("it has not ended yet: it is finishing an exchange or a request");
                Exit::Failed
            }
            Err(error) => AskError::Runtime(error).told(),
        }
    }
}
