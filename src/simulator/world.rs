//! Everything that the simulated WebWork knows.

use std::net::IpAddr;
use std::sync::Arc;

use crate::clock::Moment;
use crate::scope::ScopeSet;
use crate::simulator::api::Store;
use crate::simulator::authorization_server::{Holder, Ledger, Lives, Pair};
use crate::simulator::client::Client;
use crate::simulator::faults::Faults;
use crate::simulator::journal::Journal;
use crate::simulator::shared::Shared;
use crate::simulator::throttle::Throttle;
use crate::simulator::{Config, MachineTokens, Personality, Refusals};

/// A person who has an account.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) struct UserId(pub(super) u64);

/// The one who signs in: owner of the seeded workspaces.
pub(super) const OWNER: UserId = UserId(42);

/// Whom the API's rate limit counts.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(super) enum Account {
    User(UserId),
    Client(String),
}

/// The state of one simulator.
#[derive(Debug)]
pub(super) struct World {
    pub(super) personality: Personality,
    pub(super) machine_tokens: MachineTokens,
    pub(super) refusals: Refusals,
    pub(super) clients: Vec<Client>,
    pub(super) ledger: Arc<Shared<Ledger>>,
    pub(super) store: Shared<Store>,
    pub(super) journal: Shared<Journal>,
    pub(super) faults: Faults,
    pub(super) accounts: Throttle<Account>,
    pub(super) addresses: Throttle<IpAddr>,
}

impl World {
    pub(super) fn new(config: Config) -> Self {
        let lives = Lives {
            access: config.access_life,
            refresh: config.refresh_life,
            personal: config.personal_life,
            code: config.code_life,
            grace: config.grace,
        };
        let ledger = Ledger::new(config.personality, config.rotation, lives);
        let ledger = Arc::new(Shared::new(ledger));
        let mut clients = vec![Client::builtin(config.seed)];
        clients.extend(config.clients);
        Self {
            personality: config.personality,
            machine_tokens: config.machine_tokens,
            refusals: config.refusals,
            clients,
            store: Shared::new(Store::seeded(config.seed)),
            journal: Shared::new(Journal::default()),
            faults: Faults::new(Arc::clone(&ledger)),
            ledger,
            accounts: Throttle::new(config.rate_limit),
            addresses: Throttle::new(config.token_rate_limit),
        }
    }

    /// The client that every simulator has.
    pub(super) fn builtin(&self) -> &Client {
        &self.clients[0]
    }

    /// The client with this id.
    pub(super) fn client(&self, id: &str) -> Option<&Client> {
        self.clients.iter().find(|client| client.id == id)
    }

    /// A pair of tokens as if the owner had signed in with the built-in client.
    pub(super) fn sign_in(&self, scope: ScopeSet, now: Moment) -> Pair {
        let holder = Holder { client: self.builtin().id.clone(), user: Some(OWNER), scope };
        self.ledger.lock().sign_in(holder, now)
    }

    /// A personal access token of the owner; Passport keeps a client of its own for those.
    pub(super) fn issue_personal(&self, scope: ScopeSet, now: Moment) -> Pair {
        let holder = Holder { client: "2".to_owned(), user: Some(OWNER), scope };
        self.ledger.lock().issue_personal(holder, now)
    }
}
