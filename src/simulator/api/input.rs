//! What a request says, after the checks that every endpoint shares.

use axum::body::to_bytes;
use axum::extract::{RawPathParams, Request};
use axum::http::header::CONTENT_TYPE;
use serde_json::Value;
use url::form_urlencoded;

use crate::simulator::api::endpoint::{Endpoint, Verb, WorkspaceIn};
use crate::simulator::api::record::Record;
use crate::simulator::api::reply::{ApiError, Page};
use crate::simulator::api::store::WorkspaceId;

/// Largest body in bytes.
const LARGEST: usize = 1 << 20;

/// Path, query and body of a request.
#[derive(Debug)]
pub(super) struct Input {
    pub(super) workspace: Option<WorkspaceId>,
    /// The ids in the path, from left to right.
    pub(super) ids: Vec<String>,
    pub(super) query: Record,
    pub(super) body: Record,
    verb: Verb,
}

impl Input {
    /// Reads a request; refuses it when something required is missing.
    pub(super) async fn read(
        endpoint: &Endpoint,
        ids: &RawPathParams,
        request: Request,
    ) -> Result<Self, ApiError> {
        let query = read_form(request.uri().query().unwrap_or_default().as_bytes());
        let body = match endpoint.verb {
            Verb::Get => Record::new(),
            Verb::Post | Verb::Put | Verb::Delete => read_body(request).await?,
        };
        let mut input = Self {
            workspace: None,
            ids: ids.iter().map(|(_, value)| value.to_owned()).collect(),
            query,
            body,
            verb: endpoint.verb,
        };
        input.workspace = input.read_workspace(endpoint.workspace)?;
        for alternatives in endpoint.required {
            if !alternatives.split('|').any(|name| input.value(name).is_some()) {
                return Err(ApiError::required(alternatives));
            }
        }
        Ok(input)
    }

    /// A parameter that is not null and not empty: of the query for GET, else of the body.
    pub(super) fn value(&self, name: &str) -> Option<&Value> {
        let from = if self.verb == Verb::Get { &self.query } else { &self.body };
        filled(from, name)
    }

    /// A parameter as text.
    pub(super) fn text(&self, name: &str) -> Option<String> {
        self.value(name).map(plain)
    }

    /// The id in the path.
    pub(super) fn id(&self) -> &str {
        self.ids.first().map_or("", String::as_str)
    }

    /// The part of a list that is asked for; `usual` records unless it says otherwise.
    pub(super) fn page(&self, usual: u64) -> Result<Page, ApiError> {
        let number = |name, default, range: std::ops::RangeInclusive<u64>| {
            let Some(text) = self.text(name) else { return Ok(default) };
            let wanted = text.parse().ok().filter(|wanted| range.contains(wanted));
            wanted.ok_or_else(|| {
                ApiError::Invalid(format!(
                    "The {name} must be between {} and {}.",
                    range.start(),
                    range.end()
                ))
            })
        };
        let number_of_page = number("page", 1, 1..=1_000_000)?;
        Ok(Page { number: number_of_page, size: number("per_page", usual, 1..=100)? })
    }

    fn read_workspace(&self, place: WorkspaceIn) -> Result<Option<WorkspaceId>, ApiError> {
        const NAME: &str = "workspace_id";
        let value = match place {
            WorkspaceIn::Query => filled(&self.query, NAME),
            WorkspaceIn::Body => filled(&self.body, NAME),
            WorkspaceIn::Unsaid => {
                match filled(&self.query, NAME).or_else(|| filled(&self.body, NAME)) {
                    None => return Ok(None),
                    some => some,
                }
            }
        };
        let value = value.ok_or_else(|| ApiError::required(NAME))?;
        let number = plain(value).parse();
        number
            .map(|number| Some(WorkspaceId(number)))
            .map_err(|_| ApiError::Invalid("The workspace_id must be an integer.".to_owned()))
    }
}

fn filled<'a>(from: &'a Record, name: &str) -> Option<&'a Value> {
    from.get(name).filter(|value| !value.is_null() && value.as_str() != Some(""))
}

/// A value as a query would spell it.
fn plain(value: &Value) -> String {
    value.as_str().map_or_else(|| value.to_string(), str::to_owned)
}

/// JSON, or a form, which webhooks may send.
async fn read_body(request: Request) -> Result<Record, ApiError> {
    let media_type = request.headers().get(CONTENT_TYPE).cloned();
    let is_form = media_type
        .is_some_and(|value| value.as_bytes().starts_with(b"application/x-www-form-urlencoded"));
    let content = to_bytes(request.into_body(), LARGEST).await.map_err(|_| ApiError::TooLarge)?;
    if content.is_empty() {
        return Ok(Record::new());
    }
    if is_form {
        return Ok(read_form(&content));
    }
    serde_json::from_slice(&content)
        .map_err(|_| ApiError::Invalid("The body must be a JSON object.".to_owned()))
}

/// `name=value` pairs; `name[]=value` collects a list.
fn read_form(encoded: &[u8]) -> Record {
    let mut record = Record::new();
    for (name, value) in form_urlencoded::parse(encoded) {
        let value = Value::from(value.into_owned());
        match name.strip_suffix("[]") {
            None => {
                record.insert(name.into_owned(), value);
            }
            Some(name) => match record.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                Value::Array(list) => list.push(value),
                other => *other = value,
            },
        }
    }
    record
}
