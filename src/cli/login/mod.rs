//! `login`: a person signs in, and the grant goes into the state directory.
//!
//! A running sidecar takes it up from there by itself. The state directory is tried before anybody is
//! sent to a browser, and what came of it is proven by one request to the API.

mod browser;
mod callback;
mod page;
mod paste;
mod told;

use std::io::IsTerminal;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::LocalSet;

use crate::config::{Config, Environment};
use crate::net::tls::Trust;
use crate::token::sign_in::{Desk, Pending, Proof, Redirection};

use super::proof::Failure;
use super::signals::Signals;
use super::style::{complain, say, span};
use super::{ConfigFile, Exit, block_on, life};
use callback::Callback;

/// Arguments of `login`.
#[derive(Debug, clap::Args)]
#[command(after_help = EXAMPLES)]
pub(super) struct Login {
    #[command(flatten)]
    file: ConfigFile,
    /// Take the address to which the browser was sent from the terminal or standard input: for a
    /// machine without a browser, and for a redirect URI that is elsewhere.
    #[arg(long)]
    paste: bool,
    /// Print the address and open no browser.
    #[arg(long)]
    no_browser: bool,
    /// How long to wait for the person.
    #[arg(long, value_name = "SPAN", default_value = "10min", value_parser = life)]
    timeout: Duration,
}

const EXAMPLES: &str = "\
Examples:
  webwork-sidecar login --config sidecar.toml           a browser on this machine
  webwork-sidecar login --config sidecar.toml --paste   a browser anywhere
  webwork-sidecar login --paste < address.txt           a script brings the address

Which way is taken follows from redirect_uri: http to 127.0.0.1, [::1] or
localhost is served by this command; every other one needs --paste. Where a
sidecar runs at that address, use its status page.";

/// An authorization server sends nobody back to an address that it cannot trust.
const ERROR_PAGE: &str = "(If the browser stays at the authorization server and shows JSON such as \
    {\"error\":\"invalid_client\"}, client_id or redirect_uri is not as registered.)";

/// How the answer comes back.
#[derive(Debug)]
enum Way {
    Loopback(Redirection),
    Paste,
}

/// Whether a browser is opened.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Opens {
    Browser,
    Nothing,
}

impl Login {
    pub(super) fn perform(self) -> Exit {
        let config = match self.file.load() {
            Ok(config) => config,
            Err(exit) => return exit,
        };
        let environment = self.file.source().environment;
        match block_on(async {
            LocalSet::new().run_until(self.signed_in(config, &environment)).await
        }) {
            Ok(()) => Exit::Done,
            Err(why) => {
                complain(why);
                Exit::Failed
            }
        }
    }

    async fn signed_in(self, config: Config, environment: &Environment) -> Result<(), Failure> {
        let trust = Trust::load(config.upstream.ca_file.as_deref())?;
        let upstream = config.upstream.dial(trust.clone());
        let refresh = config.token.refresh.clone();
        let login_pages = config.token.credential.login_pages();
        let desk = Arc::new(Desk::of(config.token, trust));
        let way = self.way(&desk)?;
        // From here on no signal ends the process in the middle of an exchange.
        let mut signals = Signals::listen()?;
        let answered = async {
            match way {
                Way::Loopback(at) => self.by_loopback(&desk, &at, environment).await,
                Way::Paste => self.by_paste(&desk).await,
            }
        };
        let proof = tokio::select! {
            proof = answered => proof?,
            () = tokio::time::sleep(self.timeout) => {
                let waited = span(self.timeout);
                return Err(format!("nobody signed in within {waited}; nothing was changed").into());
            }
            () = signals.received() => return Err("interrupted; nothing was changed".into()),
        };
        let grant = desk.finish(proof).await?;
        told::tell(&grant, &refresh, &upstream, &login_pages).await
    }

    fn way(&self, desk: &Desk) -> Result<Way, Failure> {
        let app = desk.app()?;
        Ok(match Redirection::here(&app.redirect_uri) {
            Some(at) if !self.paste => Way::Loopback(at),
            Some(_) => Way::Paste,
            None => {
                if !self.paste {
                    say(format_args!(
                        "The redirect URI {} is not on this host, so paste what it is asked with.",
                        app.redirect_uri
                    ));
                }
                Way::Paste
            }
        })
    }

    async fn by_loopback(
        &self,
        desk: &Desk,
        at: &Redirection,
        environment: &Environment,
    ) -> Result<Proof, Failure> {
        let callback = Callback::bind(at)?;
        let pending = desk.begin().await?;
        self.show(&pending);
        if self.opens(environment) == Opens::Browser {
            browser::open(&pending.url());
        }
        say(format_args!("Waiting for the browser to come back to {} …\n{ERROR_PAGE}", at.origin));
        callback.answer(pending).await
    }

    async fn by_paste(&self, desk: &Desk) -> Result<Proof, Failure> {
        let pending = desk.begin().await?;
        self.show(&pending);
        say(
            "Then paste the whole address at which the browser ends, even if it shows an error there, \
             and press Enter:",
        );
        say(ERROR_PAGE);
        paste::answer(&pending).await
    }

    fn show(&self, pending: &Pending) {
        say(format_args!(
            "Open this address in a browser, sign in and approve:\n\n{}\n",
            pending.url()
        ));
    }

    fn opens(&self, environment: &Environment) -> Opens {
        // Where nobody looks at the terminal nobody looks at a browser.
        match !self.no_browser && std::io::stdout().is_terminal() && browser::is_there(environment)
        {
            true => Opens::Browser,
            false => Opens::Nothing,
        }
    }
}
