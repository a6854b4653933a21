//! The state in words, for status, readiness, metrics and log.

use std::time::Duration;

use super::{Kind, Loss, Outlook, Phase, Purpose, Refusal, State};

/// The state in one word.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, serde::Serialize, serde::Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Standing {
    /// A token lives and its refresh is planned.
    Active,
    /// An exchange is going on.
    Refreshing,
    /// It is being found out whether the refresh token is spent.
    InDoubt,
    /// The last exchange failed; the next try is planned.
    Retrying,
    /// The new tokens are in use, but not stored yet.
    Unsaved,
    /// The refresh token is dead: provide a new one.
    Lost,
    /// The authorization server does not accept the client or its request.
    Misconfigured,
    /// There is no grant yet.
    SignedOut,
    /// The upstream refuses the personal access token.
    Rejected,
}

impl Standing {
    /// Each of them once.
    pub const ALL: [Self; 9] = [
        Self::Active,
        Self::Refreshing,
        Self::InDoubt,
        Self::Retrying,
        Self::Unsaved,
        Self::Lost,
        Self::Misconfigured,
        Self::SignedOut,
        Self::Rejected,
    ];

    /// Its name, as it is serialized.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Active => "active",
            Self::Refreshing => "refreshing",
            Self::InDoubt => "in_doubt",
            Self::Retrying => "retrying",
            Self::Unsaved => "unsaved",
            Self::Lost => "lost",
            Self::Misconfigured => "misconfigured",
            Self::SignedOut => "signed_out",
            Self::Rejected => "rejected",
        }
    }
}

impl State {
    /// The state in one word.
    pub fn standing(&self) -> Standing {
        let at_rest = matches!(
            self.phase,
            Phase::Resting | Phase::Checking | Phase::Unsaved { .. } | Phase::Resaving { .. }
        );
        match (&self.phase, &self.outlook) {
            (Phase::Doubting { .. }, _) => Standing::InDoubt,
            (_, Outlook::Lost(_)) => Standing::Lost,
            (_, Outlook::Misconfigured(_)) => Standing::Misconfigured,
            (_, Outlook::SignedOut) => Standing::SignedOut,
            // Only an exchange that brought tokens leaves a plan and a write that is owed.
            (Phase::Unsaved { .. } | Phase::Resaving { .. }, Outlook::Scheduled) => {
                Standing::Unsaved
            }
            (_, Outlook::Retry { .. }) if at_rest && self.is_unclear() => Standing::InDoubt,
            (_, Outlook::Retry { failures, .. }) if at_rest && *failures > 0 => Standing::Retrying,
            // A look at how another process gets on.
            (Phase::Opening { purpose: Purpose::Inquiry, .. }, Outlook::Scheduled) => {
                Standing::Active
            }
            _ if at_rest && self.kind == Kind::Fixed && self.is_refused() => Standing::Rejected,
            _ if at_rest && self.grant.is_some() => Standing::Active,
            _ => Standing::Refreshing,
        }
    }

    /// How the credential behaves.
    pub fn kind(&self) -> Kind {
        self.kind
    }

    /// How long a refresh token lives, as its server does not tell.
    pub fn refresh_token_life(&self) -> Duration {
        self.policy.refresh_token_life
    }

    /// Why a grant was lost, when it was.
    pub fn loss(&self) -> Option<Loss> {
        match self.outlook {
            Outlook::Lost(loss) => Some(loss),
            Outlook::SignedOut => self.record.loss,
            _ => None,
        }
    }

    /// What went wrong last, until something goes right.
    pub fn trouble(&self) -> Option<&str> {
        match &self.phase {
            Phase::Unsaved { why, .. } | Phase::Resaving { why, .. } => Some(why),
            _ => self.trouble.as_deref(),
        }
    }
}

impl Refusal {
    /// What happened and what to do, for people.
    pub fn advice(self) -> &'static str {
        match self {
            Self::DeadGrant => Loss::Refused.advice(),
            Self::Client => {
                "the authorization server does not accept this client: correct client_id and \
                 client_secret, or client_authentication; `webwork-sidecar refresh` tries again as it is"
            }
            Self::Request => {
                "the authorization server does not accept the request: check the scope and the grant \
                 types of the app"
            }
        }
    }
}

impl Loss {
    /// What happened and what to do, for people.
    pub fn advice(self) -> &'static str {
        match self {
            Self::Refused => {
                "the authorization server refused the refresh token as revoked or expired: \
                 sign in again with `webwork-sidecar login` or on the status page, or provide a new one"
            }
            Self::AnswerLost => {
                "an answer of the authorization server was lost or could not be used, and the refresh \
                 token was spent with it, or may have been: sign in again with `webwork-sidecar login` or on the status \
                 page, or provide a new one"
            }
            Self::SignedOut => SIGN_IN,
        }
    }
}

impl Standing {
    /// What to do about a state that explains itself.
    pub fn advice(self) -> Option<&'static str> {
        match self {
            Self::SignedOut => Some(SIGN_IN),
            Self::Rejected => Some(
                "the API refuses the personal access token: make a new one at \
                 https://webwork-tracker.com/app/settings/rest-api and put it into its file, which \
                 is read again when it changes",
            ),
            _ => None,
        }
    }
}

/// What leaves every state without a grant.
const SIGN_IN: &str = "there is no grant: sign in on the status page of the sidecar that runs, or with \
    `webwork-sidecar login`, or put a refresh token into the file that credential.authorization_code.refresh_token_file names";

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_name_is_the_serialized_one() {
        for standing in Standing::ALL {
            assert_eq!(serde_json::to_value(standing).unwrap(), standing.as_str());
        }
    }
}
