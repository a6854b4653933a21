//! How often each refresh token was presented to a server that may have taken it.

use serde::{Deserialize, Serialize};

use crate::secret::Fingerprint;

use super::Record;

/// How many tokens are counted at a time. There are the grant's and a seed's, and seeds that the
/// operator withdrew before their exchange had an end.
const COUNTERS: usize = 16;

/// Counts how often a refresh token was presented. Stored with the intent, before anything is sent, so
/// that no other process presents it more often.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Presented {
    /// The refresh token.
    pub refresh_token: Fingerprint,
    /// How often.
    pub times: u32,
}

impl Record {
    pub(super) fn count(&mut self, token: Fingerprint) {
        let counted = self.presented.iter_mut().find(|counted| counted.refresh_token == token);
        match counted {
            Some(counted) => counted.times += 1,
            None => self.presented.push(Presented { refresh_token: token, times: 1 }),
        }
        if self.presented.len() > COUNTERS {
            // One that is not counted any more must not be presented any more.
            let oldest = self.presented.first().map(|counted| counted.refresh_token);
            self.remember(oldest);
        }
    }

    /// How often this token was presented without an answer that settles what became of it.
    pub fn presentations(&self, token: Fingerprint) -> u32 {
        let counted = self.presented.iter().find(|counted| counted.refresh_token == token);
        counted.map_or(0, |counted| counted.times)
    }

    /// Takes back what an exchange counted whose process was killed in the middle: no answer was heard, and a
    /// process that is killed again and again must not lose a grant over it.
    pub(in crate::token) fn retract_announced(&mut self) {
        let announced = [self.intent, self.aside].into_iter().flatten();
        for intent in announced {
            self.retract(intent.refresh_token);
        }
    }

    /// Takes one presentation back: it was not sent, or the server turned it away unseen.
    pub(in crate::token) fn retract(&mut self, token: Fingerprint) {
        for counted in self.presented.iter_mut().filter(|it| it.refresh_token == token) {
            counted.times = counted.times.saturating_sub(1);
        }
        self.presented.retain(|counted| counted.times > 0);
    }

    /// Stops counting a token: what became of it is known.
    pub(in crate::token) fn settled(&mut self, token: Fingerprint) {
        self.presented.retain(|counted| counted.refresh_token != token);
    }
}

#[cfg(test)]
mod tests {
    use super::super::Intent;
    use super::*;

    #[test]
    fn a_token_that_is_not_counted_any_more_is_not_sent_any_more() {
        let mut record = Record::new("1".into(), "https://a.example/oauth/token".into());
        let at = "2026-11-24T12:00:00Z".parse().unwrap();
        let token = |number: usize| Fingerprint::of(&number.to_string());
        for number in 0..=COUNTERS {
            record.announce(Intent { refresh_token: token(number), at });
        }
        assert_eq!(record.presented.len(), COUNTERS);
        assert!(record.has_seen(token(0)) && !record.has_seen(token(COUNTERS)));
        record.announce(Intent { refresh_token: token(5), at });
        assert_eq!(record.presentations(token(5)), 2);
        record.retract(token(5));
        assert_eq!(record.presentations(token(5)), 1);
        record.retract(token(5));
        assert_eq!((record.presentations(token(5)), record.presented.len()), (0, COUNTERS - 1));
    }
}
