//! What the operator orders while the refresher works.

use super::super::order::{Asked, Order};
use super::super::setup::provided;
use super::super::source::Credential;
use super::super::state::{Event, Standing};
use super::Refresher;
use crate::clock;

impl Refresher {
    pub(super) fn order(&mut self, order: Order) {
        match order {
            Order::Refresh(reply) => {
                let asked = self.asked();
                // Whoever asked may have gone away.
                reply.send(asked).ok();
            }
            Order::Change(credential) => self.change(*credential),
        }
    }

    fn asked(&mut self) -> Asked {
        self.decide(Event::Asked);
        let planned = self.state.next().map(|next| next.remaining(clock::now()));
        match (&self.performing, self.state.standing(), planned) {
            _ if self.is_fixed() => Asked::Fixed,
            (_, Standing::Lost | Standing::SignedOut, _) | (None, _, None) => Asked::Useless,
            (Some(_), _, _) => Asked::Begun,
            (None, _, Some(wait)) => Asked::Planned { wait },
        }
    }

    pub(super) fn change(&mut self, credential: Credential) {
        let now = clock::now();
        if self.performing.is_some() {
            // What is on its way belongs to the old one.
            self.changed = Some(credential);
            return;
        }
        if !self.config.credential.is_same_client(&credential) {
            tracing::error!(
                "the kind of credential, client_id or token_url has changed: restart to apply it"
            );
            return;
        }
        self.config.credential = credential;
        match self.tools.equip(&self.config, self.trust.clone()) {
            Ok(()) => {
                tracing::info!("the credential was read again");
                self.credential.send_replace(self.config.credential.clone());
                self.decide(Event::Reconfigured);
                for event in provided(&self.config.credential, now) {
                    self.decide(event);
                }
                self.decide(Event::Tick);
            }
            Err(error) => tracing::error!(%error, "the changed credential cannot be used"),
        }
    }
}
