//! Where people sign in and out: what is performed, with the state directory and the token endpoint.

use std::sync::Arc;
use std::time::Duration;

use tokio::sync::{Mutex, watch};

use crate::clock;
use crate::net::tls::Trust;
use crate::scope::ScopeSet;

use super::super::Config;
use super::super::endpoint::TokenEndpoint;
use super::super::grant::Grant;
use super::super::operation::{LOCK_PATIENCE, loaded, locked, stored};
use super::super::record::Record;
use super::super::source::{AuthorizationCode, Credential};
use super::super::state::Ask;
use super::super::store::{Lock, NotStored, Store};
use super::{Pending, Proof, SignInError, refusal};

/// How long somebody who is about to begin waits for the lock.
const BRIEFLY: Duration = Duration::from_secs(5);

/// How often the tokens of a sign-in are tried to be stored, a second apart: there is no other copy.
const TRIES: u32 = 5;
const PAUSE: Duration = Duration::from_secs(1);

/// Where people sign in and out.
#[derive(Debug)]
pub struct Desk {
    config: Config,
    credential: watch::Receiver<Credential>,
    trust: Trust,
    /// Held by whoever exchanges or stores: one at a time, and never cut off.
    working: Mutex<()>,
}

/// What a sign-out found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Departure {
    /// A grant, which is forgotten now; the authorization server still knows it.
    Left,
    /// None.
    Nobody,
}

/// The state directory, with the lock in hand.
struct Opened {
    store: Arc<Store>,
    lock: Lock,
    record: Record,
}

impl Desk {
    /// A desk for a credential that may be read again meanwhile.
    pub fn new(config: Config, credential: watch::Receiver<Credential>, trust: Trust) -> Self {
        Self { config, credential, trust, working: Mutex::default() }
    }

    /// A desk for the credential as it is configured now.
    pub fn of(config: Config, trust: Trust) -> Self {
        let (_, credential) = watch::channel(config.credential.clone());
        Self::new(config, credential, trust)
    }

    /// The app to which people sign in.
    ///
    /// # Errors
    ///
    /// [`SignInError::Kind`] for a credential without a sign-in.
    pub fn app(&self) -> Result<AuthorizationCode, SignInError> {
        match &*self.credential.borrow() {
            Credential::AuthorizationCode(app) => Ok(app.clone()),
            other => Err(SignInError::Kind(other.kind())),
        }
    }

    /// Begins a sign-in, if the state directory could keep what comes of it: nobody is sent to a
    /// browser for nothing.
    ///
    /// # Errors
    ///
    /// [`SignInError`]; nothing was sent.
    pub async fn begin(&self) -> Result<Pending, SignInError> {
        let app = self.app()?;
        let Opened { store, lock, .. } = self.open(&app, BRIEFLY).await?;
        // The lock goes with the work: whoever asked may go away in the middle of it.
        let rehearsed = stored(move || {
            let rehearsed = store.rehearse();
            drop(lock);
            rehearsed
        });
        rehearsed.await.map_err(SignInError::Store)?;
        Pending::new(&app).map_err(|error| SignInError::Random(error.to_string()))
    }

    /// Exchanges the code and stores the grant. Runs to its end even if nobody waits for it.
    ///
    /// # Errors
    ///
    /// [`SignInError`]; the grant in use is the one from before. [`SignInError::Store`] says where else
    /// the new one may be.
    pub async fn finish(self: &Arc<Self>, proof: Proof) -> Result<Grant, SignInError> {
        let desk = Arc::clone(self);
        let finished = tokio::spawn(async move {
            let _working = desk.working.lock().await;
            desk.exchanged(proof).await
        });
        finished.await.unwrap_or_else(|_| Err(SignInError::AnswerLost(DEFECT.into())))
    }

    /// Forgets the grant, so that neither a restart nor a refresh token that was provided brings it
    /// back.
    ///
    /// # Errors
    ///
    /// [`SignInError`] when it is still in use.
    pub async fn sign_out(&self) -> Result<Departure, SignInError> {
        let _working = self.working.lock().await;
        let app = self.app()?;
        let Opened { store, lock, record } = self.open(&app, LOCK_PATIENCE).await?;
        let departure = if record.grant.is_some() { Departure::Left } else { Departure::Nobody };
        let record = record.signed_out(&app);
        let forgotten = stored(move || {
            // The copy of the record before has the tokens, too.
            let forgotten = kept(store.persist(&record))
                .and_then(|kept| store.forget_previous().map(|()| kept).map_err(NotStored::from));
            drop(lock);
            forgotten
        });
        match forgotten.await.map_err(SignInError::Store)? {
            Kept::Here => Ok(departure),
            Kept::Elsewhere(why) => Err(SignInError::Store(format!(
                "the sign-out is stored in the second directory alone ({why}), and counts from the next \
                 start on: mend the state directory, then sign out again"
            ))),
        }
    }

    /// Waits until nothing is being exchanged or stored.
    pub async fn until_idle(&self) {
        drop(self.working.lock().await);
    }

    async fn exchanged(&self, proof: Proof) -> Result<Grant, SignInError> {
        let app = self.app()?;
        let limits = self.config.exchange.clone();
        let registration = app.registration.clone();
        let endpoint =
            TokenEndpoint::new(registration, ScopeSet::default(), limits, self.trust.clone())
                .map_err(|error| SignInError::NotSent(format!("token_url: {error}")))?;
        let Opened { store, lock, record } = self.open(&app, LOCK_PATIENCE).await?;
        let rehearsed = Arc::clone(&store);
        stored(move || rehearsed.rehearse()).await.map_err(SignInError::Store)?;
        let line = endpoint
            .connect()
            .await
            .map_err(|error| SignInError::NotSent(format!("token endpoint: {error}")))?;
        let sent = clock::now();
        let reply = endpoint.send(line, &Ask::Code(proof)).await.map_err(refusal::unanswered)?;
        let now = clock::now().wall();
        let issue = refusal::granted(reply.status, &reply.fields, &reply.content, now)?;
        let record = record.signed_in(&app, issue, sent);
        keep(&store, &record).await?;
        stored(move || store.forget_unread()).await.ok();
        drop(lock);
        record.grant.ok_or(SignInError::NoRefreshToken)
    }

    /// Takes the lock and reads what is stored. A grant of another app is refused.
    async fn open(
        &self,
        app: &AuthorizationCode,
        patience: Duration,
    ) -> Result<Opened, SignInError> {
        let ours =
            Record::new(app.registration.client_id.clone(), app.registration.token_url.to_string());
        let (first, second) =
            (self.config.state_directory.clone(), self.config.second_directory.clone());
        let store = stored(move || Store::open(&first, second.as_deref()));
        let store = Arc::new(store.await.map_err(SignInError::Store)?);
        let lock = locked(&store, patience).await.map_err(SignInError::Store)?;
        let lock = lock.ok_or(SignInError::Busy)?;
        let record = loaded(Arc::clone(&store), ours.clone()).await.map_err(SignInError::Store)?;
        Ok(Opened { store, lock, record: record.unwrap_or(ours) })
    }
}

const DEFECT: &str = "a defect of this program ended the sign-in";

/// Where a record is.
enum Kept {
    Here,
    /// In the second directory alone; why it is not in the first one.
    Elsewhere(String),
}

fn kept(persisted: Result<(), NotStored>) -> Result<Kept, NotStored> {
    match persisted {
        Ok(()) => Ok(Kept::Here),
        Err(NotStored::Second(why)) => Ok(Kept::Elsewhere(why.to_string())),
        Err(nowhere) => Err(nowhere),
    }
}

/// Stores the record. The tokens in it exist nowhere else, so the disk gets several chances.
async fn keep(store: &Arc<Store>, record: &Record) -> Result<(), SignInError> {
    let mut tries = 1;
    loop {
        let (store, record) = (Arc::clone(store), record.clone());
        match stored(move || kept(store.persist(&record))).await {
            Ok(Kept::Here) => return Ok(()),
            Ok(Kept::Elsewhere(_)) | Err(_) if tries < TRIES => tokio::time::sleep(PAUSE).await,
            Ok(Kept::Elsewhere(why)) => {
                return Err(SignInError::Store(format!(
                    "the new tokens are stored in the second directory alone ({why}): mend the state \
                     directory, then restart the sidecar, which takes them up"
                )));
            }
            Err(why) => {
                return Err(SignInError::Store(format!(
                    "the new tokens could not be stored: {why}; mend that, then sign in again"
                )));
            }
        }
        tries += 1;
    }
}
