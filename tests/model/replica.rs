//! One process: the machine, and what it shows.

use std::time::Duration;

use webwork_sidecar::clock::Moment;
use webwork_sidecar::token::Refresh;
use webwork_sidecar::token::current::{Access, Bearer, Generation, Unavailable};
use webwork_sidecar::token::record::Record;
use webwork_sidecar::token::state::{Action, Dice, Event, Kind, State, step};

/// One life of one process: what was meant for an earlier life reaches nobody.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Incarnation {
    pub(crate) replica: usize,
    pub(crate) life: u64,
}

/// The operation that is under way.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Performing {
    Nothing,
    /// A request is on the wire.
    Sending,
    /// A record with tokens of this generation is being written.
    Persisting(Generation),
    /// Any other.
    Something,
}

#[derive(Debug)]
pub(crate) struct Replica {
    pub(crate) who: Incarnation,
    pub(crate) state: Option<State>,
    pub(crate) access: Access,
    /// Since when requests hold.
    pub(crate) held: Option<Duration>,
    /// Since when a request that met a 401 waits.
    pub(crate) parked: Option<Duration>,
    /// Until when the process stands still.
    pub(crate) frozen: Option<Duration>,
    pub(crate) performing: Performing,
    /// When the machine is to be woken.
    pub(crate) alarm: Option<Duration>,
    /// The refresh token that was sent last.
    pub(crate) sent: Option<String>,
    /// The refresh token that was refused, until that is stored.
    pub(crate) refused: Option<String>,
}

impl Replica {
    pub(crate) fn new(replica: usize) -> Self {
        Self {
            who: Incarnation { replica, life: 0 },
            state: None,
            access: Access::Unavailable(Unavailable::Pending),
            held: None,
            parked: None,
            frozen: None,
            performing: Performing::Nothing,
            alarm: None,
            sent: None,
            refused: None,
        }
    }

    pub(crate) fn start(&mut self, record: Record, policy: Refresh, now: Moment) {
        let number = self.who.life * 3 + self.who.replica as u64;
        let state = State::new(Kind::Rotating, policy, record, Dice::new(number));
        self.state = Some(state.restored(now));
    }

    pub(crate) fn crash(&mut self) {
        let Incarnation { replica, life } = self.who;
        *self = Self { who: Incarnation { replica, life: life + 1 }, ..Self::new(replica) };
    }

    /// The process stands still, and the requests in it too: their time does not run.
    pub(crate) fn freeze(&mut self, now: Duration, end: Duration) {
        let begin = self.frozen.map_or(now, |frozen| frozen.max(now));
        let lost = end.saturating_sub(begin);
        self.frozen = Some(begin.max(end));
        for since in [&mut self.held, &mut self.parked].into_iter().flatten() {
            *since += lost;
        }
    }

    pub(crate) fn hears(&mut self, event: Event, now: Moment) -> Vec<Action> {
        let Some(state) = self.state.take() else { return Vec::new() };
        let (state, actions) = step(state, event, now);
        self.state = Some(state);
        actions
    }

    pub(crate) fn bearer(&self) -> Option<&Bearer> {
        match &self.access {
            Access::Ready(bearer) => Some(bearer),
            Access::Hold | Access::Unavailable(_) => None,
        }
    }

    pub(crate) fn generation(&self) -> Option<Generation> {
        self.bearer().map(Bearer::generation)
    }
}

/// The access token that a request carries.
pub(crate) fn token(bearer: &Bearer) -> &str {
    bearer.field().to_str().unwrap_or_default().trim_start_matches("Bearer ")
}
