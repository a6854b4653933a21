//! `/status`: everything that the sidecar knows of itself, without a secret. The `status` command
//! prints the same.

use std::sync::Arc;

use axum::Json;
use axum::extract::State;
use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::capacity::CapacityInfo;
use super::configuration::Configuration;
use super::evidence::{Evidence, Verification};
use super::sign_in::SignInInfo;
use super::{Sources, Verdict};
use crate::telemetry::history::Minute;
use crate::telemetry::rate_limit::RateLimit;
use crate::telemetry::{Tally, Totals};
use crate::token::status::Status;

/// What does not change while the process runs.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Facts {
    /// The program's version.
    pub version: String,
    /// When it started.
    pub started_at: Timestamp,
    /// The kind of credential, as the configuration names it.
    pub credential: String,
    /// The upstream's origin.
    pub upstream: String,
    /// The token endpoint; none for a personal access token.
    #[serde(default)]
    pub token_url: Option<String>,
    /// Addresses of the proxy.
    pub proxy: Vec<String>,
    /// Addresses of the admin listener.
    pub admin: Vec<String>,
}

/// The whole report. Fields are added, but none is removed or changed within one `format`.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Report {
    /// Version of this shape.
    pub format: u32,
    /// Whether requests can be served.
    pub ready: bool,
    /// Whether the sidecar is stopping.
    pub draining: bool,
    /// The whole of it in one sentence.
    pub verdict: Verdict,
    /// What does not change.
    #[serde(flatten)]
    pub facts: Facts,
    /// The token and what is planned for it.
    pub token: Status,
    /// What the answers of the API have proven.
    #[serde(default)]
    pub evidence: Evidence,
    /// What was counted since the start.
    pub traffic: Totals,
    /// What limits callers, and how close they are to it.
    pub capacity: CapacityInfo,
    /// The last hour, the oldest minute first.
    pub history: Vec<Minute>,
    /// What the API says of its rate limit, if it said anything.
    pub rate_limit: Option<RateLimit>,
    /// What the sidecar runs with.
    pub configuration: Configuration,
    /// How a person can sign in.
    pub sign_in: SignInInfo,
}

impl Sources {
    /// The report of this moment.
    pub fn report(&self) -> Report {
        self.report_with(&self.meter.tally())
    }

    /// The verdict of this moment.
    pub fn verdict(&self) -> Verdict {
        let token = self.token.borrow().clone();
        Verdict::of(&token, &self.evidence(&token), self.drain.has_begun())
    }

    fn evidence(&self, token: &Status) -> Evidence {
        let accepted = self.acceptance.newest();
        Evidence {
            token: Verification::of(token, accepted, &self.facts.credential),
            upstream_failure: self.meter.upstream_failure(),
        }
    }

    /// The report of this moment with what was counted so far.
    pub(super) fn report_with(&self, tally: &Tally) -> Report {
        let token = self.token.borrow().clone();
        let (draining, evidence) = (self.drain.has_begun(), self.evidence(&token));
        Report {
            format: 1,
            ready: token.is_ready() && !draining,
            draining,
            verdict: Verdict::of(&token, &evidence, draining),
            facts: self.facts.clone(),
            token,
            evidence,
            traffic: Totals::from(tally),
            capacity: self.capacity.info(),
            history: self.history.minutes(tally),
            rate_limit: self.meter.rate_limit(),
            configuration: self.configuration.borrow().clone(),
            sign_in: self.sign_ins.info(),
        }
    }
}

impl Report {
    /// When each kind of token ends, as far as anybody knows.
    pub fn expiries(&self) -> impl Iterator<Item = (&'static str, Timestamp)> {
        let access = match self.facts.credential.as_str() {
            "personal_access_token" => "personal_access_token",
            _ => "access_token",
        };
        let kinds = [
            (access, self.token.expires_at),
            ("refresh_token", self.token.refresh_token_expires_at),
        ];
        kinds.into_iter().filter_map(|(kind, at)| Some((kind, at?)))
    }
}

pub(super) async fn status(State(sources): State<Arc<Sources>>) -> Json<Report> {
    Json(sources.report())
}
