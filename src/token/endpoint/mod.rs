//! One exchange with the token endpoint: connect, send, understand.

mod answer;
mod coding;
mod line;
mod oauth_error;
mod reply;
mod request;
mod tree;

use jiff::SignedDuration;
use secrecy::zeroize::Zeroizing;

use crate::clock;
use crate::net::connect::{ConnectError, Dial};
use crate::net::descriptors::Slots;
use crate::net::memory::Budget;
use crate::net::origin::{InvalidOrigin, Origin};
use crate::net::tls::Trust;
use crate::scope::ScopeSet;

pub use line::{Line, LineError, Reply};
pub use reply::{ErrorTexts, classify};
pub use request::AGENT;

use reply::Unread;

use super::Exchange;
use super::source::Registration;
use super::state::{Ask, Doubtful, Outcome};

/// The token endpoint of one app.
#[derive(Debug)]
pub struct TokenEndpoint {
    registration: Registration,
    scope: ScopeSet,
    limits: Exchange,
    dial: Dial,
}

/// How an exchange ended.
#[derive(Debug)]
pub struct Exchanged {
    /// What became of the tokens.
    pub outcome: Outcome,
    /// How far our wall clock is ahead of the server's, if it told.
    pub clock_skew: Option<SignedDuration>,
    /// The answer, if it could not be read and there may be tokens in it.
    pub unread: Option<Zeroizing<Vec<u8>>>,
}

impl TokenEndpoint {
    /// The endpoint at `registration.token_url`.
    ///
    /// # Errors
    ///
    /// [`InvalidOrigin`] when a secret could not be sent there safely.
    pub fn new(
        registration: Registration,
        scope: ScopeSet,
        limits: Exchange,
        trust: Trust,
    ) -> Result<Self, InvalidOrigin> {
        let dial = Dial {
            origin: Origin::with(&registration.token_url, registration.plaintext)?,
            route: registration.route.clone(),
            trust,
            connect_timeout: limits.connect_timeout,
            tls_timeout: limits.connect_timeout,
            // It never waits for callers.
            slots: Slots::default(),
            memory: Budget::default(),
        };
        Ok(Self { registration, scope, limits, dial })
    }

    /// Connects. Failing here is always safe to repeat.
    pub async fn connect(&self) -> Result<Line, ConnectError> {
        Line::open(&self.dial).await
    }

    /// Makes the exchange. Dropping the future may lose the answer, and a refresh token with it.
    pub async fn exchange(&self, line: Line, ask: &Ask) -> Exchanged {
        let reply = match self.send(line, ask).await {
            Ok(reply) => reply,
            Err(outcome) => return Exchanged { outcome, clock_skew: None, unread: None },
        };
        let now = clock::now().wall();
        let understood = reply::understood(reply.status, &reply.fields, &reply.content, now);
        Exchanged {
            outcome: understood.outcome,
            clock_skew: reply::clock_skew(&reply.fields, now),
            unread: (understood.unread == Unread::Content).then(|| reply.to_bytes()),
        }
    }

    /// Sends the request and reads what comes; without an answer, how that ended.
    pub(super) async fn send(&self, line: Line, ask: &Ask) -> Result<Reply, Outcome> {
        let request = request::request(ask, &self.scope, &self.registration, &self.dial.origin)
            .map_err(|error| Outcome::NotSent(error.to_string()))?;
        line.send(request, self.limits.timeout).await.map_err(|error| match error {
            LineError::NotSent => Outcome::NotSent(LineError::NotSent.to_string()),
            LineError::NoAnswer(why) => Outcome::InDoubt {
                why: format!("an exchange with the token endpoint is in doubt: {why}"),
                doubtful: Doubtful::Silence,
            },
        })
    }
}
