//! The steps of an exchange that take time, as tasks.

use std::fmt::Display;
use std::future::Future;
use std::path::PathBuf;
use std::pin::Pin;
use std::sync::Arc;
use std::time::Duration;

use secrecy::zeroize::Zeroizing;

use crate::net::connect::Dial;
use crate::net::login_redirect::LoginPages;
use crate::net::origin::InvalidOrigin;
use crate::net::tls::Trust;
use crate::scope::ScopeSet;

use super::Config;
use super::current::Bearer;
use super::endpoint::{Line, TokenEndpoint};
use super::grant::Grant;
use super::oracle;
use super::record::Record;
use super::source::{Credential, Registration};
use super::state::{Action, Ask, Doubtful, Event, Oracle, Outcome};
use super::store::{Lock, Store};

/// How often the lock is tried while another process has it.
const LOCK_PAUSE: Duration = Duration::from_millis(100);

/// How long it is tried: longer than an exchange of the other process takes.
pub(super) const LOCK_PATIENCE: Duration = Duration::from_secs(75);

/// A skew of the wall clock that is worth a warning: tokens are planned in days, but a server refuses
/// what lies in its future.
const SKEW: Duration = Duration::from_secs(60);

/// A step that takes time.
#[derive(Debug)]
pub(super) enum Operation {
    Open,
    Rehearse,
    Connect,
    Intend(Box<Record>),
    Send(Ask),
    Persist(Box<Record>),
    Probe(Duration),
}

/// A step under way.
pub(super) type Step = Pin<Box<dyn Future<Output = Done> + Send>>;

/// How a step ended, and what it leaves for the next one.
#[derive(Debug)]
pub(super) struct Done {
    pub(super) event: Event,
    pub(super) lock: Option<Lock>,
    pub(super) line: Option<Line>,
    /// Where an answer is kept that could not be read.
    pub(super) unread: Option<PathBuf>,
}

/// What steps work with.
#[derive(Debug)]
pub(super) struct Tools {
    pub(super) store: Option<Arc<Store>>,
    pub(super) line: Option<Line>,
    endpoint: Option<Arc<TokenEndpoint>>,
    registration: Option<Registration>,
    upstream: Dial,
    login_pages: LoginPages,
}

impl Operation {
    /// The step that an action asks for, if it takes time.
    pub(super) fn of(action: Action) -> Option<Self> {
        Some(match action {
            Action::Open => Self::Open,
            Action::Rehearse => Self::Rehearse,
            Action::Connect => Self::Connect,
            Action::Intend(record) => Self::Intend(record),
            Action::Send(ask) => Self::Send(ask),
            Action::Persist(record) => Self::Persist(record),
            Action::Probe { after } => Self::Probe(after),
            Action::Close | Action::Publish(_) | Action::Settle => return None,
        })
    }

    /// What the machine must assume when a defect ended the step: the worst.
    pub(super) fn broken(&self) -> Event {
        let why = "a defect of this program ended the step".to_owned();
        match self {
            Self::Open | Self::Rehearse | Self::Intend(_) => Event::Unwritable(why),
            Self::Connect => Event::NotSent(why),
            Self::Send(_) => Event::Answered(Outcome::InDoubt { why, doubtful: Doubtful::Silence }),
            Self::Persist(_) => Event::NotPersisted(why),
            Self::Probe(_) => Event::Probed(Oracle::Unclear),
        }
    }
}

impl Tools {
    /// Tools without a credential yet.
    pub(super) fn new(upstream: Dial) -> Self {
        let login_pages = LoginPages::default();
        Self { store: None, line: None, endpoint: None, registration: None, upstream, login_pages }
    }

    /// Takes over what the credential says of the client.
    pub(super) fn equip(&mut self, config: &Config, trust: Trust) -> Result<(), InvalidOrigin> {
        self.login_pages = config.credential.login_pages();
        let (registration, scope) = match &config.credential {
            Credential::PersonalAccessToken(_) => return Ok(()),
            Credential::AuthorizationCode(code) => (&code.registration, ScopeSet::default()),
            Credential::ClientCredentials(own) => (&own.registration, own.scope.clone()),
        };
        let limits = config.exchange.clone();
        let endpoint = TokenEndpoint::new(registration.clone(), scope, limits, trust)?;
        self.endpoint = Some(Arc::new(endpoint));
        self.registration = Some(registration.clone());
        Ok(())
    }

    /// The record of an app that has no grant yet.
    pub(super) fn empty_record(&self) -> Record {
        let registration = self.registration.as_ref();
        Record::new(
            registration.map(|app| app.client_id.clone()).unwrap_or_default(),
            registration.map(|app| app.token_url.to_string()).unwrap_or_default(),
        )
    }

    /// The step as a future that owns all it needs.
    pub(super) fn start(&mut self, operation: &Operation, grant: Option<&Grant>) -> Step {
        match (operation, self.store.clone(), self.endpoint.clone()) {
            (Operation::Open, Some(store), _) => {
                let ours = self.empty_record();
                Box::pin(open(store, ours))
            }
            (Operation::Rehearse, Some(store), _) => Box::pin(async move {
                told(stored(move || store.rehearse()).await, Event::Rehearsed, Event::Unwritable)
            }),
            (Operation::Intend(record), Some(store), _) => {
                let (record, line) = (record.clone(), self.line.take());
                Box::pin(async move {
                    let result = stored(move || store.intend(&record)).await;
                    Done { line, ..told(result, Event::Intended, Event::Unwritable) }
                })
            }
            (Operation::Persist(record), Some(store), _) => {
                let record = record.clone();
                Box::pin(async move {
                    let result = stored(move || store.persist(&record)).await;
                    told(result, Event::Persisted, Event::NotPersisted)
                })
            }
            (Operation::Connect, _, Some(endpoint)) => Box::pin(async move {
                match endpoint.connect().await {
                    Ok(line) => Done { line: Some(line), ..Done::of(Event::Connected) },
                    Err(error) => Done::of(Event::NotSent(format!("token endpoint: {error}"))),
                }
            }),
            (Operation::Send(ask), store, Some(endpoint)) => {
                let (line, ask) = (self.line.take(), ask.clone());
                Box::pin(send(endpoint, line, ask, store))
            }
            (Operation::Probe(after), _, _) => {
                let (upstream, after) = (self.upstream.clone(), *after);
                let bearer = grant.map(Grant::bearer);
                Box::pin(probe(upstream, self.login_pages.clone(), bearer, after))
            }
            // No credential asks for a step that it has no tools for; if one does, it fails visibly.
            (operation, _, _) => {
                let event = operation.broken();
                Box::pin(async move { Done::of(event) })
            }
        }
    }
}

impl Done {
    fn of(event: Event) -> Self {
        Self { event, lock: None, line: None, unread: None }
    }
}

async fn open(store: Arc<Store>, ours: Record) -> Done {
    match locked(&store, LOCK_PATIENCE).await {
        Ok(Some(lock)) => match loaded(store, ours).await {
            Ok(record) => Done { lock: Some(lock), ..Done::of(Event::Opened(record)) },
            Err(why) => Done::of(Event::Unwritable(why)),
        },
        Ok(None) => Done::of(Event::Busy),
        Err(why) => Done::of(Event::Unwritable(why)),
    }
}

/// Takes the store's lock; `None` if another process has it for longer than `patience`.
pub(super) async fn locked(store: &Arc<Store>, patience: Duration) -> Result<Option<Lock>, String> {
    let patience = tokio::time::Instant::now() + patience;
    loop {
        let store = Arc::clone(store);
        match stored(move || store.lock()).await? {
            Some(lock) => return Ok(Some(lock)),
            None if tokio::time::Instant::now() < patience => {
                tokio::time::sleep(LOCK_PAUSE).await;
            }
            None => return Ok(None),
        }
    }
}

/// What is stored, as the app of `ours` may see it.
pub(super) async fn loaded(store: Arc<Store>, ours: Record) -> Result<Option<Record>, String> {
    let record = stored(move || store.load()).await?;
    record.map(|it| it.seen_by(&ours)).transpose().map_err(|foreign| foreign.to_string())
}

async fn send(
    endpoint: Arc<TokenEndpoint>,
    line: Option<Line>,
    ask: Ask,
    store: Option<Arc<Store>>,
) -> Done {
    let Some(line) = line else {
        return Done::of(Event::Answered(Outcome::NotSent("the connection is gone".into())));
    };
    let exchanged = endpoint.exchange(line, &ask).await;
    if let Some(skew) = exchanged.clock_skew
        && skew.unsigned_abs() > SKEW
    {
        tracing::warn!(
            seconds = skew.as_secs(),
            "the clock of this host differs from the authorization server's: set it right"
        );
    }
    let unread = match (exchanged.unread, store) {
        (Some(answer), Some(store)) => kept(store, answer).await,
        _ => None,
    };
    Done { unread, ..Done::of(Event::Answered(exchanged.outcome)) }
}

/// Keeps an answer that could not be read: it may hold the only copy of the tokens.
async fn kept(store: Arc<Store>, answer: Zeroizing<Vec<u8>>) -> Option<PathBuf> {
    match stored(move || store.keep_unread(&answer)).await {
        Ok(path) => {
            tracing::error!(
                path = %path.display(),
                "an answer of the token endpoint could not be read; it is kept, for there may be \
                 tokens in it"
            );
            Some(path)
        }
        Err(error) => {
            tracing::error!(
                error,
                "an answer of the token endpoint could neither be read nor kept"
            );
            None
        }
    }
}

async fn probe(
    upstream: Dial,
    login_pages: LoginPages,
    bearer: Option<Bearer>,
    after: Duration,
) -> Done {
    tokio::time::sleep(after).await;
    let oracle = match bearer {
        Some(bearer) => oracle::ask(&upstream, &login_pages, &bearer).await,
        None => Oracle::Unclear,
    };
    Done::of(Event::Probed(oracle))
}

/// Runs a store's blocking work where it may block.
pub(super) async fn stored<T: Send + 'static, E: Display + Send + 'static>(
    work: impl FnOnce() -> Result<T, E> + Send + 'static,
) -> Result<T, String> {
    match tokio::task::spawn_blocking(work).await {
        Ok(result) => result.map_err(|error| error.to_string()),
        Err(_) => Err("a defect of this program ended the step".into()),
    }
}

fn told(result: Result<(), String>, good: Event, bad: impl FnOnce(String) -> Event) -> Done {
    match result {
        Ok(()) => Done::of(good),
        Err(why) => Done::of(bad(why)),
    }
}
