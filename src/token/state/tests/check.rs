//! A 401 where no exchange can cure it: is the token dead, or was it about one path?

use super::*;

fn lost() -> Machine {
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
    machine.stands(Standing::Lost).shows("Ready 1");
    machine
}

fn rejected() -> Event {
    Event::Rejected(Generation(1))
}

#[test]
fn one_path_takes_a_living_token_from_nobody() {
    let mut machine = lost();
    machine.hears(rejected()).does("Probe").stands(Standing::Lost).hears(rejected()).does("");
    machine.hears(Event::Probed(Oracle::Alive)).does("Close, Settle").shows("Ready 1");
    machine.after(29 * SECOND).hears(rejected()).does("Settle");
    machine.after(SECOND).hears(rejected()).does("Probe");
    machine.hears(Event::Probed(Oracle::Unclear)).does("Close, Settle").shows("Ready 1");
}

#[test]
fn a_dead_token_is_shown_to_nobody() {
    let mut machine = lost();
    machine.hears(rejected()).hears(Event::Probed(Oracle::Dead));
    machine.does("Publish SignInRequired, Close, Settle").stands(Standing::Lost);
    // It may have been the upstream's trouble.
    machine.after(5 * MINUTE).does("Probe").hears(Event::Probed(Oracle::Dead)).does("Close");
    machine.after(5 * MINUTE).does("Probe").hears(Event::Probed(Oracle::Alive));
    machine.does("Publish Ready 1, Close").after(HOUR).does("");
}

#[test]
fn a_dead_token_is_replaced_by_a_503_while_its_replacement_fails() {
    let mut machine = Machine::rotating();
    machine.hears(rejected()).hears_all([Event::Opened(None), Event::Rehearsed]);
    machine.hears(Event::NotSent("refused".into())).shows("Ready 1");
    machine.hears(rejected()).does("Probe").hears(Event::Probed(Oracle::Dead));
    // The next try is a moment away: requests hold for it.
    machine.does("Publish Hold, Close").stands(Standing::Retrying);
    machine.when_due().does("Open").takes_the_steps().hears(granted(2));
    machine.hears(Event::Persisted).does("Publish Ready 2, Close, Settle");
}

#[test]
fn two_refusals_at_once_are_believed_until_the_upstream_says_otherwise() {
    let mut machine = Machine::rotating();
    machine.hears(rejected()).takes_the_steps().hears(refused(Refusal::DeadGrant));
    machine.does("Publish SignInRequired, Persist 3").hears(Event::Persisted);
    machine.does("Close, Settle").hears(Event::Tick).does("Probe");
    machine.hears(Event::Probed(Oracle::Alive)).does("Publish Ready 1, Close");
    machine.stands(Standing::Lost);
}

#[test]
fn a_personal_access_token_that_was_refused_once_gets_another_chance() {
    let mut machine = Machine::fixed();
    machine.hears(Event::Provided(Issue { refresh: None, ..issue(1) })).hears(rejected());
    machine.stands(Standing::Rejected).after(29 * SECOND).does("").after(SECOND).does("Probe");
    machine.stands(Standing::Rejected).hears(Event::Probed(Oracle::Dead)).does("Close");
    machine.stands(Standing::Rejected).shows("Ready 1").after(5 * MINUTE).does("Probe");
    machine.hears(Event::Probed(Oracle::Alive)).does("Close").stands(Standing::Active);
    machine.after(HOUR).does("");
}
