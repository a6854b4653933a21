//! The task that performs what the state machine asks for, and tells it what came of it.
//!
//! There is one, and it never ends by itself: a permanent refusal is a state that a new grant leaves.
//! Every operation runs in a task of its own that nothing cancels, neither a caller that goes away nor
//! a reload nor the drain; the refresher returns only when nothing is on the wire and no write is owed.

mod orders;
mod report;
mod unread;

use std::path::PathBuf;
use std::pin::pin;
use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{mpsc, watch};
use tokio::task::{JoinError, JoinSet};
use tokio::time::Instant;

use crate::clock;
use crate::net::connect::Dial;
use crate::net::drain::Drain;
use crate::net::tls::Trust;
use crate::telemetry::pulse::Pulse;

use super::Config;
use super::current::{self, Access, Generation, Publisher, Rejection};
use super::ended::Journal;
use super::handle::Handle;
use super::operation::{Done, Operation, Tools};
use super::order::Order;
use super::record::Record;
use super::setup::{SetupError, initial, provided};
use super::source::Credential;
use super::state::{Action, Event, State, step};
use super::status::{Availability, Status};
use super::store::Lock;
use super::waiting::Waiting;
use super::watch::Watch;
use report::Log;

/// Longest nap. Timers stand still while the host sleeps, and the store may be written by others, so
/// both are looked at this often.
const NAP: Duration = Duration::from_secs(1);

/// How long the refresher goes on after the order to drain when a write is still owed. An exchange on
/// the wire has its own limit, and is waited for as long as it takes.
const LAST_WRITE: Duration = Duration::from_secs(65);

/// The refresher.
#[derive(Debug)]
pub struct Refresher {
    config: Config,
    state: State,
    tools: Tools,
    trust: Trust,
    lock: Option<Lock>,
    watch: Watch,
    publisher: Publisher,
    access: Access,
    reports: mpsc::UnboundedReceiver<Rejection>,
    accepted: Generation,
    waiting: Waiting,
    orders: mpsc::Receiver<Order>,
    status: watch::Sender<Status>,
    operations: JoinSet<Done>,
    performing: Option<Operation>,
    rotations: u64,
    /// Where answers are kept that could not be read.
    unread: Option<PathBuf>,
    journal: Journal,
    changed: Option<Credential>,
    credential: watch::Sender<Credential>,
    /// Where a browser can sign in.
    page: Option<String>,
    log: Log,
}

impl Refresher {
    /// Reads the store and publishes what is there; nothing is sent before [`run`](Self::run).
    ///
    /// # Errors
    ///
    /// [`SetupError`] when what is stored or configured cannot be used. Nothing is changed then.
    pub fn new(config: Config, trust: Trust, upstream: Dial) -> Result<(Self, Handle), SetupError> {
        let now = clock::now();
        let (publisher, current, reports) = current::channel();
        let (orders_in, orders) = mpsc::channel(8);
        let mut tools = Tools::new(upstream);
        let state = initial(&config, &mut tools, trust.clone(), now)?;
        let journal = Journal::new();
        let first = Status::of(&state, now, now.wall(), Availability::Pending, 0, &journal);
        let durations = Arc::clone(journal.durations());
        let (status, seen) = watch::channel(first);
        let (credential, in_use) = watch::channel(config.credential.clone());
        let mut refresher = Self {
            watch: Watch::of(tools.store.as_ref()),
            config,
            state,
            tools,
            trust,
            lock: None,
            publisher,
            access: Access::Hold,
            reports,
            accepted: Generation::default(),
            waiting: Waiting::default(),
            orders,
            status,
            operations: JoinSet::new(),
            performing: None,
            rotations: 0,
            unread: None,
            journal,
            changed: None,
            credential,
            page: None,
            log: Log::Nothing,
        };
        refresher.find_unread();
        for event in provided(&refresher.config.credential, now) {
            refresher.decide(event);
        }
        let handle =
            Handle { current, status: seen, orders: orders_in, credential: in_use, durations };
        Ok((refresher, handle))
    }

    /// Names the address of the status page, for the answers to callers while there is no token.
    #[must_use]
    pub fn with_page(mut self, page: Option<String>) -> Self {
        self.page = page;
        self.explain();
        self
    }

    /// Works until `end` begins and nothing is left that must be finished. From the drain on nothing new
    /// is begun, but requests that still run learn what becomes of their 401s.
    pub async fn run(mut self, drain: Drain, end: Drain, pulse: Pulse) {
        self.status.borrow().log();
        self.log = Log::Changes(None);
        self.decide(Event::Tick);
        let (mut ending, mut ended) = (pin!(drain.began()), pin!(end.began()));
        // Of its own, so that no crowd of reports keeps it from ringing.
        let mut alarm = pin!(tokio::time::sleep(self.nap()));
        loop {
            pulse.beat();
            let goes_on = !self.state.is_ending() || self.state.must_finish();
            tokio::select! {
                Some(done) = self.operations.join_next() => self.finished(done),
                _ = &mut ending, if !self.state.is_ending() => self.decide(Event::Ending),
                Some(report) = self.reports.recv() => self.rejected(report),
                Some(order) = self.orders.recv() => self.order(order),
                () = &mut alarm, if goes_on => self.wake().await,
                _ = &mut ended => break,
            }
            let nap = Instant::now() + self.nap();
            if alarm.is_elapsed() || nap < alarm.deadline() {
                alarm.as_mut().reset(nap);
            }
        }
        self.finish(&pulse).await;
    }

    /// Ends what must not be left: the exchange on the wire, and then its write.
    async fn finish(&mut self, pulse: &Pulse) {
        let mut owed = LAST_WRITE;
        while self.state.must_finish() {
            pulse.beat();
            if owed.is_zero() {
                tracing::error!(
                    "stopping although the newest tokens could not be stored: sign in again"
                );
                return;
            }
            // Counted in naps: time in which this process stands still is no time to write.
            let nap = self.nap().min(owed);
            tokio::select! {
                Some(done) = self.operations.join_next() => self.finished(done),
                () = tokio::time::sleep(nap) => {
                    if !self.state.is_sending() {
                        owed -= nap;
                    }
                    self.decide(Event::Tick);
                }
            }
        }
    }

    /// Until something is due; an end that has passed is no reason to wake up again.
    fn nap(&self) -> Duration {
        let now = clock::now();
        let next = self.state.next().map(|next| next.remaining(now));
        let end = self.state.expiry().map(|end| end.remaining(now)).filter(|left| !left.is_zero());
        next.into_iter().chain(end).fold(NAP, Duration::min)
    }

    async fn wake(&mut self) {
        if let Some(record) = self.changed_record().await {
            self.decide(Event::Seen(record));
        }
        self.decide(Event::Tick);
    }

    /// The record, if another process has written it since we looked.
    async fn changed_record(&mut self) -> Option<Record> {
        let store = self.tools.store.clone().filter(|_| self.performing.is_none())?;
        let record = self.watch.news(store).await;
        record?.seen_by(&self.tools.empty_record()).ok()
    }

    fn rejected(&mut self, report: Rejection) {
        let generation = report.generation;
        self.waiting.push(report);
        let accepted = self.publisher.accepted();
        if accepted > self.accepted {
            self.accepted = accepted;
            self.decide(Event::Accepted(accepted));
        }
        self.decide(Event::Rejected(generation));
    }

    fn finished(&mut self, done: Result<Done, JoinError>) {
        let operation = self.performing.take();
        let event = match (done, operation) {
            (Ok(done), _) => {
                self.lock = done.lock.or(self.lock.take());
                self.tools.line = done.line;
                self.unread = done.unread.or(self.unread.take());
                done.event
            }
            (Err(_), Some(operation)) => {
                tracing::error!("a defect ended a step of the exchange");
                operation.broken()
            }
            (Err(_), None) => return,
        };
        self.decide(event);
        if self.performing.is_none()
            && let Some(credential) = self.changed.take()
        {
            self.change(credential);
        }
    }

    fn is_fixed(&self) -> bool {
        matches!(self.config.credential, Credential::PersonalAccessToken(_))
    }

    /// One step of the machine, and what it asks for.
    fn decide(&mut self, event: Event) {
        let now = clock::now();
        let before = (self.state.standing(), self.state.grant().map(|grant| grant.generation));
        self.journal.hears(&event, before.1.unwrap_or_default(), now);
        let (state, actions) = step(self.state.clone(), event, now);
        self.state = state;
        // Before the callers see that there is no token.
        self.explain();
        for action in actions {
            self.perform(action);
        }
        let after = (self.state.standing(), self.state.grant().map(|grant| grant.generation));
        if !self.is_fixed() && before.1.is_some() && after.1 > before.1 {
            self.rotations += 1;
        }
        if after.1 > before.1 {
            self.forget_unread();
        }
        self.report(before.0 != after.0, now);
    }

    fn perform(&mut self, action: Action) {
        match action {
            Action::Publish(access) => {
                self.access = access.clone();
                self.publisher.publish(access);
            }
            Action::Settle => self.waiting.settle(&self.access),
            Action::Close => {
                // While the lock is ours: what another process writes later must look new. Without it,
                // as after a question to the upstream, another's record would pass for our own.
                if let (Some(store), Some(_)) = (&self.tools.store, &self.lock) {
                    self.watch.mark(store);
                }
                self.lock = None;
                self.tools.line = None;
            }
            other => {
                if matches!(other, Action::Connect) {
                    self.journal.begins();
                }
                if let Some(operation) = Operation::of(other) {
                    let future = self.tools.start(&operation, self.state.grant());
                    self.performing = Some(operation);
                    self.operations.spawn(future);
                }
            }
        }
    }
}
