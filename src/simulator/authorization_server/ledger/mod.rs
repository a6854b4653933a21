//! Every token ever made, and what became of it. Pure: the time comes in, verdicts go out.
//!
//! ```text
//!                    refresh                         reuse (rfc9700), revoke_family_of
//! sign-in ─▶ Live ────────────▶ Spent ─ within grace: the same successor again
//!              │                  └──── afterwards: refused
//!              └── revoke ─▶ Revoked ◀────────────── the whole family
//! ```

mod renewal;
mod revocation;

use std::collections::HashMap;
use std::time::Duration;

use sha2::{Digest, Sha256};

use crate::clock::{Deadline, Moment};
use crate::scope::ScopeSet;
use crate::secret::Secret;
use crate::simulator::authorization_server::mint;
use crate::simulator::authorization_server::permission::Permission;
use crate::simulator::authorization_server::refusal::Refusal;
use crate::simulator::world::UserId;
use crate::simulator::{Personality, Rotation};

/// For whom a token speaks, and what it may do.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Holder {
    pub(in crate::simulator) client: String,
    /// `None` for client credentials.
    pub(in crate::simulator) user: Option<UserId>,
    pub(in crate::simulator) scope: ScopeSet,
}

/// How long things live.
#[derive(Clone, Copy, Debug)]
pub(in crate::simulator) struct Lives {
    pub(in crate::simulator) access: Duration,
    pub(in crate::simulator) refresh: Duration,
    pub(in crate::simulator) personal: Duration,
    pub(in crate::simulator) code: Duration,
    pub(in crate::simulator) grace: Duration,
}

/// What a grant is answered with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(in crate::simulator) struct Pair {
    pub(in crate::simulator) access: Secret,
    pub(in crate::simulator) access_ends: Deadline,
    pub(in crate::simulator) refresh: Option<Secret>,
}

/// All tokens and codes, by the SHA-256 of their text.
#[derive(Debug)]
pub(in crate::simulator) struct Ledger {
    personality: Personality,
    rotation: Rotation,
    lives: Lives,
    access: HashMap<Key, Access>,
    refresh: HashMap<Key, Refresh>,
    codes: HashMap<Key, Code>,
    families: u64,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
struct Key([u8; 32]);

/// Everything that descends from one sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
struct Family(u64);

#[derive(Debug)]
struct Access {
    holder: Holder,
    family: Family,
    ends: Deadline,
    standing: Standing,
}

#[derive(Debug)]
struct Refresh {
    holder: Holder,
    family: Family,
    /// The access token that was made with it.
    access: Key,
    ends: Deadline,
    standing: Standing,
    spent: Option<Spent>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Standing {
    Good,
    Revoked,
}

#[derive(Debug)]
struct Spent {
    grace_ends: Deadline,
    successor: Pair,
}

#[derive(Debug)]
struct Code {
    permission: Permission,
    family: Family,
    ends: Deadline,
    standing: Standing,
}

impl Ledger {
    pub(in crate::simulator) fn new(
        personality: Personality,
        rotation: Rotation,
        lives: Lives,
    ) -> Self {
        Self {
            personality,
            rotation,
            lives,
            access: HashMap::new(),
            refresh: HashMap::new(),
            codes: HashMap::new(),
            families: 0,
        }
    }

    /// The holder of an access token that is good at this moment.
    pub(in crate::simulator) fn bearer(&self, token: &str, now: Moment) -> Option<&Holder> {
        let access = self.access.get(&Key::of(token))?;
        let good = access.standing == Standing::Good && !access.ends.is_due(now);
        good.then_some(&access.holder)
    }

    /// A pair of tokens of a new family.
    pub(in crate::simulator) fn sign_in(&mut self, holder: Holder, now: Moment) -> Pair {
        let family = self.new_family();
        self.issue_pair(holder, family, now)
    }

    /// A token for the user's own scripts, without a refresh token.
    pub(in crate::simulator) fn issue_personal(&mut self, holder: Holder, now: Moment) -> Pair {
        self.issue_alone(holder, self.lives.personal, now)
    }

    /// A token for the client itself: RFC 6749 §4.4.3, no refresh token.
    pub(super) fn issue_for_client(&mut self, holder: Holder, now: Moment) -> Pair {
        self.issue_alone(holder, self.lives.access, now)
    }

    /// A code for a permission that the user has given.
    pub(super) fn issue_code(&mut self, permission: Permission, now: Moment) -> Secret {
        let code = mint::code();
        let entry = Code {
            permission,
            family: self.new_family(),
            ends: Deadline::after(now, self.lives.code),
            standing: Standing::Good,
        };
        self.codes.insert(Key::of(code.expose()), entry);
        code
    }

    /// Exchanges a code: RFC 6749 §4.1.3. A refused verifier leaves the code usable, as in league.
    pub(super) fn redeem(
        &mut self,
        code: &str,
        client: &str,
        redirect_uri: Option<&str>,
        verifier: Option<&str>,
        now: Moment,
    ) -> Result<Pair, Refusal> {
        let key = Key::of(code);
        let entry = self.codes.get(&key).ok_or(Refusal::CodeGarbage)?;
        let family = entry.family;
        if entry.ends.is_due(now) {
            return Err(Refusal::CodeExpired);
        }
        if entry.standing == Standing::Revoked {
            if self.personality == Personality::Rfc9700 {
                // RFC 6749 §4.1.2: a code that comes twice may be stolen.
                self.revoke_family(family);
            }
            return Err(Refusal::CodeUsed);
        }
        let permission = entry.permission.clone();
        permission.check(client, redirect_uri, verifier)?;
        if let Some(entry) = self.codes.get_mut(&key) {
            entry.standing = Standing::Revoked;
        }
        Ok(self.issue_pair(permission.holder, family, now))
    }

    /// Whether this refresh token was spent before.
    pub(super) fn was_spent(&self, token: &str) -> bool {
        self.refresh.get(&Key::of(token)).is_some_and(|refresh| refresh.spent.is_some())
    }

    fn revoke_access(&mut self, key: Key) {
        if let Some(token) = self.access.get_mut(&key) {
            token.standing = Standing::Revoked;
        }
    }

    fn new_family(&mut self) -> Family {
        self.families += 1;
        Family(self.families)
    }

    fn issue_alone(&mut self, holder: Holder, life: Duration, now: Moment) -> Pair {
        let family = self.new_family();
        let (access, access_ends) = self.mint(holder, family, life, now);
        Pair { access, access_ends, refresh: None }
    }

    fn issue_pair(&mut self, holder: Holder, family: Family, now: Moment) -> Pair {
        let (access, access_ends) = self.mint(holder.clone(), family, self.lives.access, now);
        let refresh = mint::refresh_token();
        let entry = Refresh {
            holder,
            family,
            access: Key::of(access.expose()),
            ends: Deadline::after(now, self.lives.refresh),
            standing: Standing::Good,
            spent: None,
        };
        self.refresh.insert(Key::of(refresh.expose()), entry);
        Pair { access, access_ends, refresh: Some(refresh) }
    }

    fn mint(
        &mut self,
        holder: Holder,
        family: Family,
        life: Duration,
        now: Moment,
    ) -> (Secret, Deadline) {
        let token = mint::access_token(&holder, self.personality, life, now);
        let ends = Deadline::after(now, life);
        let entry = Access { holder, family, ends, standing: Standing::Good };
        self.access.insert(Key::of(token.expose()), entry);
        (token, ends)
    }
}

impl Key {
    fn of(text: &str) -> Self {
        Self(Sha256::digest(text.as_bytes()).into())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::simulator::TokenKind;

    const LIVES: Lives = Lives {
        access: Duration::from_secs(100),
        refresh: Duration::from_secs(1000),
        personal: Duration::from_secs(500),
        code: Duration::from_secs(10),
        grace: Duration::ZERO,
    };

    fn at(second: u64) -> Moment {
        let wall = jiff::Timestamp::from_second(1_800_000_000).unwrap();
        Moment::new(wall, Duration::from_secs(1)).plus(Duration::from_secs(second))
    }

    fn holder() -> Holder {
        let scope = "read write".parse().unwrap();
        Holder { client: "1".into(), user: Some(UserId(42)), scope }
    }

    fn ledger(personality: Personality) -> Ledger {
        Ledger::new(personality, Rotation::EveryRefresh, LIVES)
    }

    fn refresh_of(pair: &Pair) -> &str {
        pair.refresh.as_ref().unwrap().expose()
    }

    #[test]
    fn league_kills_the_old_access_token_at_the_refresh_and_nothing_at_a_reuse() {
        for personality in [Personality::League8, Personality::League9] {
            let mut ledger = ledger(personality);
            let first = ledger.sign_in(holder(), at(0));
            let second = ledger.renew(refresh_of(&first), "1", None, at(1)).unwrap();
            assert!(ledger.bearer(first.access.expose(), at(1)).is_none());
            assert_eq!(ledger.bearer(second.access.expose(), at(1)), Some(&holder()));
            let reuse = ledger.renew(refresh_of(&first), "1", None, at(2));
            assert_eq!(reuse, Err(Refusal::RefreshRevoked));
            assert!(ledger.was_spent(refresh_of(&first)));
            assert!(ledger.bearer(second.access.expose(), at(2)).is_some());
            assert!(ledger.renew(refresh_of(&second), "1", None, at(3)).is_ok());
        }
    }

    #[test]
    fn rfc_9700_keeps_the_old_access_token_at_a_refresh_and_ends_the_family_at_a_reuse() {
        let mut ledger = ledger(Personality::Rfc9700);
        let other = ledger.sign_in(holder(), at(0));
        let first = ledger.sign_in(holder(), at(0));
        let second = ledger.renew(refresh_of(&first), "1", None, at(1)).unwrap();
        assert!(ledger.bearer(first.access.expose(), at(1)).is_some());
        assert!(ledger.bearer(first.access.expose(), at(100)).is_none(), "it still expires");
        let reuse = ledger.renew(refresh_of(&first), "1", None, at(2));
        assert_eq!(reuse, Err(Refusal::RefreshRevoked));
        assert!(ledger.bearer(first.access.expose(), at(2)).is_none());
        assert!(ledger.bearer(second.access.expose(), at(2)).is_none());
        assert!(ledger.renew(refresh_of(&second), "1", None, at(2)).is_err());
        assert!(ledger.bearer(other.access.expose(), at(2)).is_some(), "another family lives");
    }

    #[test]
    fn within_the_grace_a_spent_token_gets_the_same_pair_again() {
        let lives = Lives { grace: Duration::from_secs(30), ..LIVES };
        let mut ledger = Ledger::new(Personality::Rfc9700, Rotation::EveryRefresh, lives);
        let first = ledger.sign_in(holder(), at(0));
        let second = ledger.renew(refresh_of(&first), "1", None, at(1)).unwrap();
        assert_eq!(ledger.renew(refresh_of(&first), "1", None, at(30)), Ok(second));
        let late = ledger.renew(refresh_of(&first), "1", None, at(31));
        assert_eq!(late, Err(Refusal::RefreshRevoked));
    }

    #[test]
    fn without_rotation_the_refresh_token_stays_and_none_is_sent() {
        let mut ledger = Ledger::new(Personality::League8, Rotation::Never, LIVES);
        let first = ledger.sign_in(holder(), at(0));
        let second = ledger.renew(refresh_of(&first), "1", None, at(1)).unwrap();
        assert_eq!(second.refresh, None);
        let third = ledger.renew(refresh_of(&first), "1", None, at(2)).unwrap();
        assert!(ledger.bearer(second.access.expose(), at(2)).is_none());
        assert!(ledger.bearer(third.access.expose(), at(2)).is_some());
    }

    #[test]
    fn a_refresh_may_narrow_the_scope_for_good() {
        let mut ledger = ledger(Personality::League9);
        let first = ledger.sign_in(holder(), at(0));
        let read = "read".parse().unwrap();
        let second = ledger.renew(refresh_of(&first), "1", Some(&read), at(1)).unwrap();
        assert_eq!(ledger.bearer(second.access.expose(), at(1)).unwrap().scope, read);
        let both = "read write".parse().unwrap();
        let wider = ledger.renew(refresh_of(&second), "1", Some(&both), at(2));
        assert_eq!(wider, Err(Refusal::Scope("write".into())));
        assert!(ledger.renew(refresh_of(&second), "1", None, at(3)).is_ok(), "not spent by that");
    }

    #[test]
    fn a_refresh_tokens_life_starts_again_with_every_refresh() {
        let mut ledger = ledger(Personality::League9);
        let first = ledger.sign_in(holder(), at(0));
        let second = ledger.renew(refresh_of(&first), "1", None, at(999)).unwrap();
        assert!(ledger.renew(refresh_of(&second), "1", None, at(1998)).is_ok());
        let idle = ledger.sign_in(holder(), at(0));
        let late = ledger.renew(refresh_of(&idle), "1", None, at(1000));
        assert_eq!(late, Err(Refusal::RefreshExpired));
    }

    #[test]
    fn tokens_can_be_revoked_and_expired_by_kind() {
        let mut ledger = ledger(Personality::League9);
        let pair = ledger.sign_in(holder(), at(0));
        ledger.revoke(TokenKind::AccessTokens);
        assert!(ledger.bearer(pair.access.expose(), at(0)).is_none());
        let pair = ledger.renew(refresh_of(&pair), "1", None, at(1)).unwrap();
        ledger.expire(TokenKind::AccessTokens, at(1));
        assert!(ledger.bearer(pair.access.expose(), at(1)).is_none());
        ledger.expire(TokenKind::RefreshTokens, at(1));
        let expired = ledger.renew(refresh_of(&pair), "1", None, at(1));
        assert_eq!(expired, Err(Refusal::RefreshExpired));
        let pair = ledger.sign_in(holder(), at(2));
        assert!(ledger.revoke_family_of(refresh_of(&pair)));
        assert!(ledger.bearer(pair.access.expose(), at(2)).is_none());
        assert!(!ledger.revoke_family_of("unknown"));
    }

    #[test]
    fn a_code_that_comes_twice_ends_the_family_only_after_rfc_6749() {
        for (personality, survives) in [(Personality::League9, true), (Personality::Rfc9700, false)]
        {
            let mut ledger = ledger(personality);
            let permission = Permission { holder: holder(), redirect_uri: None, challenge: None };
            let code = ledger.issue_code(permission, at(0));
            let pair = ledger.redeem(code.expose(), "1", None, None, at(1)).unwrap();
            let again = ledger.redeem(code.expose(), "1", None, None, at(2));
            assert_eq!(again, Err(Refusal::CodeUsed));
            assert_eq!(ledger.bearer(pair.access.expose(), at(2)).is_some(), survives);
        }
    }
}
