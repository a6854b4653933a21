//! What callers may take.

use std::time::Duration;

use crate::net::framing::Limits;

/// Limits on what callers may take.
#[derive(Clone, Debug)]
pub struct Config {
    /// Longest time for the head of a request to arrive. Default 10 s.
    pub head_timeout: Duration,
    /// How long a connection may wait for its next request. Default 60 s.
    pub idle_timeout: Duration,
    /// Longest pause within the content of a request. Default 30 s.
    pub content_timeout: Duration,
    /// How long a caller may take nothing of an answer that is there for it. Default 60 s.
    pub write_timeout: Duration,
    /// Largest head in bytes. Default 32 KiB.
    pub max_head: usize,
    /// Most fields in a head. Default 100.
    pub max_fields: usize,
    /// Longest request target in bytes. Default 8 KiB.
    pub max_target: usize,
    /// Most connections at a time, over all listeners; further ones wait unaccepted. Default 1,024.
    pub max_connections: usize,
    /// Memory that all callers together may hold, in bytes. Default: what the memory limit of the container
    /// or service leaves, and no limit without one.
    pub max_memory: Option<usize>,
}

impl Config {
    /// What the head of a request may cost.
    pub(super) fn limits(&self) -> Limits {
        Limits { head: self.max_head, fields: self.max_fields, target: self.max_target }
    }
}

impl Default for Config {
    fn default() -> Self {
        Self {
            head_timeout: Duration::from_secs(10),
            idle_timeout: Duration::from_secs(60),
            content_timeout: Duration::from_secs(30),
            write_timeout: Duration::from_secs(60),
            max_head: 32 << 10,
            max_fields: 100,
            max_target: 8 << 10,
            max_connections: 1024,
            max_memory: None,
        }
    }
}
