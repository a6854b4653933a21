//! What ends next unless a person does something, and when to say so.
//!
//! Silent expiry is what wakes people at night, so it is told 30, 14, 7, 3 and 1 days before. What the
//! sidecar renews by itself is told of only when it comes nearer to its end than it ever should.

use std::time::Duration;

use jiff::Timestamp;
use serde::{Deserialize, Serialize};

use super::state::{Kind, Standing};

/// Something that ends, and that nothing but a person replaces.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Expiry {
    /// What.
    pub what: Expiring,
    /// When.
    pub at: Timestamp,
    /// How many days are left, as far as it is worth telling; 0 if it has ended.
    pub days: u8,
}

/// What can end.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Expiring {
    /// A personal access token, by what it says of itself.
    PersonalAccessToken,
    /// The refresh token, which no exchange has replaced in time.
    RefreshToken,
    /// The access token, because there is nothing any more to replace it with.
    AccessToken,
    /// The access token, because the authorization server refuses the client.
    AccessTokenOfRefusedClient,
}

/// Days before the end at which it is told.
const THRESHOLDS: [u8; 5] = [30, 14, 7, 3, 1];

/// A refresh token is replaced long before this many days are left.
const OVERDUE: u8 = 14;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// What is known of the ends of tokens.
#[derive(Clone, Copy, Debug)]
pub(super) struct Ends {
    pub(super) kind: Kind,
    pub(super) standing: Standing,
    pub(super) access: Option<Timestamp>,
    pub(super) refresh: Option<Timestamp>,
}

impl Ends {
    /// What is to be told at `now`, if anything is.
    pub(super) fn expiry(self, now: Timestamp) -> Option<Expiry> {
        let (what, at, first) = match self.kind {
            Kind::Fixed => (Expiring::PersonalAccessToken, self.access?, THRESHOLDS[0]),
            _ if self.standing == Standing::Lost => {
                (Expiring::AccessToken, self.access?, THRESHOLDS[0])
            }
            _ if self.standing == Standing::Misconfigured => {
                (Expiring::AccessTokenOfRefusedClient, self.access?, THRESHOLDS[0])
            }
            Kind::Rotating => (Expiring::RefreshToken, self.refresh?, OVERDUE),
            Kind::Renewable => return None,
        };
        let left = Duration::try_from(at.duration_since(now)).unwrap_or_default();
        if left.is_zero() {
            return Some(Expiry { what, at, days: 0 });
        }
        let reached = |days: &u8| left <= DAY * u32::from(*days);
        let days = THRESHOLDS.into_iter().filter(|days| *days <= first).filter(reached).min()?;
        Some(Expiry { what, at, days })
    }
}

impl Expiry {
    /// What ends, and what to do.
    pub fn advice(&self) -> String {
        let (what, remedy) = match self.what {
            Expiring::PersonalAccessToken => (
                "personal access token",
                "make a new one at https://webwork-tracker.com/app/settings/rest-api and put it into its \
                 file, which is read again when it changes",
            ),
            Expiring::RefreshToken => (
                "refresh token",
                "exchanges have failed for a long time: mend what the last one met, or sign in again",
            ),
            Expiring::AccessToken => (
                "access token",
                "nothing replaces it until the problem that the status names is solved",
            ),
            Expiring::AccessTokenOfRefusedClient => (
                "access token",
                "the authorization server does not accept the client: correct client_id, client_secret \
                 or the scope",
            ),
        };
        let when = match self.days {
            0 => "has ended".to_owned(),
            1 => "ends within a day".to_owned(),
            days => format!("ends within {days} days"),
        };
        format!("the {what} {when} (at {}): {remedy}", self.at.strftime("%Y-%m-%d %H:%M UTC"))
    }

    /// Whether this is nearer to the end than what was told before.
    pub(super) fn is_news_after(&self, told: Option<&Self>) -> bool {
        told.is_none_or(|told| {
            (told.what, told.at) != (self.what, self.at) || self.days < told.days
        })
    }
}

#[cfg(test)]
mod tests {
    use jiff::SignedDuration;

    use super::*;

    const NOW: Timestamp = Timestamp::constant(1_795_487_000, 0);

    fn in_days(days: f64) -> Timestamp {
        NOW + SignedDuration::from_secs_f64(days * 86_400.0)
    }

    fn ends(kind: Kind, standing: Standing) -> Ends {
        Ends { kind, standing, access: None, refresh: None }
    }

    #[test]
    fn a_personal_access_token_is_told_of_at_each_threshold() {
        for (left, told) in [
            (180.0, None),
            (30.1, None),
            (30.0, Some(30)),
            (14.1, Some(30)),
            (13.9, Some(14)),
            (7.0, Some(7)),
            (2.5, Some(3)),
            (0.5, Some(1)),
            (-1.0, Some(0)),
        ] {
            let ends = Ends { access: Some(in_days(left)), ..ends(Kind::Fixed, Standing::Active) };
            assert_eq!(ends.expiry(NOW).map(|expiry| expiry.days), told, "{left}");
        }
    }

    #[test]
    fn what_is_renewed_in_time_is_not_told_of() {
        let fresh = Ends {
            access: Some(in_days(15.0)),
            refresh: Some(in_days(30.0)),
            ..ends(Kind::Rotating, Standing::Active)
        };
        assert_eq!(fresh.expiry(NOW), None);
        let late = Ends { refresh: Some(in_days(13.0)), ..fresh };
        let expiry = late.expiry(NOW).unwrap();
        assert_eq!((expiry.what, expiry.days), (Expiring::RefreshToken, 14));
        let renewable = ends(Kind::Renewable, Standing::Active);
        assert_eq!(Ends { access: Some(in_days(0.1)), ..renewable }.expiry(NOW), None);
    }

    #[test]
    fn a_grant_that_is_lost_ends_with_its_access_token() {
        let lost = Ends {
            access: Some(in_days(5.0)),
            refresh: Some(in_days(20.0)),
            ..ends(Kind::Rotating, Standing::Lost)
        };
        let expiry = lost.expiry(NOW).unwrap();
        assert_eq!((expiry.what, expiry.days), (Expiring::AccessToken, 7));
        assert!(expiry.advice().contains("access token ends within 7 days"), "{}", expiry.advice());
        let refused =
            Ends { standing: Standing::Misconfigured, ..lost }.expiry(NOW).unwrap().advice();
        assert!(refused.contains("client_secret") && !refused.contains("sign in"), "{refused}");
    }

    #[test]
    fn each_threshold_is_told_once() {
        let of = |days, at| Expiry { what: Expiring::PersonalAccessToken, at, days };
        let told = of(14, in_days(13.0));
        assert!(told.is_news_after(None));
        assert!(!told.is_news_after(Some(&told)));
        assert!(of(7, in_days(13.0)).is_news_after(Some(&told)));
        assert!(of(14, in_days(14.0)).is_news_after(Some(&told)), "another token");
    }
}
