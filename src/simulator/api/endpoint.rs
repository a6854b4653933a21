//! The table of API.md §3, "Endpoints": one row each.

use axum::routing::MethodFilter;

use crate::simulator::api::action::Action;
use crate::simulator::api::record::Kind;
use crate::simulator::api::report::Report;

use Action::{Change, Create, Fetch, List, Mark, Remove};
use Verb::{Delete, Get, Post, Put};
use WorkspaceIn::{Body, Query, Unsaid};

/// The methods of the API.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Verb {
    Get,
    Post,
    Put,
    Delete,
}

/// Where `workspace_id` is required.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum WorkspaceIn {
    Query,
    Body,
    /// Nowhere: the id in the path is enough.
    Unsaid,
}

/// One endpoint.
#[derive(Debug)]
pub(super) struct Endpoint {
    pub(super) verb: Verb,
    /// Below `/api/v2`.
    pub(super) path: &'static str,
    pub(super) workspace: WorkspaceIn,
    /// Required parameters, in the query of GET and in the body of the others; `a|b` wants either.
    pub(super) required: &'static [&'static str],
    pub(super) action: Action,
}

impl Verb {
    pub(super) fn filter(self) -> MethodFilter {
        match self {
            Self::Get => MethodFilter::GET,
            Self::Post => MethodFilter::POST,
            Self::Put => MethodFilter::PUT,
            Self::Delete => MethodFilter::DELETE,
        }
    }
}

const fn row(
    verb: Verb,
    path: &'static str,
    workspace: WorkspaceIn,
    required: &'static [&'static str],
    action: Action,
) -> Endpoint {
    Endpoint { verb, path, workspace, required, action }
}

#[rustfmt::skip]
pub(super) static ENDPOINTS: [Endpoint; 69] = [
    row(Get, "/workspaces", Unsaid, &[], Action::Workspaces),

    row(Get, "/members", Query, &[], List(Kind::Member, &["email", "status", "role"])),
    row(Post, "/members", Query, &["email", "firstname", "lastname", "role"], Create(Kind::Member)),
    row(Get, "/members/{id}", Query, &[], Fetch(Kind::Member)),
    row(Put, "/members/{id}", Query, &[], Change(Kind::Member)),
    row(Delete, "/members/{id}", Query, &[], Remove(Kind::Member)),

    row(Get, "/projects", Query, &[], List(Kind::Project, &["name"])),
    row(Post, "/projects", Query, &["name"], Create(Kind::Project)),
    row(Get, "/projects/{id}", Query, &[], Fetch(Kind::Project)),
    row(Put, "/projects/{id}", Query, &[], Change(Kind::Project)),
    row(Delete, "/projects/{id}", Query, &[], Remove(Kind::Project)),

    row(Get, "/contracts", Query, &[], List(Kind::Contract, &["project_id", "user_id", "status"])),
    row(Post, "/contracts", Query, &["project_id", "user_id"], Create(Kind::Contract)),
    row(Get, "/contracts/{id}", Query, &[], Fetch(Kind::Contract)),
    row(Put, "/contracts/{id}", Query, &[], Change(Kind::Contract)),

    row(Get, "/tasks", Query, &["project_id|contract_id"], List(Kind::Task,
        &["project_id", "contract_id", "status", "priority", "parent_id", "order_by"])),
    row(Post, "/tasks", Body, &["project_id", "title"], Create(Kind::Task)),
    row(Get, "/tasks/{id}", Query, &["project_id"], Fetch(Kind::Task)),
    row(Put, "/tasks/{id}", Body, &["project_id"], Change(Kind::Task)),
    row(Delete, "/tasks/{id}", Body, &["project_id"], Remove(Kind::Task)),
    row(Get, "/tasks/{id}/assignees", Query, &["project_id"], Action::Assignees),
    row(Post, "/tasks/{id}/assign/{userId}", Body, &["project_id"], Action::Assign),
    row(Delete, "/tasks/{id}/unassign/{userId}", Body, &["project_id"], Action::Unassign),

    row(Get, "/project-viewers", Query, &[], List(Kind::ProjectViewer, &["email"])),
    row(Post, "/project-viewers", Body, &["email", "firstname", "lastname"], Create(Kind::ProjectViewer)),
    row(Get, "/project-viewers/{id}", Unsaid, &[], Fetch(Kind::ProjectViewer)),
    row(Delete, "/project-viewers/{id}", Unsaid, &[], Mark(Kind::ProjectViewer, "archived")),
    row(Post, "/project-viewers/{id}/restore", Unsaid, &[], Mark(Kind::ProjectViewer, "active")),
    row(Post, "/project-viewers/{id}/assign-project", Body, &["project_id"], Action::AssignProject),
    row(Delete, "/project-viewers/{id}/unassign-project", Body, &["project_id"], Action::UnassignProject),

    row(Get, "/timesheets", Query, &[], List(Kind::Timesheet,
        &["id", "status", "date_from", "date_to", "user_id", "order_by"])),
    row(Put, "/timesheets/{id}/approve", Body, &[], Mark(Kind::Timesheet, "approved")),
    row(Put, "/timesheets/{id}/reject", Body, &[], Mark(Kind::Timesheet, "rejected")),
    row(Put, "/timesheets/{id}/submit", Body, &[], Mark(Kind::Timesheet, "submitted")),
    row(Put, "/timesheets/{id}/unsubmit", Body, &[], Mark(Kind::Timesheet, "open")),

    row(Get, "/time-requests", Query, &[], List(Kind::TimeRequest, &["date_from", "date_to", "status"])),
    row(Post, "/time-requests", Body, &["user_id", "start", "end"], Create(Kind::TimeRequest)),
    row(Get, "/time-requests/{id}", Query, &[], Fetch(Kind::TimeRequest)),
    row(Post, "/time-requests/{id}/approve", Body, &[], Mark(Kind::TimeRequest, "approved")),
    row(Post, "/time-requests/{id}/reject", Body, &[], Mark(Kind::TimeRequest, "rejected")),

    row(Get, "/leaves", Query, &[], List(Kind::Leave,
        &["user_id", "policy_id", "is_paid", "status", "date_from", "date_to"])),
    row(Post, "/leaves", Body, &["policy_id", "start", "end", "user_id"], Create(Kind::Leave)),
    row(Get, "/leaves/balances", Query, &[], List(Kind::LeaveBalance, &["date_from", "date_to"])),
    row(Get, "/leaves/policies", Query, &[], List(Kind::LeavePolicy, &[])),
    row(Put, "/leaves/{id}/approve", Unsaid, &[], Mark(Kind::Leave, "approved")),
    row(Put, "/leaves/{id}/reject", Unsaid, &[], Mark(Kind::Leave, "rejected")),

    row(Get, "/expenses", Query, &[], List(Kind::Expense, &["id", "date_from", "date_to"])),
    row(Post, "/expenses", Body, &["expense_name", "date", "amount"], Create(Kind::Expense)),
    row(Put, "/expenses/{id}", Unsaid, &[], Change(Kind::Expense)),
    row(Delete, "/expenses/{id}", Unsaid, &[], Remove(Kind::Expense)),
    row(Get, "/expenses/categories", Query, &[], List(Kind::ExpenseCategory, &[])),

    row(Post, "/time-tracking/start", Body, &["user_id", "contract_id"], Action::StartTracking),
    row(Post, "/time-tracking/stop", Body, &["user_id"], Action::StopTracking),
    row(Get, "/time-tracking/current-data", Query, &[], List(Kind::Tracker, &["user_id"])),

    row(Get, "/time-entries", Query, &[], List(Kind::TimeEntry, &["user_id", "date", "project_id", "task_id"])),
    row(Post, "/time-entries", Body, &["user_id", "date", "start_time", "end_time"], Create(Kind::TimeEntry)),
    row(Put, "/time-entries/{id}", Body, &[], Change(Kind::TimeEntry)),
    row(Delete, "/time-entries/{id}", Body, &[], Remove(Kind::TimeEntry)),

    row(Get, "/reports/tracked-hours", Query, &["start_date", "end_date"], Action::Report(Report::TrackedHours)),
    row(Get, "/reports/daily-timeline", Query, &["date"], Action::Report(Report::DailyTimeline)),
    row(Get, "/reports/activity-level", Query, &["start_date", "end_date"], Action::Report(Report::ActivityLevel)),
    row(Get, "/reports/daily-attendance", Query, &[], Action::Report(Report::DailyAttendance)),
    row(Get, "/reports/activity-descriptions", Query, &[], Action::Report(Report::ActivityDescriptions)),
    row(Get, "/reports/tasks", Query, &[], Action::Report(Report::Tasks)),

    row(Get, "/webhooks", Query, &[], List(Kind::Webhook, &[])),
    row(Post, "/webhooks", Body, &["url", "events"], Create(Kind::Webhook)),
    row(Get, "/webhooks/{id}", Unsaid, &[], Fetch(Kind::Webhook)),
    row(Put, "/webhooks/{id}", Unsaid, &[], Change(Kind::Webhook)),
    row(Delete, "/webhooks/{id}", Unsaid, &[], Remove(Kind::Webhook)),
];
