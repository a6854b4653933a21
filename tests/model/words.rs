//! Events and actions, short enough to follow a story.

use webwork_sidecar::token::current::Access;
use webwork_sidecar::token::record::Record;
use webwork_sidecar::token::state::{Action, Ask, Event, Outcome};

pub(crate) fn event(event: &Event) -> String {
    match event {
        Event::Opened(None) => "Opened: nothing is stored".into(),
        Event::Opened(Some(stored)) => format!("Opened: {}", record(stored)),
        Event::Seen(stored) => format!("Seen: {}", record(stored)),
        Event::Answered(Outcome::Granted(issue)) => {
            let refresh = issue.refresh.as_ref().map(|token| token.expose());
            format!("Granted: {}, {refresh:?}", issue.access.expose())
        }
        Event::Seeded(seed) => format!("Seeded: {}", seed.token().expose()),
        other => format!("{other:?}"),
    }
}

pub(crate) fn action(action: &Action) -> String {
    match action {
        Action::Intend(stored) => format!("Intend: {}", record(stored)),
        Action::Persist(stored) => format!("Persist: {}", record(stored)),
        Action::Send(Ask::Refresh(token)) => format!("Send {}", token.expose()),
        Action::Publish(Access::Ready(bearer)) => format!("Publish {}", bearer.generation()),
        other => format!("{other:?}"),
    }
}

fn record(record: &Record) -> String {
    let grant = record.grant.as_ref();
    let access = grant.map_or("no grant", |grant| grant.access.expose());
    let refresh = grant.and_then(|grant| grant.refresh.as_ref()).map(|token| token.expose());
    let Record { revision, generation, loss, .. } = record;
    let doubt = if record.intent.is_some() { ", intent open" } else { "" };
    let loss = loss.map(|loss| format!(", {loss:?}")).unwrap_or_default();
    format!("revision {revision}, generation {generation}, {access}, {refresh:?}{doubt}{loss}")
}
