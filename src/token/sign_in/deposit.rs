//! What a sign-in and a sign-out leave in the record.

use crate::clock::Moment;

use super::super::grant::Grant;
use super::super::record::Record;
use super::super::source::AuthorizationCode;
use super::super::state::{Issue, Loss};

impl Record {
    /// The record with the grant of a sign-in. Whatever was known of the grant before is over: its
    /// refresh token and the seed that the operator provided are not sent again.
    pub(super) fn signed_in(self, app: &AuthorizationCode, issue: Issue, sent: Moment) -> Self {
        let generation = self.generation.next();
        let grant = Grant::first(generation, issue, sent.wall());
        Self { generation, grant: Some(grant), loss: None, ..self.cleared(app) }
    }

    /// The record without any grant, and so that none comes back by itself.
    pub(super) fn signed_out(self, app: &AuthorizationCode) -> Self {
        Self { grant: None, loss: Some(Loss::SignedOut), ..self.cleared(app) }
    }

    fn cleared(mut self, app: &AuthorizationCode) -> Self {
        let held = self.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
        let held = held.map(|token| token.fingerprint());
        self.remember(held);
        // Nor is any token that was tried and had no answer.
        for counted in std::mem::take(&mut self.presented) {
            self.remember(Some(counted.refresh_token));
        }
        if let Some(seed) = &app.seed {
            let before = self.seed.replace(seed.fingerprint());
            self.remember(before.filter(|before| *before != seed.fingerprint()));
        }
        self.settle([]);
        self.revision += 1;
        self
    }
}
