//! What must hold, whatever happens.

use std::collections::{BTreeMap, BTreeSet, VecDeque};
use std::time::Duration;

use webwork_sidecar::clock::Moment;
use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::token::bearer::RefreshToken;
use webwork_sidecar::token::current::Access;
use webwork_sidecar::token::record::Record;
use webwork_sidecar::token::state::{Loss, Standing, State};

use crate::case::Case;
use crate::replica::{Incarnation, Performing, Replica, token};
use crate::server::Server;
use crate::store::Store;

/// A law that was broken, in words.
pub(crate) type Breach = String;

const HOUR: Duration = Duration::from_secs(3600);

/// Longest hold: the lock of another process (75 s), the steps up to the wire, the exchange (60 s) and
/// its write, each at its slowest.
const LONGEST_HOLD: Duration = Duration::from_secs(165);

/// Longest wait of a request that met a 401: an exchange with its doubt and its last try, and the
/// tries that follow soon.
const LONGEST_WAIT: Duration = Duration::from_secs(20 * 60);

/// No refresh token is presented more often, whatever comes back.
const PRESENTATIONS: u32 = 2;

/// Exchanges per replica and hour when all of them fail (back-off: 1 s doubling to 5 min), and those
/// that 401s cause (the breaker: 30 s doubling).
const EXCHANGES_PER_HOUR: usize = 30;

/// Further ones for each crash, order of the operator and revocation in that hour: a back-off that
/// begins anew.
const EXCHANGES_PER_DISTURBANCE: usize = 10;

/// For how long something may still be on its way to a process that stands still.
const STILL_HEARD: Duration = Duration::from_secs(600);

/// Remembers what the laws need to know.
#[derive(Debug, Default)]
pub(crate) struct Laws {
    /// Revisions under which a request was sent.
    revisions: BTreeSet<u64>,
    /// How often each refresh token has left for the server, but for the times when that turned it away
    /// unseen.
    presented: BTreeMap<Fingerprint, u32>,
    /// Refresh tokens whose exchange had no answer at all.
    unheard: BTreeSet<Fingerprint>,
    /// When each access token was stored.
    issued: BTreeMap<Fingerprint, Duration>,
    sends: VecDeque<Duration>,
    disturbances: VecDeque<Duration>,
    /// When the last of them was.
    disturbed: Option<Duration>,
    pub(crate) store_has_failed: bool,
    pub(crate) grant_was_revoked: bool,
}

impl Laws {
    pub(crate) fn disturbed(&mut self, now: Duration) {
        self.disturbances.push_back(now);
        self.disturbed = Some(now);
    }

    /// An exchange of this token ended without any answer.
    pub(crate) fn unheard(&mut self, token: &RefreshToken) {
        self.unheard.insert(token.fingerprint());
    }

    pub(crate) fn stored(&mut self, record: &Record, now: Duration) {
        if let Some(grant) = record.grant.as_ref().filter(|_| record.intent.is_none()) {
            self.issued.entry(grant.access.fingerprint()).or_insert(now);
        }
    }

    /// The server has turned this token away without a look at it.
    pub(crate) fn turned_away(&mut self, token: &RefreshToken) {
        if let Some(count) = self.presented.get_mut(&token.fingerprint()) {
            *count = count.saturating_sub(1);
        }
    }

    /// An exchange that is open at a start counts as none: no answer to it was heard.
    pub(crate) fn restarted(&mut self, record: &Record) {
        for intent in record.intent.iter().chain(&record.aside) {
            if let Some(count) = self.presented.get_mut(&intent.refresh_token) {
                *count = count.saturating_sub(1);
            }
        }
    }

    /// The server has given tokens for this one, which may go on.
    pub(crate) fn granted(&mut self, token: &RefreshToken) {
        self.presented.remove(&token.fingerprint());
    }

    /// A dead token is never sent, and no token more than twice; every request has a stored intent and a revision of its own; and
    /// there are not too many.
    pub(crate) fn at_send(
        &mut self,
        who: Incarnation,
        token: &RefreshToken,
        (server, store, case): (&Server, &Store, &Case),
        now: Duration,
    ) -> Result<(), Breach> {
        let fingerprint = token.fingerprint();
        if store.dead.contains(&fingerprint) {
            return Err(format!("{} is known to be spent or refused, and is sent", token.expose()));
        }
        if store.owner != Some(who) {
            return Err("a request is sent without the lock".into());
        }
        let record = store.record.as_ref().ok_or("a request is sent with nothing stored")?;
        if record.intent.map(|intent| intent.refresh_token) != Some(fingerprint) {
            return Err(format!("{} is sent without a stored intent", token.expose()));
        }
        if !self.revisions.insert(record.revision) {
            return Err(format!("revision {} has sent already", record.revision));
        }
        let again = self.unheard.contains(&fingerprint) && server.has_spent(token.expose());
        if again && !case.retry_in_doubt {
            return Err(format!("{} may be spent, is, and is sent again", token.expose()));
        }
        let presented = self.presented.entry(fingerprint).or_default();
        *presented += 1;
        if *presented > PRESENTATIONS {
            return Err(format!("{} is presented {presented} times", token.expose()));
        }
        self.sends.push_back(now);
        self.no_storm(case, now)?;
        self.not_without_need(record, token, (server, now))
    }

    /// A grant that is fresh and works is replaced only if something happened since it was stored.
    fn not_without_need(
        &self,
        record: &Record,
        sent: &RefreshToken,
        (server, now): (&Server, Duration),
    ) -> Result<(), Breach> {
        let grant = record.grant.as_ref().filter(|grant| grant.refresh.as_ref() == Some(sent));
        let Some(grant) = grant else { return Ok(()) };
        let Some(stored) = self.issued.get(&grant.access.fingerprint()) else { return Ok(()) };
        let life = grant.expires.map_or(HOUR, |end| {
            Duration::try_from(end.duration_since(grant.issued)).unwrap_or_default()
        });
        let fresh = now.saturating_sub(*stored) < life / 2;
        let calm = self.disturbed.is_none_or(|last| last + STILL_HEARD < *stored);
        if fresh && calm && server.accepts(grant.access.expose(), now) {
            return Err(format!("{} is fresh, works and is replaced", grant.access.expose()));
        }
        Ok(())
    }

    fn no_storm(&mut self, case: &Case, now: Duration) -> Result<(), Breach> {
        let since = now.saturating_sub(HOUR);
        self.sends.retain(|at| *at > since);
        // What happened some time before may still be on its way.
        self.disturbances.retain(|at| *at + HOUR > since);
        let most = case.replicas * EXCHANGES_PER_HOUR
            + self.disturbances.len() * EXCHANGES_PER_DISTURBANCE;
        let count = self.sends.len();
        if count > most {
            Err(format!("{count} exchanges in an hour, {most} at most"))
        } else {
            Ok(())
        }
    }

    /// What holds of one replica after each of its steps.
    pub(crate) fn after_step(
        replica: &Replica,
        (server, store): (&Server, &Store),
        now: Moment,
        elapsed: Duration,
    ) -> Result<(), Breach> {
        let Some(state) = &replica.state else { return Ok(()) };
        published_is_stored(replica, state, store)?;
        an_exchange_holds(replica, state)?;
        a_live_token_is_shown(replica, state, server, now, elapsed)?;
        nobody_waits_for_ever(replica, elapsed)?;
        Ok(())
    }

    /// A grant is given up only if the server honours it no more, or if it could be spent and may not
    /// be tried again: answers were lost twice, or once where reuse is punished.
    pub(crate) fn at_loss(
        record: &Record,
        replica: &Replica,
        (server, store, case): (&Server, &Store, &Case),
    ) -> Result<(), Breach> {
        let grant = record.grant.as_ref();
        let held = grant.and_then(|grant| grant.refresh.as_ref()).map(RefreshToken::expose);
        let Some(token) = held.or(replica.sent.as_deref()) else { return Ok(()) };
        let stored = store.record.as_ref();
        let announced = stored.map_or(0, |it| it.presentations(Fingerprint::of(token)));
        let tolerated = if case.retry_in_doubt { PRESENTATIONS } else { 1 };
        if server.honours(token) && announced < tolerated {
            return Err(format!("{token} is reported lost, and the server honours it"));
        }
        // An error that the server tells, and that is none, hides it where nothing is tried again.
        let hidden = record.loss == Some(Loss::Refused) && server.has_spent(token);
        if hidden && case.retry_in_doubt {
            return Err(format!(
                "{token} was spent with an answer that was lost, and it is not said"
            ));
        }
        Ok(())
    }

    /// A server that honours what it has replaced, and a store that works, lose nothing.
    pub(crate) fn nothing_is_lost(&self, store: &Store, server: &Server) -> Result<(), Breach> {
        let record = store.record.as_ref();
        let grant = record.filter(|it| it.loss.is_none()).and_then(|it| it.grant.as_ref());
        let Some(token) = grant.and_then(|grant| grant.refresh.as_ref()) else { return Ok(()) };
        if self.store_has_failed || self.grant_was_revoked || server.honours(token.expose()) {
            return Ok(());
        }
        Err(format!("the store holds {}, which the server honours no more", token.expose()))
    }
}

/// What a process shows is stored, or it says that it is not.
fn published_is_stored(replica: &Replica, state: &State, store: &Store) -> Result<(), Breach> {
    let Some(bearer) = replica.bearer() else { return Ok(()) };
    let stored = store.durable.contains(&Fingerprint::of(token(bearer)));
    if stored || state.standing() == Standing::Unsaved {
        return Ok(());
    }
    let standing = state.standing();
    Err(format!("{} is in use, not stored, and the standing is {standing:?}", token(bearer)))
}

/// While a token is being ended and until its successor is stored, nobody uses it.
fn an_exchange_holds(replica: &Replica, state: &State) -> Result<(), Breach> {
    let held = state.grant().map(|grant| grant.generation).unwrap_or_default();
    let ending = match replica.performing {
        Performing::Sending => true,
        Performing::Persisting(generation) => generation > held,
        Performing::Nothing | Performing::Something => false,
    };
    if ending && !matches!(replica.access, Access::Hold) {
        return Err(format!("{:?} is shown during {:?}", replica.access, replica.performing));
    }
    Ok(())
}

/// A token that lives is not replaced by an error.
fn a_live_token_is_shown(
    replica: &Replica,
    state: &State,
    server: &Server,
    now: Moment,
    elapsed: Duration,
) -> Result<(), Breach> {
    let Access::Unavailable(why) = replica.access else { return Ok(()) };
    let Some(grant) = state.grant() else { return Ok(()) };
    let ended = state.expiry().is_some_and(|end| end.is_due(now));
    if !ended && server.accepts(grant.access.expose(), elapsed) {
        return Err(format!("{} lives, and requests get {why:?}", grant.access.expose()));
    }
    Ok(())
}

fn nobody_waits_for_ever(replica: &Replica, elapsed: Duration) -> Result<(), Breach> {
    let waits = |since: Option<Duration>| elapsed.saturating_sub(since.unwrap_or(elapsed));
    if waits(replica.held) > LONGEST_HOLD {
        return Err(format!("requests hold for {:?}", waits(replica.held)));
    }
    if waits(replica.parked) > LONGEST_WAIT {
        return Err(format!("a request that met a 401 waits for {:?}", waits(replica.parked)));
    }
    Ok(())
}

/// A restart finds the newest grant that is stored, and its doubt or its loss.
pub(crate) fn at_restart(replica: &Replica, store: &Store) -> Result<(), Breach> {
    let (Some(state), Some(record)) = (&replica.state, &store.record) else { return Ok(()) };
    if state.grant() != record.grant.as_ref() {
        return Err("a restart does not find the stored grant".into());
    }
    let Some(token) = state.grant().and_then(|grant| grant.refresh.as_ref()) else { return Ok(()) };
    let expected = if record.loss.is_some() {
        Standing::Lost
    } else if record.announced(token.fingerprint()).is_some() {
        Standing::InDoubt
    } else {
        Standing::Active
    };
    if state.standing() != expected {
        return Err(format!("a restart stands {:?} instead of {expected:?}", state.standing()));
    }
    Ok(())
}

/// When all faults have ended: everybody has the same token, which works, or everybody says why not.
pub(crate) fn at_rest(
    replicas: &[Replica],
    (server, store): (&Server, &Store),
    elapsed: Duration,
) -> Result<(), Breach> {
    let lost = store.record.as_ref().is_some_and(|record| record.loss.is_some());
    let expected = if lost { Standing::Lost } else { Standing::Active };
    for replica in replicas {
        let name = replica.who.replica;
        let standing = replica.state.as_ref().map(State::standing);
        if standing != Some(expected) {
            return Err(format!("replica {name} stands {standing:?} instead of {expected:?}"));
        }
        if replica.parked.is_some() {
            return Err(format!("a request of replica {name} is never settled"));
        }
        if lost {
            continue;
        }
        let works = replica.bearer().is_some_and(|it| server.accepts(token(it), elapsed));
        if !works || replica.generation() != replicas[0].generation() {
            return Err(format!("replica {name} shows {:?} in the end", replica.access));
        }
    }
    Ok(())
}
