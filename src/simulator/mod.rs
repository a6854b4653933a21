//! The WebWork simulator: authorization server and API in one process, for `demo`, for `simulate`, and
//! as the independent oracle of the token tests.
//!
//! Nobody can rehearse a lost refresh token against the real service. This one answers as that one
//! does, row by row of API.md, can be told to misbehave ([`Faults`]), and writes down what it saw
//! ([`Journal`]). It shares no code with the client that it tests: two parties that read the same
//! specification and disagree show a defect in one of them.
//!
//! ```text
//! listener ─▶ connection ─▶ front ─┬▶ /oauth/…              authorization_server
//!                           faults │▶ /api/v2/…             api
//!                           Date   │▶ /api/v2/_simulator/…  api::echo: for the tests of a proxy
//!                                  └▶ /_admin/…             control: faults, journal, seeds
//! ```
//!
//! It proves nothing about security: signatures are random, and `/_admin` asks nobody who he is.
//!
//! # `/_admin`: for scripts
//!
//! Not part of WebWork, and without any credential: whoever can reach the simulator may break it and
//! take tokens from it.
//!
//! | request | meaning |
//! | --- | --- |
//! | `POST /_admin/faults` | adds a [`Fault`] to the queue |
//! | `GET /_admin/faults` | lists the faults still to come |
//! | `DELETE /_admin/faults` | forgets them |
//! | `GET /_admin/journal` | the [`Journal`] so far |
//! | `POST /_admin/revoke`, `/_admin/expire` | `{"what":"access_tokens"}` or `{"what":"refresh_tokens"}` |
//! | `POST /_admin/revoke-family` | `{"refresh_token":"…"}` |
//! | `POST /_admin/date-skew` | `{"seconds":-3600}` |
//! | `POST /_admin/seed` | `{"scope":"read write"}` → `{"refresh_token","client_id","client_secret"}` |
//! | `POST /_admin/personal-access-token` | `{"scope":"read"}` → `{"token"}` |
//!
//! # `/api/v2/_simulator`: for the tests of a proxy
//!
//! These need a good access token of any scope and know no rate limit.
//!
//! | request | answer |
//! | --- | --- |
//! | `GET …/echo` | `{"method","target","headers":[[name,value],…]}`; of `Authorization` only the [`Fingerprint`](crate::secret::Fingerprint) of its token |
//! | other methods on `…/echo` | the content as it comes in, with its `Content-Type`; `X-Echo-Method` and `X-Echo-Target` tell the rest |
//! | `GET …/bytes?n=N[&chunked=1]` | N bytes; the byte at offset `i` is `i % 251` |
//! | `GET …/gzip` | a small JSON text in gzip coding |
//! | `GET …/status/{code}` | this status, 200 to 599 |
//! | `GET …/trailers` | chunked content and the trailer field `X-Checksum` |

mod api;
mod authorization_server;
mod certificate;
mod client;
mod connection;
mod control;
mod faults;
mod front;
mod journal;
mod laravel;
mod personality;
mod shared;
mod throttle;
mod world;

use std::io;
use std::net::TcpListener;
use std::sync::Arc;
use std::time::Duration;

use tokio::task::JoinHandle;

use crate::clock;
use crate::scope::ScopeSet;

pub use client::{Client, ClientKind, GrantType};
pub use faults::{Disguise, Fault, Faults, Target, TokenKind, What, When};
pub use journal::{
    ClientAuthentication, Exchange, Granted, Journal, Outcome, Violation, ViolationKind,
};
pub use personality::{InvalidPersonality, Personality};

use certificate::Identity;
use world::World;

const DAY: Duration = Duration::from_secs(24 * 3600);

/// How the simulated service behaves. The defaults are those of the real one.
#[derive(Clone, Debug)]
pub struct Config {
    /// Which authorization server it imitates. Default [`Personality::League9`].
    pub personality: Personality,
    /// Life of an access token. Default 15 days.
    pub access_life: Duration,
    /// Life of a refresh token, counted from its issue. Default 30 days.
    pub refresh_life: Duration,
    /// Life of a personal access token. Default 183 days, the documented 6 months.
    pub personal_life: Duration,
    /// Life of an authorization code. Default 10 minutes, as Passport has it.
    pub code_life: Duration,
    /// What a refresh does to the refresh token. Default [`Rotation::EveryRefresh`].
    pub rotation: Rotation,
    /// How long a spent refresh token is answered with its successor again. Default zero: never.
    pub grace: Duration,
    /// API requests per minute and user; `None` for no limit. Default 60.
    pub rate_limit: Option<u32>,
    /// Token requests per minute and address; `None` for no limit. Default 60.
    pub token_rate_limit: Option<u32>,
    /// Whether the API takes tokens that belong to no user. Default [`MachineTokens::Accepted`].
    pub machine_tokens: MachineTokens,
    /// How the API refuses a token. Default [`Refusals::Unauthorized`].
    pub refusals: Refusals,
    /// Clients beside the built-in one, whose id is `1`.
    pub clients: Vec<Client>,
    /// Names for the certificate, beside the loopback ones and WebWork's own.
    pub names: Vec<String>,
    /// The same seed makes the same workspaces, members, projects, … and the same client secret.
    pub seed: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            personality: Personality::League9,
            access_life: 15 * DAY,
            refresh_life: 30 * DAY,
            personal_life: 183 * DAY,
            code_life: Duration::from_secs(600),
            rotation: Rotation::EveryRefresh,
            grace: Duration::ZERO,
            rate_limit: Some(60),
            token_rate_limit: Some(60),
            machine_tokens: MachineTokens::Accepted,
            refusals: Refusals::Unauthorized,
            clients: Vec::new(),
            names: Vec::new(),
            seed: 1,
        }
    }
}

/// What a refresh does to the refresh token.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Rotation {
    /// It retires it and answers with a new one.
    EveryRefresh,
    /// It leaves it as it is and answers without one: league 8 with revocation switched off.
    Never,
}

/// Whether the API takes the tokens of the client-credentials grant, which belong to no user.
/// Passport's user guard refuses them; whether WebWork does is not documented.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum MachineTokens {
    /// They act as the workspace owner.
    Accepted,
    /// They are answered with 401, for ever.
    Refused,
}

/// How the API answers a token that it does not accept.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Refusals {
    /// With 401, as documented.
    Unauthorized,
    /// With a 302 to `/login`, unless the caller accepts JSON: Laravel's default.
    LoginUnlessJson,
    /// With a 302 to `/login`, whatever the caller accepts.
    Login,
}

/// How connections are protected.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Security {
    /// TLS 1.2 or 1.3 with a certificate made at start; HTTP/2 and HTTP/1.1 by ALPN.
    Tls,
    /// Plain HTTP, on a loopback address only.
    Plain,
}

/// A running simulator. Dropping it closes the listener and every connection.
#[derive(Debug)]
pub struct Simulator {
    world: Arc<World>,
    url: String,
    ca_pem: String,
    serving: JoinHandle<()>,
}

impl Simulator {
    /// Starts serving on the tokio runtime of the caller.
    ///
    /// # Errors
    /// When the listener cannot be used, when `Plain` meets an address that is not loopback, or when
    /// no certificate can be made for one of [`Config::names`].
    pub async fn start(
        config: Config,
        listener: TcpListener,
        security: Security,
    ) -> io::Result<Self> {
        let address = listener.local_addr()?;
        let (scheme, identity) = match security {
            Security::Tls => ("https", Some(Identity::new(&config.names)?)),
            Security::Plain if address.ip().is_loopback() => ("http", None),
            Security::Plain => {
                return Err(io::Error::new(
                    io::ErrorKind::InvalidInput,
                    format!(
                        "plain HTTP is for loopback addresses: listen on 127.0.0.1 or use TLS on {address}"
                    ),
                ));
            }
        };
        listener.set_nonblocking(true)?;
        let listener = tokio::net::TcpListener::from_std(listener)?;
        let (acceptor, ca_pem) = match identity {
            Some(identity) => (Some(identity.acceptor), identity.ca_pem),
            None => (None, String::new()),
        };
        let world = Arc::new(World::new(config));
        let front = front::Front::new(Arc::clone(&world));
        let serving = tokio::spawn(connection::accept(listener, acceptor, front));
        Ok(Self { world, url: format!("{scheme}://{address}"), ca_pem, serving })
    }

    /// Scheme, address and port, such as `https://127.0.0.1:4711`.
    pub fn url(&self) -> &str {
        &self.url
    }

    /// The certificate of the CA that signed the server's, in PEM; empty with [`Security::Plain`].
    pub fn ca_pem(&self) -> &str {
        &self.ca_pem
    }

    /// The id of the built-in confidential client, which may use every grant type.
    pub fn client_id(&self) -> &str {
        &self.world.builtin().id
    }

    /// The secret of the built-in client: 40 characters of `[A-Za-z0-9]`.
    pub fn client_secret(&self) -> &str {
        self.world.builtin().secret().map_or("", |secret| secret.expose())
    }

    /// Makes a pair of tokens as if the user had signed in, and returns its refresh token.
    pub fn issue_refresh_token(&self, scope: &ScopeSet) -> String {
        let pair = self.world.sign_in(scope.clone(), clock::now());
        pair.refresh.map_or_else(String::new, |token| token.expose().to_owned())
    }

    /// Makes a personal access token as if the user had asked for one on the settings page.
    pub fn issue_personal_access_token(&self, scope: &ScopeSet) -> String {
        let pair = self.world.issue_personal(scope.clone(), clock::now());
        pair.access.expose().to_owned()
    }

    /// What it has seen so far.
    pub fn journal(&self) -> Journal {
        self.world.journal.lock().clone()
    }

    /// Control over what goes wrong: the same that `/_admin/faults` drives.
    pub fn faults(&self) -> &Faults {
        &self.world.faults
    }

    /// Stops serving; returns when the listener is closed.
    pub async fn stop(mut self) {
        self.serving.abort();
        // The only outcome is the cancellation that was just asked for.
        let _cancelled = (&mut self.serving).await;
    }
}

impl Drop for Simulator {
    fn drop(&mut self) {
        self.serving.abort();
    }
}

#[cfg(test)]
mod tests;
