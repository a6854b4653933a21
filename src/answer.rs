//! The one place that turns a situation into an HTTP answer of our own.
//!
//! Everything that the sidecar answers itself, instead of passing on what the upstream said, is an
//! [`Answer`] with a stable [`Code`]. The body has the API's own shape (API.md §1), so that a caller
//! needs one error path; `Proxy-Status` (RFC 9209) tells that we spoke and not the upstream. No answer
//! of ours is ever a 401: the caller has no credential that it could mend.

use std::borrow::Cow;
use std::time::Duration;

use bytes::Bytes;
use http::header::{CACHE_CONTROL, CONNECTION, CONTENT_TYPE, HeaderValue, RETRY_AFTER};
use http::{HeaderName, Response, StatusCode};
use serde_json::json;

mod all;
mod blame;
mod html;
pub mod pages;

/// `error.code` of an answer: stable, for programs and for the troubleshooting table.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Code {
    /// The request names a host that is not ours.
    HostNotAllowed,
    /// A web page of another origin sent the request.
    CrossSite,
    /// The program at the other end of the Unix socket runs under an account that is not allowed.
    CallerAccount,
    /// The field that every request must carry is missing.
    RequiredField,
    /// The caller key is missing or wrong.
    CallerKey,
    /// The configuration does not allow this method or path.
    Policy,
    /// The token's scope is known, and does not cover the method.
    Scope,
    /// The admin listener has no such path.
    NotFound,
    /// The admin listener has this path for another method.
    MethodNotAllowed,
    /// The framing or the request target is not acceptable.
    BadRequest,
    /// The header section is over its limit.
    HeadTooLarge,
    /// The content is over its limit.
    ContentTooLarge,
    /// The caller was too slow in sending its request.
    CallerTimeout,
    /// `Expect` asks for something other than `100-continue`.
    ExpectationFailed,
    /// The request is of a version of HTTP that callers cannot use here.
    VersionNotSupported,
    /// No token, and a person has to provide one.
    SignInRequired,
    /// No sign-in waits for what came back, or not for this browser.
    SignInUnknown,
    /// A sign-in or sign-out did not come about.
    SignInFailed,
    /// No token yet; one is being fetched.
    TokenPending,
    /// The token has expired and could not be replaced so far.
    TokenExpired,
    /// The API's rate limit is used up for longer than a request may wait.
    BudgetExhausted,
    /// The operator ordered a new token a short time after the last exchange.
    TooSoon,
    /// The upstream's name could not be resolved.
    UpstreamDns,
    /// The upstream's name was not resolved in time.
    UpstreamDnsTimeout,
    /// The upstream could not be reached.
    UpstreamConnect,
    /// There was no connection to the upstream in time.
    UpstreamConnectTimeout,
    /// The proxy on the way to the upstream gave no connection.
    UpstreamProxy,
    /// The upstream's certificate is not acceptable: nothing was sent.
    UpstreamTls,
    /// The upstream speaks no TLS that we speak: nothing was sent.
    UpstreamTlsProtocol,
    /// The upstream refused TLS with us: nothing was sent.
    UpstreamTlsAlert,
    /// The upstream closed the connection before it answered.
    UpstreamClosed,
    /// The upstream's answer was not HTTP.
    UpstreamProtocol,
    /// The upstream did not answer in time.
    UpstreamTimeout,
    /// The sidecar is stopping.
    Draining,
    /// Too many connections.
    Overloaded,
    /// A defect of ours ended this request; others go on.
    Internal,
}

/// What a code always means: status, name, RFC 9209 error type, message, what to do next.
struct Entry(StatusCode, &'static str, &'static str, &'static str, &'static str);

impl Code {
    /// The name in `error.code`.
    pub fn as_str(self) -> &'static str {
        self.entry().1
    }

    /// The status code of the answer.
    pub fn status(self) -> StatusCode {
        self.entry().0
    }

    #[rustfmt::skip]
    fn entry(self) -> Entry {
        use StatusCode as S;
        match self {
            Self::HostNotAllowed => Entry(S::MISDIRECTED_REQUEST, "host_not_allowed", "http_request_denied",
                "The Host of this request is not one that the sidecar answers for.",
                "Use localhost, 127.0.0.1 or [::1] with the sidecar's port, or add the name to guard.hosts."),
            Self::CrossSite => Entry(S::FORBIDDEN, "cross_site", "http_request_denied",
                "A web page of another origin may not use the sidecar.",
                "Call it from a program, or add the page's exact origin to guard.origins."),
            Self::CallerAccount => Entry(S::FORBIDDEN, "caller_account", "http_request_denied",
                "The account of this program may not use the sidecar.",
                "Run the program under an account of guard.uids or guard.gids, or add its own there."),
            Self::RequiredField => Entry(S::FORBIDDEN, "required_field", "http_request_denied",
                "The request lacks the field that this sidecar demands.",
                "Send the field that guard.required_field names, with any value."),
            Self::CallerKey => Entry(S::FORBIDDEN, "caller_key", "http_request_denied",
                "The caller key is missing or wrong.",
                "Send the key of guard.caller_key_file in the configured field."),
            Self::Policy => Entry(S::FORBIDDEN, "policy", "http_request_denied",
                "The sidecar's policy does not allow this method or path.",
                "Use a path under /api/, or change the guard section of the configuration."),
            Self::Scope => Entry(S::FORBIDDEN, "scope", "http_request_denied",
                "The scope of the token does not cover this method.",
                "Get a token with the scope that the message names, or set guard.check_scope = false."),
            Self::NotFound => Entry(S::NOT_FOUND, "not_found", "http_request_error",
                "There is nothing at this path.",
                "Use one of the paths in the message."),
            Self::MethodNotAllowed => Entry(S::METHOD_NOT_ALLOWED, "method_not_allowed", "http_request_error",
                "This path is for another method.",
                "Use a method that Allow names."),
            Self::BadRequest => Entry(S::BAD_REQUEST, "bad_request", "http_request_error",
                "The request is malformed.",
                "Send HTTP/1.1 with an origin-form target, such as /api/v2/workspaces, and one framing."),
            Self::HeadTooLarge => Entry(S::REQUEST_HEADER_FIELDS_TOO_LARGE, "too_large", "http_request_error",
                "The header section of the request is too large.",
                "Send fewer or shorter fields; the limit is 32 KiB and 100 fields."),
            Self::ContentTooLarge => Entry(S::PAYLOAD_TOO_LARGE, "too_large", "http_request_error",
                "The content of the request is too large.",
                "Send less, or raise the limit in the configuration."),
            Self::CallerTimeout => Entry(S::REQUEST_TIMEOUT, "caller_timeout", "http_request_error",
                "The request did not arrive in time.",
                "Send the whole request without long pauses."),
            Self::ExpectationFailed => Entry(S::EXPECTATION_FAILED, "bad_request", "http_request_error",
                "The sidecar does not know this expectation.",
                "Send Expect: 100-continue or no Expect at all."),
            Self::VersionNotSupported => Entry(S::HTTP_VERSION_NOT_SUPPORTED, "bad_request", "http_request_error",
                "The sidecar does not speak this version of HTTP.",
                "Send HTTP/1.1; clients that begin with HTTP/2 have a switch for it."),
            Self::SignInRequired => Entry(S::SERVICE_UNAVAILABLE, "sign_in_required", "proxy_internal_response",
                "There is no valid token, and a person has to provide one.",
                "`webwork-sidecar status` says what is missing and what to do."),
            Self::SignInUnknown => Entry(S::FORBIDDEN, "sign_in_unknown", "http_request_denied",
                "No sign-in waits for this answer.",
                "Sign in again, in one browser and within ten minutes; `login --paste` takes the address of this page."),
            Self::SignInFailed => Entry(S::BAD_REQUEST, "sign_in_failed", "proxy_internal_response",
                "The sign-in did not come about.",
                "Do what the message says; the status tells which grant is in use."),
            Self::TokenPending => Entry(S::SERVICE_UNAVAILABLE, "token_pending", "proxy_internal_response",
                "The sidecar is still obtaining a token.",
                "Try again in a moment; `webwork-sidecar status` shows the progress."),
            Self::TokenExpired => Entry(S::SERVICE_UNAVAILABLE, "token_expired", "proxy_internal_response",
                "The token has expired and could not be replaced yet.",
                "Try again in a moment; `webwork-sidecar status` shows the last error."),
            Self::BudgetExhausted => Entry(S::TOO_MANY_REQUESTS, "budget_exhausted", "http_request_denied",
                "The API's rate limit is used up.",
                "Wait for the time in Retry-After."),
            Self::TooSoon => Entry(S::TOO_MANY_REQUESTS, "too_soon", "http_request_denied",
                "The last exchange was a moment ago; the next one follows by itself.",
                "Wait for the time in Retry-After, or look at the status."),
            Self::UpstreamDns => Entry(S::BAD_GATEWAY, "upstream_dns", "dns_error",
                "The upstream's name could not be resolved.",
                "Check the name in upstream.url and the DNS of this host."),
            Self::UpstreamConnect => Entry(S::BAD_GATEWAY, "upstream_connect", "connection_refused",
                "The upstream could not be reached.",
                "Check upstream.url, the network and the firewall of this host."),
            Self::UpstreamDnsTimeout => Entry(S::GATEWAY_TIMEOUT, "upstream_timeout", "dns_timeout",
                "The upstream's name was not resolved in time.",
                "Nothing was sent. Check the DNS of this host."),
            Self::UpstreamConnectTimeout => Entry(S::GATEWAY_TIMEOUT, "upstream_timeout", "connection_timeout",
                "There was no connection to the upstream in time.",
                "Nothing was sent. Check the network and the firewall of this host."),
            Self::UpstreamProxy => Entry(S::BAD_GATEWAY, "upstream_proxy", "destination_unavailable",
                "The proxy on the way to the upstream gave no connection.",
                "Check upstream.proxy, or HTTPS_PROXY and NO_PROXY in the sidecar's environment; nothing was sent."),
            Self::UpstreamTls => Entry(S::BAD_GATEWAY, "upstream_tls", "tls_certificate_error",
                "TLS with the upstream failed, so nothing was sent.",
                "Check the upstream's certificate; a private CA belongs in upstream.ca_file."),
            Self::UpstreamTlsProtocol => Entry(S::BAD_GATEWAY, "upstream_tls", "tls_protocol_error",
                "TLS with the upstream failed, so nothing was sent.",
                "Check host and port in upstream.url, and what sits between this host and the upstream."),
            Self::UpstreamTlsAlert => Entry(S::BAD_GATEWAY, "upstream_tls", "tls_alert_received",
                "The upstream refused TLS, so nothing was sent.",
                "Check host and port in upstream.url, and the upstream's log."),
            Self::UpstreamClosed => Entry(S::BAD_GATEWAY, "upstream_closed", "connection_terminated",
                "The upstream closed the connection before it answered.",
                "The request may have been processed; check before you repeat it."),
            Self::UpstreamProtocol => Entry(S::BAD_GATEWAY, "upstream_protocol", "http_protocol_error",
                "The upstream's answer could not be understood.",
                "The request may have been processed; check before you repeat it."),
            Self::UpstreamTimeout => Entry(S::GATEWAY_TIMEOUT, "upstream_timeout", "http_response_timeout",
                "The upstream did not answer in time.",
                "The request may have been processed; check before you repeat it."),
            Self::Draining => Entry(S::SERVICE_UNAVAILABLE, "draining", "connection_limit_reached",
                "The sidecar is stopping.",
                "Try again; a new instance may be starting."),
            Self::Overloaded => Entry(S::SERVICE_UNAVAILABLE, "overloaded", "connection_limit_reached",
                "The sidecar has too much to do.",
                "Open fewer connections at a time, and reuse them."),
            Self::Internal => Entry(S::INTERNAL_SERVER_ERROR, "internal", "proxy_internal_error",
                "A defect of the sidecar ended this request.",
                "Report it with the log lines of this moment."),
        }
    }
}

/// What becomes of the caller's connection after the answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum After {
    Reuse,
    Close,
}

/// An answer that the sidecar makes itself.
#[derive(Clone, Debug)]
pub struct Answer {
    code: Code,
    message: Cow<'static, str>,
    hint: Cow<'static, str>,
    retry_after: Option<Duration>,
    after: After,
    /// Shown as a page with a link to this place, and not as JSON.
    page: Option<String>,
}

impl Answer {
    /// The answer for a code, with the code's own message and hint.
    pub fn new(code: Code) -> Self {
        let Entry(_, _, _, message, hint) = code.entry();
        Self {
            code,
            message: message.into(),
            hint: hint.into(),
            retry_after: None,
            after: After::Reuse,
            page: None,
        }
    }

    /// Replaces the message by one that knows more. It must not quote a secret.
    #[must_use]
    pub fn message(mut self, message: impl Into<Cow<'static, str>>) -> Self {
        self.message = message.into();
        self
    }

    /// Replaces what the caller is told to do next.
    #[must_use]
    pub fn hint(mut self, hint: impl Into<Cow<'static, str>>) -> Self {
        self.hint = hint.into();
        self
    }

    /// Says when a new attempt makes sense; sent in whole seconds, rounded up, at least 1.
    #[must_use]
    pub fn retry_after(mut self, wait: Duration) -> Self {
        self.retry_after = Some(wait);
        self
    }

    /// Ends the caller's connection after this answer: for requests whose content is left unread or
    /// whose framing cannot be trusted.
    #[must_use]
    pub fn closing(mut self) -> Self {
        self.after = After::Close;
        self
    }

    /// The code of the answer.
    pub fn code(&self) -> Code {
        self.code
    }

    /// The answer on the wire. For HEAD the caller of this function sends the head alone.
    pub fn into_response(self) -> Response<Bytes> {
        let Entry(status, name, proxy_error, _, _) = self.code.entry();
        let body = json!({
            "success": false,
            "message": self.message,
            "error": { "code": name, "hint": self.hint },
        });
        let mut response = Response::new(Bytes::from(body.to_string()));
        *response.status_mut() = status;
        let fields = response.headers_mut();
        fields.insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
        fields.insert(CACHE_CONTROL, HeaderValue::from_static("no-store"));
        if let Ok(value) = HeaderValue::try_from(format!("webwork-sidecar; error={proxy_error}")) {
            fields.insert(PROXY_STATUS, value);
        }
        if let Some(wait) = self.retry_after {
            fields.insert(RETRY_AFTER, HeaderValue::from(whole_seconds(wait)));
        }
        if self.after == After::Close {
            fields.insert(CONNECTION, HeaderValue::from_static("close"));
        }
        self.shown(response)
    }
}

/// RFC 9209 §2.
const PROXY_STATUS: HeaderName = HeaderName::from_static("proxy-status");

/// `Retry-After` has no fractions (RFC 9110 §10.2.3), and 0 would invite a busy loop.
fn whole_seconds(wait: Duration) -> u64 {
    wait.as_secs().saturating_add(u64::from(wait.subsec_nanos() > 0)).max(1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_body_has_the_shape_of_the_api() {
        let response = Answer::new(Code::TokenPending).into_response();
        assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
        let body: serde_json::Value = serde_json::from_slice(response.body()).unwrap();
        assert_eq!(body["success"], false);
        assert_eq!(body["error"]["code"], "token_pending");
        assert!(body["message"].is_string() && body["error"]["hint"].is_string());
        assert_eq!(response.headers()[CACHE_CONTROL], "no-store");
        let proxy_status = &response.headers()["proxy-status"];
        assert_eq!(proxy_status, "webwork-sidecar; error=proxy_internal_response");
    }

    #[test]
    fn waiting_is_told_in_whole_seconds_and_never_zero() {
        for (wait, told) in [(0, "1"), (1, "1"), (1_000, "1"), (1_001, "2"), (59_999, "60")] {
            let answer = Answer::new(Code::Draining).retry_after(Duration::from_millis(wait));
            assert_eq!(answer.into_response().headers()[RETRY_AFTER], told);
        }
    }

    #[test]
    fn a_closing_answer_says_so() {
        assert!(Answer::new(Code::BadRequest).into_response().headers().get(CONNECTION).is_none());
        let closing = Answer::new(Code::BadRequest).closing().into_response();
        assert_eq!(closing.headers()[CONNECTION], "close");
    }
}
