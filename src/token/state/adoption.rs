//! Taking over what a store holds: at start, and after another process wrote it.

use crate::clock::Moment;

use super::super::grant::Grant;
use super::super::record::Record;
use super::doubt::Doubt;
use super::{Kind, Loss, Outlook, State, schedule};

impl State {
    /// Takes over what a store holds.
    ///
    /// Only a new grant or a loss changes the plans. Otherwise a process that fails and says so in the
    /// record would call the next one to an exchange before its time, and that one the first again.
    pub(super) fn take(&mut self, mut record: Record, now: Moment) {
        if record.intent.is_some() && record.intent == self.unsent {
            record.intent = self.record.intent;
            record.presented.clone_from(&self.record.presented);
        }
        let stored = record.grant.take().filter(|grant| self.grant.as_ref() != Some(grant));
        let seed = self.pending.take_if(|pending| record.has_seen(pending.seed.fingerprint()));
        let news = stored.is_some() || record.loss.is_some() || seed.is_some();
        self.record = record;
        if let Some(grant) = stored {
            self.hold(grant, now);
        }
        if self.record.loss == Some(Loss::SignedOut) {
            self.release();
        }
        // A record of no grant, as another app leaves it, takes none away.
        self.record.grant.clone_from(&self.grant);
        self.take_doubt();
        if news {
            self.trouble = self.record.loss.and_then(State::explained);
        }
        self.outlook = self.outlook_after(news, now);
    }

    fn take_doubt(&mut self) {
        let refresh = self.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
        self.doubt = Doubt::about(refresh, &self.record, self.doubt);
        if let Some(pending) = &mut self.pending {
            pending.doubt = Doubt::about(Some(pending.seed.token()), &self.record, pending.doubt);
        }
    }

    /// The plan for what the record says; without news the present one goes on.
    pub(super) fn outlook_after(&self, news: bool, now: Moment) -> Outlook {
        match (&self.outlook, self.record.loss) {
            (Outlook::Retry { .. } | Outlook::Misconfigured(_), None) if !news => {
                self.outlook.clone()
            }
            (Outlook::Retry { .. }, _) if self.pending.is_some() => self.outlook.clone(),
            _ if self.pending.is_some() => self.soon(now),
            (_, Some(Loss::SignedOut)) => Outlook::SignedOut,
            (_, Some(loss)) => Outlook::Lost(loss),
            _ if self.refresh_token().is_none() => Outlook::SignedOut,
            _ if self.doubt.is_some() || self.is_dead() => self.soon(now),
            _ => Outlook::Scheduled,
        }
    }

    /// Lets the grant go: who signed out wants no request to carry it any more.
    fn release(&mut self) {
        (self.grant, self.due, self.expiry) = (None, None, None);
    }

    /// Being signed out explains itself.
    fn explained(loss: Loss) -> Option<String> {
        (loss != Loss::SignedOut).then(|| loss.advice().into())
    }

    /// Takes a grant into use and plans its replacement.
    pub(super) fn hold(&mut self, grant: Grant, now: Moment) {
        let due = schedule::due(&grant, &self.policy, &mut self.dice, now);
        let fixed = self.kind == Kind::Fixed;
        self.due = (!fixed).then_some(due);
        // What a personal access token says of its end is shown, but not trusted.
        self.expiry = if fixed { None } else { schedule::expiry(&grant, now) };
        if self.grant.as_ref().is_none_or(|before| before.access != grant.access) {
            self.held = Some(now);
        }
        self.grant = Some(grant);
    }
}
