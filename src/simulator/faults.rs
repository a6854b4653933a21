//! What goes wrong, and when: a queue of faults for each target, and sudden deaths of tokens.

use std::collections::VecDeque;
use std::io::Write;
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, AtomicUsize, Ordering};
use std::time::Duration;

use axum::body::Body;
use axum::http::header::{HeaderValue, RETRY_AFTER};
use axum::http::{HeaderMap, Response, StatusCode};
use flate2::Compression;
use flate2::write::GzEncoder;
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value, json};
use url::form_urlencoded;

use crate::clock;
use crate::simulator::authorization_server::Ledger;
use crate::simulator::front::Cut;
use crate::simulator::laravel::{self, Wants};
use crate::simulator::shared::Shared;

/// One thing to go wrong. As JSON: `{"target":"token_endpoint","when":"after","what":"cut"}`.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Fault {
    /// Where.
    pub target: Target,
    /// Before or after the request had its effect. Default before.
    #[serde(default)]
    pub when: When,
    /// What.
    pub what: What,
    /// How many requests it hits. Default 1.
    #[serde(default = "once")]
    pub count: u32,
}

/// Where a fault strikes.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Target {
    /// `POST /oauth/token`.
    TokenEndpoint,
    /// Everything under `/api/`.
    Api,
}

/// Whether the server's state has changed when the fault strikes.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum When {
    /// Nothing was done.
    #[default]
    Before,
    /// The request was processed; only its answer suffers.
    After,
}

/// What takes the place of the answer.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case", deny_unknown_fields)]
pub enum What {
    /// The true answer, but this much later.
    Delay {
        /// Milliseconds.
        ms: u64,
    },
    /// The end of the TCP connection, without a byte.
    Cut,
    /// The framework's own answer with this status: a page unless the caller accepts JSON.
    Status {
        /// Such as 429, 500 or 503; 200 to 599.
        code: u16,
        /// `Retry-After` in seconds.
        #[serde(default)]
        retry_after: Option<u64>,
    },
    /// The OAuth 2.0 error `server_error` with status 500.
    ServerError,
    /// A web page with status 200, such as a captive portal's.
    Html,
    /// Status 200, `application/json`, and bytes that are not.
    Garbage,
    /// Status 200, and JSON that ends in the middle.
    TruncatedJson,
    /// An answer that other servers give.
    Answer {
        /// Such as 200 or 400.
        code: u16,
        /// Its content.
        content: String,
    },
    /// The true answer, in a form that other servers use.
    Disguised {
        /// Which.
        form: Disguise,
    },
}

/// Forms of an answer that are not those of RFC 6749.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Disguise {
    /// Compressed without having been asked for.
    Gzip,
    /// A form.
    Form,
    /// An object in an object.
    Nested,
    /// Between a warning of PHP and padding.
    Surrounded,
    /// XML.
    Xml,
}

/// Which tokens suddenly die.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum TokenKind {
    /// All access tokens, personal ones included.
    AccessTokens,
    /// All refresh tokens.
    RefreshTokens,
}

/// The plan of what goes wrong.
#[derive(Debug)]
pub struct Faults {
    plan: Shared<VecDeque<Fault>>,
    /// Length of the plan: lets a request of a quiet server pass without the lock.
    planned: AtomicUsize,
    skew: AtomicI64,
    ledger: Arc<Shared<Ledger>>,
}

impl Faults {
    pub(super) fn new(ledger: Arc<Shared<Ledger>>) -> Self {
        let plan = Shared::new(VecDeque::new());
        Self { plan, planned: AtomicUsize::new(0), skew: AtomicI64::new(0), ledger }
    }

    /// Puts a fault at the end of the queue. A request meets at most one: the first for its target.
    pub fn add(&self, fault: Fault) {
        let mut plan = self.plan.lock();
        if fault.count > 0 {
            plan.push_back(fault);
        }
        self.planned.store(plan.len(), Ordering::Release);
    }

    /// What has not happened yet.
    pub fn list(&self) -> Vec<Fault> {
        self.plan.lock().iter().cloned().collect()
    }

    /// Forgets what has not happened yet.
    pub fn clear(&self) {
        let mut plan = self.plan.lock();
        plan.clear();
        self.planned.store(0, Ordering::Release);
    }

    /// Revokes all tokens of a kind, as an administrator would.
    pub fn revoke(&self, kind: TokenKind) {
        self.ledger.lock().revoke(kind);
    }

    /// Lets the life of all tokens of a kind end now.
    pub fn expire(&self, kind: TokenKind) {
        self.ledger.lock().expire(kind, clock::now());
    }

    /// Revokes every token that descends from the same sign-in as this refresh token; `false` when it
    /// is not one of ours.
    pub fn revoke_family(&self, refresh_token: &str) -> bool {
        self.ledger.lock().revoke_family_of(refresh_token)
    }

    /// Shifts the `Date` field of every answer by so many seconds; 0 is the truth.
    pub fn set_date_skew(&self, seconds: i64) {
        self.skew.store(seconds, Ordering::Relaxed);
    }

    pub(super) fn date_skew(&self) -> i64 {
        self.skew.load(Ordering::Relaxed)
    }

    /// Takes the next fault for this target out of the queue.
    pub(super) fn next(&self, target: Target) -> Option<Fault> {
        if self.planned.load(Ordering::Acquire) == 0 {
            return None;
        }
        let mut plan = self.plan.lock();
        let index = plan.iter().position(|fault| fault.target == target)?;
        let fault = plan.get_mut(index)?;
        fault.count -= 1;
        let taken = fault.clone();
        if taken.count == 0 {
            plan.remove(index);
        }
        self.planned.store(plan.len(), Ordering::Release);
        Some(taken)
    }
}

impl Fault {
    /// The answer that takes the place of the true one; `None` when that one may go, now that the
    /// delay is over.
    pub(super) async fn strike(&self, asked: &HeaderMap) -> Option<Response<Body>> {
        let response = match self.what {
            What::Delay { ms } => {
                tokio::time::sleep(Duration::from_millis(ms)).await;
                return None;
            }
            What::Cut => Cut::into_response(),
            What::Status { code, retry_after } => {
                let status =
                    StatusCode::from_u16(code).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
                let mut response = laravel::error(status, Wants::of(asked));
                if let Some(seconds) = retry_after {
                    response.headers_mut().insert(RETRY_AFTER, HeaderValue::from(seconds));
                }
                response
            }
            What::ServerError => json_bytes(
                StatusCode::INTERNAL_SERVER_ERROR,
                json!({
                    "error": "server_error",
                    "error_description": "The authorization server encountered an unexpected \
                        condition which prevented it from fulfilling the request: simulated",
                })
                .to_string()
                .into_bytes(),
            ),
            What::Html => laravel::page(StatusCode::OK),
            What::Garbage => json_bytes(StatusCode::OK, vec![0x1f, 0xff, 0x00, 0x7b, 0x22, 0xc3]),
            What::TruncatedJson => json_bytes(StatusCode::OK, self.target.cut_short().into()),
            What::Answer { code, ref content } => {
                let status = StatusCode::from_u16(code).unwrap_or(StatusCode::OK);
                json_bytes(status, content.clone().into_bytes())
            }
            What::Disguised { .. } => return None,
        };
        Some(response)
    }
}

impl Disguise {
    /// The content of an answer in this form.
    pub(super) fn of(self, content: &[u8]) -> Vec<u8> {
        let text = String::from_utf8_lossy(content);
        let fields: Map<String, Value> = serde_json::from_slice(content).unwrap_or_default();
        let plain = |value: &Value| value.as_str().map_or(value.to_string(), str::to_owned);
        match self {
            Self::Gzip => {
                let mut encoder = GzEncoder::new(Vec::new(), Compression::fast());
                encoder.write_all(content).and_then(|()| encoder.finish()).unwrap_or_default()
            }
            Self::Form => {
                let mut form = form_urlencoded::Serializer::new(String::new());
                form.extend_pairs(fields.iter().map(|(name, value)| (name, plain(value))));
                form.finish().into_bytes()
            }
            Self::Nested => json!({ "success": true, "data": fields }).to_string().into_bytes(),
            Self::Surrounded => {
                let warning =
                    "<br />\n<b>Warning</b>:  Undefined variable $x in <b>/a.php</b><br />\n";
                format!("\u{feff}{warning}{text}\0\0").into_bytes()
            }
            Self::Xml => {
                let tag = |(name, value)| format!("<{name}>{}</{name}>", plain(value));
                let tags: String = fields.iter().map(tag).collect();
                format!("<answer>{tags}</answer>").into_bytes()
            }
        }
    }
}

impl Target {
    /// The start of a true answer.
    fn cut_short(self) -> &'static [u8] {
        match self {
            Self::TokenEndpoint => b"{\"token_type\":\"Bearer\",\"expires_in\":12960",
            Self::Api => b"{\"success\":true,\"data\":[{\"id\":",
        }
    }
}

fn json_bytes(status: StatusCode, content: Vec<u8>) -> Response<Body> {
    laravel::content_of(status, "application/json", content)
}

fn once() -> u32 {
    1
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_fault_is_written_as_short_json() {
        let read = |text| serde_json::from_str::<Fault>(text);
        let cut = read(r#"{"target":"token_endpoint","when":"after","what":"cut"}"#).unwrap();
        let expected =
            Fault { target: Target::TokenEndpoint, when: When::After, what: What::Cut, count: 1 };
        assert_eq!(cut, expected);
        let busy =
            read(r#"{"target":"api","what":{"status":{"code":503,"retry_after":7}},"count":3}"#);
        let what = What::Status { code: 503, retry_after: Some(7) };
        let expected = Fault { target: Target::Api, when: When::Before, what, count: 3 };
        assert_eq!(busy.unwrap(), expected);
        assert!(read(r#"{"target":"api","what":"cut","cuont":3}"#).is_err());
    }
}
