//! The whole sidecar in one sentence: what the page, `status`, `doctor` and the service manager show.
//!
//! The refresher's state says what should work; the [evidence](super::evidence) says what did. Readiness
//! is the state alone: an upstream that is down must not take every pod out of service.

use serde::{Deserialize, Serialize};

use super::evidence::{Evidence, Verification};
use crate::telemetry::upstream_health::UpstreamFailure;
use crate::token::expiry::{Expiring, Expiry};
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
    /// Requests work: the API has accepted a token of this credential, and answers.
    Well,
    /// Something is still to come by itself: a token, or the first request that verifies it.
    Passing,
    /// Requests are served, but somebody should look.
    Degraded,
    /// Requests are not served until somebody does something.
    Broken,
    /// The sidecar is stopping.
    Ending,
}

impl Verdict {
    /// The verdict on what the refresher says of itself and what the API has shown.
    pub fn of(token: &Status, evidence: &Evidence, draining: bool) -> Self {
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
        let advice = trouble.or_else(|| coming.map(|expiry| expiry.advice()));
        let verdict = Self { mood, headline: headline.to_owned(), advice };
        match mood {
            Mood::Well => verdict.in_the_light_of(evidence, coming),
            _ => verdict,
        }
    }

    /// What is well by the clock, in the light of what the API has shown.
    fn in_the_light_of(self, evidence: &Evidence, coming: Option<Expiry>) -> Self {
        if coming.is_some_and(|it| it.what == Expiring::PersonalAccessToken && it.days == 0) {
            return Self { mood: Mood::Degraded, headline: ENDED.to_owned(), ..self };
        }
        if let Some(failure) = &evidence.upstream_failure {
            return Self::unanswered(failure);
        }
        let (mood, headline) = match evidence.token {
            Verification::Verified => (Mood::Well, self.headline.as_str()),
            Verification::Renewed => (Mood::Well, RENEWED),
            Verification::Unverified => (Mood::Passing, UNVERIFIED),
            Verification::Refused => (Mood::Degraded, REFUSED),
        };
        let is_urgent = coming.is_some_and(|expiry| expiry.days <= URGENT);
        let mood = if is_urgent { Mood::Degraded } else { mood };
        Self { mood, headline: headline.to_owned(), advice: self.advice }
    }

    fn unanswered(failure: &UpstreamFailure) -> Self {
        let UpstreamFailure { since, attempts, reason, .. } = failure;
        let headline = match attempts {
            1 => "The API does not answer: the last request failed".to_owned(),
            more => format!("The API does not answer: the last {more} requests failed"),
        };
        let (reason, since) = (reason.trim_end_matches('.'), since.strftime("%Y-%m-%d %H:%M UTC"));
        let advice = Some(format!("{reason} (no request has succeeded since {since})"));
        Self { mood: Mood::Degraded, headline, advice }
    }
}

/// The claim of a token is no proof, so that requests still carry it.
const ENDED: &str = "The personal access token has ended; the API refuses it, or soon will";

const RENEWED: &str = "Ready: the token was refreshed, and no request has used the new one yet";

const UNVERIFIED: &str =
    "Ready, but not verified yet: the first request shows whether the API accepts the token";

const REFUSED: &str =
    "The API refuses the token: it has answered 401 and accepted no request with this token so far";

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

#[cfg(test)]
mod tests {
    use jiff::Timestamp;

    use super::*;

    fn status(state: Standing) -> Status {
        let status = serde_json::json!({
            "state": state, "since": "2026-01-01T00:00:00Z", "token": "ready", "generation": 1,
            "fingerprint": null, "issued_at": null, "expires_at": null, "next_exchange_at": null,
            "refresh_token_issued_at": null, "refresh_token_expires_at": null, "scope": null,
            "rotations": 0, "exchanges": [], "outcomes": [0, 0, 0, 0, 0, 0, 0], "expiry": null,
            "loss": null, "trouble": null,
        });
        serde_json::from_value(status).unwrap()
    }

    fn evidence(token: Verification) -> Evidence {
        Evidence { token, upstream_failure: None }
    }

    fn failure(attempts: u64) -> Option<UpstreamFailure> {
        let (since, reason) = (Timestamp::UNIX_EPOCH, "no route to host".to_owned());
        Some(UpstreamFailure { since, last_at: since, attempts, reason })
    }

    fn is_well(verdict: &Verdict) -> bool {
        verdict.headline.contains("All is well")
    }

    #[test]
    fn all_is_well_only_with_evidence() {
        for state in Standing::ALL {
            for token in [Verification::Unverified, Verification::Renewed, Verification::Refused] {
                let verdict = Verdict::of(&status(state), &evidence(token), false);
                assert!(!is_well(&verdict), "{state:?} {token:?}: {verdict:?}");
            }
            let silent =
                Evidence { upstream_failure: failure(3), ..evidence(Verification::Verified) };
            let verdict = Verdict::of(&status(state), &silent, false);
            assert!(!is_well(&verdict) && verdict.mood != Mood::Well, "{state:?}: {verdict:?}");
        }
        for state in [Standing::Active, Standing::Refreshing] {
            let verdict = Verdict::of(&status(state), &evidence(Verification::Verified), false);
            assert!(is_well(&verdict) && verdict.mood == Mood::Well, "{verdict:?}");
        }
    }

    #[test]
    fn an_upstream_that_does_not_answer_is_told_with_its_reason() {
        for (attempts, told) in [(1, "the last request failed"), (3, "the last 3 requests failed")]
        {
            let silent = Evidence { upstream_failure: failure(attempts), ..Evidence::default() };
            let verdict = Verdict::of(&status(Standing::Active), &silent, false);
            assert!(verdict.headline.ends_with(told), "{verdict:?}");
            assert!(verdict.advice.unwrap().starts_with("no route to host"));
        }
    }

    #[test]
    fn a_personal_access_token_that_has_ended_is_never_well() {
        let ended =
            Expiry { what: Expiring::PersonalAccessToken, at: Timestamp::UNIX_EPOCH, days: 0 };
        let status = Status { expiry: Some(ended), ..status(Standing::Active) };
        let verdict = Verdict::of(&status, &evidence(Verification::Verified), false);
        assert_eq!((verdict.mood, is_well(&verdict)), (Mood::Degraded, false));
        assert!(verdict.advice.unwrap().contains("make a new one"));
    }
}
