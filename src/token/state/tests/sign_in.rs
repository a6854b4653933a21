//! A person signs in, or out, while the machine is at something: what is stored then counts.

use super::*;

/// What a sign-in stores over this record.
fn signed_in(before: &Record, at: Moment) -> Record {
    let mut record = before.clone();
    let held = before.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
    record.remember(held.map(RefreshToken::fingerprint));
    let number = record.generation.next();
    record.revision += 1;
    record.generation = number;
    record.grant = Some(grant(number.0, at));
    record.settle(None);
    record.loss = None;
    record
}

/// What a sign-out stores over it.
fn signed_out(before: &Record) -> Record {
    let mut record = before.clone();
    let held = before.grant.as_ref().and_then(|grant| grant.refresh.as_ref());
    record.remember(held.map(RefreshToken::fingerprint));
    record.revision += 1;
    record.grant = None;
    record.settle(None);
    record.loss = Some(Loss::SignedOut);
    record
}

/// Machines at rest in every state that a rotating credential can be in, by their names.
fn at_rest() -> Vec<(Standing, Machine)> {
    let mut lost = Machine::rotating();
    lost.sends().hears_all([refused(Refusal::DeadGrant), Event::Persisted]);
    let mut misconfigured = Machine::rotating();
    misconfigured.sends().hears_all([refused(Refusal::Client), Event::Persisted]);
    let mut in_doubt = Machine::rotating();
    in_doubt.loses_the_answer().hears(Event::Probed(Oracle::Unclear));
    let mut retrying = Machine::rotating();
    retrying.sends().hears_all([throttled(Some(600 * SECOND)), Event::Persisted]);
    vec![
        (Standing::Active, Machine::rotating()),
        (Standing::SignedOut, Machine::signed_out()),
        (Standing::Lost, lost),
        (Standing::Misconfigured, misconfigured),
        (Standing::InDoubt, in_doubt),
        (Standing::Retrying, retrying),
    ]
}

#[test]
fn a_sign_in_is_adopted_in_every_state() {
    for (standing, mut machine) in at_rest() {
        machine.stands(standing);
        let stored = signed_in(&machine.record(), machine.now);
        let number = stored.generation.0;
        machine.hears(Event::Seen(stored.clone())).stands(Standing::Active);
        machine.shows(&format!("Ready {number}")).plans_within(9 * DAY, 11 * DAY);
        assert_eq!((machine.record(), machine.state.trouble()), (stored, None), "{standing:?}");
        // The next exchange is the new grant's, and no doubt about the old one is left.
        machine.sends().does(&format!("Publish Hold, Send refresh-{number}"));
        machine.hears(granted(number + 1)).hears(Event::Persisted).stands(Standing::Active);
    }
}

#[test]
fn a_sign_out_takes_the_token_away_in_every_state() {
    for (standing, mut machine) in at_rest() {
        machine.stands(standing);
        let stored = signed_out(&machine.record());
        machine.hears(Event::Seen(stored.clone())).stands(Standing::SignedOut).plans_nothing();
        machine.shows("SignInRequired").after(30 * DAY).does("");
        assert_eq!(machine.record(), stored, "{standing:?}");
        assert_eq!((machine.state.loss(), machine.state.trouble()), (Some(Loss::SignedOut), None));
        machine
            .restarts()
            .stands(Standing::SignedOut)
            .shows("SignInRequired")
            .does("Publish SignInRequired");
        let again = signed_in(&machine.record(), machine.now);
        let number = again.generation.0;
        machine
            .hears(Event::Seen(again))
            .stands(Standing::Active)
            .shows(&format!("Ready {number}"));
    }
}

#[test]
fn a_sign_in_that_was_stored_while_the_lock_was_waited_for_is_adopted_and_nothing_is_sent() {
    let mut machine = Machine::rotating();
    machine.when_due().does("Open");
    let stored = signed_in(&machine.record(), machine.now);
    machine.hears(Event::Seen(stored.clone())).does("");
    machine.hears(Event::Opened(Some(stored))).does("Publish Ready 2, Close");
    machine.stands(Standing::Active);
    let mut machine = Machine::rotating();
    machine.when_due().does("Open");
    let stored = signed_out(&machine.record());
    machine.hears(Event::Opened(Some(stored))).does("Publish SignInRequired, Close");
    machine.stands(Standing::SignedOut);
}

#[test]
fn a_sign_in_that_follows_an_exchange_on_the_wire_is_adopted_after_it() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).hears(Event::Persisted);
    let stored = signed_in(&machine.record(), machine.now);
    machine.hears(Event::Seen(stored)).shows("Ready 3").stands(Standing::Active);
    // The disk had failed, and was mended: the lock was ours all the time.
    let mut machine = Machine::rotating();
    machine.sends().hears_all([granted(2), Event::NotPersisted("full".into())]);
    machine.stands(Standing::Unsaved).when_due().hears(Event::Persisted).stands(Standing::Active);
    let stored = signed_in(&machine.record(), machine.now);
    machine.hears(Event::Seen(stored)).shows("Ready 3").stands(Standing::Active);
}

#[test]
fn a_seed_that_was_being_tried_does_not_come_over_a_sign_in_nor_back_after_a_sign_out() {
    for out in [false, true] {
        let mut machine = Machine::rotating();
        machine.hears(Event::Seeded(seed("seed"))).after(SECOND).takes_the_steps();
        machine.hears_all([throttled(None), Event::Persisted]).stands(Standing::Retrying);
        let mut stored = match out {
            true => signed_out(&machine.record()),
            false => signed_in(&machine.record(), machine.now),
        };
        stored.seed = Some(seed("seed").fingerprint());
        machine.hears(Event::Seen(stored)).after(HOUR).does("");
        machine.hears(Event::Seeded(seed("seed"))).after(HOUR).does("");
        machine.stands(if out { Standing::SignedOut } else { Standing::Active });
        // A newer one is the operator's word.
        machine.hears(Event::Seeded(seed("newer"))).after(SECOND).takes_the_steps();
        machine.hears_all([granted(9), Event::Persisted]).stands(Standing::Active);
        assert_eq!(machine.record().loss, None);
    }
}
