//! Operations of a replica, and the fate that each of them meets.

use std::time::Duration;

use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::token::bearer::RefreshToken;
use webwork_sidecar::token::record::Record;
use webwork_sidecar::token::state::{
    Doubtful, Event, Issue, Oracle, Outcome, Refusal, State, Taken,
};

use super::{Due, SECOND, World, access_token, is_turned_away, refresh_token};
use crate::case::{Fate, Trouble, Twist};
use crate::replica::Incarnation;
use crate::server::Pair;

/// How long another process's lock is waited for.
const LOCK_PATIENCE: Duration = Duration::from_secs(75);

#[derive(Clone, Debug)]
pub(super) enum Operation {
    Open,
    Rehearse,
    Connect,
    Intend(Box<Record>),
    Send(RefreshToken),
    Persist(Box<Record>),
    Probe(Duration),
}

impl Operation {
    /// The longest time that it takes.
    fn limit(&self) -> Duration {
        match self {
            Self::Open | Self::Rehearse | Self::Intend(_) | Self::Persist(_) => 5 * SECOND,
            Self::Connect => 10 * SECOND,
            Self::Send(_) => 60 * SECOND,
            Self::Probe(_) => 10 * SECOND,
        }
    }
}

impl World<'_> {
    /// An operation meets its fate.
    pub(super) fn begin(&mut self, who: Incarnation, operation: Operation) {
        let mut fate = self.fates.pop_front().unwrap_or(Fate::GOOD);
        if let Some(twist) = self.trouble.and_then(|trouble| besieged(trouble, &operation)) {
            fate.twist = twist;
        }
        if fate != Fate::GOOD {
            self.note(|| format!("    fate: {:?}, {} %", fate.twist, fate.slowness));
        }
        let pause = if let Operation::Probe(pause) = operation { pause } else { Duration::ZERO };
        let delay = pause + operation.limit() * u32::from(fate.slowness) / 200;
        let leaves = matches!(operation, Operation::Send(_));
        match fate.twist {
            Twist::CrashBefore => self.crash(who),
            Twist::CrashDuring if !leaves => self.crash(who),
            twist => {
                if twist == Twist::CrashDuring {
                    self.crash(who);
                }
                let patience = self.elapsed + LOCK_PATIENCE;
                self.plan(delay, Due::Effect { who, operation, twist, patience });
            }
        }
    }

    pub(super) fn takes_place(
        &mut self,
        who: Incarnation,
        operation: Operation,
        twist: Twist,
        patience: Duration,
    ) {
        let leaves = matches!(operation, Operation::Send(_));
        if !self.is_alive(who) && !leaves {
            return;
        }
        let limit = operation.limit();
        let event = match operation {
            Operation::Open if is_failure(twist) => Event::Unwritable("cannot be read".into()),
            Operation::Open if self.store.lock(who) => Event::Opened(self.store.record.clone()),
            Operation::Open if self.elapsed < patience => {
                self.plan(SECOND, Due::Effect { who, operation, twist, patience });
                return;
            }
            Operation::Open => Event::Busy,
            Operation::Rehearse if is_failure(twist) => {
                Event::Unwritable("no space left on the device".into())
            }
            Operation::Rehearse => Event::Rehearsed,
            Operation::Connect if is_failure(twist) => Event::NotSent("connection refused".into()),
            Operation::Connect => Event::Connected,
            Operation::Intend(record) => {
                self.write(who, *record, twist, Event::Intended, Event::Unwritable)
            }
            Operation::Persist(record) => {
                if twist != Twist::Fails {
                    let refused = self.replicas[who.replica].refused.take();
                    self.store.dead.extend(refused.map(|token| Fingerprint::of(&token)));
                }
                self.write(who, *record, twist, Event::Persisted, Event::NotPersisted)
            }
            Operation::Send(token) => {
                let outcome = self.exchange(&token, twist);
                let silent =
                    matches!(outcome, Outcome::InDoubt { doubtful: Doubtful::Silence, .. });
                match &outcome {
                    Outcome::Granted(_) => self.laws.granted(&token),
                    outcome if is_turned_away(outcome) => self.laws.turned_away(&token),
                    _ => {}
                }
                if silent || !self.is_alive(who) || twist == Twist::CrashAfter {
                    self.laws.unheard(&token);
                }
                Event::Answered(outcome)
            }
            Operation::Probe(_) => Event::Probed(self.oracle(who, twist)),
        };
        if twist == Twist::CrashAfter {
            self.crash(who);
        }
        let silent =
            matches!(event, Event::Answered(Outcome::InDoubt { doubtful: Doubtful::Silence, .. }));
        let delay = if silent { limit / 2 } else { SECOND / 100 };
        self.plan(delay, Due::Answer { who, event });
    }

    fn write(
        &mut self,
        who: Incarnation,
        record: Record,
        twist: Twist,
        good: Event,
        bad: fn(String) -> Event,
    ) -> Event {
        if is_failure(twist) {
            self.laws.store_has_failed = true;
        }
        if twist != Twist::Fails {
            self.laws.stored(&record, self.elapsed);
            self.store.write(record);
            self.is_seen_by_all_but(Some(who));
        }
        if is_failure(twist) { bad("input/output error".into()) } else { good }
    }

    /// What was written is seen within a second.
    pub(super) fn is_seen_by_all_but(&mut self, writer: Option<Incarnation>) {
        let others: Vec<Incarnation> =
            self.replicas.iter().map(|it| it.who).filter(|it| Some(*it) != writer).collect();
        for who in others {
            self.plan(SECOND, Due::Look { who });
        }
    }

    fn exchange(&mut self, token: &RefreshToken, twist: Twist) -> Outcome {
        let in_doubt = |why: &str, doubtful| Outcome::InDoubt { why: why.into(), doubtful };
        let unprocessed = match twist {
            Twist::Fails => Some(in_doubt("lost on its way", Doubtful::Silence)),
            Twist::Throttled(seconds) => Some(Outcome::Throttled {
                retry_after: Some(Duration::from_secs(seconds.into())),
                detail: "too many requests".into(),
                taken: Taken::No,
            }),
            Twist::Maintenance => Some(Outcome::Throttled {
                retry_after: None,
                detail: "503".into(),
                taken: Taken::Perhaps,
            }),
            Twist::Page => Some(Outcome::Throttled {
                retry_after: None,
                detail: "404".into(),
                taken: Taken::Elsewhere,
            }),
            Twist::Nonsense => Some(in_doubt("nonsense", Doubtful::Unreadable)),
            Twist::ServerError => Some(in_doubt("502", Doubtful::ServerError)),
            Twist::ClientRefused => Some(Outcome::Refused(Refusal::Client)),
            Twist::NeverSent => Some(Outcome::NotSent("the connection is gone".into())),
            _ => None,
        };
        if let Some(outcome) = unprocessed {
            return outcome;
        }
        let pair = self.server.exchange(token.expose(), self.elapsed);
        match twist {
            Twist::FailsLate => in_doubt("lost on its way back", Doubtful::Silence),
            Twist::NonsenseAfterProcessing => in_doubt("nonsense", Doubtful::Unreadable),
            Twist::ServerErrorAfterProcessing => in_doubt("502", Doubtful::ServerError),
            _ => pair.map_or(Outcome::Refused(Refusal::DeadGrant), |pair| {
                Outcome::Granted(self.issue(pair))
            }),
        }
    }

    fn issue(&self, pair: Pair) -> Issue {
        Issue {
            access: access_token(&pair.access),
            refresh: pair.refresh.as_deref().map(refresh_token),
            life: self.case.life,
            scope: None,
        }
    }

    fn oracle(&self, who: Incarnation, twist: Twist) -> Oracle {
        let grant = self.replicas[who.replica].state.as_ref().and_then(State::grant);
        match grant {
            Some(_) if is_failure(twist) => Oracle::Unclear,
            Some(grant) if self.server.accepts(grant.access.expose(), self.elapsed) => {
                Oracle::Alive
            }
            Some(_) => Oracle::Dead,
            None => Oracle::Unclear,
        }
    }
}

/// What a trouble does to an operation.
fn besieged(trouble: Trouble, operation: &Operation) -> Option<Twist> {
    match (trouble, operation) {
        (Trouble::Unreachable, Operation::Connect)
        | (Trouble::NoSpace, Operation::Rehearse)
        | (Trouble::Silent, Operation::Send(_)) => Some(Twist::Fails),
        (Trouble::Failing, Operation::Send(_)) => Some(Twist::ServerError),
        (Trouble::Nonsense, Operation::Send(_)) => Some(Twist::NonsenseAfterProcessing),
        (Trouble::Throttling, Operation::Send(_)) => Some(Twist::Throttled(1)),
        _ => None,
    }
}

fn is_failure(twist: Twist) -> bool {
    matches!(twist, Twist::Fails | Twist::FailsLate)
}
