//! The shapes of the API's answers: API.md §3.

use axum::body::Body;
use axum::http::{Response, StatusCode};
use serde::Serialize;

use crate::clock;
use crate::simulator::api::record::{Kind, Record};
use crate::simulator::laravel;

/// A success, ready to be sent.
#[derive(Debug)]
pub(super) struct Reply {
    status: StatusCode,
    content: Vec<u8>,
}

/// Why the API refuses a request.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum ApiError {
    Unauthorized,
    Scope,
    Workspace,
    /// A parameter is missing or wrong; the text says which.
    Invalid(String),
    NotFound(Kind),
    TooLarge,
}

/// The part of a list that is asked for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Page {
    /// From 1.
    pub(super) number: u64,
    /// From 1 to 100.
    pub(super) size: u64,
}

/// Where `pagination` stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum PaginationIn {
    Meta,
    /// Contracts repeat it at top level.
    MetaAndTop,
}

#[derive(Serialize)]
struct Success<'a, T> {
    success: bool,
    #[serde(skip_serializing_if = "Option::is_none")]
    message: Option<&'a str>,
    data: T,
    meta: Meta,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

#[derive(Serialize)]
struct Failure<'a> {
    success: bool,
    message: &'a str,
    error: Option<&'a str>,
    meta: Meta,
}

/// The documented 401 has these two fields only.
#[derive(Serialize)]
struct Unauthorized {
    success: bool,
    message: &'static str,
}

#[derive(Serialize)]
struct Meta {
    api_version: &'static str,
    timestamp: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    pagination: Option<Pagination>,
}

#[derive(Clone, Copy, Serialize)]
struct Pagination {
    current_page: u64,
    per_page: u64,
    total: u64,
    last_page: u64,
}

impl Reply {
    /// One thing.
    pub(super) fn one(data: impl Serialize, message: Option<&str>) -> Self {
        Self::new(&Success {
            success: true,
            message,
            data,
            meta: Meta::new(None),
            pagination: None,
        })
    }

    /// One page of a list.
    pub(super) fn page(records: &[&Record], page: Page, place: PaginationIn) -> Self {
        let total = records.len() as u64;
        let pagination = Pagination {
            current_page: page.number,
            per_page: page.size,
            total,
            last_page: total.div_ceil(page.size).max(1),
        };
        let data: Vec<&&Record> = records
            .iter()
            .skip(usize::try_from((page.number - 1) * page.size).unwrap_or(usize::MAX))
            .take(usize::try_from(page.size).unwrap_or(usize::MAX))
            .collect();
        Self::new(&Success {
            success: true,
            message: None,
            data,
            meta: Meta::new(Some(pagination)),
            pagination: (place == PaginationIn::MetaAndTop).then_some(pagination),
        })
    }

    /// The same with another status.
    pub(super) fn with_status(mut self, status: StatusCode) -> Self {
        self.status = status;
        self
    }

    pub(super) fn into_response(self) -> Response<Body> {
        laravel::content_of(self.status, "application/json", self.content)
    }

    fn new(content: &impl Serialize) -> Self {
        // Records and numbers always serialize.
        Self { status: StatusCode::OK, content: serde_json::to_vec(content).unwrap_or_default() }
    }
}

impl ApiError {
    /// A parameter is missing; `a|b` means that either would do.
    pub(super) fn required(alternatives: &str) -> Self {
        Self::Invalid(match alternatives.split_once('|') {
            None => format!("The {alternatives} field is required."),
            Some((one, other)) => {
                format!("The {one} field is required when {other} is not present.")
            }
        })
    }

    pub(super) fn into_response(self) -> Response<Body> {
        let (status, message) = match &self {
            Self::Unauthorized => return unauthorized(),
            Self::Scope => (StatusCode::FORBIDDEN, "Invalid scope(s) provided.".to_owned()),
            Self::Workspace => {
                (StatusCode::FORBIDDEN, "You do not have access to this workspace.".to_owned())
            }
            Self::Invalid(message) => (StatusCode::BAD_REQUEST, message.clone()),
            Self::NotFound(kind) => (StatusCode::NOT_FOUND, format!("{} not found.", kind.noun())),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "The body is larger than 1 MiB.".to_owned())
            }
        };
        let failure =
            Failure { success: false, message: &message, error: None, meta: Meta::new(None) };
        Reply::new(&failure).with_status(status).into_response()
    }
}

fn unauthorized() -> Response<Body> {
    let content = Unauthorized {
        success: false,
        message: "Unauthorized. Please provide a valid Bearer token or Basic Auth credentials.",
    };
    Reply::new(&content).with_status(StatusCode::UNAUTHORIZED).into_response()
}

impl Meta {
    fn new(pagination: Option<Pagination>) -> Self {
        let timestamp = format!("{:.6}", clock::now().wall());
        Self { api_version: "2.0.0", timestamp, pagination }
    }
}
