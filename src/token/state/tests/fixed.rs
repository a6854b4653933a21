//! Personal access tokens: nothing can be exchanged.

use super::*;

fn provided(number: u64) -> Event {
    Event::Provided(Issue { refresh: None, ..issue(number) })
}

#[test]
fn a_personal_access_token_is_used_as_it_is_and_never_taken_away() {
    let mut machine = Machine::fixed();
    machine.shows("Pending").hears(provided(1)).does("Publish Ready 1").stands(Standing::Active);
    machine.plans_nothing().after(2 * LIFE).does("").hears(Event::Asked).does("");
    machine.hears(Event::Seeded(seed("seed"))).does("").plans_nothing();
}

#[test]
fn a_401_marks_it_and_every_request_gets_its_401() {
    let mut machine = Machine::fixed();
    machine.hears(provided(1));
    for _ in 0..3 {
        machine.hears(Event::Rejected(Generation(1))).does("Settle").stands(Standing::Rejected);
    }
    machine.shows("Ready 1").hears(provided(1)).does("").stands(Standing::Rejected);
    machine.hears(provided(2)).does("Publish Ready 2").stands(Standing::Active);
    let silent = Issue { refresh: None, scope: None, ..issue(3) };
    let scope =
        machine.clone_of().hears(Event::Provided(silent)).state.grant().unwrap().scope.clone();
    assert_eq!(scope, None, "that of the token before it says nothing");
    machine.hears(Event::Rejected(Generation(1))).does("Settle").stands(Standing::Active);
}
