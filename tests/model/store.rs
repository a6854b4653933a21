//! The reference store: one record, replaced atomically, and one lock that ends with its owner.

use std::collections::BTreeSet;

use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::token::record::Record;

use crate::replica::Incarnation;

#[derive(Debug, Default)]
pub(crate) struct Store {
    pub(crate) record: Option<Record>,
    pub(crate) owner: Option<Incarnation>,
    /// Access tokens that were durable at some time.
    pub(crate) durable: BTreeSet<Fingerprint>,
    /// Refresh tokens that a stored record knows to be spent or refused.
    pub(crate) dead: BTreeSet<Fingerprint>,
}

impl Store {
    pub(crate) fn write(&mut self, record: Record) {
        let refresh = |record: &Record| {
            let grant = record.grant.as_ref()?;
            grant.refresh.as_ref().map(|token| token.fingerprint())
        };
        let kept = refresh(&record);
        let before = self.record.as_ref().and_then(refresh);
        self.dead.extend(before.into_iter().chain(record.seed).filter(|it| Some(*it) != kept));
        self.dead.extend(kept.filter(|_| record.loss.is_some()));
        self.durable.extend(record.grant.as_ref().map(|grant| grant.access.fingerprint()));
        self.record = Some(record);
    }

    /// Takes the lock if it is free.
    pub(crate) fn lock(&mut self, who: Incarnation) -> bool {
        let free = self.owner.is_none_or(|owner| owner == who);
        if free {
            self.owner = Some(who);
        }
        free
    }

    pub(crate) fn release(&mut self, who: Incarnation) {
        if self.owner == Some(who) {
            self.owner = None;
        }
    }
}
