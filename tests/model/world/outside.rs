//! What comes from outside: the operator, the callers, and trouble.

use std::time::Duration;

use webwork_sidecar::token::current::Generation;
use webwork_sidecar::token::grant::Seed;
use webwork_sidecar::token::state::Event;

use super::{Due, SECOND, World, empty_record, refresh_token};
use crate::case::{Happening, Trouble};
use crate::laws::Breach;
use crate::replica::token;

impl World<'_> {
    pub(super) fn happens(&mut self, happening: Happening) -> Result<(), Breach> {
        let life = self.case.life.unwrap_or(Duration::from_secs(3600));
        match happening {
            Happening::Seconds(seconds) => self.pass(Duration::from_secs(seconds.into())),
            Happening::Eighths(eighths) => self.pass(life * u32::from(eighths) / 8),
            Happening::Request(replica, delay) => {
                self.request(self.named(replica), Duration::from_secs(delay.into()));
                Ok(())
            }
            Happening::LateRejection(replica) => {
                let replica = self.named(replica);
                let old = self.replicas[replica].generation().map_or(0, |it| it.0);
                self.tell(replica, Event::Rejected(Generation(old.saturating_sub(1))));
                Ok(())
            }
            Happening::Freeze(replica, seconds) => {
                let replica = self.named(replica);
                let end = self.elapsed + Duration::from_secs(seconds.into());
                if self.is_alive(self.replicas[replica].who) {
                    self.replicas[replica].freeze(self.elapsed, end);
                }
                Ok(())
            }
            Happening::Crash(replica) => {
                self.crash(self.replicas[self.named(replica)].who);
                Ok(())
            }
            Happening::Siege(trouble, minutes) => {
                self.endure(Some(trouble), 60 * SECOND * u32::from(minutes))
            }
            Happening::Asked(replica) => {
                self.laws.disturbed(self.elapsed);
                self.tell(self.named(replica), Event::Asked);
                Ok(())
            }
            Happening::Reconfigured => {
                self.laws.disturbed(self.elapsed);
                self.tell_everybody(&Event::Reconfigured);
                Ok(())
            }
            Happening::AccessRevoked => {
                self.laws.disturbed(self.elapsed);
                self.server.revoke_access();
                Ok(())
            }
            Happening::GrantRevoked => {
                self.laws.disturbed(self.elapsed);
                self.laws.grant_was_revoked = true;
                self.server.revoke_everything();
                Ok(())
            }
            Happening::GoodSeed => {
                let seed = self.server.sign_in();
                self.provide(seed);
                Ok(())
            }
            Happening::BadSeed => {
                self.bad_seeds += 1;
                self.provide(format!("bad-seed-{}", self.bad_seeds));
                Ok(())
            }
            Happening::SignIn => {
                // The lock is held from before the code is exchanged until the grant is stored.
                if self.store.owner.is_none() && self.trouble.is_none() {
                    self.laws.disturbed(self.elapsed);
                    let before = self.store.record.clone().unwrap_or_else(empty_record);
                    self.sign_in_over(before);
                    self.is_seen_by_all_but(None);
                }
                Ok(())
            }
        }
    }

    fn provide(&mut self, seed: String) {
        self.laws.disturbed(self.elapsed);
        let event = Event::Seeded(Seed::new(refresh_token(&seed)));
        self.seed = Some(seed);
        self.tell_everybody(&event);
    }

    fn tell(&mut self, replica: usize, event: Event) {
        let who = self.replicas[replica].who;
        self.plan(Duration::ZERO, Due::Told { who, event });
    }

    fn tell_everybody(&mut self, event: &Event) {
        for replica in 0..self.replicas.len() {
            self.tell(replica, event.clone());
        }
    }

    /// Time passes while something is broken and every replica has requests.
    pub(super) fn endure(
        &mut self,
        trouble: Option<Trouble>,
        span: Duration,
    ) -> Result<(), Breach> {
        self.trouble = trouble;
        let end = self.elapsed + span;
        while self.elapsed < end {
            for replica in 0..self.replicas.len() {
                let shown = self.replicas[replica].bearer().map(token);
                if let Some(shown) = shown.filter(|_| trouble == Some(Trouble::Refusing)) {
                    self.server.end_access(shown);
                }
                self.request(replica, Duration::ZERO);
            }
            self.pass(5 * SECOND)?;
        }
        self.trouble = None;
        Ok(())
    }

    /// A request with the token that a replica shows.
    fn request(&mut self, replica: usize, delay: Duration) {
        let Some(bearer) = self.replicas[replica].bearer() else { return };
        if !self.server.accepts(token(bearer), self.elapsed) {
            let event = Event::Rejected(bearer.generation());
            let who = self.replicas[replica].who;
            self.plan(delay, Due::Told { who, event });
        }
    }
}
