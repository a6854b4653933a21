//! Every way to say no, in the words of each personality: the table of API.md §2, "Errors".

use std::borrow::Cow;

use axum::body::Body;
use axum::http::header::{CACHE_CONTROL, HeaderValue, WWW_AUTHENTICATE};
use axum::http::{Response, StatusCode};
use serde::Serialize;

use crate::simulator::Personality;
use crate::simulator::laravel;

/// Why a request is refused.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum Refusal {
    RefreshRevoked,
    RefreshExpired,
    RefreshGarbage,
    RefreshOfAnotherClient,
    /// Wrong secret or unknown id.
    Client,
    SecretMissing,
    ParameterMissing(&'static str),
    ParameterRepeated(String),
    /// Two ways of client authentication in one request: RFC 6749 §2.3.
    TwoAuthentications,
    /// This value is unknown or was not granted.
    Scope(String),
    GrantType,
    /// The client may not use this grant type.
    GrantNotAllowed,
    /// Client credentials by a client that has none.
    PublicClient,
    CodeUsed,
    CodeExpired,
    CodeGarbage,
    CodeOfAnotherClient,
    CodeOfAnotherRedirect,
    VerifierWrong,
    VerifierMalformed,
    /// A verifier where no challenge was.
    VerifierUnexpected,
    ChallengeMissing,
    ChallengeMalformed,
    ChallengeMethod,
    /// The user pressed Deny.
    Denied,
    /// `prompt=none`, but somebody would have to be asked.
    ConsentRequired,
}

/// A refusal in the words of one personality.
pub(super) struct Wording {
    pub(super) status: StatusCode,
    pub(super) code: &'static str,
    description: Cow<'static, str>,
    hint: Option<Cow<'static, str>>,
}

/// The body, in the order of the wire.
#[derive(Serialize)]
struct Content<'a> {
    error: &'a str,
    error_description: &'a str,
    #[serde(skip_serializing_if = "Option::is_none")]
    hint: Option<&'a str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
}

const MALFORMED: &str = "The request is missing a required parameter, includes an invalid parameter \
    value, includes a parameter more than once, or is otherwise malformed.";
const GRANT: &str = "The provided authorization grant (e.g., authorization code, resource owner \
    credentials) or refresh token is invalid, expired, revoked, does not match the redirection URI \
    used in the authorization request, or was issued to another client.";
const REFRESH: &str = "The refresh token is invalid.";
const CLIENT: &str = "Client authentication failed";
const SCOPE: &str = "The requested scope is invalid, unknown, or malformed";
const GRANT_TYPE: &str =
    "The authorization grant type is not supported by the authorization server.";
const NOT_ALLOWED: &str =
    "The authenticated client is not authorized to use this authorization grant type.";
const DENIED: &str = "The resource owner or authorization server denied the request.";
const CONSENT: &str = "The authorization server requires end-user consent.";

impl Refusal {
    /// Status, code, description and hint.
    pub(super) fn wording(&self, personality: Personality) -> Wording {
        match personality {
            Personality::League8 => self.league8(),
            Personality::League9 => self.league9(),
            Personality::Rfc9700 => self.rfc9700(),
        }
    }

    /// Where league 8 differs from league 9.
    fn league8(&self) -> Wording {
        match self {
            Self::RefreshRevoked
            | Self::RefreshExpired
            | Self::RefreshGarbage
            | Self::RefreshOfAnotherClient => Wording {
                status: StatusCode::UNAUTHORIZED,
                code: "invalid_request",
                ..self.league9()
            },
            Self::SecretMissing
            | Self::GrantNotAllowed
            | Self::CodeOfAnotherRedirect
            | Self::CodeOfAnotherClient => Self::Client.league9(),
            Self::CodeUsed | Self::CodeExpired => {
                Wording { code: "invalid_request", description: MALFORMED.into(), ..self.league9() }
            }
            Self::CodeGarbage => bad_request("Cannot decrypt the authorization code"),
            _ => self.league9(),
        }
    }

    fn league9(&self) -> Wording {
        match self {
            Self::RefreshRevoked => dead_refresh("Token has been revoked"),
            Self::RefreshExpired => dead_refresh("Token has expired"),
            Self::RefreshGarbage => dead_refresh("Cannot decrypt the refresh token"),
            Self::RefreshOfAnotherClient => dead_refresh("Token is not linked to client"),
            Self::Client | Self::PublicClient => {
                wording(StatusCode::UNAUTHORIZED, "invalid_client", CLIENT)
            }
            Self::SecretMissing => missing("client_secret"),
            Self::ParameterMissing(name) => missing(name),
            Self::ParameterRepeated(name) => missing(name),
            Self::TwoAuthentications => missing("client_secret"),
            Self::Scope(value) => wording(StatusCode::BAD_REQUEST, "invalid_scope", SCOPE)
                .hint(format!("Check the `{value}` scope")),
            Self::GrantType => {
                wording(StatusCode::BAD_REQUEST, "unsupported_grant_type", GRANT_TYPE)
                    .hint("Check that all required parameters have been provided")
            }
            Self::GrantNotAllowed => {
                wording(StatusCode::BAD_REQUEST, "unauthorized_client", NOT_ALLOWED)
            }
            Self::CodeUsed => dead_grant("Authorization code has been revoked"),
            Self::CodeExpired => dead_grant("Authorization code has expired"),
            Self::CodeGarbage => dead_grant("Cannot validate the provided authorization code"),
            Self::CodeOfAnotherClient => {
                bad_request("Authorization code was not issued to this client")
            }
            Self::CodeOfAnotherRedirect => bad_request("Invalid redirect URI"),
            Self::VerifierWrong => dead_grant("Failed to verify `code_verifier`."),
            Self::VerifierMalformed => {
                bad_request("Code Verifier must follow the specifications of RFC-7636.")
            }
            Self::VerifierUnexpected => {
                bad_request("code_verifier received when no code_challenge is present")
            }
            Self::ChallengeMissing => {
                bad_request("Code challenge must be provided for public clients")
            }
            Self::ChallengeMalformed => {
                bad_request("Code challenge must follow the specifications of RFC-7636.")
            }
            Self::ChallengeMethod => {
                bad_request("Code challenge method must be one of `S256`, `plain`")
            }
            Self::Denied => wording(StatusCode::UNAUTHORIZED, "access_denied", DENIED)
                .hint("The user denied the request"),
            Self::ConsentRequired => wording(StatusCode::UNAUTHORIZED, "consent_required", CONSENT),
        }
    }

    /// RFC 6749 §5.2 to the letter; what league puts into the hint stands in the description.
    fn rfc9700(&self) -> Wording {
        let league = self.league9();
        let (status, code) = match self {
            Self::SecretMissing => (StatusCode::UNAUTHORIZED, "invalid_client"),
            Self::PublicClient => (StatusCode::BAD_REQUEST, "unauthorized_client"),
            Self::CodeOfAnotherClient | Self::CodeOfAnotherRedirect | Self::VerifierUnexpected => {
                (StatusCode::BAD_REQUEST, "invalid_grant")
            }
            _ => (league.status, league.code),
        };
        let description = league.hint.unwrap_or(league.description);
        Wording { status, code, description, hint: None }
    }
}

impl Wording {
    fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = Some(hint.into());
        self
    }

    /// The parameters of an error, in the order of the wire: for a body and for a redirect.
    fn content(&self, personality: Personality) -> Content<'_> {
        let league8 = personality == Personality::League8;
        Content {
            error: self.code,
            error_description: &self.description,
            hint: self.hint.as_deref(),
            message: league8.then_some(&*self.description),
        }
    }

    /// The error as query parameters, for a redirect.
    pub(super) fn parameters(&self, personality: Personality) -> Vec<(&'static str, &str)> {
        let content = self.content(personality);
        [
            ("error", Some(content.error)),
            ("error_description", Some(content.error_description)),
            ("hint", content.hint),
            ("message", content.message),
        ]
        .into_iter()
        .filter_map(|(name, value)| Some((name, value?)))
        .collect()
    }

    /// The error as an answer. `challenge` is for requests that brought an `Authorization` field.
    pub(super) fn into_response(
        self,
        personality: Personality,
        challenge: Challenged,
    ) -> Response<Body> {
        // Text always serializes.
        let content = serde_json::to_vec(&self.content(personality)).unwrap_or_default();
        let mut response = laravel::content_of(self.status, "application/json", content);
        if self.code == "invalid_client" && challenge == Challenged::Yes {
            let basic = HeaderValue::from_static("Basic realm=\"OAuth\"");
            response.headers_mut().insert(WWW_AUTHENTICATE, basic);
        }
        if personality == Personality::Rfc9700 {
            response.headers_mut().insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        }
        response
    }
}

/// Whether a refused client is told how to authenticate: RFC 6749 §5.2 wants it when the client tried
/// with the `Authorization` field.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Challenged {
    Yes,
    No,
}

fn wording(status: StatusCode, code: &'static str, description: &'static str) -> Wording {
    Wording { status, code, description: description.into(), hint: None }
}

fn missing(parameter: &str) -> Wording {
    bad_request(format!("Check the `{parameter}` parameter"))
}

fn bad_request(hint: impl Into<Cow<'static, str>>) -> Wording {
    wording(StatusCode::BAD_REQUEST, "invalid_request", MALFORMED).hint(hint)
}

fn dead_grant(hint: &'static str) -> Wording {
    wording(StatusCode::BAD_REQUEST, "invalid_grant", GRANT).hint(hint)
}

fn dead_refresh(hint: &'static str) -> Wording {
    wording(StatusCode::BAD_REQUEST, "invalid_grant", REFRESH).hint(hint)
}
