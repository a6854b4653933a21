//! Several processes with one store.

use super::*;

#[test]
fn a_newer_grant_is_adopted_when_it_is_seen() {
    let mut machine = Machine::rotating();
    machine.after(9 * DAY);
    let stored = successor(&machine.record(), 2, machine.now);
    machine.hears(Event::Seen(stored.clone())).does("Publish Ready 2").stands(Standing::Active);
    machine.plans_within(9 * DAY, 11 * DAY);
    assert_eq!(machine.record(), stored);
}

#[test]
fn a_newer_grant_is_adopted_instead_of_an_exchange() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Rejected(Generation(1))).does("Open");
    let stored = successor(&machine.record(), 2, machine.now);
    machine.hears(Event::Opened(Some(stored))).does("Publish Ready 2, Close, Settle");
}

#[test]
fn an_older_record_is_not_believed() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).hears(Event::Persisted);
    machine.hears(Event::Seen(record())).does("");
    machine.when_due().hears(Event::Opened(Some(record()))).goes_on();
    machine.does("Publish Hold, Send refresh-2");
}

#[test]
fn the_exchange_of_another_process_is_left_alone_until_its_lock_is_ours() {
    let mut machine = Machine::rotating();
    let mut intended = record();
    intended.revision = 2;
    intended.intent = Some(Intent { refresh_token: refresh(1).fingerprint(), at: start().wall() });
    machine.hears(Event::Seen(intended.clone())).does("").stands(Standing::Active);
    // Whoever waits for its lock learns of the end, or of a death in the middle.
    machine.hears(Event::Tick).does("Open").stands(Standing::Active).shows("Ready 1");
    machine
        .clone_of()
        .hears(Event::Busy)
        .does("Close")
        .stands(Standing::Active)
        .after(SECOND)
        .does("Open");
    let mut closed = intended.clone();
    (closed.revision, closed.intent) = (3, None);
    machine.clone_of().hears(Event::Opened(Some(closed))).does("Close").after(SECOND).does("");
    let stored = successor(&intended, 2, machine.now);
    machine.clone_of().hears(Event::Opened(Some(stored))).does("Publish Ready 2, Close");
    machine.hears(Event::Opened(Some(intended))).does("Probe").stands(Standing::InDoubt);
}

#[test]
fn a_loss_that_another_process_met_is_ours() {
    let mut machine = Machine::rotating();
    let mut lost = record();
    lost.revision = 3;
    lost.loss = Some(Loss::AnswerLost);
    let mut opening = machine.clone_of();
    machine.hears(Event::Seen(lost.clone())).stands(Standing::Lost).shows("Ready 1").does("");
    machine.explains("an answer").plans_nothing();
    opening.when_due().hears(Event::Opened(Some(lost.clone()))).does("Close");
    opening.stands(Standing::Lost);
    let found = successor(&lost, 2, machine.now);
    machine.hears(Event::Seen(Record { loss: None, ..found })).stands(Standing::Active);
}

#[test]
fn failures_that_another_process_stores_call_nobody_to_an_exchange() {
    let mut machine = Machine::rotating();
    machine.sends().hears(throttled(Some(600 * SECOND))).hears(Event::Persisted);
    for _ in 0..5 {
        let mut closed = machine.record();
        closed.revision += 2;
        machine.hears(Event::Seen(closed)).hears(Event::Tick).does("");
        machine.stands(Standing::Retrying).plans_within(600 * SECOND, 600 * SECOND);
    }
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::Client)).hears(Event::Persisted);
    let mut closed = machine.record();
    closed.revision += 2;
    machine.hears(Event::Seen(closed)).stands(Standing::Misconfigured).plans_nothing();
}

#[test]
fn a_back_off_goes_on_although_others_write() {
    let mut machine = Machine::rotating();
    machine.when_due();
    for wait in [1, 2, 4, 8] {
        let mut closed = machine.record();
        closed.revision += 2;
        machine.hears_all([Event::Opened(Some(closed)), Event::Rehearsed]);
        machine.hears(Event::NotSent("refused".into()));
        machine.plans_within(wait * SECOND * 3 / 4, wait * SECOND * 5 / 4).when_due().does("Open");
    }
}

#[test]
fn a_record_without_a_grant_takes_none_away() {
    let mut machine = Machine::rotating();
    let mut foreign = Record::new("app".into(), "https://a.example/oauth/token".into());
    (foreign.revision, foreign.generation) = (9, Generation(5));
    machine.hears(Event::Seen(foreign)).does("").stands(Standing::Active).shows("Ready 1");
    machine.sends().does("Publish Hold, Send refresh-1").hears(granted(2));
    assert_eq!(machine.record().generation, Generation(6));
}

#[test]
fn a_doubt_that_another_process_resolved_is_over() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Probed(Oracle::Unclear));
    let resolved = successor(&machine.record(), 2, machine.now);
    machine.when_due().hears(Event::Opened(Some(resolved))).does("Publish Ready 2, Close");
    machine.stands(Standing::Active);
}
