//! The access token in use: written by the refresher, read by every request.
//!
//! A request reads it with one atomic load of a ready-made, sensitive field value; nothing is locked,
//! allocated or formatted on that way. Only requests that meet an exchange or a 401 take the slow way:
//! they wait for the refresher's word. The refresher alone holds the [`Publisher`].

mod rejection;

use std::borrow::Cow;
use std::fmt;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use arc_swap::{ArcSwap, ArcSwapOption, Guard};
use http::HeaderValue;
use memchr::memmem;
use percent_encoding::percent_decode;
use tokio::sync::{mpsc, oneshot, watch};

use crate::clock::{self, Deadline};
use crate::scope::Rights;
use crate::secret::Secret;

use super::acceptance::Acceptance;
use super::bearer::AccessToken;
use super::explanation::Explained;
pub use rejection::{Rejection, Verdict};

/// Number of the access token in use. Each token that is published gets the next one.
#[derive(
    Clone,
    Copy,
    Debug,
    Default,
    PartialEq,
    Eq,
    PartialOrd,
    Ord,
    serde::Serialize,
    serde::Deserialize,
)]
#[serde(transparent)]
pub struct Generation(pub u64);

impl Generation {
    /// The generation after this one.
    #[must_use]
    pub fn next(self) -> Self {
        Self(self.0 + 1)
    }
}

impl fmt::Display for Generation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.0.fmt(f)
    }
}

/// What stands before a token in `Authorization`, RFC 6750 §2.1.
const SCHEME: &str = "Bearer ";

/// A token as requests carry it.
#[derive(Clone, Debug)]
pub struct Bearer {
    generation: Generation,
    field: HeaderValue,
    rights: Rights,
    renewal: Renewal,
}

/// Who replaces a token that the upstream refuses.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub enum Renewal {
    /// The refresher, by an exchange.
    #[default]
    Exchange,
    /// A person: it is a personal access token.
    Person,
}

impl Bearer {
    /// Builds `Bearer …` once, marked sensitive so that HPACK never indexes it and `Debug` hides it.
    pub fn new(generation: Generation, token: &AccessToken) -> Self {
        let text = Secret::new([SCHEME, token.expose()].concat());
        // An `AccessToken` consists of characters that a field value may have.
        let mut field = HeaderValue::from_maybe_shared(text.expose_bytes())
            .unwrap_or(HeaderValue::from_static("Bearer"));
        field.set_sensitive(true);
        Self { generation, field, rights: Rights::Unknown, renewal: Renewal::Exchange }
    }

    /// The same token, of which it is known what it may do.
    #[must_use]
    pub fn with_rights(self, rights: Rights) -> Self {
        Self { rights, ..self }
    }

    /// The same token, which is replaced in this way.
    #[must_use]
    pub fn renewed_by(self, renewal: Renewal) -> Self {
        Self { renewal, ..self }
    }

    /// Who replaces it.
    pub fn renewal(&self) -> Renewal {
        self.renewal
    }

    /// Which token this is.
    pub fn generation(&self) -> Generation {
        self.generation
    }

    /// The value of `Authorization`; a clone shares the bytes.
    pub fn field(&self) -> &HeaderValue {
        &self.field
    }

    /// What the token may do, as far as that is certain.
    pub fn rights(&self) -> Rights {
        self.rights
    }

    /// Whether `text` has the token in it, as it is or percent-encoded.
    pub fn is_in(&self, text: &[u8]) -> bool {
        let token = self.token();
        // Most fields are shorter than any token.
        if token.is_empty() || text.len() < token.len() {
            return false;
        }
        // Borrowed, and searched once, where there is no escape.
        let decoded = Cow::from(percent_decode(text));
        let is_encoded = matches!(decoded, Cow::Owned(_));
        memmem::find(text, token).is_some() || is_encoded && memmem::find(&decoded, token).is_some()
    }

    /// Whether the name of a field, which has no capital letters, has the token in it.
    pub fn is_in_name(&self, name: &str) -> bool {
        let token = self.token();
        !token.is_empty()
            && name.len() >= token.len()
            && memmem::find(name.as_bytes(), &token.to_ascii_lowercase()).is_some()
    }

    fn token(&self) -> &[u8] {
        self.field.as_bytes().strip_prefix(SCHEME.as_bytes()).unwrap_or_default()
    }
}

/// What a request finds.
#[derive(Clone, Debug)]
pub enum Access {
    /// A token to use.
    Ready(Bearer),
    /// An exchange that ends the current token is on the wire: wait a moment.
    Hold,
    /// No token to use.
    Unavailable(Unavailable),
}

/// Why there is no token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Unavailable {
    /// A person has to provide a new grant, token or secret.
    SignInRequired,
    /// The first token is still being obtained.
    Pending,
    /// The last token expired before a new one came.
    Expired,
    /// A person has to correct the client or the request: the authorization server refuses it.
    Misconfigured,
}

/// Reads the current token. Cheap to clone; every clone sees the same.
#[derive(Clone, Debug)]
pub struct CurrentToken {
    slot: Arc<ArcSwap<Access>>,
    plan: Arc<ArcSwapOption<Deadline>>,
    accepted: Arc<AtomicU64>,
    changed: watch::Receiver<()>,
    rejections: mpsc::UnboundedSender<Rejection>,
    acceptance: Acceptance,
    explained: Explained,
}

impl CurrentToken {
    /// What is there now: one atomic load.
    pub fn load(&self) -> Guard<Arc<Access>> {
        self.slot.load()
    }

    /// Tells that the upstream took this token from a request that had been refused with the one before.
    pub fn accepted(&self, bearer: &Bearer) {
        self.accepted.fetch_max(bearer.generation().0, Ordering::Relaxed);
    }

    /// Time until the next attempt to get a token, if one is planned.
    pub fn next_attempt(&self) -> Option<Duration> {
        self.plan.load().as_ref().map(|at| at.remaining(clock::now()))
    }

    /// Waits until it is not [`Access::Hold`]. The caller of this function sets the limit; dropping
    /// the future changes nothing for others.
    pub async fn settled(&self) -> Arc<Access> {
        let mut changed = self.changed.clone();
        loop {
            changed.mark_unchanged();
            let access = self.slot.load_full();
            if !matches!(*access, Access::Hold) || changed.changed().await.is_err() {
                return access;
            }
        }
    }

    /// The newest token that the upstream has accepted.
    pub fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    /// Why there is no token, while there is none.
    pub fn explained(&self) -> &Explained {
        &self.explained
    }

    /// Reports that the upstream refused this token with 401, and learns what to do with the request.
    ///
    /// A token of an older generation is answered at once: the current one deserves a try. For the
    /// current one the refresher makes one exchange for everybody who asks; dropping the future does
    /// not stop it.
    pub async fn rejected(&self, bearer: &Bearer) -> Verdict {
        let generation = bearer.generation();
        if let Some(newer) = self.newer_than(generation) {
            return Verdict::Replay(newer);
        }
        let (reply, answer) = oneshot::channel();
        let reported = self.rejections.send(Rejection { generation, reply }).is_ok();
        match answer.await {
            Ok(verdict) if reported => verdict,
            // The refresher has ended: what it published last is the last word, and if that is not
            // newer, the 401 is our own trouble.
            _ => match self.newer_than(generation) {
                Some(newer) => Verdict::Replay(newer),
                None => Verdict::Unavailable(Unavailable::Pending),
            },
        }
    }

    /// The current token, if it is newer than this one.
    pub fn newer_than(&self, generation: Generation) -> Option<Bearer> {
        match &**self.load() {
            Access::Ready(current) if current.generation() > generation => Some(current.clone()),
            _ => None,
        }
    }
}

/// Writes the current token. There is one, and it is not `Clone`.
#[derive(Debug)]
pub struct Publisher {
    slot: Arc<ArcSwap<Access>>,
    plan: Arc<ArcSwapOption<Deadline>>,
    accepted: Arc<AtomicU64>,
    changed: watch::Sender<()>,
    acceptance: Acceptance,
    explained: Explained,
}

impl Publisher {
    /// Swaps what requests see, and wakes those that wait.
    pub fn publish(&self, access: Access) {
        self.slot.store(Arc::new(access));
        self.changed.send_replace(());
    }

    /// The newest token that the upstream has accepted.
    pub fn acceptance(&self) -> &Acceptance {
        &self.acceptance
    }

    /// Why there is no token, in words.
    pub fn explained(&self) -> &Explained {
        &self.explained
    }

    /// The newest token that a request proved to work after a 401; 0 before the first.
    pub fn accepted(&self) -> Generation {
        Generation(self.accepted.load(Ordering::Relaxed))
    }

    /// Says when the next attempt to get a token is planned.
    pub fn plan(&self, next: Option<Deadline>) {
        if self.plan.load().as_deref() != next.as_ref() {
            self.plan.store(next.map(Arc::new));
        }
    }
}

/// The two ends, and the reports of refused tokens. Until something is published requests hold: one
/// that comes with the start is served by the first token, and not refused a moment before.
pub fn channel() -> (Publisher, CurrentToken, mpsc::UnboundedReceiver<Rejection>) {
    let slot = Arc::new(ArcSwap::from_pointee(Access::Hold));
    let (changed, seen) = watch::channel(());
    let (rejections, reports) = mpsc::unbounded_channel();
    let plan = Arc::new(ArcSwapOption::empty());
    let accepted = Arc::new(AtomicU64::new(0));
    let (acceptance, explained) = (Acceptance::default(), Explained::default());
    let current = CurrentToken {
        slot: Arc::clone(&slot),
        plan: Arc::clone(&plan),
        accepted: Arc::clone(&accepted),
        acceptance: acceptance.clone(),
        explained: explained.clone(),
        changed: seen,
        rejections,
    };
    (Publisher { slot, plan, accepted, acceptance, explained, changed }, current, reports)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bearer(generation: u64) -> Bearer {
        Bearer::new(Generation(generation), &AccessToken::new("canary".into()).unwrap())
    }

    #[test]
    fn the_field_is_ready_made_and_hidden() {
        let bearer = bearer(1);
        assert_eq!(bearer.field(), "Bearer canary");
        assert!(!format!("{bearer:?}").contains("canary"));
    }

    #[test]
    fn the_token_is_found_wherever_it_stands() {
        let bearer = bearer(1);
        for text in ["canary", "Bearer canary", "token=canary;", "canarycanary"] {
            assert!(bearer.is_in(text.as_bytes()), "{text}");
        }
        for text in ["", "Bearer ", "canar", "CANARY", "can ary"] {
            assert!(!bearer.is_in(text.as_bytes()), "{text}");
        }
    }

    #[tokio::test]
    async fn a_held_request_goes_on_when_something_is_published() {
        let (publisher, current, _reports) = channel();
        publisher.publish(Access::Hold);
        let waiting = tokio::spawn({
            let current = current.clone();
            async move { current.settled().await }
        });
        tokio::task::yield_now().await;
        publisher.publish(Access::Hold);
        publisher.publish(Access::Ready(bearer(2)));
        assert!(
            matches!(&*waiting.await.unwrap(), Access::Ready(b) if b.generation() == Generation(2))
        );
    }

    #[tokio::test]
    async fn an_old_token_is_replayed_without_asking() {
        let (publisher, current, mut reports) = channel();
        publisher.publish(Access::Ready(bearer(2)));
        assert!(
            matches!(current.rejected(&bearer(1)).await, Verdict::Replay(b) if b.generation() == Generation(2))
        );
        assert!(reports.try_recv().is_err());
    }

    #[tokio::test]
    async fn an_end_of_the_refresher_is_never_a_401() {
        let (publisher, current, reports) = channel();
        publisher.publish(Access::Ready(bearer(2)));
        drop(reports);
        let verdict = current.rejected(&bearer(2)).await;
        assert!(matches!(verdict, Verdict::Unavailable(Unavailable::Pending)), "{verdict:?}");
    }

    #[tokio::test]
    async fn a_report_that_is_dropped_finds_what_was_published_last() {
        let (publisher, current, mut reports) = channel();
        publisher.publish(Access::Ready(bearer(2)));
        let refresher = tokio::spawn(async move {
            let report = reports.recv().await.unwrap();
            publisher.publish(Access::Ready(bearer(3)));
            drop(report);
        });
        let verdict = current.rejected(&bearer(2)).await;
        assert!(matches!(verdict, Verdict::Replay(b) if b.generation() == Generation(3)));
        refresher.await.unwrap();
    }

    #[tokio::test]
    async fn the_current_token_is_reported_and_the_verdict_awaited() {
        let (publisher, current, mut reports) = channel();
        publisher.publish(Access::Ready(bearer(2)));
        let refresher = tokio::spawn(async move {
            let report = reports.recv().await.unwrap();
            assert_eq!(report.generation, Generation(2));
            report.reply.send(Verdict::Pass).unwrap();
        });
        assert!(matches!(current.rejected(&bearer(2)).await, Verdict::Pass));
        refresher.await.unwrap();
    }
}
