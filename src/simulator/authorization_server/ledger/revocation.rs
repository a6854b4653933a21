//! Sudden deaths: of all tokens of a kind, or of everything that descends from one sign-in.

use std::time::Duration;

use crate::clock::{Deadline, Moment};
use crate::simulator::TokenKind;
use crate::simulator::authorization_server::ledger::{Family, Key, Ledger, Standing};

impl Ledger {
    /// Revokes all tokens of a kind.
    pub(in crate::simulator) fn revoke(&mut self, kind: TokenKind) {
        match kind {
            TokenKind::AccessTokens => {
                self.access.values_mut().for_each(|token| token.standing = Standing::Revoked);
            }
            TokenKind::RefreshTokens => {
                self.refresh.values_mut().for_each(|token| token.standing = Standing::Revoked);
            }
        }
    }

    /// Lets the life of all tokens of a kind end at `now`.
    pub(in crate::simulator) fn expire(&mut self, kind: TokenKind, now: Moment) {
        let ended = Deadline::after(now, Duration::ZERO);
        match kind {
            TokenKind::AccessTokens => {
                self.access.values_mut().for_each(|token| token.ends = ended);
            }
            TokenKind::RefreshTokens => {
                self.refresh.values_mut().for_each(|token| token.ends = ended);
            }
        }
    }

    /// Revokes everything that descends from the sign-in of this refresh token, if it is known.
    pub(in crate::simulator) fn revoke_family_of(&mut self, token: &str) -> bool {
        let Some(refresh) = self.refresh.get(&Key::of(token)) else { return false };
        let family = refresh.family;
        self.revoke_family(family);
        true
    }

    /// Revokes everything that descends from one sign-in.
    pub(super) fn revoke_family(&mut self, family: Family) {
        for token in self.access.values_mut().filter(|token| token.family == family) {
            token.standing = Standing::Revoked;
        }
        for token in self.refresh.values_mut().filter(|token| token.family == family) {
            token.standing = Standing::Revoked;
        }
    }
}
