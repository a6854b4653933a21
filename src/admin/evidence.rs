//! The evidence behind the verdict: what the answers of the API have proven.
//!
//! A token that lives by the clock may be refused all the same, and an upstream that answered yesterday
//! may be gone. So all is well only after an answer that accepted the token in use, and until an attempt
//! fails. It is evidence, not a probe: nothing is sent to find it out.

use serde::{Deserialize, Serialize};

use crate::telemetry::upstream_health::UpstreamFailure;
use crate::token::current::Generation;
use crate::token::state::Standing;
use crate::token::status::{Availability, Status};

/// What the API has shown so far.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default)]
pub struct Evidence {
    /// Whether it accepts the access token in use.
    pub token: Verification,
    /// The attempts that failed since its last answer, if any did.
    pub upstream_failure: Option<UpstreamFailure>,
}

/// Whether the API accepts the access token in use.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Hash, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Verification {
    /// It has answered a request with this token.
    Verified,
    /// It has accepted the token before this one, which an exchange has replaced since. The first request
    /// with the new one verifies it.
    Renewed,
    /// It has not accepted any token of this credential yet.
    #[default]
    Unverified,
    /// It has refused this token with 401 and not accepted it before, or refuses it whatever is asked.
    Refused,
}

impl Verification {
    /// The verification of the token in use, if `accepted` is the newest generation that was accepted. A
    /// personal access token is never the successor of another: each stands for itself.
    pub(super) fn of(token: &Status, accepted: Generation, credential: &str) -> Self {
        let (none, replaced) = (Generation::default(), credential != "personal_access_token");
        let dead = token.state == Standing::Rejected || token.token == Availability::Unavailable;
        match accepted {
            _ if token.generation == none => Self::Unverified,
            // Accepted once, and no longer.
            _ if token.refused && dead => Self::Refused,
            accepted if accepted >= token.generation => Self::Verified,
            _ if token.refused => Self::Refused,
            accepted if accepted > none && replaced => Self::Renewed,
            _ => Self::Unverified,
        }
    }

    /// What it means, as a person reads it.
    pub fn told(self) -> &'static str {
        match self {
            Self::Verified => "verified: the API accepts it",
            Self::Renewed => "refreshed and not used yet",
            Self::Unverified => "not verified yet",
            Self::Refused => "refused by the API with 401",
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn status(generation: u64) -> Status {
        let status = serde_json::json!({
            "state": "active", "since": "2026-01-01T00:00:00Z", "token": "ready",
            "generation": generation, "fingerprint": null, "issued_at": null, "expires_at": null,
            "next_exchange_at": null, "refresh_token_issued_at": null,
            "refresh_token_expires_at": null, "scope": null, "rotations": 0, "exchanges": [],
            "outcomes": [0, 0, 0, 0, 0, 0, 0], "expiry": null, "loss": null, "trouble": null,
        });
        serde_json::from_value(status).unwrap()
    }

    fn of(status: &Status, accepted: u64, credential: &str) -> Verification {
        Verification::of(status, Generation(accepted), credential)
    }

    #[test]
    fn a_token_is_verified_by_its_own_first_accepted_request() {
        for (generation, accepted, verification) in [
            (0, 0, Verification::Unverified),
            (1, 0, Verification::Unverified),
            (1, 1, Verification::Verified),
            (2, 1, Verification::Renewed),
            (2, 2, Verification::Verified),
        ] {
            let told = of(&status(generation), accepted, "authorization_code");
            assert_eq!(told, verification, "{generation} {accepted}");
        }
    }

    #[test]
    fn a_personal_access_token_inherits_nothing() {
        let told = of(&status(2), 1, "personal_access_token");
        assert_eq!(told, Verification::Unverified);
    }

    #[test]
    fn one_401_takes_nothing_from_a_token_that_was_accepted() {
        let refused = Status { refused: true, ..status(2) };
        assert_eq!(of(&refused, 2, "client_credentials"), Verification::Verified);
        assert_eq!(of(&refused, 1, "client_credentials"), Verification::Refused);
        let rejected = Status { state: Standing::Rejected, ..refused.clone() };
        assert_eq!(of(&rejected, 2, "personal_access_token"), Verification::Refused);
        let dead = Status { token: Availability::Unavailable, ..refused };
        assert_eq!(of(&dead, 2, "authorization_code"), Verification::Refused);
    }
}
