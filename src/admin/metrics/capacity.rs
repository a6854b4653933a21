//! Metrics of what limits callers, and of lost log lines.

use std::fmt;

use prometheus_client::registry::Unit;

use super::page::Page;
use crate::admin::capacity::CapacityInfo;

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
    let memory = capacity.memory;
    page.gauge(
        "caller_memory_limit",
        "Memory that all callers together may hold; not there without a limit",
        Some(Unit::Bytes),
        memory.map(|memory| memory.limit as f64),
    )?;
    page.gauge(
        "caller_memory_reserved",
        "Memory that is reserved for callers; 0 without a limit",
        Some(Unit::Bytes),
        gauge(memory.map_or(0, |memory| memory.reserved)),
    )?;
    page.counter(
        "caller_memory_waited",
        "Connections and requests that had to wait for memory",
        None,
        memory.map_or(0, |memory| memory.waited as u64),
    )?;
    page.counter(
        "log_lines_dropped",
        "Log lines that were lost: too many waited, or they could not be written",
        None,
        capacity.dropped_log_lines,
    )
}
