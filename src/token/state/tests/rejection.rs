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

/// Tokens that live for some seconds, of which nobody tells: no 401 is passed on for the first minutes,
/// and each exchange has its reason.
#[test]
fn tokens_that_die_before_the_interval_are_replaced_when_they_do() {
    for life in [2, 5, 12, 29_u64] {
        let mut machine = untold(Machine::rotating());
        let (mut generation, mut born, mut exchanges, mut passed) = (2, 0, 0, 0);
        for second in 0..600_u64 {
            machine.after(SECOND);
            if second < born + life {
                continue;
            }
            machine.hears(Event::Rejected(Generation(generation)));
            if words(&machine.done) == "Probe" {
                machine.hears(Event::Probed(Oracle::Dead)).hears(Event::Tick);
            }
            if !words(&machine.done).ends_with("Open") {
                passed += 1;
                continue;
            }
            generation += 1;
            exchanges += 1;
            born = second;
            machine.takes_the_steps().hears(untold_issue(generation)).hears(Event::Persisted);
            machine.hears(Event::Accepted(Generation(generation)));
        }
        assert_eq!(passed, 0, "life {life}");
        assert!(exchanges >= 600 / life - 2, "life {life}: {exchanges}");
    }
}

/// Between the exchanges of a short life, one path always says 401: it causes no storm.
#[test]
fn a_path_that_always_says_401_does_not_pass_for_a_short_life() {
    let mut machine = untold(Machine::rotating());
    let (mut generation, mut exchanges, mut questions) = (2, 0, 0);
    for _ in 0..3600 {
        machine.after(SECOND).hears(Event::Rejected(Generation(generation)));
        if words(&machine.done) == "Probe" {
            questions += 1;
            machine.hears(Event::Probed(Oracle::Alive));
        }
        if words(&machine.done) == "Open" {
            generation += 1;
            exchanges += 1;
            machine.takes_the_steps().hears(untold_issue(generation)).hears(Event::Persisted);
            // Requests for other paths were on their way, and took the new token.
            machine.hears(Event::Accepted(Generation(generation)));
        }
    }
    assert!(exchanges <= 8, "{exchanges}");
    assert!(questions <= 121, "{questions}");
}

fn untold_issue(number: u64) -> Event {
    Event::Answered(Outcome::Granted(Issue { life: None, ..issue(number) }))
}

fn untold(mut machine: Machine) -> Machine {
    machine.sends().hears(untold_issue(2)).hears(Event::Persisted);
    machine
}

#[test]
fn a_second_lost_answer_within_the_interval_is_asked_about_at_once() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Rejected(Generation(1))).takes_the_steps().hears(silence());
    machine.does("Publish Ready 1, Close").hears(Event::Rejected(Generation(1))).does("Probe");
    machine.hears(Event::Probed(Oracle::Dead)).does("Publish Hold, Close");
    machine.sends().hears(granted(2)).hears(Event::Persisted).shows("Ready 2");
    // The operator orders one more, its answer is lost as well, and the upstream cannot be asked.
    machine.hears(Event::Asked).after(29 * SECOND).hears(Event::Asked).when_due();
    machine.takes_the_steps().hears(silence()).does("Publish Ready 2, Probe");
    machine.hears(Event::Probed(Oracle::Unclear)).does("Close").stands(Standing::InDoubt);
    machine.hears(Event::Rejected(Generation(2))).does("Probe");
    // Those who have met the 401 wait for the try that is planned, and so do new ones.
    machine.hears(Event::Probed(Oracle::Dead)).does("Publish Hold, Close");
    machine.when_due().does("Open").shows("Hold").takes_the_steps();
    machine.hears(granted(3)).hears(Event::Persisted).does("Publish Ready 3, Close, Settle");
}
