//! Who wants an answer: a form of the status page and a program may send the same request.

use axum::http::HeaderMap;
use axum::http::header::ACCEPT;

/// Who wants an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Asker {
    /// A page is its answer.
    Browser,
    /// A browser that the status page is not for.
    Stranger,
    /// JSON is.
    Program,
}

impl Asker {
    pub(super) fn of(fields: &HeaderMap) -> Self {
        let text = fields.get_all(ACCEPT).iter().filter_map(|value| value.to_str().ok());
        match text
            .flat_map(|value| value.split(','))
            .any(|kind| kind.trim().starts_with("text/html"))
        {
            true => Self::Browser,
            false => Self::Program,
        }
    }
}
