//! The data at start: two small agencies, the same for the same seed.

use fastrand::Rng;
use jiff::Timestamp;
use serde_json::{Value, json};

use crate::simulator::api::record::{Kind, Record, Serial};
use crate::simulator::api::store::{Store, WorkspaceId};
use crate::simulator::world::OWNER;

const FIRST: [&str; 8] = ["Ada", "Bruno", "Chidi", "Dana", "Elif", "Farid", "Grace", "Hiro"];
const LAST: [&str; 8] =
    ["Moreau", "Okafor", "Petrov", "Quist", "Rossi", "Silva", "Tanaka", "Weiss"];
const PROJECTS: [&str; 4] = ["Website relaunch", "Mobile app", "Customer portal", "Maintenance"];
const TASKS: [&str; 6] = [
    "Write the copy",
    "Fix the login",
    "Design the icons",
    "Review",
    "Set up CI",
    "Plan the sprint",
];
const POLICIES: [&str; 3] = ["Vacation", "Sick leave", "Parental leave"];
const CATEGORIES: [&str; 4] = ["Travel", "Hardware", "Software", "Training"];

/// Fills an empty store.
pub(super) fn fill(store: &mut Store, seed: u64) {
    let mut random = Rng::with_seed(seed);
    for (id, name) in [(501, "Northwind Studio"), (502, "Harbour Labs")] {
        let workspace = json!({
            "id": id,
            "name": name,
            "timezone": "UTC",
            "role": "owner",
            "owner_id": OWNER.0,
            "created_at": FOUNDED.to_string(),
        });
        store.add_workspace(WorkspaceId(id), object(workspace));
        Planter { store, random: &mut random, workspace: WorkspaceId(id) }.plant();
    }
}

/// When everything was made: 2026-01-02T08:00:00Z.
const FOUNDED: Timestamp = Timestamp::constant(1767340800, 0);

struct Planter<'a> {
    store: &'a mut Store,
    random: &'a mut Rng,
    workspace: WorkspaceId,
}

impl Planter<'_> {
    fn plant(&mut self) {
        let members = self.members();
        let projects = self.each(&PROJECTS, Kind::Project, |name, random| {
            json!({"name": name, "start_date": date(random), "budget": random.u32(1..90) * 1000})
        });
        let contracts = self.several(6, Kind::Contract, |random| {
            json!({
                "project_id": random.choice(&projects),
                "user_id": random.choice(&members),
                "weekly_hours_limit": 40,
                "screenshots": random.bool(),
                "rate": random.u32(30..120),
            })
        });
        let tasks = self.several(24, Kind::Task, |random| {
            json!({
                "project_id": random.choice(&projects),
                "contract_id": random.choice(&contracts),
                "title": random.choice(TASKS),
                "status": random.choice(["todo", "in_progress", "done"]),
                "priority": random.choice(["low", "normal", "high"]),
                "parent_id": null,
                "assignees": [random.choice(&members)],
            })
        });
        self.each(&FIRST[..2], Kind::ProjectViewer, |name, random| {
            json!({
                "firstname": name,
                "lastname": random.choice(LAST),
                "email": format!("{}@client.example", name.to_lowercase()),
                "projects": [random.choice(&projects)],
            })
        });
        self.several(6, Kind::Timesheet, |random| {
            json!({"user_id": random.choice(&members), "date": date(random), "hours": random.u32(20..45)})
        });
        self.several(4, Kind::TimeRequest, |random| {
            let day = date(random);
            json!({
                "user_id": random.choice(&members),
                "start": format!("{day} 09:00:00"),
                "end": format!("{day} 11:00:00"),
                "contract_id": random.choice(&contracts),
            })
        });
        let policies = self.each(&POLICIES, Kind::LeavePolicy, |name, random| {
            json!({"name": name, "is_paid": random.bool(), "days_per_year": random.u32(10..31)})
        });
        self.several(4, Kind::Leave, |random| {
            let day = date(random);
            json!({
                "user_id": random.choice(&members),
                "policy_id": random.choice(&policies),
                "is_paid": random.bool(),
                "start": day,
                "end": day,
            })
        });
        for member in &members {
            self.several(1, Kind::LeaveBalance, |random| {
                json!({
                    "user_id": member,
                    "policy_id": random.choice(&policies),
                    "days_taken": random.u32(0..10),
                    "days_left": random.u32(0..25),
                })
            });
        }
        let categories =
            self.each(&CATEGORIES, Kind::ExpenseCategory, |name, _| json!({"name": name}));
        self.several(8, Kind::Expense, |random| {
            json!({
                "expense_name": "Receipt",
                "date": date(random),
                "amount": f64::from(random.u32(500..50_000)) / 100.0,
                "category_id": random.choice(&categories),
                "project_id": random.choice(&projects),
                "is_billable": random.bool(),
            })
        });
        self.several(40, Kind::TimeEntry, |random| {
            let hour = random.u32(8..16);
            json!({
                "user_id": random.choice(&members),
                "project_id": random.choice(&projects),
                "task_id": random.choice(&tasks),
                "date": date(random),
                "start_time": format!("{hour:02}:00"),
                "end_time": format!("{:02}:30", hour + 1),
                "activity_description": random.choice(TASKS),
            })
        });
        self.several(1, Kind::Webhook, |_| {
            json!({
                "url": "https://hooks.example/webwork",
                "events": ["project.created", "tracker.started"],
            })
        });
    }

    /// The owner, who is the same in every workspace, and seven others.
    fn members(&mut self) -> Vec<Value> {
        let owner = json!({
            "firstname": FIRST[0],
            "lastname": LAST[0],
            "email": "owner@webwork.example",
            "role": "owner",
            "status": "active",
        });
        self.store.put(Kind::Member, self.workspace, Serial(OWNER.0), object(owner), FOUNDED);
        let others = self.each(&FIRST[1..], Kind::Member, |name, random| {
            json!({
                "firstname": name,
                "lastname": random.choice(LAST),
                "email": format!("{}@webwork.example", name.to_lowercase()),
                "role": random.choice(["member", "member", "executive_manager", "project_manager"]),
                "status": "active",
            })
        });
        [Value::from(OWNER.0)].into_iter().chain(others).collect()
    }

    /// One record for each name; returns the ids.
    fn each(
        &mut self,
        names: &[&str],
        kind: Kind,
        make: impl Fn(&str, &mut Rng) -> Value,
    ) -> Vec<Value> {
        names.iter().map(|name| self.one(kind, |random| make(name, random))).collect()
    }

    /// So many records; returns the ids.
    fn several(
        &mut self,
        count: usize,
        kind: Kind,
        make: impl Fn(&mut Rng) -> Value,
    ) -> Vec<Value> {
        (0..count).map(|_| self.one(kind, &make)).collect()
    }

    fn one(&mut self, kind: Kind, make: impl Fn(&mut Rng) -> Value) -> Value {
        let fields = object(make(self.random));
        let created = self.store.create(kind, self.workspace, fields, FOUNDED);
        created.get("id").cloned().unwrap_or_default()
    }
}

fn object(value: Value) -> Record {
    match value {
        Value::Object(record) => record,
        _ => Record::new(),
    }
}

fn date(random: &mut Rng) -> String {
    format!("2026-{:02}-{:02}", random.u32(1..=6), random.u32(1..=28))
}
