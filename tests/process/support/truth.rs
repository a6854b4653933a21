//! What the next start must find out.
//!
//! The server's journal and the stored file, compared after a kill, tell it. Nothing but the time
//! between the server's commit and our fsync can lose a grant.

use std::time::Duration;

use webwork_sidecar::token::state::{Loss, Standing};

use super::service::made;
use super::{Place, Process, Service, get};

/// What server and file, taken together, say after a kill.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Truth {
    /// The newest refresh token is stored, or the one that would make it is still good.
    Whole,
    /// The server made tokens that never reached the file.
    AnswerLost,
}

pub(crate) fn truth(service: &Service, place: &Place) -> Truth {
    // One look at the journal: it may go on between two.
    let journal = service.journal();
    let newest =
        journal.exchanges().iter().rev().find_map(|exchange| Some((exchange, made(exchange)?)));
    let Some((exchange, newest)) = newest else { return Truth::Whole };
    if place.stored_refresh_token() == Some(newest) {
        return Truth::Whole;
    }
    let record = place.record().expect("the intent is stored before anything is sent");
    let intent = record.intent.expect("and stays until the answer is stored");
    let last = journal.exchanges().iter().rev().take(5).collect::<Vec<_>>();
    assert_eq!(
        Some(intent.refresh_token),
        exchange.presented,
        "only the last exchange can be missing: {record:#?} {last:#?}"
    );
    Truth::AnswerLost
}

/// Waits until the next start has found out, and fails if it is not the truth.
pub(crate) fn finds(
    sidecar: &Process,
    service: &Service,
    place: &Place,
    expected: Truth,
    round: &str,
) {
    let report = sidecar.until(round, |report| match report.token.state {
        Standing::Active => !place.has_intent(),
        state => state == Standing::Lost,
    });
    let loss = (expected == Truth::AnswerLost).then_some(Loss::AnswerLost);
    assert_eq!(report.token.loss, loss, "{round}: {report:#?}\n{}", sidecar.last());
    if expected == Truth::Whole {
        assert_eq!(place.stored_refresh_token(), service.newest_refresh_token(), "{round}");
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "{round}");
    }
}

/// A server that honours a spent token for a while loses nothing.
pub(crate) fn expected(truth: Truth, grace: Duration) -> Truth {
    if grace.is_zero() { truth } else { Truth::Whole }
}

/// Waits until the server has read what a killed process had sent: it reads in turn.
pub(crate) fn settle(service: &Service) {
    for _ in 0..2 {
        assert_eq!(get(service.url(), "/_admin/faults").unwrap().status, 200);
    }
}
