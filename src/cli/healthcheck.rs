//! `healthcheck`: a probe for images without a shell and without curl.

use super::Exit;
use super::ask::{Probe, Whom};
use super::style::{complain, say};

/// Arguments of `healthcheck`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Healthcheck {
    #[command(flatten)]
    whom: Whom,
    /// Ask whether the process is alive instead of whether it is ready.
    #[arg(long, conflicts_with = "started")]
    live: bool,
    /// Ask whether the start is over.
    #[arg(long)]
    started: bool,
}

const HELP: &str = "\
Examples:
  webwork-sidecar healthcheck                        0 if requests can be served, else 1
  webwork-sidecar healthcheck --live --admin unix:/run/webwork-sidecar/admin.sock

In a Dockerfile:  HEALTHCHECK CMD [\"/webwork-sidecar\", \"healthcheck\"]";

impl Healthcheck {
    pub(super) fn perform(self) -> Exit {
        let probe = match (self.live, self.started) {
            (true, _) => Probe::Live,
            (_, true) => Probe::Started,
            _ => Probe::Ready,
        };
        match self.whom.probe(probe) {
            Ok((status, words)) if status.is_success() => {
                say(words);
                Exit::Done
            }
            Ok((_, words)) => {
                complain(words);
                Exit::Failed
            }
            Err(error) => {
                complain(error);
                Exit::Failed
            }
        }
    }
}
