//! The refresher's beginning: what is stored, what the operator provides, and what cannot be used.

use std::sync::Arc;

use crate::clock::Moment;
use crate::net::origin::InvalidOrigin;
use crate::net::tls::Trust;

use super::Config;
use super::claims::Claims;
use super::grant::Seed;
use super::operation::Tools;
use super::record::{ForeignRecord, Record};
use super::source::Credential;
use super::state::{Dice, Event, Issue, Kind, State};
use super::store::{Store, StoreError};

/// Why a refresher cannot start.
#[derive(Debug, thiserror::Error)]
pub enum SetupError {
    /// The state directory or the record in it cannot be used.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The state directory is another app's.
    #[error(transparent)]
    Foreign(#[from] ForeignRecord),
    /// The token endpoint is no place to send a secret to.
    #[error("token_url: {0}")]
    Endpoint(#[from] InvalidOrigin),
}

/// The state at start, and the tools for the credential.
pub(super) fn initial(
    config: &Config,
    tools: &mut Tools,
    trust: Trust,
    now: Moment,
) -> Result<State, SetupError> {
    tools.equip(config, trust)?;
    let dice = Dice::new(fastrand::u64(..));
    let policy = config.refresh.clone();
    match &config.credential {
        Credential::PersonalAccessToken(_) => {
            Ok(State::new(Kind::Fixed, policy, Record::new(String::new(), String::new()), dice))
        }
        Credential::ClientCredentials(_) => {
            Ok(State::new(Kind::Renewable, policy, Record::new(String::new(), String::new()), dice))
        }
        Credential::AuthorizationCode(_) => {
            let store =
                Arc::new(Store::open(&config.state_directory, config.second_directory.as_deref())?);
            let stored = store.load()?;
            tools.store = Some(store);
            let record = match stored {
                Some(record) => record.seen_by(&tools.empty_record())?,
                None => tools.empty_record(),
            };
            Ok(State::new(Kind::Rotating, policy, record, dice).restored(now))
        }
    }
}

/// What the operator provides beside the store.
pub(super) fn provided(credential: &Credential, now: Moment) -> Vec<Event> {
    match credential {
        Credential::AuthorizationCode(code) => {
            code.seed.iter().map(|seed| Event::Seeded(Seed::new(seed.clone()))).collect()
        }
        Credential::ClientCredentials(_) => Vec::new(),
        Credential::PersonalAccessToken(token) => {
            let claims = Claims::of(token);
            vec![Event::Provided(Issue {
                access: token.clone(),
                refresh: None,
                life: claims.life(now.wall()),
                scope: claims.scope,
            })]
        }
    }
}
