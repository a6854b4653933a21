//! `refresh`: a new token now, through the running sidecar, which alone may spend its refresh token.

use http::{Method, StatusCode};

use crate::admin::Report;

use super::Exit;
use super::ask::{Whom, message, words};
use super::style::{complain, say};

/// Arguments of `refresh`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Refresh {
    #[command(flatten)]
    whom: Whom,
}

const HELP: &str = "\
Examples:
  webwork-sidecar refresh
  webwork-sidecar refresh --admin localhost:9181";

impl Refresh {
    pub(super) fn perform(self) -> Exit {
        let (status, content) = match self.whom.ask(Method::POST, "/refresh") {
            Ok(answer) => answer,
            Err(error) => return error.told(),
        };
        if status == StatusCode::TOO_MANY_REQUESTS {
            complain(message(&content));
            return Exit::Failed;
        }
        if status != StatusCode::OK {
            complain(words(&content));
            return Exit::Failed;
        }
        let Ok(report) = serde_json::from_slice::<Report>(&content) else {
            complain("what answers at the admin address is not a sidecar of this version");
            return Exit::Failed;
        };
        match report.token.trouble {
            None => {
                say(format_args!("a new token is in use: generation {}", report.token.generation));
                Exit::Done
            }
            Some(trouble) => {
                complain(trouble);
                Exit::Failed
            }
        }
    }
}
