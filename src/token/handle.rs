//! What the rest of the program holds of the refresher.

use std::sync::Arc;

use tokio::sync::{mpsc, watch};

use crate::telemetry::histogram::Histogram;

use super::current::CurrentToken;
use super::order::Order;
use super::source::Credential;
use super::status::Status;

/// The refresher's ends for the rest of the program.
#[derive(Clone, Debug)]
pub struct Handle {
    /// For requests.
    pub current: CurrentToken,
    /// For everybody who asks how it is going.
    pub status: watch::Receiver<Status>,
    /// For the operator.
    pub orders: mpsc::Sender<Order>,
    /// For sign-ins: the credential in use, which may be read again.
    pub credential: watch::Receiver<Credential>,
    /// How long exchanges took.
    pub durations: Arc<Histogram>,
}
