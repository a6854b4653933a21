//! `completions`: what a shell needs to complete the commands, from the same definitions as `--help`.

use clap::CommandFactory;
use clap_complete::{Shell, generate};

use super::style::say;
use super::{Arguments, Exit};

/// Arguments of `completions`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Completions {
    /// The shell.
    #[arg(value_enum)]
    shell: Shell,
}

const HELP: &str = "\
Examples:
  webwork-sidecar completions bash >/etc/bash_completion.d/webwork-sidecar
  webwork-sidecar completions zsh >\"${fpath[1]}/_webwork-sidecar\"
  webwork-sidecar completions fish >~/.config/fish/completions/webwork-sidecar.fish";

impl Completions {
    pub(super) fn perform(self) -> Exit {
        let mut text = Vec::new();
        generate(self.shell, &mut Arguments::command(), "webwork-sidecar", &mut text);
        say(String::from_utf8_lossy(&text).trim_end());
        Exit::Done
    }
}
