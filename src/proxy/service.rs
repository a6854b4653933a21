//! A request, top to bottom.
//!
//! ```text
//! 1 head only   admit          refused → our 4xx, content unread, connection closed
//! 2 token       bearer         Ready | Hold (bounded wait) | Unavailable → 503
//!               cover          its scope rules the method out → 403
//! 3 request     Outbound::of   fixed origin, target unchanged, fields cleaned, our Authorization
//! 4 content     Tape           streams; its beginning is kept
//! 5 upstream    send           a dead connection → once more, where that is allowed
//! 6 401         authorised     another token → replay; none → the 401 is the caller's
//! 7 response    cleaned        fields cleaned, content streams back
//! ```

mod send;

use std::fmt;
use std::rc::Rc;
use std::sync::Arc;
use std::time::Duration;

use http::{HeaderMap, HeaderName, Method, Request, Response, StatusCode, request};
use http_body::Body as _;
use tokio::task::spawn_local;
use tokio::time::timeout;

use super::Config;
use super::access::Entry;
use super::cover::cover;
use super::discard::discard;
use super::echo::Lookout;
use super::fields::passes_in_requests;
use super::outcome::{explained, learn};
use super::replay::{Playback, Tape};
use super::request::Outbound;
use super::response::{self, Body, Cleaned, cleaned};
use super::response::{tell_not_replayed, tell_personal_token_refused};
use crate::account::Account;
use crate::answer::pages::preflight;
use crate::answer::{Answer, Code};
use crate::clock::{self, Stopwatch};
use crate::guard::{Admitted, CALLER_KEY};
use crate::net::serve::Content;
use crate::net::upstream::Pool;
use crate::telemetry::{Counters, Origin};
use crate::token::current::{Access, Bearer, CurrentToken, Renewal, Unavailable, Verdict};

/// Decides by the head of a request, and by the account that sent it if that is known, whether it may
/// pass.
pub type Admission =
    Arc<dyn Fn(&request::Parts, Option<Account>) -> Result<Admitted, Answer> + Send + Sync>;

/// The proxy of one core.
pub struct Proxy {
    config: Config,
    pool: Rc<Pool<Playback>>,
    current: CurrentToken,
    counters: Arc<Counters>,
    admission: Admission,
    lookout: Lookout,
}

impl Proxy {
    pub(super) fn new(
        config: Config,
        pool: Rc<Pool<Playback>>,
        current: CurrentToken,
        counters: Arc<Counters>,
        admission: Admission,
    ) -> Self {
        Self { config, pool, current, counters, admission, lookout: Lookout::default() }
    }

    pub(super) fn config(&self) -> &Config {
        &self.config
    }

    pub(super) fn counters(&self) -> &Counters {
        &self.counters
    }

    /// Drops fields of a response that have the token in them.
    pub(super) fn clean_echoes(&self, fields: &mut HeaderMap, token: &Bearer) {
        self.lookout.clean(fields, token, &self.counters);
        // Another request may have brought a newer one to the upstream meanwhile.
        if let Some(newer) = self.current.newer_than(token.generation()) {
            self.lookout.clean(fields, &newer, &self.counters);
        }
    }

    /// Forwards a request and brings the answer: the upstream's, or ours if there is none.
    pub(super) async fn forward(
        self: Rc<Self>,
        request: Request<Content>,
        account: Option<Account>,
    ) -> Response<Body> {
        let (head, content) = request.into_parts();
        let entry = Entry::begin(Rc::clone(&self), &head);
        let reader = self.config.readers.of(&head.headers);
        let mut response = match (self.admission)(&head, account) {
            Ok(Admitted::Request) => self.answer(head, content, entry).await,
            Ok(Admitted::Preflight(methods)) => {
                let passes = |name: &HeaderName| self.passes(name);
                entry.own(preflight(methods, &head.headers, passes))
            }
            Err(answer) => entry.refuse(answer.closing()),
        };
        reader.tell(response.headers_mut());
        response
    }

    /// Whether a page may send this field: it reaches the upstream, or the guard asks for it.
    fn passes(&self, name: &HeaderName) -> bool {
        passes_in_requests(name.as_str())
            || *name == CALLER_KEY
            || self.config.required_field.as_ref() == Some(name)
    }

    async fn answer(
        &self,
        head: request::Parts,
        content: Content,
        mut entry: Entry,
    ) -> Response<Body> {
        let is_read = content.is_end_stream();
        match self.pass(head, content, &mut entry).await {
            Ok(mut cleaned) => {
                if cleaned.response.status() == StatusCode::UNAUTHORIZED && entry.is_personal() {
                    tell_personal_token_refused(cleaned.response.headers_mut());
                }
                entry.clean_echoes(cleaned.response.headers_mut());
                self.counters.notes_rate_limit(cleaned.response.headers(), clock::wall);
                entry.answered(cleaned.response.status(), Origin::Upstream);
                Body::upstream(cleaned, entry)
            }
            Err(answer) => {
                let answer = explained(&self.current, answer);
                // What is left of the request is in the way of the next one.
                let answer = if is_read { answer } else { answer.closing() };
                entry.refuse(answer)
            }
        }
    }

    async fn pass(
        &self,
        mut head: request::Parts,
        content: Content,
        entry: &mut Entry,
    ) -> Result<Cleaned, Answer> {
        let bearer = self.bearer().await?;
        cover(self.config.scope_check, &head, &bearer)?;
        if let Some(field) = &self.config.required_field {
            head.headers.remove(field);
        }
        let outbound = Outbound::of(head)?;
        let tape = Tape::of(content, self.config.replay_limit);
        let response = self.authorised(&outbound, &tape, bearer, entry).await?;
        let mut cleaned = cleaned(response, self.pool.origin())?;
        if !tape.read_rest(cleaned.response.status()) {
            cleaned.announce_close();
        }
        Ok(cleaned)
    }

    /// The token to use: one atomic load, unless an exchange is on the wire.
    async fn bearer(&self) -> Result<Bearer, Answer> {
        match &**self.current.load() {
            Access::Ready(bearer) => return Ok(bearer.clone()),
            Access::Unavailable(why) => return Err(self.unavailable(*why)),
            Access::Hold => {}
        }
        match timeout(self.config.hold, self.current.settled()).await.as_deref() {
            Ok(Access::Ready(bearer)) => Ok(bearer.clone()),
            Ok(Access::Unavailable(why)) => Err(self.unavailable(*why)),
            Ok(Access::Hold) | Err(_) => Err(self.unavailable(Unavailable::Pending)),
        }
    }

    /// The answer without a token: a retry makes sense when the next attempt to get one has been made.
    fn unavailable(&self, why: Unavailable) -> Answer {
        let next = self.current.next_attempt();
        let wait = |least| next.map_or(least, |next| next.clamp(SOON, LONGEST));
        match why {
            Unavailable::SignInRequired => Answer::new(Code::SignInRequired),
            Unavailable::Misconfigured => Answer::new(Code::SignInRequired)
                .message("The authorization server does not accept the client or its request.")
                .hint(CORRECT),
            Unavailable::Pending => Answer::new(Code::TokenPending).retry_after(wait(SOON)),
            Unavailable::Expired => Answer::new(Code::TokenExpired).retry_after(wait(LATER)),
        }
    }

    /// Sends the request until its token is not the reason for a 401.
    ///
    /// A 401 over an older token costs nothing but a replay. One over the current token may cost an
    /// exchange, once for this request, and everybody who met it waits for the same one. After that it is
    /// the upstream's last word on a fresh token, unless yet another was published meanwhile.
    async fn authorised(
        &self,
        outbound: &Outbound,
        tape: &Tape,
        mut bearer: Bearer,
        entry: &mut Entry,
    ) -> Result<Response<response::Content>, Answer> {
        let (mut replays, mut reported) = (0, Reported::No);
        loop {
            entry.carried(&bearer);
            let watch = Stopwatch::start();
            let sent = self.send(outbound, tape, &bearer).await;
            entry.waited(watch.elapsed());
            learn(&self.counters, &self.current, &sent, &bearer);
            let mut response = sent?;
            if replays > 0 && response.status().is_success() {
                self.current.accepted(&bearer);
            }
            if !self.refuses_token(outbound.method(), &response) || replays == MAX_REPLAYS {
                return Ok(response);
            }
            if !tape.is_whole() {
                if bearer.renewal() == Renewal::Exchange {
                    tell_not_replayed(response.headers_mut());
                }
                self.report(bearer);
                return Ok(response);
            }
            let verdict = match (self.current.newer_than(bearer.generation()), reported) {
                (Some(newer), _) => Ok(Verdict::Replay(newer)),
                (None, Reported::No) => {
                    reported = Reported::Yes;
                    timeout(self.config.hold, self.current.rejected(&bearer)).await
                }
                (None, Reported::Yes) => timeout(self.config.hold, self.superseded(&bearer)).await,
            };
            match verdict {
                // Meanwhile the content went on over the refused request, and may have become too much to keep.
                Ok(Verdict::Replay(_)) if !tape.is_whole() => {
                    tell_not_replayed(response.headers_mut());
                    return Ok(response);
                }
                Ok(Verdict::Replay(next)) => bearer = next,
                Ok(Verdict::Pass) => return Ok(response),
                Ok(Verdict::Unavailable(why)) => return Err(self.unavailable(why)),
                Err(_) => return Err(self.unavailable(Unavailable::Pending)),
            }
            discard(response);
            self.counters.replayed();
            replays += 1;
        }
    }

    /// Returns true for a 401, and for a redirect to a login page.
    fn refuses_token(&self, method: &Method, response: &Response<response::Content>) -> bool {
        let pages = &self.config.login_pages;
        pages.refuse(self.pool.origin(), method, response.status(), response.headers())
    }

    /// Whether a newer token than this one was published meanwhile.
    async fn superseded(&self, bearer: &Bearer) -> Verdict {
        match &*self.current.settled().await {
            Access::Ready(current) if current.generation() > bearer.generation() => {
                Verdict::Replay(current.clone())
            }
            _ => Verdict::Pass,
        }
    }

    /// Tells of a refused token although this request cannot wait for another: the next one can.
    fn report(&self, bearer: Bearer) {
        let current = self.current.clone();
        spawn_local(async move { current.rejected(&bearer).await });
    }
}

impl fmt::Debug for Proxy {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Proxy").field("config", &self.config).finish_non_exhaustive()
    }
}

/// Whether this request has told of a token that was refused.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Reported {
    No,
    Yes,
}

/// Replays after a 401. One is enough, but for a rotation that begins while one is under way.
const MAX_REPLAYS: u32 = 3;

/// When to come back for a token that is on its way.
const SOON: Duration = Duration::from_secs(1);

/// When to come back for a token that the authorization server has failed to give, if no attempt is
/// planned.
const LATER: Duration = Duration::from_secs(5);

/// What to do where a sign-in would be refused as well.
const CORRECT: &str = "Correct client_id, client_secret, client_authentication or the scope, as \
    `webwork-sidecar status` says; a secret file is read again when it changes.";

/// The longest wait that callers are told: what a person mends may not take longer.
const LONGEST: Duration = Duration::from_secs(24 * 3600);
