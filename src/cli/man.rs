//! `man`: the manual pages, from the same definitions as `--help`.
//!
//! What follows the options in the help becomes sections of its own here: examples, and notes. The page of
//! the program also says what all commands share: files, variables and exit codes.

use std::io;

use clap::{Command, CommandFactory};
use clap_mangen::Man;
use clap_mangen::roff::{Roff, bold, roman};

use super::style::{complain, say};
use super::{Arguments, Exit};
use crate::config::{DEFAULT_FILE, STATE_DIRECTORY};

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

/// What belongs to the program, by default.
const FILES: [(&str, &str); 3] = [
    (
        DEFAULT_FILE,
        "The configuration. `webwork-sidecar init --full` writes one with every setting and its default.",
    ),
    (
        "/etc/webwork-sidecar/client_secret",
        "The client secret, mode 0600, where the configuration says client_secret_file = \"client_secret\".",
    ),
    (
        STATE_DIRECTORY,
        "The state directory, mode 0700: the grant that a sign-in or a refresh brought.",
    ),
];

const ENVIRONMENT: [(&str, &str); 6] = [
    ("WEBWORK_SIDECAR_CONFIG", "The configuration file, instead of the one in /etc."),
    (
        "WEBWORK_SIDECAR_UPSTREAM__URL",
        "The setting url of the section upstream. Every setting has such a variable: its path in upper case, \
         joined by two underscores. It goes before the file.",
    ),
    (
        "HTTPS_PROXY, ALL_PROXY, NO_PROXY",
        "The way to the API and to the token endpoint, unless upstream.proxy is set.",
    ),
    (
        "CREDENTIALS_DIRECTORY, STATE_DIRECTORY",
        "Set by systemd: where secrets with a bare name are looked up first, and the default state directory.",
    ),
    (
        "XDG_STATE_HOME, HOME",
        "Where `init` puts the state directory of an ordinary user: webwork-sidecar in $XDG_STATE_HOME, else in \
         ~/.local/state.",
    ),
    (
        "NOTIFY_SOCKET, WATCHDOG_USEC, LISTEN_FDS, LISTEN_FDNAMES",
        "Set by systemd: whom to tell how it is doing, and sockets named proxy, admin, health or metrics.",
    ),
];

const EXIT_STATUS: [(&str, &str); 3] = [
    ("0", "Done."),
    ("1", "It did not work; the message says why."),
    ("2", "The configuration or the command line is wrong; nothing was started."),
];

impl Manual {
    pub(super) fn perform(self) -> Exit {
        match self.page() {
            Some(Ok(page)) => {
                say(page.trim_end());
                Exit::Done
            }
            Some(Err(error)) => {
                complain(error);
                Exit::Failed
            }
            None => {
                let name = self.command.unwrap_or_default();
                complain(format_args!("there is no command {name}; `--help` lists them"));
                Exit::Misconfigured
            }
        }
    }

    /// The page, if there is such a command.
    fn page(&self) -> Option<io::Result<String>> {
        // A page about the command `help` would say nothing.
        let mut program = Arguments::command()
            .disable_help_subcommand(true)
            .subcommand_value_name("COMMAND")
            .subcommand_help_heading("COMMANDS");
        program.build();
        Some(match &self.command {
            None => rendered(&program),
            Some(name) => rendered(program.find_subcommand(name)?),
        })
    }
}

fn rendered(command: &Command) -> io::Result<String> {
    let is_program = command.has_subcommands();
    let man = Man::new(command.clone())
        // No date, as builds are reproducible; without the blank, what comes next would be taken for one.
        .date(" ")
        .source(concat!("webwork-sidecar ", env!("CARGO_PKG_VERSION")))
        .manual("User Commands");
    let mut page = Vec::new();
    man.render_title(&mut page)?;
    man.render_name_section(&mut page)?;
    man.render_synopsis_section(&mut page)?;
    man.render_description_section(&mut page)?;
    man.render_options_section(&mut page)?;
    if is_program {
        man.render_subcommands_section(&mut page)?;
    }
    let mut rest = Roff::new();
    let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
    let (examples, notes): (Vec<_>, Vec<_>) =
        help.split("\n\n").partition(|paragraph| paragraph.starts_with(EXAMPLES));
    // Of the program, they are what its exit status says.
    if !is_program {
        section(&mut rest, "NOTES", &notes);
    }
    if is_program {
        table(&mut rest, "FILES", &FILES);
        table(&mut rest, "ENVIRONMENT", &ENVIRONMENT);
    }
    table(&mut rest, "EXIT STATUS", &EXIT_STATUS);
    section(&mut rest, "EXAMPLES", &examples);
    rest.control("SH", ["SEE ALSO"]);
    let (page_of, chapter) =
        if is_program { ("systemd.service", "(5)") } else { ("webwork-sidecar", "(1)") };
    rest.text([bold(page_of), roman(chapter)]);
    rest.to_writer(&mut page)?;
    Ok(String::from_utf8_lossy(&page).into_owned())
}

/// How a paragraph with examples begins.
const EXAMPLES: &str = "Examples:\n";

/// Paragraphs as they are, line by line.
fn section(roff: &mut Roff, heading: &str, paragraphs: &[&str]) {
    if paragraphs.is_empty() {
        return;
    }
    roff.control("SH", [heading]);
    roff.control("nf", []);
    for (number, paragraph) in paragraphs.iter().enumerate() {
        if number > 0 {
            roff.control("sp", []);
        }
        let is_examples = paragraph.starts_with(EXAMPLES);
        for line in paragraph.strip_prefix(EXAMPLES).unwrap_or(paragraph).lines() {
            let line = if is_examples { line.trim_start() } else { line };
            roff.text([roman(line)]);
        }
    }
    roff.control("fi", []);
}

fn table(roff: &mut Roff, heading: &str, rows: &[(&str, &str)]) {
    roff.control("SH", [heading]);
    for (term, meaning) in rows {
        roff.control("TP", []);
        roff.text([bold(*term)]);
        roff.text([roman(*meaning)]);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn page(command: Option<&str>) -> String {
        let command = command.map(ToOwned::to_owned);
        Manual { command }.page().unwrap().unwrap()
    }

    fn sections(page: &str) -> Vec<&str> {
        page.lines().filter_map(|line| line.strip_prefix(".SH ")).collect()
    }

    #[test]
    fn the_page_of_the_program_has_what_a_reader_looks_for() {
        let page = page(None);
        let expected = [
            "NAME",
            "SYNOPSIS",
            "DESCRIPTION",
            "OPTIONS",
            "COMMANDS",
            "FILES",
            "ENVIRONMENT",
            "\"EXIT STATUS\"",
            "EXAMPLES",
            "\"SEE ALSO\"",
        ];
        assert_eq!(sections(&page), expected);
        let file = DEFAULT_FILE.replace('-', "\\-");
        assert!(page.contains(&file), "{page}");
        assert!(page.contains("webwork\\-sidecar demo  "), "examples stay line by line: {page}");
    }

    #[test]
    fn every_page_that_is_named_can_be_printed() {
        let program = page(None);
        let named: Vec<_> = program
            .lines()
            .filter_map(|line| line.strip_prefix("webwork\\-sidecar\\-")?.strip_suffix("(1)"))
            .collect();
        assert_eq!(named.len(), Arguments::command().get_subcommands().count());
        for name in named {
            let page = page(Some(name));
            let sections = sections(&page);
            assert!(sections.ends_with(&["EXAMPLES", "\"SEE ALSO\""]), "{name}: {sections:?}");
            assert!(!page.contains("Examples:"), "{name}");
        }
        assert!(page(Some("run")).contains(".SH NOTES\n.nf\nSIGTERM"));
    }
}
