//! When: the refresh that is due, clocks that jump, hosts that sleep.

use super::*;

#[test]
fn a_start_uses_what_is_stored_and_refreshes_nothing_before_its_time() {
    Machine::rotating()
        .does("Publish Ready 1")
        .stands(Standing::Active)
        .plans_within(9 * DAY + 12 * HOUR, 10 * DAY + 12 * HOUR)
        .after(9 * DAY)
        .does("");
}

#[test]
fn replicas_do_not_refresh_together() {
    let waits: std::collections::BTreeSet<Duration> = (0..20)
        .map(|number| {
            let dice = Dice::new(number);
            let state = State::new(Kind::Rotating, Refresh::default(), record(), dice);
            state.restored(start()).next().unwrap().remaining(start())
        })
        .collect();
    assert!(waits.len() > 15, "{waits:?}");
}

#[test]
fn an_idle_refresh_token_is_used_before_it_ends() {
    let policy = Refresh { refresh_token_life: 3 * DAY, ..Refresh::default() };
    Machine::with(policy, record()).plans_within(2 * DAY, 2 * DAY).when_due().does("Open");
}

#[test]
fn a_server_that_leaves_the_refresh_token_in_place_is_not_asked_without_end() {
    let mut machine = Machine::rotating();
    for number in 2..8 {
        let kept = Issue { refresh: None, ..issue(number) };
        machine.sends().hears(Event::Answered(Outcome::Granted(kept))).hears(Event::Persisted);
        machine.plans_within(9 * DAY, 11 * DAY);
    }
}

#[test]
fn a_life_that_nobody_told_is_an_hour_that_does_not_end() {
    let untold = Issue { life: None, ..issue(2) };
    let mut machine = Machine::rotating();
    machine.sends().hears(Event::Answered(Outcome::Granted(untold))).hears(Event::Persisted);
    machine.plans_within(HOUR / 2, HOUR);
    assert_eq!(machine.state.expiry(), None);
    machine.when_due().does("Open").hears(Event::Unwritable("no disk".into()));
    machine.after(30 * DAY).shows("Ready 2");
}

#[test]
fn a_life_of_zero_says_nothing() {
    let stillborn = Issue { life: Some(Duration::ZERO), ..issue(2) };
    let mut machine = Machine::rotating();
    machine.sends().hears(Event::Answered(Outcome::Granted(stillborn))).hears(Event::Persisted);
    machine.does("Publish Ready 2, Close").plans_within(HOUR / 2, HOUR);
}

#[test]
fn a_life_shorter_than_an_exchange_leaves_a_pause() {
    let short = Issue { life: Some(Duration::from_millis(1)), ..issue(2) };
    let mut machine = Machine::rotating();
    machine.sends();
    machine.now = machine.now.plus(SECOND);
    machine.hears(Event::Answered(Outcome::Granted(short))).hears(Event::Persisted);
    machine.plans_within(10 * SECOND, 10 * SECOND);
    let short = Issue { life: Some(SECOND), ..issue(3) };
    machine.sends();
    machine.now = machine.now.plus(SECOND);
    machine.hears(Event::Answered(Outcome::Granted(short))).hears(Event::Persisted);
    machine.plans_within(SECOND / 10, SECOND / 10);
}

#[test]
fn a_clock_that_jumps_ahead_a_day_refreshes_a_day_early_and_once() {
    let mut machine = Machine::rotating();
    let planned = machine.wait();
    machine.clock_set(machine.now.plus(DAY).wall()).does("");
    assert_eq!(machine.wait(), planned.checked_sub(DAY).unwrap());
    machine.sends().hears(granted(2)).hears(Event::Persisted).plans_within(9 * DAY, 11 * DAY);
}

#[test]
fn a_clock_set_back_a_day_extends_nothing() {
    let mut machine = Machine::rotating();
    let planned = machine.wait();
    let wall = machine.now.wall().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    machine.clock_set(wall).does("");
    assert_eq!(machine.wait(), planned);
}

#[test]
fn a_clock_set_back_during_an_exchange_does_not_make_the_token_younger() {
    let mut machine = Machine::rotating();
    machine.sends();
    let wall = machine.now.wall().checked_sub(jiff::SignedDuration::from_hours(24)).unwrap();
    machine.clock_set(wall).hears(granted(2)).hears(Event::Persisted);
    machine.plans_within(9 * DAY, 10 * DAY + 12 * HOUR);
    assert_eq!(machine.state.expiry().unwrap().remaining(machine.now), LIFE);
}

#[test]
fn a_jump_past_the_end_holds_until_the_exchange_is_done() {
    let mut machine = Machine::rotating();
    machine.clock_set(machine.now.plus(2 * LIFE).wall()).does("Publish Hold, Open");
    machine.takes_the_steps().shows("Hold").hears(granted(2)).hears(Event::Persisted);
    machine.does("Publish Ready 2, Close").plans_within(9 * DAY, 11 * DAY);
}

#[test]
fn a_host_that_slept_eight_hours_refreshes_with_the_first_tick() {
    let mut machine = Machine::rotating();
    machine.after(9 * DAY).does("");
    machine.after(2 * DAY).does("Open");
    let mut short = record();
    short.grant.as_mut().unwrap().expires = Some(start().plus(HOUR).wall());
    Machine::with(Refresh::default(), short)
        .after(8 * HOUR)
        .does("Publish Hold, Open")
        .hears(Event::Busy)
        .does("Publish Expired, Close");
}

#[test]
fn requests_hold_over_the_pause_after_a_token_that_ended_on_its_way() {
    let mut machine = Machine::rotating();
    machine.sends();
    // The process stood still with the answer in its socket.
    machine.now = machine.now.plus(2 * LIFE);
    machine.hears(granted(2)).hears(Event::Persisted).does("Close").shows("Hold");
    machine.when_due().does("Open").shows("Hold").takes_the_steps();
    machine.hears(granted(3)).hears(Event::Persisted).does("Publish Ready 3, Close");
}
