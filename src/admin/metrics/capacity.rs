//! Metrics of what limits callers, and of lost log lines.

use std::fmt;

use prometheus_client::registry::Unit;

use super::page::Page;
use crate::admin::capacity::{CapacityInfo, MemoryInfo};

pub(super) fn tell(page: &mut Page<'_>, capacity: &CapacityInfo) -> fmt::Result {
    let gauge = |count: usize| Some(count as f64);
    page.gauge(
        "connections_limit",
        "Connections of callers that are allowed at a time",
        None,
        gauge(capacity.max_connections),
    )?;
    page.counter(
        "connections_waited",
        "Connections that had to wait because the limit was reached",
        None,
        capacity.waited,
    )?;
    page.gauge(
        "open_files_limit",
        "Files and sockets that the process may have open",
        None,
        gauge(capacity.open_files),
    )?;
    if let Some(MemoryInfo { limit, reserved, waited }) = capacity.memory {
        let bytes = || Some(Unit::Bytes);
        page.gauge(
            "caller_memory_limit",
            "Memory that all callers together may hold",
            bytes(),
            gauge(limit),
        )?;
        page.gauge(
            "caller_memory_reserved",
            "Memory that is reserved for callers",
            bytes(),
            gauge(reserved),
        )?;
        page.counter(
            "caller_memory_waited",
            "Connections and requests that had to wait for memory",
            None,
            waited as u64,
        )?;
    }
    page.counter(
        "log_lines_dropped",
        "Log lines that were lost: too many waited, or they could not be written",
        None,
        capacity.dropped_log_lines,
    )
}
