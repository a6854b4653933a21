//! `man`: the manual pages, from the same definitions as `--help`.

use std::io;

use clap::CommandFactory;
use clap_mangen::Man;

use super::style::{complain, say};
use super::{Arguments, Exit};

/// Arguments of `man`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Manual {
    /// The command whose page to print; without one, the page of the program.
    command: Option<String>,
}

const HELP: &str = "\
Examples:
  webwork-sidecar man | man -l -
  webwork-sidecar man run >/usr/share/man/man1/webwork-sidecar-run.1";

impl Manual {
    pub(super) fn perform(self) -> Exit {
        let mut program = Arguments::command();
        program.build();
        let page = match &self.command {
            None => rendered(program),
            Some(name) => match program.find_subcommand(name) {
                Some(command) => rendered(command.clone().version(env!("CARGO_PKG_VERSION"))),
                None => {
                    complain(format_args!("there is no command {name}; `--help` lists them"));
                    return Exit::Misconfigured;
                }
            },
        };
        match page {
            Ok(page) => {
                say(page.trim_end());
                Exit::Done
            }
            Err(error) => {
                complain(error);
                Exit::Failed
            }
        }
    }
}

fn rendered(command: clap::Command) -> io::Result<String> {
    let mut page = Vec::new();
    Man::new(command).render(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}
