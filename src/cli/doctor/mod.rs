//! `doctor`: looks for whatever keeps a request from being served, and names the remedy. It spends no
//! refresh token, and its report can be pasted in public.

mod finding;
mod listening;
mod network;
mod process;
mod state;
mod token;

use jiff::{SignedDuration, Timestamp};

use crate::config::{Config, Warning};
use crate::net::tls::Trust;

use super::ask::Whom;
use super::style::say;
use super::{Exit, block_on};

use finding::Findings;

/// Arguments of `doctor`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Doctor {
    #[command(flatten)]
    whom: Whom,
    /// Look at nothing outside of this host.
    #[arg(long)]
    offline: bool,
    /// Print the findings as JSON.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  webwork-sidecar doctor --config sidecar.toml
  webwork-sidecar doctor --offline --json

It exits with 0 if nothing is broken, else with 1, and with 2 if the
configuration cannot be used. The report holds no secret and no client ID.";

impl Doctor {
    pub(super) fn perform(self) -> Exit {
        let mut findings = Findings::default();
        let source = self.whom.source();
        let mut exit = Exit::Failed;
        match source.load() {
            Ok(config) => self.examine(&config, &mut findings),
            Err(errors) => {
                exit = Exit::Misconfigured;
                let fix = "correct what is named; `webwork-sidecar check` shows it, too";
                findings.fail("configuration", errors.to_string(), fix);
                findings.skip("credential", "the configuration cannot be used");
            }
        }
        process::proxies(&source.environment, &mut findings);
        let running = listening::examine(&self.whom, &mut findings);
        process::limits(running.as_ref(), &mut findings);
        say(if self.json { findings.to_json() } else { findings.to_text().trim_end().to_owned() });
        if findings.is_well() { Exit::Done } else { exit }
    }

    fn examine(&self, config: &Config, findings: &mut Findings) {
        findings.ok("configuration", format!("{} credential", config.token.credential.kind()));
        for warning in &config.warnings {
            let told = warning.to_string();
            let (detail, fix) = told.split_once("; ").unwrap_or((&told, "see the message"));
            match warning {
                Warning::Template { .. } => findings.fail("configuration", detail, fix),
                _ => findings.warn("configuration", detail, fix),
            }
        }
        token::credential(config, findings);
        state::examine(config, findings);
        let trust = match Trust::load(config.upstream.ca_file.as_deref()) {
            Ok(trust) => trust,
            Err(error) => {
                let fix = "correct upstream.ca_file, SSL_CERT_FILE or SSL_CERT_DIR";
                return findings.fail("certificates", error.to_string(), fix);
            }
        };
        findings.ok("certificates", "the trusted authorities can be read");
        if self.offline {
            return findings.skip("network", "not looked at: --offline");
        }
        let looked = block_on(async {
            network::examine(config, trust, findings).await;
            Ok::<_, std::io::Error>(())
        });
        if let Err(error) = looked {
            findings.fail("network", error.to_string(), "let this process have more resources");
        }
    }
}

/// Two weeks before its end a token or a certificate is worth a warning.
const SOON: SignedDuration = SignedDuration::from_hours(14 * 24);

fn ends_soon(end: Timestamp, now: Timestamp) -> bool {
    end.duration_since(now) < SOON
}
