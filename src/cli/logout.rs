//! `logout`: forgets the grant, here.

use std::io::{BufRead, IsTerminal};

use crate::config::Config;
use crate::net::tls::Trust;
use crate::token::sign_in::{Departure, Desk};

use super::proof::Failure;
use super::style::{complain, say};
use super::{ConfigFile, Exit, block_on};

/// Arguments of `logout`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Logout {
    #[command(flatten)]
    file: ConfigFile,
    /// Do not ask.
    #[arg(long)]
    yes: bool,
}

const HELP: &str = "\
Examples:
  webwork-sidecar logout --config sidecar.toml
  webwork-sidecar logout --yes                          without a question";

impl Logout {
    pub(super) fn perform(self) -> Exit {
        let config = match self.file.load() {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        if !self.yes && !is_meant(&config) {
            complain("nothing was changed; `--yes` answers the question beforehand");
            return Exit::Failed;
        }
        match block_on(signed_out(config)) {
            Ok(()) => Exit::Done,
            Err(why) => {
                complain(why);
                Exit::Failed
            }
        }
    }
}

/// Asks a person. Nobody is there to ask where there is no terminal.
fn is_meant(config: &Config) -> bool {
    if !std::io::stdin().is_terminal() {
        return false;
    }
    say(format_args!(
        "Forget the grant in {}? Requests fail until somebody signs in again. [y/N]",
        config.token.state_directory.display()
    ));
    let mut answer = String::new();
    std::io::stdin().lock().read_line(&mut answer).ok();
    matches!(answer.trim(), "y" | "Y" | "yes")
}

async fn signed_out(config: Config) -> Result<(), Failure> {
    let trust = Trust::load(config.upstream.ca_file.as_deref())?;
    let desk = Desk::of(config.token, trust);
    let server = desk.app()?.authorize_url.origin().ascii_serialization();
    match desk.sign_out().await? {
        Departure::Left => say(format_args!(
            "Signed out: the grant is forgotten here, and a sidecar that runs lets it go within a second.\n\
             The authorization server still knows it; revoke the app's access at {server}, in the \
             settings of your account, if somebody else may have a copy."
        )),
        Departure::Nobody => say("Nobody was signed in."),
    }
    Ok(())
}
