//! What the workspaces hold. Created things can be listed, fetched, changed and deleted; nothing is
//! written to disk.

use std::cmp::Ordering;
use std::collections::{BTreeMap, HashMap};

use jiff::Timestamp;
use serde_json::Value;

use crate::simulator::api::record::{Kind, Record, Serial, day, is_text};
use crate::simulator::api::seed;

/// Records of one kind in one workspace; the oldest make room, so that a load test that creates
/// things for hours cannot fill the memory.
const MOST: usize = 5_000;

/// Number of a workspace.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub(in crate::simulator) struct WorkspaceId(pub(super) u64);

/// The data of the API.
#[derive(Debug)]
pub(in crate::simulator) struct Store {
    workspaces: BTreeMap<WorkspaceId, Record>,
    shelves: HashMap<(Kind, WorkspaceId), BTreeMap<Serial, Record>>,
    last: Serial,
}

impl Store {
    /// Data that follows from the seed alone.
    pub(in crate::simulator) fn seeded(seed: u64) -> Self {
        let mut store =
            Self { workspaces: BTreeMap::new(), shelves: HashMap::new(), last: Serial(1000) };
        seed::fill(&mut store, seed);
        store
    }

    pub(super) fn add_workspace(&mut self, id: WorkspaceId, workspace: Record) {
        self.workspaces.insert(id, workspace);
    }

    pub(super) fn workspaces(&self) -> impl Iterator<Item = &Record> {
        self.workspaces.values()
    }

    pub(super) fn has_workspace(&self, id: WorkspaceId) -> bool {
        self.workspaces.contains_key(&id)
    }

    /// The records of a kind, oldest first.
    pub(super) fn shelf(
        &self,
        kind: Kind,
        workspace: WorkspaceId,
    ) -> impl ExactSizeIterator<Item = &Record> {
        static EMPTY: BTreeMap<Serial, Record> = BTreeMap::new();
        self.shelves.get(&(kind, workspace)).unwrap_or(&EMPTY).values()
    }

    /// Puts a new record on its shelf, with an id and its times.
    pub(super) fn create(
        &mut self,
        kind: Kind,
        workspace: WorkspaceId,
        fields: Record,
        at: Timestamp,
    ) -> &Record {
        self.last.0 += 1;
        self.put(kind, workspace, self.last, fields, at)
    }

    /// Puts a record with a number of its own on its shelf.
    pub(super) fn put(
        &mut self,
        kind: Kind,
        workspace: WorkspaceId,
        serial: Serial,
        mut record: Record,
        at: Timestamp,
    ) -> &Record {
        let time = Value::from(format!("{at:.0}"));
        record.insert("id".to_owned(), kind.id(serial));
        record.insert("workspace_id".to_owned(), Value::from(workspace.0));
        record.insert("created_at".to_owned(), time.clone());
        record.insert("updated_at".to_owned(), time);
        if let Some(status) = kind.first_status() {
            record.entry("status").or_insert_with(|| Value::from(status));
        }
        let shelf = self.shelves.entry((kind, workspace)).or_default();
        if shelf.len() >= MOST {
            shelf.pop_first();
        }
        shelf.entry(serial).insert_entry(record).into_mut()
    }

    /// The record with this id: in one workspace, or in any.
    pub(super) fn find(
        &mut self,
        kind: Kind,
        workspace: Option<WorkspaceId>,
        id: &str,
    ) -> Option<&mut Record> {
        let serial = kind.serial(id)?;
        let workspace = self.whereabouts(kind, workspace, serial)?;
        self.shelves.get_mut(&(kind, workspace))?.get_mut(&serial)
    }

    /// Takes a record away.
    pub(super) fn remove(
        &mut self,
        kind: Kind,
        workspace: Option<WorkspaceId>,
        id: &str,
    ) -> Option<Record> {
        let serial = kind.serial(id)?;
        let workspace = self.whereabouts(kind, workspace, serial)?;
        self.shelves.get_mut(&(kind, workspace))?.remove(&serial)
    }

    fn whereabouts(
        &self,
        kind: Kind,
        workspace: Option<WorkspaceId>,
        serial: Serial,
    ) -> Option<WorkspaceId> {
        let holds = |workspace: &WorkspaceId| {
            self.shelves.get(&(kind, *workspace)).is_some_and(|shelf| shelf.contains_key(&serial))
        };
        match workspace {
            Some(workspace) => Some(workspace).filter(holds),
            None => self.workspaces.keys().copied().find(holds),
        }
    }
}

/// Whether a record passes the filter `name` = `wanted`.
pub(super) fn passes(record: &Record, name: &str, wanted: &str) -> bool {
    match name {
        "order_by" => true,
        "date_from" | "start_date" => day(record).is_none_or(|day| day >= wanted),
        "date_to" | "end_date" => day(record).is_none_or(|day| day <= wanted),
        "user_ids" => wanted.split(',').any(|id| passes(record, "user_id", id.trim())),
        "name" => record
            .get("name")
            .and_then(Value::as_str)
            .is_some_and(|name| name.to_lowercase().contains(&wanted.to_lowercase())),
        _ => record.get(name).is_some_and(|value| is_text(value, wanted)),
    }
}

/// Sorts by a field; `-field` means descending.
pub(super) fn sort(records: &mut [&Record], order_by: &str) {
    let (field, descending) = match order_by.strip_prefix('-') {
        Some(field) => (field, true),
        None => (order_by, false),
    };
    records.sort_by(|a, b| {
        let order = compare(a.get(field), b.get(field));
        if descending { order.reverse() } else { order }
    });
}

fn compare(a: Option<&Value>, b: Option<&Value>) -> Ordering {
    match (a, b) {
        (Some(Value::Number(a)), Some(Value::Number(b))) => {
            a.as_f64().partial_cmp(&b.as_f64()).unwrap_or(Ordering::Equal)
        }
        (Some(Value::String(a)), Some(Value::String(b))) => a.cmp(b),
        _ => a.is_some().cmp(&b.is_some()),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn record(value: Value) -> Record {
        value.as_object().unwrap().clone()
    }

    #[test]
    fn the_same_seed_makes_the_same_data() {
        let tasks = |seed| {
            let store = Store::seeded(seed);
            let id = *store.workspaces.keys().next().unwrap();
            store.shelf(Kind::Task, id).cloned().collect::<Vec<_>>()
        };
        assert!(!tasks(1).is_empty());
        assert_eq!(tasks(1), tasks(1));
        assert_ne!(tasks(1), tasks(2));
    }

    #[test]
    fn the_oldest_records_make_room() {
        let mut store = Store::seeded(1);
        let id = *store.workspaces.keys().next().unwrap();
        let first = store.shelf(Kind::Task, id).next().unwrap()["id"].clone();
        for _ in 0..MOST {
            store.create(Kind::Task, id, Record::new(), Timestamp::UNIX_EPOCH);
        }
        assert_eq!(store.shelf(Kind::Task, id).len(), MOST);
        assert!(store.find(Kind::Task, Some(id), &first.to_string()).is_none());
    }

    #[test]
    fn filters_compare_what_they_mean() {
        let entry = record(
            json!({"date": "2026-03-05", "name": "Web Site", "user_id": 7, "is_paid": true}),
        );
        for (name, wanted, expected) in [
            ("date_from", "2026-03-05", true),
            ("date_from", "2026-03-06", false),
            ("date_to", "2026-03-04", false),
            ("name", "site", true),
            ("name", "shop", false),
            ("user_id", "7", true),
            ("user_ids", "6, 7", true),
            ("user_ids", "6,8", false),
            ("is_paid", "1", true),
            ("is_paid", "0", false),
            ("absent", "x", false),
        ] {
            assert_eq!(passes(&entry, name, wanted), expected, "{name}={wanted}");
        }
    }

    #[test]
    fn records_are_sorted_either_way() {
        let (a, b) = (record(json!({"n": 2, "t": "x"})), record(json!({"n": 10, "t": "a"})));
        let mut records = vec![&b, &a];
        sort(&mut records, "n");
        assert_eq!(records, [&a, &b]);
        sort(&mut records, "-n");
        assert_eq!(records, [&b, &a]);
        sort(&mut records, "-t");
        assert_eq!(records, [&a, &b]);
    }
}
