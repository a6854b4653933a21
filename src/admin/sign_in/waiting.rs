//! Sign-ins that wait for their browsers: in memory, few, and not for long.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use crate::clock::{self, Moment};
use crate::secret::Secret;
use crate::token::sign_in::{Pending, Proof, SignInError};

/// How long a sign-in waits: as long as a code of the probable server lives (API.md §2).
pub(super) const LIFE: Duration = Duration::from_secs(600);

/// Most sign-ins at a time; the oldest makes room. People sign in one after the other.
const MOST: usize = 16;

/// The sign-ins that wait.
#[derive(Debug, Default)]
pub(super) struct Waiting(Mutex<Vec<Entry>>);

#[derive(Debug)]
struct Entry {
    pending: Pending,
    /// What the browser has that may come back.
    cookie: Secret,
    /// What a browser that has no cookie yet gets one for, once.
    ticket: Option<Secret>,
    begun: Moment,
}

/// What whoever began a sign-in needs.
#[derive(Debug)]
pub(super) struct Begun {
    pub(super) url: String,
    pub(super) cookie: Secret,
    pub(super) ticket: Secret,
}

impl Waiting {
    /// Lets a sign-in wait.
    pub(super) fn admit(&self, pending: Pending) -> Result<Begun, SignInError> {
        let random = || Secret::random().map_err(|error| SignInError::Random(error.to_string()));
        let begun = Begun { url: pending.url(), cookie: random()?, ticket: random()? };
        let entry = Entry {
            pending,
            cookie: begun.cookie.clone(),
            ticket: Some(begun.ticket.clone()),
            begun: clock::now(),
        };
        let mut entries = self.entries();
        if entries.len() == MOST {
            entries.remove(0);
        }
        entries.push(entry);
        Ok(begun)
    }

    /// Exchanges a ticket for the cookie, once.
    pub(super) fn redeem(&self, ticket: &Secret) -> Option<Begun> {
        let mut entries = self.entries();
        let entry = entries.iter_mut().find(|entry| entry.ticket.as_ref() == Some(ticket))?;
        let ticket = entry.ticket.take()?;
        Some(Begun { url: entry.pending.url(), cookie: entry.cookie.clone(), ticket })
    }

    /// Whether a sign-in waits for a browser with these cookies.
    pub(super) fn is_there(&self, cookies: &[Secret]) -> bool {
        self.entries().iter().any(|entry| entry.belongs_to(cookies))
    }

    /// The answer that a browser with these cookies brings back. One that is about the sign-in ends it;
    /// without a state anybody can have sent it, so the sign-in waits on.
    pub(super) fn answered(&self, cookies: &[Secret], query: &str) -> Result<Proof, SignInError> {
        let mut entries = self.entries();
        let at = entries.iter().position(|entry| entry.belongs_to(cookies));
        let at = at.ok_or(SignInError::Unknown)?;
        let answer = entries[at].pending.returned(query);
        let ends = answer.as_ref().map_or_else(SignInError::is_final, |_| true);
        if ends && is_bound(query) {
            entries.remove(at);
        }
        answer
    }

    /// The answer that a person pasted. Its state tells to which sign-in it belongs.
    pub(super) fn pasted(&self, text: &str) -> Result<Proof, SignInError> {
        let mut entries = self.entries();
        let mut last = SignInError::Unknown;
        for at in (0..entries.len()).rev() {
            match entries[at].pending.pasted(text) {
                Ok(proof) => {
                    entries.remove(at);
                    return Ok(proof);
                }
                Err(error) if error.is_final() => {
                    entries.remove(at);
                    return Err(error);
                }
                Err(error) => last = error,
            }
        }
        Err(last)
    }

    fn entries(&self) -> MutexGuard<'_, Vec<Entry>> {
        self.entries_at(clock::now())
    }

    fn entries_at(&self, now: Moment) -> MutexGuard<'_, Vec<Entry>> {
        // Nothing that panics is done with the lock in hand.
        let mut entries = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        entries.retain(|entry| now.since(entry.begun) < LIFE);
        entries
    }
}

impl Entry {
    fn belongs_to(&self, cookies: &[Secret]) -> bool {
        cookies.contains(&self.cookie)
    }
}

/// Whether an answer says to which sign-in it belongs.
fn is_bound(query: &str) -> bool {
    url::form_urlencoded::parse(query.as_bytes()).any(|(name, _)| name == "state")
}

#[cfg(test)]
mod tests {
    use url::Url;

    use super::*;
    use crate::token::source::AuthorizationCode;

    fn pending() -> Pending {
        Pending::new(&AuthorizationCode::example()).unwrap()
    }

    fn answer_to(begun: &Begun) -> String {
        let url = Url::parse(&begun.url).unwrap();
        let state = url.query_pairs().find(|(name, _)| name == "state").unwrap().1.into_owned();
        format!("code=a&state={state}")
    }

    #[test]
    fn the_oldest_makes_room_and_each_is_answered_by_its_own_browser() {
        let waiting = Waiting::default();
        let begun: Vec<Begun> = (0..=MOST).map(|_| waiting.admit(pending()).unwrap()).collect();
        assert_eq!(waiting.entries().len(), MOST);
        let cookies = |begun: &Begun| vec![begun.cookie.clone()];
        let (first, second, last) = (&begun[0], &begun[1], &begun[MOST]);
        assert_eq!(waiting.answered(&cookies(first), &answer_to(first)), Err(SignInError::Unknown));
        assert!(waiting.redeem(&first.ticket).is_none());
        let foreign = waiting.answered(&cookies(second), &answer_to(last));
        assert_eq!(foreign, Err(SignInError::StateWrong));
        assert!(waiting.answered(&cookies(second), &answer_to(second)).is_ok());
        assert_eq!(
            waiting.answered(&cookies(second), &answer_to(second)),
            Err(SignInError::Unknown)
        );
        assert!(waiting.pasted(&answer_to(last)).is_ok());
        assert_eq!(waiting.pasted(&answer_to(last)), Err(SignInError::StateWrong));
        assert_eq!(waiting.entries().len(), MOST - 2);
    }

    /// Any site can send a browser here, and its cookie comes along.
    #[test]
    fn an_answer_without_a_state_ends_no_sign_in() {
        let waiting = Waiting::default();
        let begun = waiting.admit(pending()).unwrap();
        let cookies = [begun.cookie.clone()];
        assert!(waiting.answered(&cookies, "error=invalid_scope").unwrap_err().is_final());
        assert!(waiting.is_there(&cookies));
        assert!(waiting.answered(&cookies, &answer_to(&begun)).is_ok());
        assert!(!waiting.is_there(&cookies));
    }

    #[test]
    fn nobody_is_waited_for_longer_than_a_code_lives() {
        let waiting = Waiting::default();
        waiting.admit(pending()).unwrap();
        let begun = clock::now();
        let soon = begun.plus(LIFE - Duration::from_secs(60));
        assert_eq!(waiting.entries_at(soon).len(), 1);
        assert_eq!(waiting.entries_at(begun.plus(LIFE)).len(), 0);
    }
}
