//! The stored record: everything that a restart has to know.
//!
//! The file is the only copy of a single-use refresh token, so its shape is versioned, unknown fields
//! and newer versions are refused instead of being dropped, and an exchange announces itself in it
//! (the [`Intent`]) before it starts. The secrets are exposed here, to be written, and nowhere else.

mod presented;

use jiff::Timestamp;
use serde::{Deserialize, Serialize, Serializer};

use crate::scope::ScopeSet;
use crate::secret::{Fingerprint, Secret};

use super::bearer::{AccessToken, MAX_LENGTH, RefreshToken};
use super::current::Generation;
use super::grant::Grant;
use super::state::Loss;

pub use presented::Presented;

/// How many tokens are remembered: those of more than a year.
const REMEMBERED: usize = 64;

/// The version of the shape that this program reads and writes.
const VERSION: u32 = 1;

/// Room for any record, in bytes: two tokens of the largest size, and the rest.
pub(super) const ROOM: usize = 2 * MAX_LENGTH + (4 << 10);

/// What is stored of a rotating grant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Record {
    /// The app that the grant was given to; another app cannot use it.
    pub client_id: String,
    /// Where it was given; another server does not know it.
    pub token_url: String,
    /// Counts the writes. Every exchange sends under a revision of its own.
    pub revision: u64,
    /// The newest generation ever stored, whether or not a grant is left.
    pub generation: Generation,
    /// The seed that was taken last.
    pub seed: Option<Fingerprint>,
    /// Refresh tokens that were spent or refused, the newest last, as far as they are remembered. An
    /// operator who provides one of them again means no harm, and a strict server would see a thief.
    pub spent: Vec<Fingerprint>,
    /// The grant in use.
    pub grant: Option<Grant>,
    /// The exchange that was about to start.
    pub intent: Option<Intent>,
    /// One of the grant that is in doubt, while that of a seed is about to start.
    pub aside: Option<Intent>,
    /// How often each refresh token was presented without an answer that settles what became of it.
    pub presented: Vec<Presented>,
    /// Set when the refresh token is known to be dead, so that it is never sent again.
    pub loss: Option<Loss>,
}

/// An exchange that is about to start: found in a record that nobody has locked, it is in doubt.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Intent {
    /// The refresh token that is about to be sent.
    pub refresh_token: Fingerprint,
    /// When.
    pub at: Timestamp,
}

/// Why bytes are not a record. Never quotes them.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidRecord {
    /// Not JSON, or not of this shape.
    #[error("line {line}, column {column}: it is damaged or not a record of this program")]
    Shape {
        /// Where, from 1.
        line: usize,
        /// Where, from 1.
        column: usize,
    },
    /// Written by a newer program.
    #[error("it was written by a newer version of this program (format {0}, known is {VERSION})")]
    Version(u32),
    /// A token in it could not be sent.
    #[error("a token in it is damaged")]
    Token,
}

/// A grant of another app.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error(
    "the state directory holds the grant of client_id {client_id:?} at {token_url}, which is not the \
     configured app: correct client_id or token_url, or give this app a state.directory of its own, or \
     move grant.json away if that grant is not needed any more"
)]
pub struct ForeignRecord {
    /// Its app.
    pub client_id: String,
    /// Its token endpoint.
    pub token_url: String,
}

impl Record {
    /// An empty record for an app at a server.
    pub fn new(client_id: String, token_url: String) -> Self {
        Self {
            client_id,
            token_url,
            revision: 0,
            generation: Generation::default(),
            seed: None,
            spent: Vec::new(),
            grant: None,
            intent: None,
            aside: None,
            presented: Vec::new(),
            loss: None,
        }
    }

    /// The record as far as it concerns the app of `ours`. One of another app that holds no grant is of
    /// no use to it, and only the counters go on.
    ///
    /// # Errors
    ///
    /// [`ForeignRecord`] for a grant of another app: replacing the only copy of it because of a slip in
    /// the configuration would lose it.
    pub fn seen_by(self, ours: &Self) -> Result<Self, ForeignRecord> {
        if self.client_id == ours.client_id && self.token_url == ours.token_url {
            return Ok(self);
        }
        if self.grant.is_some() && self.loss.is_none() {
            return Err(ForeignRecord { client_id: self.client_id, token_url: self.token_url });
        }
        Ok(Self { revision: self.revision, generation: self.generation, ..ours.clone() })
    }

    /// Announces an exchange and counts it. What was announced of another token before is kept, or a
    /// restart would take it for settled.
    pub(super) fn announce(&mut self, intent: Intent) {
        self.count(intent.refresh_token);
        let of_another = |before: &Intent| before.refresh_token != intent.refresh_token;
        self.aside = self.intent.filter(of_another).or(self.aside.filter(of_another));
        self.intent = Some(intent);
    }

    /// Stores that nothing is on its way any more, but for these exchanges that are in doubt: the
    /// newest, and one of another token.
    pub(super) fn settle(&mut self, doubts: impl IntoIterator<Item = Intent>) {
        let mut doubts = doubts.into_iter();
        (self.intent, self.aside) = (doubts.next(), doubts.next());
    }

    /// The exchange of this token that was announced, if no end of it is known.
    pub fn announced(&self, token: Fingerprint) -> Option<Intent> {
        let about = |intent: &Intent| intent.refresh_token == token;
        self.intent.filter(about).or(self.aside.filter(about))
    }

    /// Whether a refresh token was provided or used before.
    pub(super) fn has_seen(&self, token: Fingerprint) -> bool {
        self.seed == Some(token) || self.spent.contains(&token)
    }

    /// Returns true for a refresh token to begin with that a sidecar would exchange at its start: one that
    /// is neither in use nor spent.
    pub fn is_new(&self, seed: &RefreshToken) -> bool {
        let held = self.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
        held != Some(seed) && !self.has_seen(seed.fingerprint())
    }

    /// Remembers that a refresh token is not to be sent again.
    pub(super) fn remember(&mut self, spent: Option<Fingerprint>) {
        if let Some(token) = spent {
            self.settled(token);
        }
        self.spent.extend(spent.filter(|token| !self.spent.contains(token)));
        let surplus = self.spent.len().saturating_sub(REMEMBERED);
        self.spent.drain(..surplus);
    }

    /// The bytes to store; wiped when dropped.
    pub fn to_bytes(&self) -> Secret {
        // An announced exchange whose count was taken back must not look like one that nobody counted.
        let is_announced = self.intent.is_some() || self.aside.is_some();
        let counts = is_announced || !self.presented.is_empty();
        let shape = Shape {
            version: VERSION,
            client_id: self.client_id.clone(),
            token_url: self.token_url.clone(),
            revision: self.revision,
            generation: self.generation,
            seed: self.seed,
            spent: self.spent.clone(),
            grant: self.grant.as_ref().map(GrantShape::of),
            intent: self.intent,
            aside: self.aside,
            presented: counts.then(|| self.presented.clone()),
            loss: self.loss,
        };
        // With room for everything it never moves, and leaves no copy of a token behind.
        let mut bytes = Vec::with_capacity(ROOM);
        // Maps with text keys and numbers: nothing that JSON could refuse.
        serde_json::to_writer_pretty(&mut bytes, &shape).ok();
        bytes.push(b'\n');
        Secret::new(String::from_utf8(bytes).unwrap_or_default())
    }

    /// Reads stored bytes.
    ///
    /// # Errors
    ///
    /// [`InvalidRecord`] for anything that this program did not write completely.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, InvalidRecord> {
        let version: VersionShape = serde_json::from_slice(bytes).map_err(misshapen)?;
        if version.version > VERSION {
            return Err(InvalidRecord::Version(version.version));
        }
        let shape: Shape = serde_json::from_slice(bytes).map_err(misshapen)?;
        let grant = shape.grant.map(|grant| grant.into_grant(shape.generation)).transpose()?;
        // A program that did not count may have sent what it announced.
        let announced = shape.intent.iter().chain(&shape.aside).map(|intent| intent.refresh_token);
        let once = |refresh_token| Presented { refresh_token, times: 1 };
        let presented = shape.presented.unwrap_or_else(|| announced.map(once).collect());
        Ok(Self {
            client_id: shape.client_id,
            token_url: shape.token_url,
            revision: shape.revision,
            generation: shape.generation,
            seed: shape.seed,
            spent: shape.spent,
            grant,
            intent: shape.intent,
            aside: shape.aside,
            presented,
            loss: shape.loss,
        })
    }
}

#[derive(Deserialize)]
struct VersionShape {
    version: u32,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Shape {
    version: u32,
    client_id: String,
    token_url: String,
    revision: u64,
    generation: Generation,
    seed: Option<Fingerprint>,
    #[serde(default)]
    spent: Vec<Fingerprint>,
    grant: Option<GrantShape>,
    intent: Option<Intent>,
    #[serde(default)]
    aside: Option<Intent>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    presented: Option<Vec<Presented>>,
    loss: Option<Loss>,
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct GrantShape {
    #[serde(serialize_with = "exposed")]
    access_token: Secret,
    #[serde(serialize_with = "exposed_if_any")]
    refresh_token: Option<Secret>,
    issued_at: Timestamp,
    expires_at: Option<Timestamp>,
    refresh_issued_at: Timestamp,
    scope: Option<ScopeSet>,
}

impl GrantShape {
    fn of(grant: &Grant) -> Self {
        Self {
            access_token: Secret::new(grant.access.expose().to_owned()),
            refresh_token: (grant.refresh.as_ref())
                .map(|token| Secret::new(token.expose().to_owned())),
            issued_at: grant.issued,
            expires_at: grant.expires,
            refresh_issued_at: grant.refresh_issued,
            scope: grant.scope.clone(),
        }
    }

    fn into_grant(self, generation: Generation) -> Result<Grant, InvalidRecord> {
        let text = |secret: &Secret| secret.expose().to_owned();
        let refresh = self.refresh_token.as_ref().map(text).map(RefreshToken::new).transpose();
        Ok(Grant {
            generation,
            access: AccessToken::new(text(&self.access_token)).map_err(|_| InvalidRecord::Token)?,
            refresh: refresh.map_err(|_| InvalidRecord::Token)?,
            issued: self.issued_at,
            expires: self.expires_at,
            refresh_issued: self.refresh_issued_at,
            scope: self.scope,
        })
    }
}

fn exposed<S: Serializer>(secret: &Secret, serializer: S) -> Result<S::Ok, S::Error> {
    serializer.serialize_str(secret.expose())
}

fn exposed_if_any<S: Serializer>(
    secret: &Option<Secret>,
    serializer: S,
) -> Result<S::Ok, S::Error> {
    match secret {
        Some(secret) => exposed(secret, serializer),
        None => serializer.serialize_none(),
    }
}

fn misshapen(error: serde_json::Error) -> InvalidRecord {
    InvalidRecord::Shape { line: error.line(), column: error.column() }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn record() -> Record {
        let now = "2026-11-24T12:00:00Z".parse().unwrap();
        let mut record = Record::new("1".into(), "https://a.example/oauth/token".into());
        record.revision = 9;
        record.generation = Generation(7);
        record.seed = Some(Fingerprint::of("seed"));
        record.grant = Some(Grant {
            generation: Generation(7),
            access: AccessToken::new("canary-access".into()).unwrap(),
            refresh: Some(RefreshToken::new("canary-refresh".into()).unwrap()),
            issued: now,
            expires: Some(now),
            refresh_issued: now,
            scope: Some("read write".parse().unwrap()),
        });
        record.announce(Intent { refresh_token: Fingerprint::of("canary-refresh"), at: now });
        record.loss = Some(Loss::AnswerLost);
        record
    }

    #[test]
    fn a_record_survives_its_bytes() {
        let bytes = record().to_bytes();
        assert_eq!(Record::from_bytes(bytes.expose().as_bytes()), Ok(record()));
    }

    #[test]
    fn every_truncation_is_noticed() {
        let bytes = record().to_bytes();
        let bytes = bytes.expose().trim_end().as_bytes();
        for length in 0..bytes.len() {
            assert!(Record::from_bytes(&bytes[..length]).is_err(), "{length} bytes");
        }
    }

    #[test]
    fn a_newer_format_is_refused_by_name() {
        let text = record().to_bytes().expose().replace("\"version\": 1", "\"version\": 2");
        assert_eq!(Record::from_bytes(text.as_bytes()), Err(InvalidRecord::Version(2)));
    }

    #[test]
    fn a_record_that_does_not_count_is_read_and_its_open_exchange_counts() {
        let bytes = record().to_bytes();
        let text = bytes.expose();
        let counted = text.find("  \"presented\"").unwrap();
        let rest = counted + text[counted..].find("  \"loss\"").unwrap();
        let text = format!("{}{}", &text[..counted], &text[rest..]);
        assert_eq!(Record::from_bytes(text.as_bytes()), Ok(record()));
        assert_eq!(record().presentations(Fingerprint::of("canary-refresh")), 1);
    }

    #[test]
    fn a_count_that_was_taken_back_stays_taken_back() {
        let mut record = record();
        record.retract(Fingerprint::of("canary-refresh"));
        assert!(record.intent.is_some());
        assert_eq!(Record::from_bytes(record.to_bytes().expose().as_bytes()), Ok(record));
    }

    #[test]
    fn an_unknown_field_is_not_dropped() {
        let text = record().to_bytes().expose().replacen('{', "{\"more\":1,", 1);
        assert!(matches!(Record::from_bytes(text.as_bytes()), Err(InvalidRecord::Shape { .. })));
    }

    #[test]
    fn another_apps_grant_is_not_replaced_and_without_one_its_counters_go_on() {
        let ours = Record::new("2".into(), record().token_url);
        let foreign = Record { loss: None, ..record() };
        let message = foreign.seen_by(&ours).unwrap_err().to_string();
        assert!(
            message.contains("client_id \"1\"") && message.contains("state.directory"),
            "{message}"
        );
        let lost = Record { loss: Some(Loss::Refused), ..record() };
        let seen = lost.seen_by(&ours).unwrap();
        assert_eq!((seen.grant, seen.intent, seen.loss), (None, None, None));
        assert_eq!((seen.revision, seen.generation), (9, Generation(7)));
        let same = Record::new("1".into(), record().token_url);
        assert_eq!(record().seen_by(&same), Ok(record()));
    }

    #[test]
    fn what_was_spent_is_remembered_within_limits() {
        let mut record = record();
        let token = |number: usize| Fingerprint::of(&number.to_string());
        for number in 0..=REMEMBERED {
            record.remember(Some(token(number)));
            record.remember(Some(token(number)));
        }
        assert_eq!(record.spent.len(), REMEMBERED);
        assert!(record.has_seen(token(REMEMBERED)) && !record.has_seen(token(0)));
        assert_eq!(Record::from_bytes(record.to_bytes().expose().as_bytes()), Ok(record));
    }

    #[test]
    fn debug_and_errors_show_no_token() {
        assert!(!format!("{:?}", record()).contains("canary"));
        let broken = record().to_bytes().expose().replace("canary-access", "canary\\naccess");
        let error = Record::from_bytes(broken.as_bytes()).unwrap_err();
        assert!(!format!("{error} {error:?}").contains("canary"));
    }
}
