//! What the cores share while they serve callers.

use std::sync::Arc;

use super::{Config, Limit};
use crate::net::drain::Drain;
use crate::telemetry::Counters;

/// Everything that serving needs beside the sockets and the service.
#[derive(Clone, Debug)]
pub struct Terms {
    /// Limits for each caller.
    pub config: Config,
    /// The limit for all of them.
    pub limit: Limit,
    /// When to stop.
    pub drain: Drain,
    /// Where connections are counted.
    pub counters: Arc<Counters>,
}
