//! How a person can sign in: what the status page has to know.

use serde::{Deserialize, Serialize};

use crate::token::sign_in::Redirection;
use crate::token::source::AuthorizationCode;

/// How a person can sign in.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct SignInInfo {
    /// The way.
    pub way: Way,
    /// The origin to which `POST /sign-in` sends a browser in the end; a page that has the form must
    /// allow it (`form-action` of its Content-Security-Policy).
    pub authorization_origin: Option<String>,
    /// The origin over which it may send it, and to which it comes back.
    pub callback_origin: Option<String>,
    /// Why the last sign-in or sign-out did not come about and what to do: for two minutes, unless one
    /// does meanwhile.
    pub trouble: Option<String>,
}

/// The way of a sign-in.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Way {
    /// The browser comes back by itself.
    Callback,
    /// The redirection endpoint is elsewhere: a person pastes the address at which the browser ends.
    Paste,
    /// The credential knows no sign-in.
    None,
}

impl SignInInfo {
    pub(super) fn of(
        app: Option<&AuthorizationCode>,
        here: Option<&Redirection>,
        trouble: Option<String>,
    ) -> Self {
        let way = match (app, here) {
            (Some(_), Some(_)) => Way::Callback,
            (Some(_), None) => Way::Paste,
            (None, _) => Way::None,
        };
        Self {
            way,
            authorization_origin: app.map(|app| app.authorize_url.origin().ascii_serialization()),
            callback_origin: here.map(|here| here.origin.clone()),
            trouble,
        }
    }
}
