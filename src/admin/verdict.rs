//! The whole sidecar in one sentence: what the page, `status`, readiness and the log agree on.

use serde::{Deserialize, Serialize};

use crate::token::state::{Loss, Standing};
use crate::token::status::{Availability, Status};

/// How the sidecar is doing, for a person who has five seconds.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Verdict {
    /// How bad it is.
    pub mood: Mood,
    /// What is the case.
    pub headline: String,
    /// What went wrong and what to do, if anything is to be done.
    pub advice: Option<String>,
}

/// How bad it is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Mood {
    /// All is well.
    Well,
    /// It will be in a moment, by itself.
    Passing,
    /// Requests are served, but somebody should look.
    Degraded,
    /// Requests are not served until somebody does something.
    Broken,
    /// The sidecar is stopping.
    Ending,
}

impl Verdict {
    /// The verdict on what the refresher says of itself.
    pub fn of(token: &Status, draining: bool) -> Self {
        let (mood, headline) = if draining {
            (Mood::Ending, "Stopping: requests that run are finished, new ones are refused")
        } else {
            judge(token)
        };
        let trouble = token.trouble.as_deref().filter(|_| mood != Mood::Well);
        let trouble = trouble.map(|trouble| match token.state {
            Standing::Unsaved => format!("{trouble}: {SAVE}"),
            _ => trouble.to_owned(),
        });
        // What will be wrong matters where nothing is wrong yet.
        let coming = token.expiry.filter(|_| trouble.is_none());
        let mood = match (mood, coming) {
            (Mood::Well, Some(expiry)) if expiry.days <= URGENT => Mood::Degraded,
            _ => mood,
        };
        let advice = trouble.or_else(|| coming.map(|expiry| expiry.advice()));
        Self { mood, headline: headline.to_owned(), advice }
    }
}

/// What a disk that does not store tokens needs.
const SAVE: &str = "make room in the state directory, or make it writable; it is tried again by itself, and \
                    until then do not restart the sidecar";

/// From so many days before an end on somebody should look.
const URGENT: u8 = 7;

fn judge(token: &Status) -> (Mood, &'static str) {
    let serves = token.is_ready();
    match (token.state, serves) {
        (Standing::Active, true) => (Mood::Well, "All is well: requests carry a valid token"),
        (Standing::Active, false) => (Mood::Broken, "The token has expired"),
        (Standing::Refreshing, _) if token.token == Availability::Ready => {
            (Mood::Well, "All is well: a new token is being obtained, the present one is in use")
        }
        (Standing::Refreshing, _) => {
            (Mood::Passing, "A token is being obtained: requests wait a moment")
        }
        (Standing::InDoubt, true) => (
            Mood::Degraded,
            "It is being found out whether the refresh token is spent; the present token is in use",
        ),
        (Standing::InDoubt, false) => (
            Mood::Passing,
            "It is being found out whether the refresh token is spent: requests wait",
        ),
        (Standing::Retrying, true) => (
            Mood::Degraded,
            "The last exchange failed and will be repeated; the present token is in use",
        ),
        (Standing::Retrying, false) => {
            (Mood::Broken, "No token could be obtained yet; the exchange will be repeated")
        }
        (Standing::Unsaved, true) => (
            Mood::Degraded,
            "The newest tokens are in use but NOT STORED: a restart would lose them",
        ),
        (Standing::Unsaved, false) => {
            (Mood::Broken, "The token has expired, and its successor could not be stored")
        }
        (Standing::Lost, true) => {
            (Mood::Degraded, "The grant is LOST: requests work until the present token ends")
        }
        (Standing::Lost, false) => (Mood::Broken, "The grant is LOST: sign in again"),
        (Standing::Misconfigured, true) => (
            Mood::Degraded,
            "The authorization server refuses the client; the present token is in use until it ends",
        ),
        (Standing::Misconfigured, false) => {
            (Mood::Broken, "The authorization server refuses the client")
        }
        (Standing::SignedOut, _) if token.loss == Some(Loss::SignedOut) => {
            (Mood::Broken, "Signed out: requests are refused until somebody signs in")
        }
        (Standing::SignedOut, _) => (Mood::Broken, "Nobody has signed in yet"),
        (Standing::Rejected, _) => (Mood::Broken, "The API refuses the personal access token"),
    }
}
