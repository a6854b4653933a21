//! What the oracle saw: the evidence of the token tests.

use std::collections::BTreeMap;

use jiff::Timestamp;
use serde::Serialize;

use crate::secret::Fingerprint;
use crate::simulator::client::GrantType;

/// Entries kept of each kind; older ones are forgotten, the counters go on.
const KEPT: usize = 100_000;

/// A snapshot of everything that was seen.
#[derive(Clone, Debug, Default, Serialize)]
pub struct Journal {
    exchanges: Vec<Exchange>,
    grants: u64,
    reuses: u64,
    api_requests: BTreeMap<u16, u64>,
    violations: Vec<Violation>,
}

/// One request at the token endpoint.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Exchange {
    /// When it was answered or cut.
    pub at: Timestamp,
    /// `None` when it was missing or is not supported.
    pub grant_type: Option<GrantType>,
    /// How the client showed who it is.
    pub client_authentication: ClientAuthentication,
    /// The refresh token that it brought.
    pub presented: Option<Fingerprint>,
    /// Whether that refresh token had been spent before.
    pub spent_before: bool,
    /// How it ended.
    pub outcome: Outcome,
}

/// Where the client secret stood.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ClientAuthentication {
    /// Nowhere.
    None,
    /// In the form.
    Body,
    /// In `Authorization: Basic`.
    Basic,
    /// In both.
    Both,
}

/// The end of an exchange.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Outcome {
    /// Tokens were sent.
    Granted(Granted),
    /// An OAuth 2.0 error was sent, with this code.
    Refused(&'static str),
    /// The rate limit refused it.
    Throttled,
    /// A fault took the answer's place; the tokens were made all the same when it struck after them.
    Faulted(Option<Granted>),
}

/// The tokens that an exchange made.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize)]
pub struct Granted {
    /// The new access token.
    pub access: Fingerprint,
    /// The new refresh token, if there is one.
    pub refresh: Option<Fingerprint>,
}

/// Something that a well-behaved client never does.
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
pub struct Violation {
    /// When it was seen.
    pub at: Timestamp,
    /// What was wrong.
    pub kind: ViolationKind,
    /// The path of the request.
    pub path: String,
}

/// Kinds of [`Violation`].
#[derive(Clone, Debug, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum ViolationKind {
    /// More than one `Authorization` field.
    SeveralAuthorizations,
    /// A second token beside the one in `Authorization` (RFC 6750 §2).
    TwoTokens,
    /// A field that belongs to the caller's side, such as `Cookie` or `X-Forwarded-For`.
    ForeignField(String),
    /// A refresh that asks for a scope.
    ScopeInRefresh,
    /// A client that authenticated twice in one request (RFC 6749 §2.3).
    TwoClientAuthentications,
}

impl Journal {
    /// The requests at the token endpoint, oldest first: at most the last 100,000.
    pub fn exchanges(&self) -> &[Exchange] {
        &self.exchanges
    }

    /// How many exchanges presented a refresh token that had been spent before.
    pub fn reuses(&self) -> u64 {
        self.reuses
    }

    /// How many exchanges made tokens, those included whose answer a fault swallowed.
    pub fn grants(&self) -> u64 {
        self.grants
    }

    /// How many API requests were answered with this status.
    pub fn api_answers(&self, status: u16) -> u64 {
        self.api_requests.get(&status).copied().unwrap_or_default()
    }

    /// How many API requests arrived, those that were cut included.
    pub fn api_requests(&self) -> u64 {
        self.api_requests.values().sum()
    }

    /// What no well-behaved client does: at most the last 100,000.
    pub fn violations(&self) -> &[Violation] {
        &self.violations
    }

    pub(super) fn record(&mut self, exchange: Exchange) {
        let granted = matches!(exchange.outcome, Outcome::Granted(_) | Outcome::Faulted(Some(_)));
        self.grants += u64::from(granted);
        self.reuses += u64::from(exchange.spent_before);
        push(&mut self.exchanges, exchange);
    }

    /// Counts an API request; a request that was cut has no status and counts as 0.
    pub(super) fn count(&mut self, status: u16) {
        *self.api_requests.entry(status).or_default() += 1;
    }

    pub(super) fn accuse(&mut self, violation: Violation) {
        push(&mut self.violations, violation);
    }
}

fn push<T>(entries: &mut Vec<T>, entry: T) {
    if entries.len() >= KEPT {
        // Half at a time, so that forgetting costs next to nothing per entry.
        entries.drain(..KEPT / 2);
    }
    entries.push(entry);
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn old_entries_are_forgotten_and_counters_go_on() {
        let mut journal = Journal::default();
        let exchange = Exchange {
            at: Timestamp::UNIX_EPOCH,
            grant_type: Some(GrantType::RefreshToken),
            client_authentication: ClientAuthentication::Body,
            presented: None,
            spent_before: true,
            outcome: Outcome::Faulted(Some(Granted {
                access: Fingerprint::of("a"),
                refresh: None,
            })),
        };
        for _ in 0..=KEPT {
            journal.record(exchange.clone());
        }
        assert_eq!(journal.exchanges().len(), KEPT / 2 + 1);
        assert_eq!((journal.grants(), journal.reuses()), (KEPT as u64 + 1, KEPT as u64 + 1));
    }
}
