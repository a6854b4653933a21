//! Records: JSON objects of a kind, with an id.

use serde_json::{Map, Value};

/// A JSON object as the API shows it.
pub(super) type Record = Map<String, Value>;

/// The kinds of things that a workspace holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub(super) enum Kind {
    Member,
    Project,
    Contract,
    Task,
    ProjectViewer,
    Timesheet,
    TimeRequest,
    Leave,
    LeavePolicy,
    LeaveBalance,
    Expense,
    ExpenseCategory,
    TimeEntry,
    Webhook,
    /// Time that is being tracked right now.
    Tracker,
}

/// The number behind an id. Time entries show it as a UUID whose last group is the number.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(super) struct Serial(pub(super) u64);

const UUID_START: &str = "9d1f6c52-7a40-4be1-8c33-";

impl Kind {
    /// How messages name it.
    pub(super) fn noun(self) -> &'static str {
        match self {
            Self::Member => "Member",
            Self::Project => "Project",
            Self::Contract => "Contract",
            Self::Task => "Task",
            Self::ProjectViewer => "Project viewer",
            Self::Timesheet => "Timesheet",
            Self::TimeRequest => "Time request",
            Self::Leave => "Leave",
            Self::LeavePolicy => "Leave policy",
            Self::LeaveBalance => "Leave balance",
            Self::Expense => "Expense",
            Self::ExpenseCategory => "Expense category",
            Self::TimeEntry => "Time entry",
            Self::Webhook => "Webhook",
            Self::Tracker => "Tracker",
        }
    }

    /// The status of a new one; `None` for kinds without.
    pub(super) fn first_status(self) -> Option<&'static str> {
        match self {
            Self::Member => Some("invited"),
            Self::Project | Self::Contract | Self::ProjectViewer | Self::Webhook => Some("active"),
            Self::Task => Some("todo"),
            Self::Timesheet => Some("open"),
            Self::TimeRequest | Self::Leave | Self::Expense => Some("pending"),
            Self::LeavePolicy
            | Self::LeaveBalance
            | Self::ExpenseCategory
            | Self::TimeEntry
            | Self::Tracker => None,
        }
    }

    /// The id as the API shows it.
    pub(super) fn id(self, serial: Serial) -> Value {
        match self {
            Self::TimeEntry => Value::from(format!("{UUID_START}{:012x}", serial.0)),
            _ => Value::from(serial.0),
        }
    }

    /// Reads an id from a path or a parameter.
    pub(super) fn serial(self, id: &str) -> Option<Serial> {
        match self {
            Self::TimeEntry => {
                let last = id.strip_prefix(UUID_START)?;
                u64::from_str_radix(last, 16).ok().map(Serial)
            }
            _ => id.parse().ok().map(Serial),
        }
    }
}

/// Whether a value is what a parameter says.
pub(super) fn is_text(value: &Value, text: &str) -> bool {
    match value {
        Value::String(value) => value == text,
        Value::Number(value) => value.to_string() == text,
        Value::Bool(value) => {
            matches!((value, text), (true, "1" | "true") | (false, "0" | "false"))
        }
        Value::Null | Value::Array(_) | Value::Object(_) => false,
    }
}

/// The day that a record is about, `YYYY-MM-DD`, wherever it stands.
pub(super) fn day(record: &Record) -> Option<&str> {
    ["date", "start", "start_date"]
        .iter()
        .find_map(|name| record.get(*name)?.as_str())
        .and_then(|text| text.get(..10))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_id_is_read_as_it_is_shown() {
        for kind in [Kind::Task, Kind::TimeEntry] {
            let id = kind.id(Serial(1234));
            let text = id.as_str().map_or_else(|| id.to_string(), str::to_owned);
            assert_eq!(kind.serial(&text), Some(Serial(1234)));
            assert_eq!(kind.serial("none"), None);
        }
    }
}
