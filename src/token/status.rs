//! What the refresher says of itself: one model for status, readiness, metrics and log.

use std::path::Path;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use crate::clock::{self, Moment};
use crate::scope::ScopeSet;
use crate::secret::Fingerprint;

use super::current::{Access, Generation};
use super::ended::{Ended, Journal, Outcomes};
use super::expiry::{Ends, Expiry};
use super::state::{Loss, Standing, State};

/// The refresher's state for people and programs. It holds no secret.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Status {
    /// The state in one word.
    pub state: Standing,
    /// Since when.
    pub since: Timestamp,
    /// Whether requests find a token at this moment.
    pub token: Availability,
    /// Number of the access token; 0 before the first.
    pub generation: Generation,
    /// The access token by its fingerprint.
    pub fingerprint: Option<Fingerprint>,
    /// When the access token was issued.
    pub issued_at: Option<Timestamp>,
    /// When the access token ends, if anybody told.
    pub expires_at: Option<Timestamp>,
    /// When the next exchange is planned.
    pub next_exchange_at: Option<Timestamp>,
    /// When the refresh token in use was issued.
    pub refresh_token_issued_at: Option<Timestamp>,
    /// When it ends at the latest: its server does not tell, so this is what the configuration says.
    pub refresh_token_expires_at: Option<Timestamp>,
    /// What the token may do, if anybody told.
    pub scope: Option<ScopeSet>,
    /// How many exchanges brought a new token since the start.
    pub rotations: u64,
    /// The last exchanges, the oldest first.
    pub exchanges: Vec<Ended>,
    /// How many ended in each way since the start, in the order of [`Ending::ALL`](super::ended::Ending::ALL).
    pub outcomes: Outcomes,
    /// What ends soon unless a person does something.
    pub expiry: Option<Expiry>,
    /// Whether the API refused this access token over a request. One path may be closed to any token.
    #[serde(default)]
    pub refused: bool,
    /// Why the grant was lost, when it was.
    pub loss: Option<Loss>,
    /// What went wrong last and what to do, until something goes right.
    pub trouble: Option<String>,
}

/// What a request would find.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Availability {
    /// A token to use.
    Ready,
    /// One in a moment: the living token is being replaced, and requests wait.
    Hold,
    /// The first one, or one after an end, is being obtained, and requests wait.
    Pending,
    /// None.
    Unavailable,
}

impl Availability {
    /// Each of them once.
    pub const ALL: [Self; 4] = [Self::Ready, Self::Hold, Self::Pending, Self::Unavailable];

    /// What this access, which the state has published, is to a request.
    pub(super) fn of(access: &Access, state: &State, now: Moment) -> Self {
        match access {
            Access::Ready(_) => Self::Ready,
            Access::Hold if state.has_living_token(now) => Self::Hold,
            Access::Hold => Self::Pending,
            Access::Unavailable(_) => Self::Unavailable,
        }
    }
}

impl Status {
    /// The status of `state`.
    pub(super) fn of(
        state: &State,
        now: Moment,
        since: Timestamp,
        token: Availability,
        rotations: u64,
        journal: &Journal,
    ) -> Self {
        let grant = state.grant();
        let refresh_issued =
            grant.filter(|grant| grant.refresh.is_some()).map(|it| it.refresh_issued);
        let refresh_ends =
            refresh_issued.and_then(|issued| issued.checked_add(state.refresh_token_life()).ok());
        Self {
            state: state.standing(),
            since,
            token,
            generation: grant.map(|grant| grant.generation).unwrap_or_default(),
            fingerprint: grant.map(|grant| grant.access.fingerprint()),
            issued_at: grant.map(|grant| grant.issued),
            expires_at: grant.and_then(|grant| grant.expires),
            next_exchange_at: state.next().map(|deadline| deadline.wall()),
            refresh_token_issued_at: refresh_issued,
            refresh_token_expires_at: refresh_ends,
            scope: grant.and_then(|grant| grant.scope.clone()),
            rotations,
            exchanges: journal.last(),
            outcomes: journal.outcomes(),
            expiry: Ends {
                kind: state.kind(),
                standing: state.standing(),
                access: grant.and_then(|grant| grant.expires),
                refresh: refresh_ends,
            }
            .expiry(now.wall())
            // What nobody takes any more has no end to wait for.
            .filter(|_| token != Availability::Unavailable),
            refused: state.is_refused(),
            loss: state.loss(),
            trouble: state.trouble().or(state.standing().advice()).map(str::to_owned),
        }
    }

    /// Adds to what is wrong where answers are kept that could not be read.
    pub(super) fn names_unread(&mut self, path: &Path) {
        if let Some(trouble) = &mut self.trouble {
            let path = path.display();
            trouble.push_str(&format!(
                "; an answer that could not be read is kept in {path}, for there may be tokens in it"
            ));
        }
    }

    /// Whether the start is over: there is a token, or a reason why there is none.
    pub fn is_decided(&self) -> bool {
        self.token == Availability::Ready && self.state != Standing::Refreshing
            || self.token == Availability::Unavailable && self.trouble.is_some()
            || matches!(self.state, Standing::SignedOut | Standing::Rejected)
    }

    /// Whether there is an access token that the upstream refuses although it has not ended.
    pub fn is_dead(&self, now: Timestamp) -> bool {
        let lives = self.expires_at.is_some_and(|end| end > now);
        lives && self.token == Availability::Unavailable
    }

    /// Whether requests can be served with the token: what `/readyz` says.
    pub fn is_ready(&self) -> bool {
        let usable = matches!(self.token, Availability::Ready | Availability::Hold);
        usable && !matches!(self.state, Standing::Rejected | Standing::SignedOut)
    }

    /// One event for a state that has just begun, with what to do if something is to be done.
    pub(super) fn log(&self) {
        let (generation, state) = (self.generation, self.state.as_str());
        let trouble = self.trouble.as_deref().unwrap_or_default();
        match self.state {
            Standing::Active => {
                let expires = self.expires_at.map(clock::second_of).map(tracing::field::display);
                let fingerprint = self.fingerprint.map(tracing::field::display);
                tracing::info!(state, %generation, fingerprint, expires, "a token is in use");
            }
            Standing::Refreshing => tracing::debug!(state, %generation, "exchanging tokens"),
            Standing::InDoubt => {
                tracing::warn!(state, %generation, trouble, "an exchange is in doubt");
            }
            Standing::Retrying => {
                tracing::warn!(state, %generation, trouble, "the exchange will be repeated");
            }
            Standing::Unsaved => tracing::error!(
                state,
                %generation,
                trouble,
                "the newest tokens are in use but NOT stored: a restart would lose them"
            ),
            Standing::Lost => tracing::error!(state, %generation, trouble, "the grant is lost"),
            Standing::Misconfigured => {
                tracing::error!(state, %generation, trouble, "the client is refused");
            }
            Standing::SignedOut | Standing::Rejected => {
                tracing::error!(state, trouble, "there is no valid token");
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::super::record::Record;
    use super::super::state::{Dice, Kind};
    use super::*;
    use crate::telemetry::paper::Paper;

    /// The log says the same state, and the same trouble, as everything else that shows this status.
    #[test]
    fn every_state_is_one_line_with_its_name_and_its_trouble() {
        let record = Record::new(String::new(), String::new());
        let state = State::new(Kind::Rotating, Default::default(), record, Dice::new(1));
        let now = clock::now();
        let journal = Journal::new();
        let mut status = Status::of(&state, now, now.wall(), Availability::Ready, 0, &journal);
        for standing in Standing::ALL {
            let quiet = matches!(standing, Standing::Active | Standing::Refreshing);
            status.state = standing;
            status.trouble = (!quiet).then(|| "it is a test: end it".to_owned());
            let paper = Paper::default();
            let lines = tracing_subscriber::fmt().json().flatten_event(true);
            let lines = lines.with_max_level(tracing::Level::DEBUG).with_writer(paper.open());
            tracing::subscriber::with_default(lines.finish(), || status.log());
            let text = paper.text();
            assert_eq!(text.lines().count(), 1, "{text}");
            let event: serde_json::Value = serde_json::from_str(&text).unwrap();
            assert_eq!(event["state"], standing.as_str());
            assert_eq!(event["trouble"].as_str(), status.trouble.as_deref());
            assert_eq!(
                matches!(event["level"].as_str(), Some("WARN" | "ERROR")),
                !quiet,
                "{event}"
            );
        }
    }
}
