//! What the operator orders, and what becomes of it.

use std::time::Duration;

use tokio::sync::oneshot;

use super::source::Credential;

/// An order to the refresher.
#[derive(Debug)]
pub enum Order {
    /// Get a new token now, due or not.
    Refresh(oneshot::Sender<Asked>),
    /// The operator changed the credential.
    Change(Box<Credential>),
}

/// What becomes of an [`Order::Refresh`].
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Asked {
    /// An exchange is going on.
    Begun,
    /// It follows by itself: the last exchange was too short a time ago, or the server asked to wait.
    Planned {
        /// Until then.
        wait: Duration,
    },
    /// No exchange can help: there is no grant, or it is lost.
    Useless,
    /// The token is a personal one.
    Fixed,
}
