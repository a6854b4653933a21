//! Reports: sums over the time entries.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::simulator::api::input::Input;
use crate::simulator::api::record::{Kind, Record};
use crate::simulator::api::reply::{ApiError, PaginationIn, Reply};
use crate::simulator::api::store::{Store, WorkspaceId, passes};

/// What is summed up.
#[derive(Clone, Copy, Debug)]
pub(super) enum Report {
    TrackedHours,
    DailyTimeline,
    ActivityLevel,
    DailyAttendance,
    ActivityDescriptions,
    Tasks,
}

const FILTERS: [&str; 7] =
    ["user_id", "user_ids", "date", "start_date", "end_date", "date_from", "date_to"];

impl Report {
    /// Writes one page of the report.
    pub(super) fn write(
        self,
        store: &Store,
        input: &Input,
        workspace: WorkspaceId,
    ) -> Result<Reply, ApiError> {
        let page = input.page(self.usual_page())?;
        let wanted: Vec<(&str, String)> =
            FILTERS.iter().filter_map(|name| Some((*name, input.text(name)?))).collect();
        let entries: Vec<&Record> = store
            .shelf(Kind::TimeEntry, workspace)
            .filter(|entry| wanted.iter().all(|(name, value)| passes(entry, name, value)))
            .collect();
        let lines = match self {
            Self::DailyTimeline => entries.into_iter().cloned().collect(),
            Self::TrackedHours => sums(&entries, &["user_id"]),
            Self::ActivityLevel => sums(&entries, &["user_id", "date"]),
            Self::DailyAttendance => sums(&entries, &["date", "user_id"]),
            Self::ActivityDescriptions => sums(&entries, &["activity_description"]),
            Self::Tasks => sums(&entries, &["task_id"]),
        };
        let lines: Vec<&Record> = lines.iter().collect();
        Ok(Reply::page(&lines, page, PaginationIn::Meta))
    }

    /// Daily reports have 30 lines on a page, the others 20 (API.md §3).
    fn usual_page(self) -> u64 {
        match self {
            Self::DailyTimeline | Self::DailyAttendance => 30,
            _ => 20,
        }
    }
}

/// One line for each combination of these fields, with the minutes that were tracked.
fn sums(entries: &[&Record], fields: &[&str]) -> Vec<Record> {
    let mut lines: BTreeMap<String, Record> = BTreeMap::new();
    for entry in entries {
        let key: Record = fields
            .iter()
            .map(|name| ((*name).to_owned(), entry.get(*name).cloned().unwrap_or_default()))
            .collect();
        let name = Value::Object(key.clone()).to_string();
        let line = lines.entry(name).or_insert(key);
        let so_far = line.get("minutes").and_then(Value::as_i64).unwrap_or_default();
        let minutes = minutes(entry).unwrap_or_default();
        line.insert("minutes".to_owned(), json!(so_far + minutes));
        // Nobody moves a mouse here: the level follows from the hour of the day.
        line.insert("activity_level".to_owned(), json!(50 + minutes % 50));
    }
    lines.into_values().collect()
}

/// Minutes from `start_time` to `end_time`, both `HH:MM`.
fn minutes(entry: &Record) -> Option<i64> {
    let at = |name: &str| {
        let (hours, minutes) = entry.get(name)?.as_str()?.split_once(':')?;
        Some(hours.parse::<i64>().ok()? * 60 + minutes.get(..2)?.parse::<i64>().ok()?)
    };
    Some(at("end_time")? - at("start_time")?)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn minutes_are_summed_up_by_field() {
        let entry = |user: u64, end: &str| {
            json!({"user_id": user, "start_time": "09:00", "end_time": end})
                .as_object()
                .unwrap()
                .clone()
        };
        let [a, b, c] = [entry(1, "10:30"), entry(2, "09:10"), entry(1, "09:05")];
        let lines = sums(&[&a, &b, &c], &["user_id"]);
        let minutes: Vec<_> =
            lines.iter().map(|line| (line["user_id"].clone(), line["minutes"].clone())).collect();
        assert_eq!(minutes, [(json!(1), json!(95)), (json!(2), json!(10))]);
    }
}
