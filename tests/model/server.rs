//! The reference authorization server and upstream: what is granted, spent, revoked and accepted.

use std::collections::BTreeMap;
use std::time::Duration;

use crate::case::{Reuse, Rules};

/// Knows every token that it ever issued.
#[derive(Debug)]
pub(crate) struct Server {
    rules: Rules,
    life: Option<Duration>,
    refresh: BTreeMap<String, Refresh>,
    access: BTreeMap<String, Access>,
    issued: u32,
}

/// What a successful exchange brings.
#[derive(Clone, Debug)]
pub(crate) struct Pair {
    pub(crate) access: String,
    pub(crate) refresh: Option<String>,
}

#[derive(Debug)]
struct Refresh {
    family: u32,
    parent: Option<String>,
    used: bool,
    revoked: bool,
}

#[derive(Debug)]
struct Access {
    family: u32,
    /// The refresh token that replaces it.
    partner: String,
    revoked: bool,
    /// When it ends, since the world began.
    end: Option<Duration>,
}

impl Server {
    pub(crate) fn new(rules: Rules, life: Option<Duration>) -> Self {
        Self { rules, life, refresh: BTreeMap::new(), access: BTreeMap::new(), issued: 0 }
    }

    /// A person signs in: the first refresh token of a new family.
    pub(crate) fn sign_in(&mut self) -> String {
        self.issued += 1;
        let family = self.issued;
        self.new_refresh(family, None)
    }

    /// An exchange, or `None` for a refresh token that is dead.
    pub(crate) fn exchange(&mut self, token: &str, now: Duration) -> Option<Pair> {
        let known = self.refresh.get(token)?;
        let (family, parent) = (known.family, known.parent.clone());
        if !self.honours(token) {
            if known.used && self.rules.reuse == Reuse::EndsTheGrant {
                self.end_family(family);
            }
            return None;
        }
        if self.rules.ends_access {
            let partners = self.access.values_mut().filter(|access| access.partner == token);
            partners.for_each(|access| access.revoked = true);
        }
        if !self.rules.rotates {
            return Some(Pair { access: self.new_access(family, token, now), refresh: None });
        }
        for (name, sibling) in &mut self.refresh {
            if sibling.parent == parent && parent.is_some() && name != token {
                sibling.revoked = true;
            }
        }
        if let Some(known) = self.refresh.get_mut(token) {
            known.used = true;
        }
        let refresh = self.new_refresh(family, Some(token.to_owned()));
        Some(Pair { access: self.new_access(family, &refresh, now), refresh: Some(refresh) })
    }

    /// Whether an exchange of this refresh token would succeed.
    pub(crate) fn honours(&self, token: &str) -> bool {
        let Some(known) = self.refresh.get(token) else { return false };
        let mut successors =
            self.refresh.values().filter(|other| other.parent.as_deref() == Some(token));
        let reusable = self.rules.reuse == Reuse::Honoured && !successors.any(|next| next.used);
        !known.revoked && (!known.used || reusable)
    }

    /// Whether an exchange of this refresh token has made a successor.
    pub(crate) fn has_spent(&self, token: &str) -> bool {
        self.refresh.get(token).is_some_and(|known| known.used)
    }

    /// Whether the upstream accepts this access token.
    pub(crate) fn accepts(&self, token: &str, now: Duration) -> bool {
        let known = self.access.get(token);
        known.is_some_and(|it| !it.revoked && it.end.is_none_or(|end| now < end))
    }

    pub(crate) fn end_access(&mut self, token: &str) {
        if let Some(access) = self.access.get_mut(token) {
            access.revoked = true;
        }
    }

    pub(crate) fn revoke_access(&mut self) {
        self.access.values_mut().for_each(|access| access.revoked = true);
    }

    pub(crate) fn revoke_everything(&mut self) {
        self.revoke_access();
        self.refresh.values_mut().for_each(|refresh| refresh.revoked = true);
    }

    fn end_family(&mut self, family: u32) {
        let refresh = self.refresh.values_mut().filter(|it| it.family == family);
        refresh.for_each(|it| it.revoked = true);
        let access = self.access.values_mut().filter(|it| it.family == family);
        access.for_each(|it| it.revoked = true);
    }

    fn new_refresh(&mut self, family: u32, parent: Option<String>) -> String {
        self.issued += 1;
        let name = format!("refresh-{}", self.issued);
        let refresh = Refresh { family, parent, used: false, revoked: false };
        self.refresh.insert(name.clone(), refresh);
        name
    }

    fn new_access(&mut self, family: u32, partner: &str, now: Duration) -> String {
        self.issued += 1;
        let name = format!("access-{}", self.issued);
        let end = self.life.map(|life| now + life);
        let partner = partner.to_owned();
        self.access.insert(name.clone(), Access { family, partner, revoked: false, end });
        name
    }
}
