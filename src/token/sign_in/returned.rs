//! What a browser brings back from the authorization endpoint: RFC 6749 §4.1.2, RFC 9207.
//!
//! Anybody can send a browser to the redirection endpoint, and anybody can be talked into pasting an
//! address. So nothing in the answer is believed before its `state` is ours, and nothing of it is sent
//! before `iss`, where there is one, is the server that was asked.

use url::{Url, form_urlencoded};

use crate::secret::Secret;

use super::error::{PageError, SignInError};
use super::pending::Pending;
use super::told::Told;

/// Longest text that is looked at, in bytes: a code of the probable server has 734 (API.md §2).
const MAX_LENGTH: usize = 32 << 10;

/// What a code is exchanged with: RFC 6749 §4.1.3, RFC 7636 §4.5.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Proof {
    /// `code`; single use.
    pub(in crate::token) code: Secret,
    /// `redirect_uri`, as it was in the authorization request.
    pub(in crate::token) redirect_uri: String,
    /// `code_verifier`.
    pub(in crate::token) verifier: Secret,
}

impl Pending {
    /// Reads what a person pasted: the whole address, or what follows its question mark. Line breaks,
    /// blanks, quotation marks and angle brackets around it do no harm.
    ///
    /// # Errors
    ///
    /// [`SignInError`] says why it is no answer to this sign-in, or what the server refused.
    pub fn pasted(&self, text: &str) -> Result<Proof, SignInError> {
        let text = tidied(text);
        if text.expose().starts_with('{') {
            return Err(SignInError::ErrorPage(page_error(text.expose())));
        }
        match text.expose().split_once('?') {
            // A bare query may have a question mark in a value.
            Some((place, query)) if !place.contains('=') => {
                self.at_home(place)?;
                self.returned(query)
            }
            _ => self.returned(text.expose()),
        }
    }

    /// Reads the query with which a browser came to the redirection endpoint.
    ///
    /// # Errors
    ///
    /// As [`pasted`](Self::pasted).
    pub fn returned(&self, query: &str) -> Result<Proof, SignInError> {
        let answer = Answer::read(query)?;
        match &answer.state {
            Some(state) if self.has_state(state) => {}
            Some(_) => return Err(SignInError::StateWrong),
            // league 8 forgets the state here (API.md §2), and there is nothing to be forged with it.
            None if answer.is_leagues_refusal() => {}
            None if answer.is_empty() => return Err(SignInError::NoCode),
            None => return Err(SignInError::StateMissing),
        }
        if answer.issuer.is_some_and(|issuer| !self.is_issuer(&issuer)) {
            return Err(SignInError::Issuer);
        }
        if let Some(error) = &answer.error {
            return Err(refusal(error, Told::new(&answer.description).without(&self.state)));
        }
        let code = answer.code.filter(|code| is_code(code.expose())).ok_or(SignInError::NoCode)?;
        Ok(Proof { code, redirect_uri: self.redirect_uri.clone(), verifier: self.verifier.clone() })
    }

    /// Whether a pasted address is one of the redirection endpoint. Browsers leave out what goes
    /// without saying, such as `http://` or a port 80.
    fn at_home(&self, place: &str) -> Result<(), SignInError> {
        let elsewhere = || SignInError::Place(self.redirect_uri.clone());
        let home = Url::parse(&self.redirect_uri).map_err(|_| elsewhere())?;
        let place = match place.contains("://") {
            _ if place.is_empty() => return Ok(()),
            true => Url::parse(place),
            false => Url::parse(&format!("{}://{place}", home.scheme())),
        };
        let same = |place: &Url| place.origin() == home.origin() && place.path() == home.path();
        place.ok().filter(same).map(drop).ok_or_else(elsewhere)
    }

    /// RFC 9207 §2.4. No configuration names the issuer; a server that another one could be mixed up
    /// with has an origin of its own, and that is the one of the authorization endpoint.
    fn is_issuer(&self, issuer: &str) -> bool {
        Url::parse(issuer).is_ok_and(|issuer| issuer.origin() == self.authorize_url.origin())
    }
}

/// The parameters of an answer, each at most once.
#[derive(Default)]
struct Answer {
    code: Option<Secret>,
    state: Option<Secret>,
    issuer: Option<String>,
    error: Option<String>,
    description: String,
}

impl Answer {
    fn read(query: &str) -> Result<Self, SignInError> {
        if query.len() > MAX_LENGTH {
            return Err(SignInError::NoCode);
        }
        // Some servers append a fragment so that an older one does not stick.
        let query = query.split('#').next().unwrap_or_default();
        let mut answer = Self::default();
        for (name, value) in form_urlencoded::parse(query.as_bytes()) {
            let value = value.into_owned();
            match &*name {
                "code" => once(&mut answer.code, Secret::new(value), "code")?,
                "state" => once(&mut answer.state, Secret::new(value), "state")?,
                "iss" => once(&mut answer.issuer, value, "iss")?,
                "error" => once(&mut answer.error, value, "error")?,
                "error_description" => answer.description = value,
                _ => {}
            }
        }
        Ok(answer)
    }

    /// An unknown scope, and nothing that league 8 does not know.
    fn is_leagues_refusal(&self) -> bool {
        let alone = self.code.is_none() && self.issuer.is_none();
        alone && self.error.as_deref() == Some("invalid_scope")
    }

    fn is_empty(&self) -> bool {
        self.code.is_none() && self.error.is_none()
    }
}

fn once<T>(place: &mut Option<T>, value: T, name: &'static str) -> Result<(), SignInError> {
    match place.replace(value) {
        None => Ok(()),
        Some(_) => Err(SignInError::Repeated(name)),
    }
}

/// RFC 6749 §4.1.2.1 and OpenID Connect Core §3.1.2.6.
fn refusal(error: &str, told: Told) -> SignInError {
    match error {
        "access_denied" => SignInError::Denied,
        "invalid_scope" => SignInError::Scope,
        "login_required"
        | "consent_required"
        | "interaction_required"
        | "account_selection_required" => SignInError::Unattended,
        "server_error" | "temporarily_unavailable" => SignInError::Server(told),
        "unauthorized_client" | "unsupported_response_type" => SignInError::GrantType(told),
        _ => SignInError::Refused(told),
    }
}

/// What a JSON object says in `error`, as far as it is known. Nothing else of it is believed or shown.
fn page_error(text: &str) -> Option<PageError> {
    #[derive(serde::Deserialize)]
    struct Page {
        error: String,
    }
    let page: Page = serde_json::from_str(text).ok()?;
    Some(match page.error.as_str() {
        "invalid_client" => PageError::Client,
        "invalid_request" | "invalid_redirect_uri" => PageError::Request,
        "invalid_scope" => PageError::Scope,
        "unauthorized_client" | "unsupported_response_type" => PageError::GrantType,
        "server_error" | "temporarily_unavailable" | "access_denied" => PageError::Again,
        _ => return None,
    })
}

/// RFC 6749 appendix A.11: printable ASCII.
fn is_code(code: &str) -> bool {
    !code.is_empty() && code.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}

/// Without what terminals, mail programs and people put around and into a long address.
fn tidied(text: &str) -> Secret {
    let text = text.get(..2 * MAX_LENGTH).unwrap_or(text);
    let clean: String = text.chars().filter(|it| !it.is_whitespace() && !it.is_control()).collect();
    Secret::new(clean.trim_matches(['"', '\'', '`', '<', '>']).to_owned())
}
