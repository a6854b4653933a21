//! The machine, told as short stories: what it hears, what it does, how it stands.

mod adoption;
mod check;
mod doubt;
mod ending;
mod exchange;
mod fixed;
mod plan;
mod rejection;
mod renewable;
mod saving;
mod seed;
mod sign_in;
mod stray;

use std::time::Duration;

use jiff::Timestamp;

use super::super::bearer::{AccessToken, RefreshToken};
use super::super::current::Access;
use super::*;

const SECOND: Duration = Duration::from_secs(1);
const MINUTE: Duration = Duration::from_secs(60);
const HOUR: Duration = Duration::from_secs(3600);
const DAY: Duration = Duration::from_secs(24 * 3600);

/// Life of the access tokens of these stories, as on the probable server.
const LIFE: Duration = Duration::from_secs(15 * 24 * 3600);

/// A machine with a paused clock.
#[derive(Clone, Debug)]
struct Machine {
    state: State,
    now: Moment,
    done: Vec<Action>,
    shown: String,
}

impl Machine {
    /// Tokens of generation 1, just issued and stored under revision 1.
    fn rotating() -> Self {
        Self::with(Refresh::default(), record())
    }

    /// The same, for a server that punishes reuse.
    fn cautious() -> Self {
        Self::with(Refresh { retry_in_doubt: false, ..Refresh::default() }, record())
    }

    fn signed_out() -> Self {
        Self::with(Refresh::default(), Record::new("app".into(), "https://a.example/".into()))
    }

    fn with(policy: Refresh, record: Record) -> Self {
        let state = State::new(Kind::Rotating, policy, record, Dice::new(7));
        Self::of(state.restored(start()))
    }

    fn renewable() -> Self {
        Self::without_store(Kind::Renewable)
    }

    fn fixed() -> Self {
        Self::without_store(Kind::Fixed)
    }

    fn without_store(kind: Kind) -> Self {
        let empty = Record::new(String::new(), String::new());
        Self::of(State::new(kind, Refresh::default(), empty, Dice::new(7)))
    }

    fn of(state: State) -> Self {
        let mut machine = Self { state, now: start(), done: Vec::new(), shown: String::new() };
        machine.hears(Event::Tick);
        machine
    }

    fn hears(&mut self, event: Event) -> &mut Self {
        let (state, done) = step(self.state.clone(), event, self.now);
        self.state = state;
        for action in &done {
            if let Action::Publish(access) = action {
                self.shown = word(access);
            }
        }
        self.done = done;
        self
    }

    fn hears_all(&mut self, events: impl IntoIterator<Item = Event>) -> &mut Self {
        for event in events {
            self.hears(event);
        }
        self
    }

    /// Time passes on both clocks, and the machine is told.
    fn after(&mut self, span: Duration) -> &mut Self {
        self.now = self.now.plus(span);
        self.hears(Event::Tick)
    }

    /// Time passes until what the machine has planned.
    fn when_due(&mut self) -> &mut Self {
        let wait = self.wait();
        self.after(wait)
    }

    /// The wall clock is set; the boot clock goes on.
    fn clock_set(&mut self, wall: Timestamp) -> &mut Self {
        self.now = Moment::new(wall, self.now.boot());
        self.hears(Event::Tick)
    }

    /// The next exchange gets as far as the wire.
    fn sends(&mut self) -> &mut Self {
        self.when_due();
        assert!(matches!(self.done.last(), Some(Action::Open)), "in {self:#?}");
        self.takes_the_steps()
    }

    fn takes_the_steps(&mut self) -> &mut Self {
        self.hears(Event::Opened(Some(self.state.record.clone())));
        self.goes_on()
    }

    fn goes_on(&mut self) -> &mut Self {
        self.hears_all([Event::Rehearsed, Event::Connected, Event::Intended])
    }

    /// The exchange is on the wire, and no answer comes.
    fn loses_the_answer(&mut self) -> &mut Self {
        self.sends().hears(silence())
    }

    fn does(&mut self, expected: &str) -> &mut Self {
        assert_eq!(words(&self.done), expected, "in {self:#?}");
        self
    }

    fn stands(&mut self, expected: Standing) -> &mut Self {
        assert_eq!(self.state.standing(), expected, "in {self:#?}");
        self
    }

    fn shows(&mut self, expected: &str) -> &mut Self {
        assert_eq!(self.shown, expected, "in {self:#?}");
        self
    }

    /// Time until what is planned.
    fn wait(&self) -> Duration {
        self.state.next().expect("something is planned").remaining(self.now)
    }

    fn plans_nothing(&mut self) -> &mut Self {
        assert_eq!(self.state.next(), None, "in {self:#?}");
        self
    }

    fn plans_within(&mut self, least: Duration, most: Duration) -> &mut Self {
        let wait = self.wait();
        assert!((least..=most).contains(&wait), "{wait:?} in {self:#?}");
        self
    }

    fn explains(&mut self, part: &str) -> &mut Self {
        let trouble = self.state.trouble().unwrap_or("nothing");
        assert!(trouble.contains(part), "{trouble}");
        self
    }

    /// What the store holds if everything that was asked for was written.
    fn record(&self) -> Record {
        self.state.record.clone()
    }

    /// Another process starts with what this one left behind.
    fn restarts(&mut self) -> &mut Self {
        let state = State::new(
            self.state.kind,
            self.state.policy.clone(),
            self.state.record.clone(),
            Dice::new(8),
        );
        self.state = state.restored(self.now);
        self.hears(Event::Tick)
    }

    /// The same machine, for the other end of a story.
    fn clone_of(&self) -> Self {
        self.clone()
    }
}

fn start() -> Moment {
    Moment::new("2026-11-24T12:00:00Z".parse().unwrap(), 1000 * SECOND)
}

fn record() -> Record {
    let mut record = Record::new("app".into(), "https://a.example/oauth/token".into());
    record.revision = 1;
    record.generation = Generation(1);
    record.grant = Some(grant(1, start()));
    record
}

fn grant(number: u64, at: Moment) -> Grant {
    Grant {
        generation: Generation(number),
        access: access(number),
        refresh: Some(refresh(number)),
        issued: at.wall(),
        expires: Some(at.plus(LIFE).wall()),
        refresh_issued: at.wall(),
        scope: Some("read".parse().unwrap()),
    }
}

/// The record after another process made tokens of this number.
fn successor(before: &Record, number: u64, at: Moment) -> Record {
    let mut record = before.clone();
    record.revision += 2;
    record.generation = Generation(number);
    record.grant = Some(grant(number, at));
    record.intent = None;
    record
}

fn access(number: u64) -> AccessToken {
    AccessToken::new(format!("access-{number}")).unwrap()
}

fn refresh(number: u64) -> RefreshToken {
    RefreshToken::new(format!("refresh-{number}")).unwrap()
}

fn seed(text: &str) -> Seed {
    Seed::new(RefreshToken::new(text.into()).unwrap())
}

fn issue(number: u64) -> Issue {
    Issue {
        access: access(number),
        refresh: Some(refresh(number)),
        life: Some(LIFE),
        scope: Some("read".parse().unwrap()),
    }
}

fn granted(number: u64) -> Event {
    Event::Answered(Outcome::Granted(issue(number)))
}

fn refused(refusal: Refusal) -> Event {
    Event::Answered(Outcome::Refused(refusal))
}

fn throttled(retry_after: Option<Duration>) -> Event {
    let detail = "too many requests".into();
    Event::Answered(Outcome::Throttled { retry_after, detail, taken: Taken::No })
}

fn unavailable() -> Event {
    let detail = "the server answered 503".into();
    Event::Answered(Outcome::Throttled { retry_after: None, detail, taken: Taken::Perhaps })
}

fn silence() -> Event {
    let why = "the connection broke".into();
    Event::Answered(Outcome::InDoubt { why, doubtful: Doubtful::Silence })
}

fn unreadable() -> Event {
    let why = "the answer cannot be read".into();
    Event::Answered(Outcome::InDoubt { why, doubtful: Doubtful::Unreadable })
}

fn server_error() -> Event {
    let why = "the server answered 502".into();
    Event::Answered(Outcome::InDoubt { why, doubtful: Doubtful::ServerError })
}

fn words(actions: &[Action]) -> String {
    let words: Vec<String> = actions
        .iter()
        .map(|action| match action {
            Action::Open => "Open".into(),
            Action::Rehearse => "Rehearse".into(),
            Action::Connect => "Connect".into(),
            Action::Intend(record) => format!("Intend {}", record.revision),
            Action::Send(Ask::Refresh(token)) => format!("Send {}", token.expose()),
            Action::Send(Ask::ClientCredentials) => "Send client credentials".into(),
            Action::Send(Ask::Code(_)) => "Send a code".into(),
            Action::Persist(record) => format!("Persist {}", record.revision),
            Action::Probe { .. } => "Probe".into(),
            Action::Close => "Close".into(),
            Action::Publish(access) => format!("Publish {}", word(access)),
            Action::Settle => "Settle".into(),
        })
        .collect();
    words.join(", ")
}

fn word(access: &Access) -> String {
    match access {
        Access::Ready(bearer) => format!("Ready {}", bearer.generation()),
        Access::Hold => "Hold".into(),
        Access::Unavailable(why) => format!("{why:?}"),
    }
}
