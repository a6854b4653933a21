//! The protected exchange, and everything that an answer can be.

use super::*;

#[test]
fn every_step_waits_for_the_one_before() {
    let mut machine = Machine::rotating();
    machine.when_due().does("Open").stands(Standing::Refreshing).shows("Ready 1");
    machine.hears(Event::Opened(Some(record()))).does("Rehearse");
    machine.hears(Event::Rehearsed).does("Connect");
    machine.hears(Event::Connected).does("Intend 2").shows("Ready 1");
    assert_eq!(machine.record().intent.unwrap().refresh_token, refresh(1).fingerprint());
    assert!(machine.state.must_finish());
    machine.hears(Event::Intended).does("Publish Hold, Send refresh-1");
    machine.hears(granted(2)).does("Persist 3").shows("Hold");
    assert!(machine.state.must_finish());
    machine.hears(Event::Persisted).does("Publish Ready 2, Close").stands(Standing::Active);
    assert!(!machine.state.must_finish());
    let stored = machine.record();
    assert_eq!((stored.intent, stored.loss, stored.generation), (None, None, Generation(2)));
    assert_eq!(stored.grant, machine.state.grant().cloned());
}

#[test]
fn a_token_counts_from_the_moment_it_was_asked_for() {
    let mut machine = Machine::rotating();
    machine.sends();
    let asked = machine.now;
    machine.now = machine.now.plus(50 * SECOND);
    machine.hears(granted(2)).hears(Event::Persisted);
    let grant = machine.state.grant().unwrap();
    assert_eq!((grant.issued, grant.expires), (asked.wall(), Some(asked.plus(LIFE).wall())));
}

#[test]
fn an_answer_without_refresh_token_and_scope_leaves_them_as_they_were() {
    let mut machine = Machine::rotating();
    let bare = Issue { refresh: None, scope: None, ..issue(2) };
    machine.sends().hears(Event::Answered(Outcome::Granted(bare))).hears(Event::Persisted);
    let grant = machine.state.grant().unwrap();
    assert_eq!(grant.refresh, Some(refresh(1)));
    assert_eq!(grant.refresh_issued, start().wall());
    assert_eq!(grant.scope, Some("read".parse().unwrap()));
}

#[test]
fn a_store_that_fails_before_the_exchange_stops_it() {
    let failed = || Event::Unwritable("no space left".into());
    for steps in 0..3 {
        let mut machine = Machine::rotating();
        let ways = [Event::Opened(Some(record())), Event::Rehearsed, Event::Connected];
        machine.when_due().hears_all(ways.into_iter().take([0, 1, 3][steps])).hears(failed());
        machine.does("Close").stands(Standing::Retrying).shows("Ready 1").explains("no space");
        assert_eq!(machine.record(), record(), "nothing is taken for stored");
        for _ in 0..10 {
            machine.when_due().does("Open").hears(failed()).plans_within(SECOND, 15 * SECOND);
        }
        machine.when_due().takes_the_steps().does("Publish Hold, Send refresh-1");
    }
}

#[test]
fn an_intent_that_was_stored_after_all_is_no_doubt_of_ours() {
    let mut machine = Machine::rotating();
    machine.when_due().hears_all([
        Event::Opened(Some(record())),
        Event::Rehearsed,
        Event::Connected,
    ]);
    let stored = machine.record();
    machine.hears(Event::Unwritable("sync failed".into()));
    machine.when_due().hears(Event::Opened(Some(stored))).does("Rehearse");
    machine.goes_on().does("Publish Hold, Send refresh-1");
    assert_eq!(machine.record().revision, 3, "a revision of its own");
}

#[test]
fn failed_intents_do_not_hide_what_another_process_stored() {
    let mut machine = Machine::rotating();
    machine.when_due();
    for _ in 0..5 {
        machine.hears_all([Event::Opened(Some(record())), Event::Rehearsed, Event::Connected]);
        machine.hears(Event::Unwritable("no space left".into())).when_due().does("Open");
    }
    let stored = successor(&record(), 2, machine.now);
    machine.hears(Event::Opened(Some(stored))).does("Publish Ready 2, Close");
}

#[test]
fn what_was_not_sent_is_tried_again_later_and_later() {
    let mut machine = Machine::rotating();
    machine.when_due();
    for wait in [1_u32, 2, 4, 8, 16, 32, 64, 128, 256, 300, 300] {
        machine.hears_all([Event::Opened(None), Event::Rehearsed]);
        machine.hears(Event::NotSent("refused".into())).does("Close").stands(Standing::Retrying);
        machine.plans_within(SECOND * wait * 3 / 4, SECOND * wait * 5 / 4);
        machine.shows("Ready 1").explains("refused").when_due().does("Open");
    }
    assert_eq!(machine.record(), record(), "no intent is left behind");
    machine.takes_the_steps().hears(granted(2)).hears(Event::Persisted).stands(Standing::Active);
    machine.explains("nothing");
}

#[test]
fn a_request_that_never_left_closes_its_intent() {
    let mut machine = Machine::rotating();
    machine.sends().hears(Event::Answered(Outcome::NotSent("gone".into())));
    machine.does("Publish Ready 1, Persist 3");
    assert_eq!(machine.record().intent, None);
    machine.hears(Event::Persisted).does("Close").stands(Standing::Retrying);
}

#[test]
fn a_lock_that_others_hold_is_waited_for() {
    let mut machine = Machine::rotating();
    machine.when_due().hears(Event::Busy).does("Close").stands(Standing::Retrying).explains("lock");
    machine.plans_within(SECOND / 2, 2 * SECOND).when_due().does("Open");
}

#[test]
fn a_server_that_throttles_is_left_alone_as_long_as_it_says() {
    let mut machine = Machine::rotating();
    machine.sends().hears(throttled(Some(120 * SECOND))).does("Publish Ready 1, Persist 3");
    assert_eq!(machine.record().intent, None);
    machine.hears(Event::Persisted).does("Close").plans_within(120 * SECOND, 120 * SECOND);
    machine.hears(Event::Asked).does("").hears(Event::Seeded(seed("new"))).does("");
    machine.after(119 * SECOND).does("");
    machine.after(SECOND).does("Open");
}

#[test]
fn a_throttle_without_a_time_backs_off_and_one_of_years_ends_after_a_day() {
    let mut machine = Machine::rotating();
    machine.sends().hears(throttled(None)).hears(Event::Persisted);
    machine.plans_within(SECOND / 2, 2 * SECOND);
    machine.sends().hears(throttled(Some(1000 * DAY))).hears(Event::Persisted);
    machine.plans_within(DAY, DAY);
}

#[test]
fn a_dead_grant_is_lost_and_never_sent_again() {
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::DeadGrant)).does("Publish Ready 1, Persist 3");
    machine.hears(Event::Persisted).does("Close").stands(Standing::Lost).plans_nothing();
    assert_eq!(machine.state.loss(), Some(Loss::Refused));
    machine.explains("provide a new one");
    for event in [Event::Tick, Event::Asked, Event::Reconfigured] {
        machine.hears(event).does("");
    }
    machine.after(DAY).does("").shows("Ready 1");
    machine
        .clone_of()
        .restarts()
        .does("Publish Ready 1")
        .stands(Standing::Lost)
        .explains("provide a new one");
    machine.clone_of().after(LIFE).does("Publish SignInRequired");
    machine.hears(Event::Rejected(Generation(1))).does("Probe").hears(Event::Probed(Oracle::Dead));
    machine.does("Publish SignInRequired, Close, Settle");
}

#[test]
fn a_client_that_is_refused_keeps_its_refresh_token_and_waits_for_the_operator() {
    for refusal in [Refusal::Client, Refusal::Request] {
        let mut machine = Machine::rotating();
        machine.sends().hears(refused(refusal)).does("Publish Ready 1, Persist 3");
        assert_eq!(machine.record().intent, None);
        machine.hears(Event::Persisted).stands(Standing::Misconfigured).plans_nothing();
        machine.explains("does not accept").after(DAY).does("").shows("Ready 1");
        machine.clone_of().after(LIFE).shows("Misconfigured");
        machine.clone_of().hears(Event::Asked).does("Open");
        machine.hears(Event::Reconfigured).does("").hears(Event::Tick).does("Open");
        machine.takes_the_steps().does("Publish Hold, Send refresh-1");
    }
}

/// An order that waits its turn hides nothing, and a corrected client needs no turn.
#[test]
fn an_order_does_not_hide_that_the_client_is_refused() {
    let mut machine = Machine::renewable();
    machine.hears(Event::Connected).hears(refused(Refusal::Client));
    machine.stands(Standing::Misconfigured);
    machine.hears(Event::Asked).stands(Standing::Retrying).explains("does not accept");
    machine.plans_within(SECOND, 30 * SECOND);
    machine.hears(Event::Reconfigured).hears(Event::Tick).does("Connect");
}

#[test]
fn a_client_that_was_corrected_meanwhile_is_tried_again() {
    let mut machine = Machine::rotating();
    machine.sends().hears(Event::Reconfigured).does("").hears(refused(Refusal::Client));
    machine.hears(Event::Persisted).hears(Event::Tick).does("Open").takes_the_steps();
    machine.hears(refused(Refusal::Client)).hears(Event::Persisted).plans_nothing();
    machine.stands(Standing::Misconfigured);
}

#[test]
fn the_operator_gets_a_new_token_but_not_one_after_the_other() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Asked).does("Open").hears(Event::Asked).does("");
    machine.takes_the_steps().hears(granted(2)).hears(Event::Persisted);
    for _ in 0..5 {
        machine.hears(Event::Asked).does("").stands(Standing::Active);
    }
    machine.after(29 * SECOND).does("").after(SECOND).does("Open");
}

#[test]
fn the_operator_shortens_a_back_off_but_not_below_the_least_pause() {
    let mut machine = Machine::rotating();
    machine.when_due();
    for _ in 0..9 {
        machine.hears_all([Event::Opened(None), Event::Rehearsed]);
        machine.hears(Event::NotSent("refused".into())).when_due();
    }
    machine.hears_all([Event::Opened(None), Event::Rehearsed, Event::NotSent("refused".into())]);
    machine.plans_within(200 * SECOND, 400 * SECOND).hears(Event::Asked);
    machine.plans_within(30 * SECOND, 30 * SECOND).stands(Standing::Retrying);
    machine.when_due().does("Open");
}

#[test]
fn a_grant_without_refresh_token_ends_in_a_sign_in_and_asks_for_nothing_else() {
    let mut bare = record();
    bare.grant.as_mut().unwrap().refresh = None;
    let mut machine = Machine::with(Refresh::default(), bare);
    machine.shows("Ready 1").stands(Standing::SignedOut).plans_nothing();
    machine.after(LIFE).does("Publish SignInRequired");
}
