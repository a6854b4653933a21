//! What limits the callers, and how close they are to it.

use jiff::{SignedDuration, Timestamp};
use serde::{Deserialize, Serialize};

use crate::net::memory::Budget;
use crate::net::serve::{Limit, Occupancy};
use crate::telemetry::log;

/// What the process can give to callers.
#[derive(Clone, Debug)]
pub struct Capacity {
    /// Connections in use.
    pub limit: Limit,
    /// The memory of each core's callers.
    pub memory: Vec<Budget>,
    /// What `caller.max_connections` says.
    pub configured: usize,
    /// What sets the limit that is in force.
    pub bound_by: Bound,
    /// Files that the process may have open.
    pub open_files: usize,
}

/// What sets the limit of connections.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub enum Bound {
    /// `caller.max_connections`.
    Configuration,
    /// The limit of open files of the process.
    OpenFiles,
    /// The memory for callers.
    Memory,
}

/// The limits at one moment.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CapacityInfo {
    /// Connections of callers that are open.
    pub connections: usize,
    /// Most connections at a time.
    pub max_connections: usize,
    /// What `caller.max_connections` says.
    pub configured_connections: usize,
    /// What sets `max_connections`.
    pub bound_by: Bound,
    /// Connections that had to wait because the limit was reached, since the start.
    pub waited: u64,
    /// When the limit was reached last.
    pub reached_at: Option<Timestamp>,
    /// Files that the process may have open.
    pub open_files: usize,
    /// The memory for callers; none without a limit.
    pub memory: Option<MemoryInfo>,
    /// Log lines that were lost since the start.
    pub dropped_log_lines: u64,
}

/// The memory for callers at one moment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct MemoryInfo {
    /// Bytes that all callers together may hold.
    pub limit: usize,
    /// Bytes of it that are reserved.
    pub reserved: usize,
    /// Connections and requests that had to wait for memory since the start.
    pub waited: usize,
}

/// For so long after the limit was reached it is worth a look.
const RECENT: SignedDuration = SignedDuration::from_mins(1);

impl Capacity {
    /// How things are now.
    pub fn info(&self) -> CapacityInfo {
        let Occupancy { limit, open, waited, reached_at } = self.limit.occupancy();
        CapacityInfo {
            connections: open,
            max_connections: limit,
            configured_connections: self.configured,
            bound_by: self.bound_by,
            waited,
            reached_at,
            open_files: self.open_files,
            memory: self.memory(),
            dropped_log_lines: log::dropped_lines(),
        }
    }

    fn memory(&self) -> Option<MemoryInfo> {
        let limit = self.memory.iter().map(Budget::limit).sum::<Option<usize>>()?;
        let reserved = self.memory.iter().map(Budget::reserved).sum();
        let waited = self.memory.iter().map(Budget::waited).sum();
        Some(MemoryInfo { limit, reserved, waited })
    }
}

impl CapacityInfo {
    /// That the limit is reached, or was a moment ago, and what to do; `None` if neither is the case.
    pub fn warning(&self, now: Timestamp) -> Option<String> {
        let Self { connections, max_connections, reached_at, .. } = self;
        let is_recent = reached_at.is_some_and(|at| now.duration_since(at) < RECENT);
        let (event, fix) = match (connections >= max_connections, is_recent) {
            (true, _) => ("is reached: new callers wait", self.fix()),
            (false, true) => ("was reached: new callers had to wait", self.fix()),
            (false, false) => return None,
        };
        Some(format!("the limit of {max_connections} connections {event}; {fix}"))
    }

    /// How to allow more connections.
    pub fn fix(&self) -> &'static str {
        match self.bound_by {
            Bound::Configuration => {
                "let callers close or reuse their connections, or raise caller.max_connections"
            }
            Bound::OpenFiles => {
                "raise the limit of open files (`ulimit -n`, LimitNOFILE=, --ulimit nofile=)"
            }
            Bound::Memory => {
                "give the container or service more memory, or raise caller.max_memory"
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn info(connections: usize, reached: Option<i64>) -> CapacityInfo {
        let at = |second: i64| Timestamp::from_second(1_800_000_000 + second).unwrap();
        CapacityInfo {
            connections,
            max_connections: 10,
            configured_connections: 1024,
            bound_by: Bound::OpenFiles,
            waited: 0,
            reached_at: reached.map(at),
            open_files: 128,
            memory: None,
            dropped_log_lines: 0,
        }
    }

    #[test]
    fn a_limit_that_is_reached_or_was_a_moment_ago_is_worth_a_warning() {
        let now = Timestamp::from_second(1_800_000_100).unwrap();
        let warning = |connections, reached| info(connections, reached).warning(now);
        assert!(warning(10, None).unwrap().contains("10 connections is reached"));
        assert!(warning(3, Some(99)).unwrap().contains("limit of open files"));
        assert_eq!(warning(9, Some(1)), None);
        assert_eq!(warning(0, None), None);
    }
}
