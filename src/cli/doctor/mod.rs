//! `doctor`: looks for whatever keeps a request from being served, and names the remedy. It spends no
//! refresh token, and its report can be pasted in public.

mod finding;
mod listening;
mod network;
mod process;
mod state;
mod token;

use crate::config::{Config, Environment, Warning};
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
        process::limits(&mut findings);
        listening::examine(&self.whom, &mut findings);
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

/// The variables that say how to reach other hosts.
const PROXY_VARIABLES: [&str; 8] = [
    "HTTPS_PROXY",
    "https_proxy",
    "HTTP_PROXY",
    "http_proxy",
    "ALL_PROXY",
    "all_proxy",
    "NO_PROXY",
    "no_proxy",
];

/// Those that are set.
fn proxy_variables(environment: &Environment) -> Vec<&'static str> {
    let is_set = |name: &&str| environment.variable(name).is_some_and(|value| !value.is_empty());
    PROXY_VARIABLES.into_iter().filter(is_set).collect()
}
