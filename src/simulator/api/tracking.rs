//! The stop watch: one tracker per member at most; stopping it leaves a time entry.

use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::api::input::Input;
use crate::simulator::api::record::{Kind, Record, is_text};
use crate::simulator::api::reply::{ApiError, Reply};
use crate::simulator::api::store::{Store, WorkspaceId};

/// Starts tracking for a member.
pub(super) fn start(
    store: &mut Store,
    input: &Input,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    if running(store, input, workspace).is_some() {
        return Err(ApiError::Invalid("The tracker is already running.".to_owned()));
    }
    let mut fields = input.body.clone();
    fields.insert("started_at".to_owned(), Value::from(format!("{now:.0}")));
    let tracker = store.create(Kind::Tracker, workspace, fields, now);
    Ok(Reply::one(tracker, Some("Tracker started.")))
}

/// Stops tracking for a member.
pub(super) fn stop(
    store: &mut Store,
    input: &Input,
    workspace: WorkspaceId,
    now: Timestamp,
) -> Result<Reply, ApiError> {
    let tracker = running(store, input, workspace)
        .and_then(|id| store.remove(Kind::Tracker, Some(workspace), &id))
        .ok_or_else(|| ApiError::Invalid("The tracker is not running.".to_owned()))?;
    let entry = store.create(Kind::TimeEntry, workspace, entry(tracker, now), now);
    Ok(Reply::one(entry, Some("Tracker stopped.")))
}

/// The id of the member's tracker.
fn running(store: &Store, input: &Input, workspace: WorkspaceId) -> Option<String> {
    let user = input.text("user_id")?;
    let mut trackers = store.shelf(Kind::Tracker, workspace);
    let tracker =
        trackers.find(|it| it.get("user_id").is_some_and(|value| is_text(value, &user)))?;
    Some(tracker.get("id")?.to_string())
}

fn entry(mut tracker: Record, now: Timestamp) -> Record {
    let started = tracker
        .remove("started_at")
        .and_then(|value| value.as_str()?.parse::<Timestamp>().ok())
        .unwrap_or(now);
    let clock = |time: Timestamp, format| time.strftime(format).to_string();
    tracker.insert("date".to_owned(), Value::from(clock(started, "%Y-%m-%d")));
    tracker.insert("start_time".to_owned(), Value::from(clock(started, "%H:%M")));
    tracker.insert("end_time".to_owned(), Value::from(clock(now, "%H:%M")));
    tracker
}
