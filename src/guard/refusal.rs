//! Why a request is not admitted, and the answer that its caller gets.

use std::borrow::Cow;

use http::HeaderName;

use crate::answer::{Answer, Code};

use super::target::Flaw;

/// Why a request is not admitted. Shown, it is the message of the answer; it quotes no secret.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Refusal {
    /// No `Host`, or none that HTTP/1.1 allows to leave out (RFC 9112 §3.2).
    #[error("The request has no Host.")]
    HostMissing,
    /// More than one `Host`: two parsers could choose differently.
    #[error("The request has more than one Host.")]
    HostRepeated,
    /// A `Host` that is no name or address with an optional port.
    #[error("The Host of this request is malformed.")]
    HostMalformed,
    /// A well-formed `Host` that is not ours: the mark of DNS rebinding.
    #[error("The sidecar does not answer for the Host {host}.")]
    HostForeign {
        /// The one that was sent.
        host: String,
        /// One that would have been admitted.
        ours: String,
    },
    /// A name of ours without the port that belongs to it.
    #[error("The Host {host} lacks the sidecar's port.")]
    HostWithoutPort {
        /// The one that was sent.
        host: String,
        /// The same with its port.
        ours: String,
    },
    /// The whole URL of another server, or a tunnel to it: the caller takes the sidecar for a forward proxy.
    #[error("The sidecar is no forward proxy, so it does not connect to {host}.")]
    ForwardProxy {
        /// The other server.
        host: String,
        /// Where the sidecar would have been called.
        ours: String,
    },
    /// `Origin` is one that could be allowed.
    #[error("Pages from {0} may not call the sidecar.")]
    Page(String),
    /// `Origin` is one that cannot be allowed, or there are several.
    #[error("A web page of an origin that is not allowed sent this request.")]
    Origin,
    /// `Sec-Fetch-Site` says that a page of another site is behind the request.
    #[error("A web page of another site caused this request.")]
    FetchSite,
    /// `Referer` of an unsafe request names a page that is not allowed.
    #[error("A web page that is not allowed refers to this request.")]
    Referer,
    /// A CORS preflight; an answer would invite the real request.
    #[error("The sidecar answers no CORS preflight.")]
    Preflight,
    /// A WebSocket handshake; the API has none, and pages may send it across origins.
    #[error("The sidecar opens no WebSocket.")]
    WebSocket,
    /// The account at the other end of the Unix socket is not on the list, or could not be told.
    #[error("The account of this program may not use the sidecar.")]
    Account,
    /// A required field is configured and the request has none.
    #[error("The field {0} is missing.")]
    FieldMissing(HeaderName),
    /// A caller key is configured and the request has none.
    #[error("The caller key is missing.")]
    CallerKeyMissing,
    /// The caller key is not the configured one, or there are several.
    #[error("The caller key is wrong.")]
    CallerKeyWrong,
    /// CONNECT (RFC 9110 §9.3.6).
    #[error("The sidecar is no forward proxy, so it opens no tunnel.")]
    Tunnel,
    /// The method is not on the list.
    #[error("The sidecar's policy does not allow this method.")]
    Method,
    /// The request target is not acceptable, whatever the policy.
    #[error("{0}")]
    Target(#[from] Flaw),
    /// The path is under no allowed prefix.
    #[error("The sidecar's policy does not allow this path.")]
    Path,
    /// No rule allows the method on this path.
    #[error("The sidecar's rules do not allow this method on this path.")]
    Rules,
    /// `_method` in the query could get round the methods or rules.
    #[error("The query has a parameter _method, which could turn the request into another one.")]
    MethodOverride,
    /// The path leads to where tokens are made.
    #[error("Paths that lead to tokens are never forwarded.")]
    OffLimits,
}

impl Refusal {
    /// The code of the answer.
    pub fn code(&self) -> Code {
        match self {
            Self::HostForeign { .. } | Self::HostWithoutPort { .. } | Self::ForwardProxy { .. } => {
                Code::HostNotAllowed
            }
            Self::HostMissing | Self::HostRepeated | Self::HostMalformed | Self::Target(_) => {
                Code::BadRequest
            }
            Self::Page(_) | Self::Origin | Self::FetchSite | Self::Referer | Self::Preflight => {
                Code::CrossSite
            }
            Self::Account => Code::CallerAccount,
            Self::FieldMissing(_) => Code::RequiredField,
            Self::CallerKeyMissing | Self::CallerKeyWrong => Code::CallerKey,
            Self::WebSocket
            | Self::Tunnel
            | Self::Method
            | Self::Path
            | Self::Rules
            | Self::MethodOverride
            | Self::OffLimits => Code::Policy,
        }
    }

    /// What to do next, where the code's own words are not enough.
    fn hint(&self) -> Option<Cow<'static, str>> {
        let hint = match self {
            Self::HostForeign { ours, .. } => {
                return Some(format!("Call it as {ours}, or add the name to guard.hosts.").into());
            }
            Self::HostWithoutPort { ours, .. } => {
                return Some(format!("Send Host: {ours}, as clients do for http://{ours}.").into());
            }
            Self::ForwardProxy { ours, .. } => {
                return Some(format!("{NO_PROXY} Call http://{ours} in place of the API.").into());
            }
            Self::Page(origin) => {
                return Some(format!("To allow: guard.origins = [\"{origin}\"]").into());
            }
            Self::Target(Flaw::Absolute) | Self::Tunnel => Some(NO_PROXY),
            Self::Target(Flaw::EmptySegment) => {
                Some("Write the base URL without its last slash, such as http://localhost:9180.")
            }
            Self::HostMissing | Self::HostRepeated | Self::HostMalformed => {
                Some("Send one Host: localhost or 127.0.0.1, with the sidecar's port.")
            }
            Self::Target(Flaw::Hidden | Flaw::Escape | Flaw::Encoding) => Some(
                "Write dots in the path as they are, and put free text, with whatever has to be \
                 escaped in it, into the query.",
            ),
            Self::CallerKeyMissing | Self::CallerKeyWrong => Some(
                "Send the configured key in the field X-Sidecar-Key, once; a key that was changed \
                     counts after a restart of the sidecar.",
            ),
            Self::WebSocket => Some("Use plain requests; the API has no WebSocket."),
            Self::FieldMissing(_) => {
                Some("Send it with any value; guard.required_field demands it.")
            }
            Self::Method => Some("Use another method; guard.methods and guard.read_only decide."),
            Self::Rules => Some("Add a rule to guard.rules, if this is meant to be possible."),
            Self::MethodOverride => Some("Use the method itself, and no parameter of this name."),
            Self::Path => Some("Use a path under /api/, or add its prefix to guard.paths."),
            Self::OffLimits => Some("Make and revoke tokens in the web interface of the API."),
            _ => None,
        };
        hint.map(Cow::Borrowed)
    }
}

/// What a program does when it takes the sidecar for a forward proxy.
const NO_PROXY: &str = "Do not set HTTP_PROXY or HTTPS_PROXY to the sidecar.";

impl From<Refusal> for Answer {
    fn from(refusal: Refusal) -> Self {
        // The content was never read, so the next request cannot be found on this connection.
        let answer = Self::new(refusal.code()).message(refusal.to_string()).closing();
        match refusal.hint() {
            Some(hint) => answer.hint(hint),
            None => answer,
        }
    }
}

#[cfg(test)]
mod tests {
    use http::StatusCode;
    use http::header::CONNECTION;

    use super::*;

    fn foreign(host: &str) -> Refusal {
        Refusal::HostForeign { host: host.into(), ours: "localhost:9180".into() }
    }

    #[test]
    fn every_refusal_has_its_status_and_ends_the_connection() {
        for (refusal, status) in [
            (Refusal::HostMissing, StatusCode::BAD_REQUEST),
            (foreign("evil.example"), StatusCode::MISDIRECTED_REQUEST),
            (Refusal::Origin, StatusCode::FORBIDDEN),
            (Refusal::CallerKeyWrong, StatusCode::FORBIDDEN),
            (Refusal::Method, StatusCode::FORBIDDEN),
            (Refusal::Target(Flaw::Form), StatusCode::BAD_REQUEST),
            (Refusal::Path, StatusCode::FORBIDDEN),
        ] {
            let response = Answer::from(refusal.clone()).into_response();
            assert_eq!(response.status(), status, "{refusal:?}");
            assert_eq!(response.headers()[CONNECTION], "close", "{refusal:?}");
        }
    }

    fn told(refusal: Refusal) -> (String, String) {
        let response = Answer::from(refusal).into_response();
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        let text = |value: &serde_json::Value| value.as_str().unwrap().to_owned();
        (text(&body["message"]), text(&body["error"]["hint"]))
    }

    #[test]
    fn a_frequent_mistake_is_named_with_its_remedy() {
        let ours = || "localhost:9180".to_owned();
        for (refusal, message, hint) in [
            (
                Refusal::HostWithoutPort { host: "localhost".into(), ours: ours() },
                "The Host localhost lacks the sidecar's port.",
                "Send Host: localhost:9180, as clients do for http://localhost:9180.",
            ),
            (
                Refusal::ForwardProxy { host: "api.example:443".into(), ours: ours() },
                "The sidecar is no forward proxy, so it does not connect to api.example:443.",
                "Do not set HTTP_PROXY or HTTPS_PROXY to the sidecar. Call http://localhost:9180 in \
                 place of the API.",
            ),
            (
                Refusal::Page("http://localhost:3000".into()),
                "Pages from http://localhost:3000 may not call the sidecar.",
                "To allow: guard.origins = [\"http://localhost:3000\"]",
            ),
            (
                Refusal::Target(Flaw::EmptySegment),
                "The path contains \"//\"; remove one slash (a base URL with a trailing slash is the \
                 usual cause).",
                "Write the base URL without its last slash, such as http://localhost:9180.",
            ),
        ] {
            assert_eq!(told(refusal), (message.to_owned(), hint.to_owned()));
        }
    }

    #[test]
    fn the_answer_names_the_host_to_add_and_one_that_works() {
        let response = Answer::from(foreign("sidecar:9180")).into_response();
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["message"], "The sidecar does not answer for the Host sidecar:9180.");
        let hint = "Call it as localhost:9180, or add the name to guard.hosts.";
        assert_eq!(body["error"]["hint"], hint);
    }
}
