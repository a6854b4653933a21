//! `status`: how a running sidecar is doing, for people and for programs.

use std::fmt::Write;

use http::Method;
use jiff::Timestamp;

use crate::admin::Report;
use crate::clock;

use super::Exit;
use super::ask::Whom;
use super::style::{complain, relative, say};

/// Arguments of `status`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Status {
    #[command(flatten)]
    whom: Whom,
    /// Print the whole report as JSON.
    #[arg(long)]
    json: bool,
}

const HELP: &str = "\
Examples:
  webwork-sidecar status
  webwork-sidecar status --json | jq .token.state
  webwork-sidecar status --admin unix:/run/webwork-sidecar/admin.sock

It exits with 0 if requests can be served, else with 1.";

impl Status {
    pub(super) fn perform(self) -> Exit {
        let content = match self.whom.ask(Method::GET, "/status") {
            Ok((_, content)) => content,
            Err(error) => return error.told(),
        };
        let Ok(report) = serde_json::from_slice::<Report>(&content) else {
            complain("what answers at the admin address is not a sidecar of this version");
            return Exit::Failed;
        };
        if self.json {
            say(String::from_utf8_lossy(&content));
        } else {
            say(told(&report, clock::now().wall()).trim_end());
        }
        if report.ready { Exit::Done } else { Exit::Failed }
    }
}

/// The report as a person reads it.
fn told(report: &Report, now: Timestamp) -> String {
    let token = &report.token;
    let mut text = String::new();
    let mut line = |name: &str, value: String| {
        // Writing to a string cannot fail.
        writeln!(text, "{name:<10} {value}").ok();
    };
    let ready = match (report.ready, report.draining) {
        (_, true) => "stopping",
        (true, false) => "ready",
        (false, false) => "NOT READY",
    };
    line(
        "sidecar",
        format!(
            "{ready}, version {}, started {}",
            report.facts.version,
            relative(report.facts.started_at, now)
        ),
    );
    line("state", format!("{} since {}", token.state.as_str(), relative(token.since, now)));
    line("verdict", report.verdict.headline.clone());
    if let Some(advice) = &report.verdict.advice {
        line("to do", advice.clone());
    }
    if let Some(trouble) = &report.configuration.trouble {
        line(
            "files",
            format!("invalid now, so that those from before are in use: {}", trouble.trim_end()),
        );
    }
    if !report.configuration.restart.is_empty() {
        line("restart", format!("to apply changes of {}", report.configuration.restart.join(", ")));
    }
    if let Some(fingerprint) = token.fingerprint {
        let ends = token.expires_at.filter(|_| !token.is_dead(now));
        let ends = ends.map(|end| match end > now {
            true => format!(", ends {}", relative(end, now)),
            false => format!(", ended {}", relative(end, now)),
        });
        let generation = token.generation;
        line(
            "token",
            format!(
                "generation {generation}, fingerprint {fingerprint}{}, {}",
                ends.unwrap_or_default(),
                report.evidence.token.told()
            ),
        );
    }
    if let Some(scope) = &token.scope {
        line("scope", scope.to_string());
    }
    if let Some(next) = token.next_exchange_at {
        line("next", format!("exchange {}", relative(next, now)));
    }
    let traffic = &report.traffic;
    line(
        "traffic",
        format!(
            "{} answers, {} of them 4xx or 5xx, {} in flight",
            traffic.answers, traffic.errors, traffic.in_flight
        ),
    );
    let capacity = &report.capacity;
    line(
        "callers",
        format!("{} of {} connections", capacity.connections, capacity.max_connections),
    );
    if let Some(warning) = capacity.warning(now) {
        line("limit", warning);
    }
    if capacity.dropped_log_lines > 0 {
        line("log", format!("{} lines were lost", capacity.dropped_log_lines));
    }
    if traffic.echoes > 0 {
        let what = "fields of responses had the token in them and were removed";
        line("echoes", format!("{} {what}; tell the operator of the upstream", traffic.echoes));
    }
    line("upstream", report.facts.upstream.clone());
    line("listening", report.facts.proxy.join(", "));
    text
}
