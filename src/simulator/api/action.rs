//! What the endpoints do.

use axum::http::StatusCode;
use jiff::Timestamp;
use serde_json::Value;

use crate::clock;
use crate::simulator::api::input::Input;
use crate::simulator::api::record::{Kind, Record, is_text};
use crate::simulator::api::reply::{ApiError, Page, PaginationIn, Reply};
use crate::simulator::api::report::Report;
use crate::simulator::api::store::{Store, WorkspaceId, passes, sort};
use crate::simulator::api::tracking;

/// One verb of the API, with what it is about.
#[derive(Clone, Copy, Debug)]
pub(super) enum Action {
    Workspaces,
    /// With the parameters that filter it.
    List(Kind, &'static [&'static str]),
    Create(Kind),
    Fetch(Kind),
    Change(Kind),
    Remove(Kind),
    /// Gives it a status.
    Mark(Kind, &'static str),
    Assignees,
    Assign,
    Unassign,
    AssignProject,
    UnassignProject,
    StartTracking,
    StopTracking,
    Report(Report),
}

/// Parameters that name a record of the workspace, which must exist.
const REFERENCES: [(&str, Kind); 6] = [
    ("project_id", Kind::Project),
    ("user_id", Kind::Member),
    ("contract_id", Kind::Contract),
    ("task_id", Kind::Task),
    ("policy_id", Kind::LeavePolicy),
    ("category_id", Kind::ExpenseCategory),
];

/// Fields that a caller cannot set.
const OURS: [&str; 4] = ["id", "workspace_id", "created_at", "updated_at"];

/// Records on a page unless the caller says otherwise.
const USUAL: u64 = 20;

impl Action {
    /// Does it, and answers.
    pub(super) fn perform(self, store: &mut Store, input: &Input) -> Result<Reply, ApiError> {
        if input.workspace.is_some_and(|workspace| !store.has_workspace(workspace)) {
            return Err(ApiError::Workspace);
        }
        let now = clock::now().wall();
        match self {
            Self::Workspaces => {
                let records: Vec<&Record> = store.workspaces().collect();
                Ok(Reply::page(&records, input.page(USUAL)?, PaginationIn::Meta))
            }
            Self::List(kind, filters) => list(store, input, kind, filters),
            Self::Create(kind) => create(store, input, kind, now),
            Self::Fetch(kind) => Ok(Reply::one(find(store, input, kind)?, None)),
            Self::Change(kind) => change(store, input, kind, now),
            Self::Remove(kind) => remove(store, input, kind),
            Self::Mark(kind, status) => {
                let record = find(store, input, kind)?;
                record.insert("status".to_owned(), Value::from(status));
                for name in ["reason", "comment"] {
                    if let Some(value) = input.value(name) {
                        record.insert(name.to_owned(), value.clone());
                    }
                }
                touch(record, now);
                Ok(Reply::one(record, Some("Updated successfully.")))
            }
            Self::Assignees => {
                let task = find(store, input, Kind::Task)?;
                Ok(Reply::one(task.get("assignees").unwrap_or(&Value::Array(Vec::new())), None))
            }
            Self::Assign | Self::Unassign => {
                let user = input.ids.get(1).map_or("", String::as_str);
                let workspace = input.workspace;
                let member = store.find(Kind::Member, workspace, user);
                let id = id_of(member.ok_or(ApiError::NotFound(Kind::Member))?);
                let task = find(store, input, Kind::Task)?;
                relate(task, "assignees", id, matches!(self, Self::Assign).into());
                touch(task, now);
                Ok(Reply::one(task, Some("Updated successfully.")))
            }
            Self::AssignProject | Self::UnassignProject => {
                let project = input.text("project_id").unwrap_or_default();
                let found = store.find(Kind::Project, input.workspace, &project);
                let id = id_of(found.ok_or(ApiError::NotFound(Kind::Project))?);
                let viewer = find(store, input, Kind::ProjectViewer)?;
                relate(viewer, "projects", id, matches!(self, Self::AssignProject).into());
                touch(viewer, now);
                Ok(Reply::one(viewer, Some("Updated successfully.")))
            }
            Self::StartTracking => {
                check_references(store, input)?;
                tracking::start(store, input, workspace(input)?, now)
            }
            Self::StopTracking => tracking::stop(store, input, workspace(input)?, now),
            Self::Report(report) => report.write(store, input, workspace(input)?),
        }
    }
}

/// Whether two records belong together.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Relation {
    Present,
    Absent,
}

impl From<bool> for Relation {
    fn from(present: bool) -> Self {
        if present { Self::Present } else { Self::Absent }
    }
}

fn list(store: &Store, input: &Input, kind: Kind, filters: &[&str]) -> Result<Reply, ApiError> {
    let page: Page = input.page(USUAL)?;
    let wanted: Vec<(&str, String)> =
        filters.iter().filter_map(|name| Some((*name, input.text(name)?))).collect();
    let mut records: Vec<&Record> = store
        .shelf(kind, workspace(input)?)
        .filter(|record| wanted.iter().all(|(name, value)| passes(record, name, value)))
        .collect();
    if let Some((_, order)) = wanted.iter().find(|(name, _)| *name == "order_by") {
        sort(&mut records, order);
    }
    let place = if kind == Kind::Contract { PaginationIn::MetaAndTop } else { PaginationIn::Meta };
    Ok(Reply::page(&records, page, place))
}

fn create(store: &mut Store, input: &Input, kind: Kind, now: Timestamp) -> Result<Reply, ApiError> {
    check_references(store, input)?;
    let fields = settable(input);
    let created = store.create(kind, workspace(input)?, fields, now);
    let reply = Reply::one(created, Some("Created successfully."));
    // The one endpoint whose 201 is documented.
    Ok(if kind == Kind::Leave { reply.with_status(StatusCode::CREATED) } else { reply })
}

fn change(store: &mut Store, input: &Input, kind: Kind, now: Timestamp) -> Result<Reply, ApiError> {
    let record = find(store, input, kind)?;
    record.extend(settable(input));
    touch(record, now);
    Ok(Reply::one(record, Some("Updated successfully.")))
}

fn remove(store: &mut Store, input: &Input, kind: Kind) -> Result<Reply, ApiError> {
    find(store, input, kind)?;
    store.remove(kind, input.workspace, input.id());
    Ok(Reply::one(Value::Null, Some("Deleted successfully.")))
}

/// The record that the path names. A task must also be of the project that the request names.
fn find<'a>(store: &'a mut Store, input: &Input, kind: Kind) -> Result<&'a mut Record, ApiError> {
    let project = input.text("project_id").filter(|_| kind == Kind::Task);
    store
        .find(kind, input.workspace, input.id())
        .filter(|record| {
            project.is_none_or(|project| {
                record.get("project_id").is_some_and(|value| is_text(value, &project))
            })
        })
        .ok_or(ApiError::NotFound(kind))
}

fn check_references(store: &mut Store, input: &Input) -> Result<(), ApiError> {
    for (name, kind) in REFERENCES {
        if let Some(id) = input.text(name)
            && store.find(kind, input.workspace, &id).is_none()
        {
            return Err(ApiError::NotFound(kind));
        }
    }
    Ok(())
}

fn settable(input: &Input) -> Record {
    let mut fields = input.body.clone();
    fields.retain(|name, _| !OURS.contains(&name.as_str()));
    fields
}

fn workspace(input: &Input) -> Result<WorkspaceId, ApiError> {
    input.workspace.ok_or_else(|| ApiError::required("workspace_id"))
}

fn relate(record: &mut Record, field: &str, id: Value, relation: Relation) {
    let list = record.entry(field).or_insert_with(|| Value::Array(Vec::new()));
    if let Value::Array(list) = list {
        list.retain(|other| *other != id);
        if relation == Relation::Present {
            list.push(id);
        }
    }
}

fn touch(record: &mut Record, now: Timestamp) {
    record.insert("updated_at".to_owned(), Value::from(format!("{now:.0}")));
}

fn id_of(record: &Record) -> Value {
    record.get("id").cloned().unwrap_or_default()
}
