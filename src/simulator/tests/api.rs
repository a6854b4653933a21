//! The API's own answers: API.md §3.

use axum::http::Method;
use serde_json::{Value, json};

use crate::simulator::tests::peer::{
    Answer, call, fetch, form, quiet, request, send, start, start_as,
};
use crate::simulator::{Config, MachineTokens, Personality, Simulator};

const W: &str = "workspace_id=501";

async fn simulation() -> (Simulator, String) {
    let simulator = start(quiet()).await;
    let token = simulator.issue_personal_access_token(&"admin".parse().unwrap());
    (simulator, token)
}

fn ids(answer: &Answer) -> Vec<Value> {
    answer.json()["data"].as_array().unwrap().iter().map(|record| record["id"].clone()).collect()
}

/// The first id of a list.
async fn some(simulator: &Simulator, token: &str, list: &str) -> Value {
    let answer = fetch(simulator, token, &format!("/api/v2/{list}?{W}")).await;
    ids(&answer)[0].clone()
}

#[tokio::test]
async fn a_success_has_the_documented_shape() {
    let (simulator, token) = simulation().await;
    let answer = fetch(&simulator, &token, "/api/v2/workspaces").await;
    assert_eq!(answer.status, 200);
    assert_eq!(answer.field("content-type"), Some("application/json"));
    let json = answer.json();
    assert_eq!(json["success"], true);
    assert_eq!(json["meta"]["api_version"], "2.0.0");
    assert!(json["meta"]["timestamp"].as_str().unwrap().ends_with('Z'));
    let pagination = json!({"current_page": 1, "per_page": 20, "total": 2, "last_page": 1});
    assert_eq!(json["meta"]["pagination"], pagination);
    assert_eq!(ids(&answer), [json!(501), json!(502)]);
}

#[tokio::test]
async fn a_bad_token_gets_the_documented_401_without_rate_fields() {
    let simulator = start(Config::default()).await;
    let expected = json!({
        "success": false,
        "message": "Unauthorized. Please provide a valid Bearer token or Basic Auth credentials.",
    });
    let answer = fetch(&simulator, "nonsense", "/api/v2/workspaces").await;
    assert_eq!((answer.status.as_u16(), answer.json()), (401, expected.clone()));
    assert_eq!(answer.field("x-ratelimit-limit"), None);
    assert_eq!(answer.field("www-authenticate"), None);
    let none = send(&simulator, request(Method::GET, "/api/v2/workspaces")).await.unwrap();
    assert_eq!((none.status.as_u16(), none.json()), (401, expected));
}

#[tokio::test]
async fn each_scope_opens_its_methods() {
    let simulator = start(quiet()).await;
    let admin = simulator.issue_personal_access_token(&"admin".parse().unwrap());
    let project = some(&simulator, &admin, "projects").await;
    for (scope, read, write, delete) in [
        ("read", 200, 403, 403),
        ("write", 403, 200, 403),
        ("read write", 200, 200, 403),
        ("admin", 200, 200, 200),
        ("*", 200, 200, 404),
        ("", 403, 403, 403),
    ] {
        let token = simulator.issue_personal_access_token(&scope.parse().unwrap());
        let target = format!("/api/v2/projects/{project}?{W}");
        let name = Some(json!({"name": "Renamed"}));
        let list = format!("/api/v2/projects?{W}");
        let statuses = [
            fetch(&simulator, &token, &list).await.status.as_u16(),
            call(&simulator, &token, Method::POST, &list, name).await.status.as_u16(),
            call(&simulator, &token, Method::DELETE, &target, None).await.status.as_u16(),
        ];
        assert_eq!(statuses, [read, write, delete], "{scope:?}");
    }
    let token = simulator.issue_personal_access_token(&"write".parse().unwrap());
    let refused = fetch(&simulator, &token, "/api/v2/workspaces").await.json();
    assert_eq!(refused["message"], "Invalid scope(s) provided.");
    assert_eq!((&refused["success"], &refused["error"]), (&json!(false), &Value::Null));
    assert_eq!(refused["meta"]["api_version"], "2.0.0");
}

#[tokio::test]
async fn created_things_can_be_listed_fetched_changed_and_deleted() {
    let (simulator, token) = simulation().await;
    let list = format!("/api/v2/projects?{W}&name=oracle");
    assert!(ids(&fetch(&simulator, &token, &list).await).is_empty());

    let fields = json!({"name": "The Oracle", "budget": 5, "id": 1});
    let all = format!("/api/v2/projects?{W}");
    let created = call(&simulator, &token, Method::POST, &all, Some(fields)).await;
    let created = created.json()["data"].clone();
    let id = &created["id"];
    assert!(*id != json!(1) && created["budget"] == 5 && created["workspace_id"] == 501);
    assert_eq!(ids(&fetch(&simulator, &token, &list).await), std::slice::from_ref(id));

    let one = format!("/api/v2/projects/{id}?{W}");
    call(&simulator, &token, Method::PUT, &one, Some(json!({"budget": 6}))).await;
    let fetched = fetch(&simulator, &token, &one).await.json()["data"].clone();
    assert_eq!((&fetched["budget"], &fetched["name"]), (&json!(6), &json!("The Oracle")));

    assert_eq!(call(&simulator, &token, Method::DELETE, &one, None).await.status, 200);
    let gone = fetch(&simulator, &token, &one).await;
    assert_eq!(
        (gone.status.as_u16(), &gone.json()["message"]),
        (404, &json!("Project not found."))
    );
}

#[tokio::test]
async fn a_task_is_deleted_with_a_json_body() {
    let (simulator, token) = simulation().await;
    let project = some(&simulator, &token, "projects").await;
    let other = ids(&fetch(&simulator, &token, &format!("/api/v2/projects?{W}")).await)[1].clone();
    let fields = json!({"workspace_id": 501, "project_id": project, "title": "Listen"});
    let created = call(&simulator, &token, Method::POST, "/api/v2/tasks", Some(fields)).await;
    let id = created.json()["data"]["id"].clone();
    let target = format!("/api/v2/tasks/{id}");

    let body = |project: &Value| Some(json!({"workspace_id": 501, "project_id": project}));
    let without = call(&simulator, &token, Method::DELETE, &target, None).await;
    assert_eq!(without.status, 400);
    assert_eq!(without.json()["message"], "The workspace_id field is required.");
    let elsewhere = call(&simulator, &token, Method::DELETE, &target, body(&other)).await;
    assert_eq!(elsewhere.status, 404, "a task is found in its own project only");
    let member = some(&simulator, &token, "members").await;
    let assign = format!("{target}/assign/{member}");
    call(&simulator, &token, Method::POST, &assign, body(&project)).await;
    let assignees = format!("{target}/assignees?{W}&project_id={project}");
    assert_eq!(fetch(&simulator, &token, &assignees).await.json()["data"], json!([member]));
    let unassign = format!("{target}/unassign/{member}");
    call(&simulator, &token, Method::DELETE, &unassign, body(&project)).await;
    assert_eq!(fetch(&simulator, &token, &assignees).await.json()["data"], json!([]));
    let deleted = call(&simulator, &token, Method::DELETE, &target, body(&project)).await;
    assert_eq!(deleted.status, 200);
}

#[tokio::test]
async fn every_page_holds_what_it_should() {
    let (simulator, token) = simulation().await;
    let list = |rest: &str| format!("/api/v2/time-entries?{W}{rest}");
    let first = fetch(&simulator, &token, &list("")).await;
    assert_eq!(ids(&first).len(), 20);
    let pagination = json!({"current_page": 1, "per_page": 20, "total": 40, "last_page": 2});
    assert_eq!(first.json()["meta"]["pagination"], pagination);
    let third = fetch(&simulator, &token, &list("&per_page=15&page=3")).await;
    let all = fetch(&simulator, &token, &list("&per_page=100")).await;
    assert_eq!(ids(&third), ids(&all)[30..]);
    assert!(ids(&fetch(&simulator, &token, &list("&page=9")).await).is_empty());
    for wrong in ["&page=0", "&page=x", "&per_page=0", "&per_page=101"] {
        assert_eq!(fetch(&simulator, &token, &list(wrong)).await.status, 400, "{wrong}");
    }
    let daily = format!("/api/v2/reports/daily-timeline?{W}&date=2026-01-01");
    let daily = fetch(&simulator, &token, &daily).await.json();
    assert_eq!(daily["meta"]["pagination"]["per_page"], 30);
}

#[tokio::test]
async fn contracts_repeat_the_pagination_at_top_level() {
    let (simulator, token) = simulation().await;
    let contracts = fetch(&simulator, &token, &format!("/api/v2/contracts?{W}")).await.json();
    assert_eq!(contracts["pagination"], contracts["meta"]["pagination"]);
    assert!(contracts["pagination"]["total"].is_u64());
    let projects = fetch(&simulator, &token, &format!("/api/v2/projects?{W}")).await.json();
    assert!(projects.get("pagination").is_none());
}

#[tokio::test]
async fn a_workspace_is_required_and_must_be_ones_own() {
    let (simulator, token) = simulation().await;
    for (target, status, message) in [
        ("/api/v2/members", 400, "The workspace_id field is required."),
        ("/api/v2/members?workspace_id=x", 400, "The workspace_id must be an integer."),
        ("/api/v2/members?workspace_id=7", 403, "You do not have access to this workspace."),
        (
            "/api/v2/tasks?workspace_id=501",
            400,
            "The project_id field is required when contract_id is not present.",
        ),
        ("/api/v2/members/999999?workspace_id=501", 404, "Member not found."),
        ("/api/v2/reports/daily-timeline?workspace_id=501", 400, "The date field is required."),
    ] {
        let answer = fetch(&simulator, &token, target).await;
        assert_eq!(answer.status, status, "{target}");
        let json = answer.json();
        assert_eq!((&json["message"], &json["success"]), (&json!(message), &json!(false)));
        assert!(json["meta"]["timestamp"].is_string() && json["error"].is_null());
    }
    let member = some(&simulator, &token, "projects").await;
    let elsewhere = format!("/api/v2/projects/{member}?workspace_id=502");
    assert_eq!(fetch(&simulator, &token, &elsewhere).await.status, 404);
}

#[tokio::test]
async fn bodies_are_checked() {
    let (simulator, token) = simulation().await;
    let missing = call(
        &simulator,
        &token,
        Method::POST,
        &format!("/api/v2/members?{W}"),
        Some(json!({"email": "a@b.example", "firstname": "A", "role": ""})),
    )
    .await;
    assert_eq!(missing.json()["message"], "The lastname field is required.");
    let list =
        call(&simulator, &token, Method::POST, &format!("/api/v2/projects?{W}"), Some(json!([1])))
            .await;
    assert_eq!(
        (list.status.as_u16(), &list.json()["message"]),
        (400, &json!("The body must be a JSON object."))
    );
    let nobody = json!({"workspace_id": 501, "user_id": 999, "contract_id": 1});
    let unknown =
        call(&simulator, &token, Method::POST, "/api/v2/time-tracking/start", Some(nobody)).await;
    assert_eq!(
        (unknown.status.as_u16(), &unknown.json()["message"]),
        (404, &json!("Member not found."))
    );
}

#[tokio::test]
async fn a_webhook_may_be_created_by_a_form() {
    let (simulator, token) = simulation().await;
    let mut post = form(
        "workspace_id=501&url=https%3A%2F%2Fa.example&events[]=tracker.started&events[]=tracker.stopped",
    );
    *post.uri_mut() = "/api/v2/webhooks".parse().unwrap();
    post.headers_mut().insert("authorization", format!("Bearer {token}").parse().unwrap());
    let created = send(&simulator, post).await.unwrap().json()["data"].clone();
    assert_eq!(created["events"], json!(["tracker.started", "tracker.stopped"]));
    let one = format!("/api/v2/webhooks/{}", created["id"]);
    assert_eq!(fetch(&simulator, &token, &one).await.json()["data"], created);
}

#[tokio::test]
async fn the_tracker_starts_once_and_leaves_a_time_entry() {
    let (simulator, token) = simulation().await;
    let contract = some(&simulator, &token, "contracts").await;
    let body = json!({"workspace_id": 501, "user_id": 42, "contract_id": contract});
    let post =
        |verb: &'static str| call(&simulator, &token, Method::POST, verb, Some(body.clone()));
    assert_eq!(post("/api/v2/time-tracking/stop").await.status, 400);
    assert_eq!(post("/api/v2/time-tracking/start").await.status, 200);
    assert_eq!(post("/api/v2/time-tracking/start").await.status, 400);
    let current = format!("/api/v2/time-tracking/current-data?{W}&user_id=42");
    assert_eq!(ids(&fetch(&simulator, &token, &current).await).len(), 1);
    let entry = post("/api/v2/time-tracking/stop").await.json()["data"].clone();
    assert!(entry["date"].is_string() && entry["end_time"].is_string());
    assert!(ids(&fetch(&simulator, &token, &current).await).is_empty());
    let id = entry["id"].as_str().unwrap();
    let target = format!("/api/v2/time-entries/{id}");
    let body = Some(json!({"workspace_id": 501}));
    assert_eq!(call(&simulator, &token, Method::DELETE, &target, body).await.status, 200);
}

#[tokio::test]
async fn requests_are_approved_viewers_restored_and_leaves_created() {
    let (simulator, token) = simulation().await;
    let sheet = some(&simulator, &token, "timesheets").await;
    for (verb, status) in [
        ("submit", "submitted"),
        ("reject", "rejected"),
        ("unsubmit", "open"),
        ("approve", "approved"),
    ] {
        let target = format!("/api/v2/timesheets/{sheet}/{verb}");
        let body = Some(json!({"workspace_id": 501, "reason": "late"}));
        let marked = call(&simulator, &token, Method::PUT, &target, body).await.json();
        assert_eq!(
            (&marked["data"]["status"], &marked["data"]["reason"]),
            (&json!(status), &json!("late"))
        );
    }
    let viewer = some(&simulator, &token, "project-viewers").await;
    let target = format!("/api/v2/project-viewers/{viewer}");
    let deleted = call(&simulator, &token, Method::DELETE, &target, None).await.json();
    assert_eq!(deleted["data"]["status"], "archived");
    let restored =
        call(&simulator, &token, Method::POST, &format!("{target}/restore"), None).await.json();
    assert_eq!(restored["data"]["status"], "active");
    let project = some(&simulator, &token, "projects").await;
    let body = Some(json!({"workspace_id": 501, "project_id": project}));
    let unassign = format!("{target}/unassign-project");
    let alone = call(&simulator, &token, Method::DELETE, &unassign, body.clone()).await.json();
    assert!(!alone["data"]["projects"].as_array().unwrap().contains(&project));
    let assign = format!("{target}/assign-project");
    let related = call(&simulator, &token, Method::POST, &assign, body).await.json();
    assert!(related["data"]["projects"].as_array().unwrap().contains(&project));
    let policy = some(&simulator, &token, "leaves/policies").await;
    let leave = json!({"workspace_id": 501, "policy_id": policy, "user_id": 42, "start": "2026-08-01", "end": "2026-08-02"});
    assert_eq!(
        call(&simulator, &token, Method::POST, "/api/v2/leaves", Some(leave)).await.status,
        201
    );
}

#[tokio::test]
async fn every_list_and_report_answers() {
    let (simulator, token) = simulation().await;
    let project = some(&simulator, &token, "projects").await;
    for target in [
        "members",
        "projects",
        "contracts",
        "project-viewers",
        "timesheets",
        "time-requests",
        "leaves",
        "leaves/balances",
        "leaves/policies",
        "expenses",
        "expenses/categories",
        "time-entries",
        "reports/daily-attendance",
        "reports/activity-descriptions",
        "reports/tasks",
        "webhooks",
        "reports/tracked-hours?start_date=2026-01-01&end_date=2026-12-31",
        "reports/activity-level?start_date=2026-01-01&end_date=2026-12-31&user_ids=42",
        &format!("tasks?project_id={project}&order_by=-id"),
    ] {
        let separator = if target.contains('?') { '&' } else { '?' };
        let answer = fetch(&simulator, &token, &format!("/api/v2/{target}{separator}{W}")).await;
        assert_eq!(answer.status, 200, "{target}: {}", answer.text());
        assert!(answer.json()["data"].is_array(), "{target}");
    }
}

#[tokio::test]
async fn unknown_routes_and_methods_are_the_frameworks_business() {
    let (simulator, token) = simulation().await;
    let unknown = fetch(&simulator, &token, "/api/v2/nothing").await;
    assert_eq!(
        (unknown.status.as_u16(), unknown.text()),
        (404, "{\n    \"message\": \"Not Found\"\n}".into())
    );
    let method = call(&simulator, &token, Method::PUT, "/api/v2/workspaces", None).await;
    assert_eq!((method.status.as_u16(), method.field("allow").is_some()), (405, true));
    let page = send(&simulator, request(Method::GET, "/nothing")).await.unwrap();
    assert_eq!(page.field("content-type"), Some("text/html; charset=utf-8"));
    assert_eq!(
        call(&simulator, &token, Method::HEAD, "/api/v2/workspaces", None).await.status,
        200
    );
}

#[tokio::test]
async fn tokens_without_a_user_are_taken_or_refused_as_configured() {
    for (machine_tokens, status) in [(MachineTokens::Accepted, 200), (MachineTokens::Refused, 401)]
    {
        let simulator = start(Config { machine_tokens, ..quiet() }).await;
        let credentials = format!(
            "grant_type=client_credentials&scope=read&client_id=1&client_secret={}",
            simulator.client_secret()
        );
        let json = send(&simulator, form(&credentials)).await.unwrap().json();
        let token = json["access_token"].as_str().unwrap();
        assert_eq!(fetch(&simulator, token, "/api/v2/workspaces").await.status, status);
    }
}

#[tokio::test]
async fn a_revoked_token_is_a_bad_token() {
    let simulator = start_as(Personality::League9).await;
    let token = simulator.issue_personal_access_token(&"read".parse().unwrap());
    assert_eq!(fetch(&simulator, &token, "/api/v2/workspaces").await.status, 200);
    simulator.faults().revoke(crate::simulator::TokenKind::AccessTokens);
    assert_eq!(fetch(&simulator, &token, "/api/v2/workspaces").await.status, 401);
}
