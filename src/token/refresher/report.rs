//! Tells how the token is doing: to status, log and callers.

use super::super::expiry::Expiry;
use super::super::explanation::Explanation;
use super::super::state::Standing;
use super::super::status::{Availability, Status};
use super::Refresher;
use crate::clock::{self, Moment};

/// What was logged of the status.
#[derive(Debug)]
pub(super) enum Log {
    /// Nothing: it is not known yet whether this refresher ever runs.
    Nothing,
    /// Every change, and this end of a token as the last one.
    Changes(Option<Expiry>),
}

impl Refresher {
    pub(super) fn explain(&self) {
        let state = self.state.standing();
        let trouble = self.state.trouble().or(state.advice());
        let explanation = trouble.map(|trouble| {
            Explanation::of(&self.config.credential, state, trouble, self.page.as_deref())
        });
        self.publisher.explained().set(explanation);
    }

    pub(super) fn report(&mut self, changed: bool, now: Moment) {
        let token = Availability::of(&self.access, &self.state, now);
        let since = if changed { now.wall() } else { self.status.borrow().since };
        let mut status = Status::of(&self.state, now, since, token, self.rotations, &self.journal);
        if let Some(path) = &self.unread {
            status.names_unread(path);
        }
        self.publisher.plan(self.state.next_attempt());
        if let Log::Changes(told) = &mut self.log {
            if changed {
                status.log();
            }
            if let Some(expiry) = &status.expiry
                && expiry.is_news_after(told.as_ref())
            {
                tracing::warn!(ends = %clock::second_of(expiry.at), "{}", expiry.advice());
            }
            *told = status.expiry;
        }
        if matches!(status.state, Standing::SignedOut | Standing::Lost)
            && token == Availability::Unavailable
        {
            // Whoever signs in next may be another person.
            self.publisher.acceptance().forget();
        }
        self.status.send_if_modified(|seen| {
            let modified = *seen != status;
            *seen = status;
            modified
        });
    }
}
