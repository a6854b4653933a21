//! Why a sign-in did not come about, and what to do: one message for each reason.

use std::time::Duration;

use super::told::Told;

/// Why a sign-in, or a sign-out, did not come about. Whatever the reason, the grant in use is the one from
/// before. Shown, it says what to do; it quotes no code, state, verifier or secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum SignInError {
    /// The credential knows no sign-in.
    #[error(
        "nobody signs in with {0}: a sign-in needs [credential.authorization_code] in the configuration"
    )]
    Kind(&'static str),
    /// The state directory cannot be used; nothing was sent.
    #[error("{0}")]
    Store(String),
    /// Another process holds the lock; nothing was sent.
    #[error(
        "the running sidecar is exchanging tokens, or cannot store them: try again in a minute, and look at its status"
    )]
    Busy,
    /// The system has no randomness.
    #[error("this system gives no random numbers: {0}")]
    Random(String),

    /// `access_denied`.
    #[error(
        "access was denied: sign in again and approve it, as a workspace owner or executive manager"
    )]
    Denied,
    /// `invalid_scope`.
    #[error(
        "the authorization server does not allow the scope that was asked for: correct credential.authorization_code.scope"
    )]
    Scope,
    /// `login_required`, `consent_required`, `interaction_required`, `account_selection_required`.
    #[error(
        "the authorization server must ask a person, and was told not to: remove prompt=none from credential.authorization_code.authorize_url"
    )]
    Unattended,
    /// `server_error`, `temporarily_unavailable`.
    #[error("the authorization server failed or is busy: sign in again in a minute{0}")]
    Server(Told),
    /// `unauthorized_client`, `unsupported_response_type`, `unsupported_grant_type`.
    #[error(
        "the authorization server does not let this app sign people in: give the app the grant type authorization code, or correct client_id{0}"
    )]
    GrantType(Told),
    /// Another error.
    #[error("the authorization server refuses the sign-in: check the registration of the app{0}")]
    Refused(Told),
    /// No `state`.
    #[error(
        "the answer has no state, so that it may be forged: sign in again, and paste the whole address"
    )]
    StateMissing,
    /// Another `state`.
    #[error(
        "the answer belongs to another sign-in, or is forged: sign in again, and use the newest page alone"
    )]
    StateWrong,
    /// A parameter came twice, RFC 6749 §3.1.
    #[error("the answer has {0} more than once, so that it may be forged: sign in again")]
    Repeated(&'static str),
    /// `iss` of another server, RFC 9207.
    #[error(
        "the answer is from another authorization server than the one of credential.authorization_code.authorize_url: nothing was sent to anybody; sign in again, and correct authorize_url if that repeats"
    )]
    Issuer,
    /// Neither code nor error.
    #[error(
        "there is no code in it: paste the whole address to which the browser was sent, from http to its end"
    )]
    NoCode,
    /// The address of something else.
    #[error(
        "that is not the address to which the browser was sent, which begins with {0}: paste that one"
    )]
    Place(String),
    /// The text of an error page of the authorization server, which sends no browser back with it.
    #[error("that is the text of an error page and no address: {}", meaning(.0))]
    ErrorPage(Option<PageError>),
    /// No sign-in waits for this answer.
    #[error(
        "no sign-in waits for this answer: it is over, was begun in another browser, or ten minutes have passed; sign in again"
    )]
    Unknown,

    /// The code was used before.
    #[error("the code was used before: sign in again, and come back only once")]
    CodeUsed,
    /// The code is too old.
    #[error("the code has expired: sign in again, and come back within a few minutes")]
    CodeExpired,
    /// The server cannot read the code.
    #[error(
        "the authorization server does not know the code: sign in again, and leave nothing out of the address"
    )]
    CodeUnknown,
    /// `invalid_grant` without a reason.
    #[error(
        "the authorization server refuses the code as used, expired or unknown: sign in again; if that repeats, compare redirect_uri with the registered one, byte for byte{0}"
    )]
    CodeRefused(Told),
    /// The exchange names another redirection endpoint.
    #[error(
        "the authorization server knows another redirect_uri: write the registered one into credential.authorization_code.redirect_uri, byte for byte"
    )]
    RedirectUri,
    /// PKCE failed.
    #[error(
        "the authorization server does not accept the proof of this sign-in (PKCE): sign in again, and paste the answer of the newest sign-in"
    )]
    Verifier,
    /// `invalid_client`.
    #[error(
        "the authorization server does not accept this client: correct client_id, client_secret or client_authentication; some servers say the same of a redirect_uri that is not the registered one"
    )]
    Client,
    /// Another error of the token endpoint.
    #[error("the authorization server does not accept the exchange of the code{0}")]
    Request(Told),
    /// 429, 503, or an answer that is no OAuth.
    #[error("{detail}: sign in again in {} s", .after.as_secs().max(1))]
    Throttled {
        /// What it said, in our words.
        detail: String,
        /// How long to wait.
        after: Duration,
    },
    /// The token endpoint could not be reached.
    #[error("{0}; the code was not sent: mend that, then sign in again")]
    NotSent(String),
    /// The exchange left and no usable answer came.
    #[error(
        "{0}: the code is probably spent, and its tokens are lost; sign in again. A grant from before stays in use"
    )]
    AnswerLost(String),
    /// The tokens have no successor.
    #[error(
        "the authorization server gave no refresh token, so that the sign-in would end with its access token: let the app have the grant type refresh token, or add the scope that asks for one, often offline_access"
    )]
    NoRefreshToken,
}

/// What an error page says in its `error`: RFC 6749 §4.1.2.1. The server shows it to the person and sends
/// nobody back, because it cannot trust the redirect URI.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum PageError {
    /// `invalid_client`.
    Client,
    /// `invalid_request`, `invalid_redirect_uri`.
    Request,
    /// `invalid_scope`.
    Scope,
    /// `unauthorized_client`, `unsupported_response_type`.
    GrantType,
    /// `server_error`, `temporarily_unavailable`, `access_denied`.
    Again,
}

fn meaning(error: &Option<PageError>) -> &'static str {
    match error {
        Some(PageError::Client) => {
            "invalid_client means that the authorization server does not know client_id, or that redirect_uri is not the registered one, byte for byte; correct the configuration and begin again"
        }
        Some(PageError::Request) => {
            "the authorization server does not accept the request; compare client_id and redirect_uri with the registration of the app, byte for byte, and begin again"
        }
        Some(PageError::Scope) => {
            "invalid_scope means that the app may not have the scope; correct credential.authorization_code.scope and begin again"
        }
        Some(PageError::GrantType) => {
            "the app may not sign people in; give it the grant type authorization code, or correct client_id, and begin again"
        }
        Some(PageError::Again) => "begin again, and approve the sign-in",
        None => {
            "the authorization server refuses the sign-in; compare client_id, redirect_uri and scope with the registration of the app, and begin again"
        }
    }
}

impl SignInError {
    /// One word for the address of a page and for programs; stable.
    pub fn word(&self) -> &'static str {
        match self {
            Self::Kind(_) => "kind",
            Self::Store(_) => "store",
            Self::Busy => "busy",
            Self::Denied => "denied",
            Self::Scope => "scope",
            Self::Unattended => "unattended",
            Self::StateMissing | Self::StateWrong | Self::Repeated(_) | Self::Unknown => "state",
            Self::Issuer => "issuer",
            Self::NoCode | Self::Place(_) | Self::ErrorPage(_) => "address",
            Self::CodeUsed | Self::CodeExpired | Self::CodeUnknown | Self::CodeRefused(_) => "code",
            Self::RedirectUri => "redirect_uri",
            Self::Verifier => "verifier",
            Self::Client | Self::GrantType(_) => "client",
            Self::Refused(_) | Self::Request(_) => "refused",
            Self::Server(_) | Self::Throttled { .. } => "server",
            Self::NotSent(_) => "unreachable",
            Self::AnswerLost(_) => "answer_lost",
            Self::NoRefreshToken => "no_refresh_token",
            Self::Random(_) => "random",
        }
    }

    /// Whether the answer was about this very sign-in, which is over with it. What is forged or
    /// mistyped ends nothing.
    pub fn is_final(&self) -> bool {
        !matches!(
            self,
            Self::StateMissing
                | Self::StateWrong
                | Self::Repeated(_)
                | Self::NoCode
                | Self::Place(_)
                | Self::ErrorPage(_)
                | Self::Unknown
        )
    }
}
