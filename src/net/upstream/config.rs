//! Where the upstream is, and how long everything may take.

use std::path::PathBuf;
use std::time::Duration;

use crate::net::connect::Dial;
use crate::net::descriptors::Slots;
use crate::net::memory::Budget;
use crate::net::origin::Origin;
use crate::net::tls::Trust;
use crate::net::tunnel::Route;

/// How to reach the upstream.
#[derive(Clone, Debug)]
pub struct Config {
    /// The only origin that requests and their token go to.
    pub origin: Origin,
    /// The way to it. Default: direct.
    pub route: Route,
    /// Certificate authorities (PEM) trusted in addition to the built-in ones.
    pub ca_file: Option<PathBuf>,
    /// Longest time for the TCP connection. Default 5 s.
    pub connect_timeout: Duration,
    /// Longest time for the TLS handshake. Default 10 s.
    pub tls_timeout: Duration,
    /// Longest time from the whole request sent to the head of the response. Default 60 s.
    pub response_timeout: Duration,
    /// How long an unused connection stays in the pool. Default 20 s.
    pub idle_timeout: Duration,
    /// A connection older than this gets no new request, so that address changes are followed.
    /// Default 10 min.
    pub max_age: Duration,
    /// Unused HTTP/1.1 connections that each core may keep. Default: no limit.
    pub max_idle: usize,
    /// The descriptors that all connections may have. Default: no limit.
    pub slots: Slots,
    /// The memory of the callers. Default: no limit.
    pub memory: Budget,
}

impl Config {
    /// The defaults for an origin.
    pub fn new(origin: Origin) -> Self {
        Self {
            origin,
            route: Route::Direct,
            ca_file: None,
            connect_timeout: Duration::from_secs(5),
            tls_timeout: Duration::from_secs(10),
            response_timeout: Duration::from_secs(60),
            idle_timeout: Duration::from_secs(20),
            max_age: Duration::from_secs(600),
            max_idle: usize::MAX,
            slots: Slots::default(),
            memory: Budget::default(),
        }
    }

    /// How to make one connection.
    pub fn dial(&self, trust: Trust) -> Dial {
        Dial {
            origin: self.origin.clone(),
            route: self.route.clone(),
            trust,
            connect_timeout: self.connect_timeout,
            tls_timeout: self.tls_timeout,
            slots: self.slots.clone(),
            memory: self.memory.clone(),
        }
    }
}
