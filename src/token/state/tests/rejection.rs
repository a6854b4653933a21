//! Requests that the upstream answered with 401.

use super::*;

#[test]
fn a_401_of_the_current_token_makes_one_exchange_for_everybody() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Rejected(Generation(1))).does("Open");
    for _ in 0..1000 {
        machine.hears(Event::Rejected(Generation(1))).does("");
    }
    machine.takes_the_steps().hears(Event::Rejected(Generation(1))).does("").hears(granted(2));
    machine.hears(Event::Persisted).does("Publish Ready 2, Close, Settle");
    machine.hears(Event::Rejected(Generation(1))).does("Settle").stands(Standing::Active);
}

#[test]
fn a_401_of_another_generation_is_settled_without_an_exchange() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).hears(Event::Persisted);
    machine.hears(Event::Rejected(Generation(1))).does("Settle");
    machine.hears(Event::Rejected(Generation(9))).does("Settle");
    Machine::signed_out().hears(Event::Rejected(Generation(1))).does("Settle");
}

#[test]
fn fresh_tokens_that_are_refused_too_slow_the_exchanges_down() {
    let mut machine = Machine::rotating();
    let mut generation = 1;
    let mut exchanges = Vec::new();
    for second in 0..7200_u64 {
        machine.after(SECOND).hears(Event::Rejected(Generation(generation)));
        if words(&machine.done) == "Open" {
            exchanges.push(second);
            generation += 1;
            machine.takes_the_steps().hears(granted(generation)).hears(Event::Persisted);
        }
        assert_eq!(words(&machine.done).split(", ").last(), Some("Settle"));
    }
    assert_eq!(exchanges, [0, 30, 90, 210, 450, 930, 1890, 3810]);
}

#[test]
fn a_token_that_lived_for_long_resets_the_breaker() {
    let mut machine = Machine::rotating();
    for generation in 2..5 {
        machine.hears(Event::Rejected(Generation(generation - 1))).does("Open");
        machine.takes_the_steps().hears(granted(generation)).hears(Event::Persisted);
        machine.after(2 * HOUR);
    }
}

#[test]
fn requests_wait_for_a_try_that_comes_soon_and_not_for_ever() {
    let mut machine = Machine::rotating();
    machine
        .hears(Event::Rejected(Generation(1)))
        .hears_all([Event::Opened(None), Event::Rehearsed]);
    machine.hears(Event::NotSent("refused".into())).does("Close");
    let mut tries = 1;
    while machine.wait() <= 5 * SECOND {
        machine.when_due().hears_all([Event::Opened(None), Event::Rehearsed]);
        machine.hears(Event::NotSent("refused".into()));
        tries += 1;
        assert!(tries <= 5, "no end");
    }
    machine.does("Close, Settle");
    assert!(tries >= 3, "{tries}");
    machine.hears(Event::Rejected(Generation(1))).does("Probe").shows("Ready 1");
    machine.hears(Event::Probed(Oracle::Alive)).does("Close, Settle").shows("Ready 1");
}

#[test]
fn requests_learn_of_a_loss() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Rejected(Generation(1))).takes_the_steps();
    machine.hears(refused(Refusal::DeadGrant)).does("Publish SignInRequired, Persist 3");
    machine.hears(Event::Persisted).does("Close, Settle");
}

#[test]
fn requests_learn_of_a_lock_that_stays_held_and_of_a_store_that_fails() {
    for answer in [Event::Busy, Event::Unwritable("no space left".into())] {
        let mut machine = Machine::rotating();
        machine.hears(Event::Rejected(Generation(1))).does("Open");
        for _ in 0..5 {
            machine.hears(answer.clone()).when_due();
        }
        machine.hears(answer).plans_within(5 * SECOND, 60 * SECOND);
        assert_eq!(machine.state.waiting, Waiting::Nobody);
    }
}
