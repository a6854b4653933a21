//! What a refresh token is exchanged for: API.md §2, "Rotation".

use crate::clock::{Deadline, Moment};
use crate::scope::ScopeSet;
use crate::simulator::authorization_server::ledger::{
    Family, Holder, Key, Ledger, Pair, Spent, Standing,
};
use crate::simulator::authorization_server::refusal::Refusal;
use crate::simulator::{Personality, Rotation};

/// What a refresh token that is not refused is good for.
pub(in crate::simulator::authorization_server) enum Inspected {
    /// The same pair once more, by grace.
    Answered(Pair),
    /// New tokens.
    Renewable(Renewable),
}

/// What new tokens take over from the refresh token.
pub(in crate::simulator::authorization_server) struct Renewable {
    holder: Holder,
    family: Family,
    old_access: Key,
}

impl Ledger {
    /// What a refresh token is worth. Looking at one that was spent may end its family.
    pub(in crate::simulator::authorization_server) fn inspect(
        &mut self,
        token: &str,
        client: &str,
        now: Moment,
    ) -> Result<Inspected, Refusal> {
        let entry = self.refresh.get(&Key::of(token)).ok_or(Refusal::RefreshGarbage)?;
        if entry.holder.client != client {
            return Err(Refusal::RefreshOfAnotherClient);
        }
        if entry.ends.is_due(now) {
            return Err(Refusal::RefreshExpired);
        }
        match (&entry.spent, entry.standing) {
            (None, Standing::Good) => Ok(Inspected::Renewable(Renewable {
                holder: entry.holder.clone(),
                family: entry.family,
                old_access: entry.access,
            })),
            (Some(spent), Standing::Good) if !spent.grace_ends.is_due(now) => {
                Ok(Inspected::Answered(spent.successor.clone()))
            }
            _ => {
                let family = entry.family;
                if self.personality == Personality::Rfc9700 {
                    // RFC 9700 §4.14.2: nobody can tell the thief from the owner.
                    self.revoke_family(family);
                }
                Err(Refusal::RefreshRevoked)
            }
        }
    }

    /// Exchanges a refresh token: API.md §2, "Rotation". `scope` narrows what the new tokens may do.
    pub(in crate::simulator::authorization_server) fn renew(
        &mut self,
        token: &str,
        client: &str,
        scope: Option<&ScopeSet>,
        now: Moment,
    ) -> Result<Pair, Refusal> {
        let key = Key::of(token);
        let Renewable { mut holder, family, old_access } = match self.inspect(token, client, now)? {
            Inspected::Answered(pair) => return Ok(pair),
            Inspected::Renewable(renewable) => renewable,
        };
        if let Some(wanted) = scope {
            let wider = wanted.iter().find(|value| !holder.scope.contains(value.as_str()));
            if let Some(value) = wider {
                return Err(Refusal::Scope(value.as_str().to_owned()));
            }
            holder.scope = wanted.clone();
        }
        if self.personality != Personality::Rfc9700 {
            self.revoke_access(old_access);
        }
        if self.rotation == Rotation::Never {
            let (access, access_ends) = self.mint(holder, family, self.lives.access, now);
            if let Some(entry) = self.refresh.get_mut(&key) {
                entry.access = Key::of(access.expose());
            }
            return Ok(Pair { access, access_ends, refresh: None });
        }
        let successor = self.issue_pair(holder, family, now);
        if let Some(entry) = self.refresh.get_mut(&key) {
            let grace_ends = Deadline::after(now, self.lives.grace);
            entry.spent = Some(Spent { grace_ends, successor: successor.clone() });
        }
        Ok(successor)
    }
}
