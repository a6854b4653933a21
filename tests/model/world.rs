//! One server, one store, some replicas, and what happens between them, in the order of time.

mod operation;
mod outside;

use std::collections::{BTreeMap, VecDeque};
use std::time::Duration;

use webwork_sidecar::clock::Moment;
use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::token::Refresh;
use webwork_sidecar::token::bearer::{AccessToken, RefreshToken};
use webwork_sidecar::token::current::Access;
use webwork_sidecar::token::grant::{Grant, Seed};
use webwork_sidecar::token::record::Record;
use webwork_sidecar::token::state::{Action, Ask, Event, Outcome, Refusal};

use operation::Operation;

use crate::case::{Beginning, Case, Fate, Happening, Reuse, Trouble, Twist};
use crate::laws::{self, Breach, Laws};
use crate::replica::{Incarnation, Performing, Replica};
use crate::server::Server;
use crate::store::Store;
use crate::words;

const SECOND: Duration = Duration::from_secs(1);

/// How long after all faults have ended everything must be well. Longer than the longest back-off and
/// the breaker after the few revocations of a case.
const QUIET: Duration = Duration::from_secs(15 * 60);

/// Longest pause that the breaker makes when the upstream refused one fresh token after the other.
const BREAKER: Duration = Duration::from_secs(3600);

/// How long a process that died takes to come back.
const RESTART: Duration = Duration::from_secs(2);

pub(crate) struct World<'a> {
    case: &'a Case,
    elapsed: Duration,
    server: Server,
    store: Store,
    replicas: Vec<Replica>,
    laws: Laws,
    seed: Option<String>,
    bad_seeds: u32,
    fates: VecDeque<Fate>,
    trouble: Option<Trouble>,
    agenda: BTreeMap<(Duration, u64), Due>,
    planned: u64,
    journal: Option<Vec<String>>,
}

/// Something that will happen.
#[derive(Debug)]
enum Due {
    /// An operation takes place.
    Effect {
        who: Incarnation,
        operation: Operation,
        twist: Twist,
        patience: Duration,
    },
    /// A replica learns how it went.
    Answer {
        who: Incarnation,
        event: Event,
    },
    /// A replica hears from outside.
    Told {
        who: Incarnation,
        event: Event,
    },
    /// A replica looks whether the store has changed.
    Look {
        who: Incarnation,
    },
    Wake {
        who: Incarnation,
    },
    Restart {
        replica: usize,
    },
}

impl<'a> World<'a> {
    pub(crate) fn of(case: &'a Case) -> Self {
        let mut server = Server::new(case.rules, case.life);
        let seed = server.sign_in();
        let mut world = Self {
            case,
            elapsed: Duration::ZERO,
            server,
            store: Store::default(),
            replicas: (0..case.replicas).map(Replica::new).collect(),
            laws: Laws::default(),
            seed: Some(seed.clone()),
            bad_seeds: 0,
            fates: case.fates.iter().copied().collect(),
            trouble: None,
            agenda: BTreeMap::new(),
            planned: 0,
            journal: None,
        };
        if case.beginning == Beginning::Grant {
            world.seed = None;
            world.grant_in_store(&seed);
        }
        world
    }

    /// Runs the schedule, and then lets everything come to rest.
    pub(crate) fn run(mut self) -> Result<(), Breach> {
        self.play()
    }

    /// What happened, in words.
    pub(crate) fn journal(mut self) -> String {
        self.journal = Some(Vec::new());
        let breach = self.play().err().unwrap_or_default();
        let mut lines = self.journal.unwrap_or_default();
        lines.push(breach);
        lines.join("\n")
    }

    fn play(&mut self) -> Result<(), Breach> {
        for replica in 0..self.replicas.len() {
            self.restart(replica)?;
        }
        for happening in self.case.happenings.clone() {
            self.note(|| format!("{happening:?}"));
            self.happens(happening)?;
        }
        self.note(|| "all faults end".into());
        self.fates.clear();
        self.happens(Happening::Reconfigured)?;
        let refusing = |it: &Happening| matches!(it, Happening::Siege(Trouble::Refusing, _));
        let breaker = self.case.happenings.iter().any(refusing);
        self.endure(None, if breaker { QUIET + BREAKER } else { QUIET })?;
        // The very end may be in the middle of an ordinary refresh, or of two.
        let mut rest = Err(Breach::new());
        for _ in 0..6 {
            self.pass(7 * SECOND)?;
            rest = rest.or(self.at_rest());
        }
        rest
    }

    fn at_rest(&self) -> Result<(), Breach> {
        laws::at_rest(&self.replicas, (&self.server, &self.store), self.elapsed)
    }

    /// Lets time pass, and everything happen that is due in it.
    fn pass(&mut self, span: Duration) -> Result<(), Breach> {
        let end = self.elapsed + span;
        while let Some(entry) = self.agenda.first_entry().filter(|entry| entry.key().0 <= end) {
            let ((at, number), due) = entry.remove_entry();
            self.elapsed = at;
            match self.thaw(&due) {
                // Its number keeps the order among everything that waits for the thaw.
                Some(thaw) => drop(self.agenda.insert((thaw, number), due)),
                None => self.comes(due)?,
            }
        }
        self.elapsed = end;
        Ok(())
    }

    fn comes(&mut self, due: Due) -> Result<(), Breach> {
        match due {
            Due::Effect { who, operation, twist, patience } => {
                self.takes_place(who, operation, twist, patience);
                Ok(())
            }
            Due::Answer { who, event } if self.is_alive(who) => {
                let replica = &mut self.replicas[who.replica];
                replica.performing = Performing::Nothing;
                if matches!(event, Event::Answered(Outcome::Refused(Refusal::DeadGrant))) {
                    replica.refused.clone_from(&replica.sent);
                }
                self.hears(who.replica, event)
            }
            Due::Told { who, event } if self.is_alive(who) => self.hears(who.replica, event),
            // Whoever is at something looks again after it.
            Due::Look { who } if self.is_alive(who) && self.is_performing(who) => {
                self.plan(SECOND, Due::Look { who });
                Ok(())
            }
            Due::Look { who } if self.is_alive(who) => match self.store.record.clone() {
                Some(record) => self.hears(who.replica, Event::Seen(record)),
                None => Ok(()),
            },
            Due::Wake { who } if self.is_alive(who) => {
                self.replicas[who.replica].alarm = None;
                self.hears(who.replica, Event::Tick)
            }
            Due::Restart { replica } => self.restart(replica),
            Due::Answer { .. } | Due::Told { .. } | Due::Look { .. } | Due::Wake { .. } => Ok(()),
        }
    }

    /// Until when this must wait because its process stands still. What is on the wire goes on.
    fn thaw(&self, due: &Due) -> Option<Duration> {
        let who = match due {
            Due::Effect { operation: Operation::Send(_), .. } | Due::Restart { .. } => return None,
            Due::Effect { who, .. }
            | Due::Answer { who, .. }
            | Due::Told { who, .. }
            | Due::Look { who }
            | Due::Wake { who } => who,
        };
        let replica = &self.replicas[who.replica];
        replica.frozen.filter(|end| replica.who == *who && *end > self.elapsed)
    }

    /// One step of a replica, what it asks for, and the laws.
    fn hears(&mut self, replica: usize, event: Event) -> Result<(), Breach> {
        if !self.is_alive(self.replicas[replica].who) {
            return Ok(());
        }
        let now = self.now();
        if matches!(event, Event::Rejected(_)) {
            self.replicas[replica].parked.get_or_insert(self.elapsed);
        }
        self.note(|| format!("  replica {replica} hears {}", words::event(&event)));
        for action in self.replicas[replica].hears(event, now) {
            self.note(|| format!("    {}", words::action(&action)));
            self.does(replica, action)?;
        }
        self.wakes_up(replica);
        if self.case.rules.reuse == Reuse::Honoured {
            self.laws.nothing_is_lost(&self.store, &self.server)?;
        }
        let known = (&self.server, &self.store);
        Laws::after_step(&self.replicas[replica], known, now, self.elapsed)
    }

    fn does(&mut self, replica: usize, action: Action) -> Result<(), Breach> {
        let who = self.replicas[replica].who;
        let operation = match action {
            Action::Open => Operation::Open,
            Action::Rehearse => Operation::Rehearse,
            Action::Connect => Operation::Connect,
            Action::Intend(record) => Operation::Intend(record),
            Action::Send(Ask::Refresh(token)) => Operation::Send(token),
            Action::Send(Ask::ClientCredentials) => {
                return Err("client credentials are sent for a person's grant".into());
            }
            Action::Send(Ask::Code(_)) => return Err("the machine asks for a sign-in".into()),
            Action::Persist(record) => Operation::Persist(record),
            Action::Probe { after } => Operation::Probe(after),
            Action::Close => {
                self.store.release(who);
                return Ok(());
            }
            Action::Publish(access) => {
                let holds = matches!(access, Access::Hold);
                self.replicas[replica].held = holds.then_some(self.elapsed);
                self.replicas[replica].access = access;
                return Ok(());
            }
            Action::Settle => {
                self.replicas[replica].parked = None;
                return Ok(());
            }
        };
        if self.replicas[replica].performing != Performing::Nothing {
            return Err(format!("{operation:?} is asked for while another operation runs"));
        }
        if let Operation::Send(token) = &operation {
            let known = (&self.server, &self.store, self.case);
            self.laws.at_send(who, token, known, self.elapsed)?;
            self.replicas[replica].sent = Some(token.expose().to_owned());
        }
        if let Operation::Persist(record) = &operation
            && record.loss.is_some()
            && self.store.record.as_ref().is_none_or(|stored| stored.loss.is_none())
        {
            let known = (&self.server, &self.store, self.case);
            Laws::at_loss(record, &self.replicas[replica], known)?;
        }
        self.replicas[replica].performing = match &operation {
            Operation::Send(_) => Performing::Sending,
            Operation::Persist(record) => Performing::Persisting(record.generation),
            _ => Performing::Something,
        };
        self.begin(who, operation);
        Ok(())
    }

    fn crash(&mut self, who: Incarnation) {
        if self.is_alive(who) {
            self.note(|| format!("  replica {} dies", who.replica));
            self.laws.disturbed(self.elapsed);
            self.store.release(who);
            self.replicas[who.replica].crash();
            self.plan(RESTART, Due::Restart { replica: who.replica });
        }
    }

    fn restart(&mut self, replica: usize) -> Result<(), Breach> {
        if self.replicas[replica].state.is_some() {
            return Ok(());
        }
        let now = self.now();
        let record = self.store.record.clone().unwrap_or_else(empty_record);
        self.laws.restarted(&record);
        let policy = Refresh { retry_in_doubt: self.case.retry_in_doubt, ..Refresh::default() };
        self.replicas[replica].start(record, policy, now);
        self.note(|| format!("  replica {replica} starts"));
        laws::at_restart(&self.replicas[replica], &self.store)?;
        if let Some(seed) = self.seed.clone() {
            self.hears(replica, Event::Seeded(Seed::new(refresh_token(&seed))))?;
        }
        self.hears(replica, Event::Tick)
    }

    /// Plans a tick for when the machine has something to do, or its token ends.
    fn wakes_up(&mut self, replica: usize) {
        let now = self.now();
        let Replica { who, state: Some(state), alarm, .. } = &self.replicas[replica] else {
            return;
        };
        let next = state.next().map(|next| next.remaining(now));
        let end = state.expiry().map(|end| end.remaining(now)).filter(|left| !left.is_zero());
        let Some(wait) = next.into_iter().chain(end).min() else { return };
        let at = self.elapsed + wait;
        if alarm.is_none_or(|alarm| at < alarm) {
            let who = *who;
            self.replicas[replica].alarm = Some(at);
            self.plan(wait, Due::Wake { who });
        }
    }

    fn plan(&mut self, delay: Duration, due: Due) {
        self.planned += 1;
        self.agenda.insert((self.elapsed + delay, self.planned), due);
    }

    fn is_performing(&self, who: Incarnation) -> bool {
        self.replicas[who.replica].performing != Performing::Nothing
    }

    fn is_alive(&self, who: Incarnation) -> bool {
        let replica = &self.replicas[who.replica];
        replica.who == who && replica.state.is_some()
    }

    fn named(&self, number: usize) -> usize {
        number % self.replicas.len()
    }

    fn now(&self) -> Moment {
        moment(self.elapsed)
    }

    fn grant_in_store(&mut self, seed: &str) {
        self.store_grant(seed, empty_record());
    }

    /// What a sign-in stores: the grant from before, with all that was known of it, is over.
    fn sign_in_over(&mut self, mut record: Record) {
        let code = self.server.sign_in();
        let held = record.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
        record.spent.extend(held.map(RefreshToken::fingerprint));
        if let Some(seed) = &self.seed {
            record.seed = Some(Fingerprint::of(seed));
        }
        self.store_grant(&code, record);
    }

    fn store_grant(&mut self, seed: &str, before: Record) {
        let Some(pair) = self.server.exchange(seed, self.elapsed) else { return };
        let now = self.now();
        let refresh = pair.refresh.as_deref().unwrap_or(seed);
        let generation = before.generation.next();
        let record = Record {
            revision: before.revision + 1,
            generation,
            grant: Some(Grant {
                generation,
                access: access_token(&pair.access),
                refresh: Some(refresh_token(refresh)),
                issued: now.wall(),
                expires: self.case.life.map(|life| now.plus(life).wall()),
                refresh_issued: now.wall(),
                scope: None,
            }),
            intent: None,
            aside: None,
            loss: None,
            ..before
        };
        self.laws.stored(&record, self.elapsed);
        self.store.write(record);
    }

    fn note(&mut self, line: impl FnOnce() -> String) {
        let elapsed = self.elapsed;
        if let Some(journal) = &mut self.journal {
            journal.push(format!("{elapsed:>12.2?} {}", line()));
        }
    }
}

/// Whether the server has not looked at the refresh token.
fn is_turned_away(outcome: &Outcome) -> bool {
    matches!(
        outcome,
        Outcome::NotSent(_)
            | Outcome::Refused(Refusal::Client | Refusal::Request)
            | Outcome::Throttled { .. }
    )
}

fn moment(elapsed: Duration) -> Moment {
    let start = Moment::new(jiff::Timestamp::UNIX_EPOCH, 1000 * SECOND);
    start.plus(Duration::from_secs(1_795_521_600) + elapsed)
}

fn empty_record() -> Record {
    Record::new("app".into(), "https://a.example/oauth/token".into())
}

fn refresh_token(text: &str) -> RefreshToken {
    RefreshToken::new(text.into()).expect("made of letters and digits")
}

fn access_token(text: &str) -> AccessToken {
    AccessToken::new(text.into()).expect("made of letters and digits")
}
