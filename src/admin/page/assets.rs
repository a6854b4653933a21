//! What the page loads: a style sheet, a script and an icon, all of them in the binary.

use std::sync::LazyLock;

use axum::http::header::{CACHE_CONTROL, CONTENT_TYPE, HeaderName, X_CONTENT_TYPE_OPTIONS};
use axum::response::{IntoResponse, Response};

use super::headers::CROSS_ORIGIN_RESOURCE_POLICY;
use crate::secret::Fingerprint;

pub(super) const CSS: &str = "/assets/page.css";
pub(super) const JS: &str = "/assets/page.js";
pub(super) const ICON: &str = "/assets/icon.svg";

/// A file of the page.
#[derive(Clone, Copy, Debug)]
pub(super) enum Asset {
    Css,
    Js,
    Icon,
}

impl Asset {
    /// Its address, which changes with its content: so a browser may keep it for ever.
    pub(super) fn url(self) -> String {
        format!("{}?v={}", self.path(), build())
    }

    fn path(self) -> &'static str {
        match self {
            Self::Css => CSS,
            Self::Js => JS,
            Self::Icon => ICON,
        }
    }

    fn content(self) -> &'static str {
        match self {
            Self::Css => include_str!("page.css"),
            Self::Js => include_str!("page.js"),
            Self::Icon => include_str!("icon.svg"),
        }
    }

    fn kind(self) -> &'static str {
        match self {
            Self::Css => "text/css; charset=utf-8",
            Self::Js => "text/javascript; charset=utf-8",
            Self::Icon => "image/svg+xml",
        }
    }
}

impl IntoResponse for Asset {
    fn into_response(self) -> Response {
        let fields: [(HeaderName, &str); 4] = [
            (CONTENT_TYPE, self.kind()),
            (CACHE_CONTROL, "public, max-age=31536000, immutable"),
            (X_CONTENT_TYPE_OPTIONS, "nosniff"),
            (CROSS_ORIGIN_RESOURCE_POLICY, "same-origin"),
        ];
        (fields, self.content()).into_response()
    }
}

/// Tells one set of files from another. A page that is open while the program is replaced sees by it
/// that its script is not the one of the new program, and loads itself again.
pub(super) fn build() -> &'static str {
    static BUILD: LazyLock<String> = LazyLock::new(|| {
        let all = [Asset::Css, Asset::Js, Asset::Icon].map(Asset::content).concat();
        Fingerprint::of(&all).to_string()
    });
    &BUILD
}
