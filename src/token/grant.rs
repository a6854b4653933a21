//! What an authorization server granted, as it is held in memory.

use jiff::Timestamp;

use crate::scope::{Rights, ScopeSet};
use crate::secret::Fingerprint;

use super::bearer::{AccessToken, RefreshToken};
use super::current::{Bearer, Generation};
use super::state::Issue;

/// An access token in use, with the refresh token that replaces it where the credential has one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Grant {
    /// Number of the access token.
    pub generation: Generation,
    /// The token that requests carry.
    pub access: AccessToken,
    /// The token for the next exchange; single use.
    pub refresh: Option<RefreshToken>,
    /// When the access token was asked for: a little before the server issued it.
    pub issued: Timestamp,
    /// When the access token ends, if anybody told.
    pub expires: Option<Timestamp>,
    /// When the refresh token was asked for. Older than `issued` if the last answer brought none.
    pub refresh_issued: Timestamp,
    /// What the token may do, if anybody told.
    pub scope: Option<ScopeSet>,
}

impl Grant {
    /// The grant of a sign-in that was asked for at this time.
    pub fn first(generation: Generation, issue: Issue, issued: Timestamp) -> Self {
        Self {
            generation,
            issued,
            expires: issue.expires(issued),
            access: issue.access,
            refresh: issue.refresh,
            refresh_issued: issued,
            scope: issue.scope,
        }
    }

    /// The access token as requests carry it.
    pub fn bearer(&self) -> Bearer {
        let rights = self.scope.as_ref().map(Rights::from).unwrap_or_default();
        Bearer::new(self.generation, &self.access).with_rights(rights)
    }
}

/// A refresh token that the operator provided to begin with.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Seed(RefreshToken);

impl Seed {
    /// A seed.
    pub fn new(token: RefreshToken) -> Self {
        Self(token)
    }

    /// The token to exchange.
    pub fn token(&self) -> &RefreshToken {
        &self.0
    }

    /// How a record remembers it: a seed seen before never overrides what came of it.
    pub fn fingerprint(&self) -> Fingerprint {
        self.0.fingerprint()
    }
}
