//! Client credentials: nothing rotates, nothing is stored.

use super::*;

fn untold(number: u64) -> Event {
    Event::Answered(Outcome::Granted(Issue { refresh: None, ..issue(number) }))
}

/// One that has its first token.
fn served() -> Machine {
    let mut machine = Machine::renewable();
    machine.hears(Event::Connected).hears(untold(1));
    machine
}

#[test]
fn the_first_token_is_fetched_with_the_first_tick_and_requests_hold() {
    let mut machine = Machine::renewable();
    machine.does("Publish Hold, Connect").stands(Standing::Refreshing);
    machine.hears(Event::Connected).does("Send client credentials").shows("Hold");
    machine.hears(untold(1)).does("Publish Ready 1, Close").stands(Standing::Active);
}

#[test]
fn nobody_holds_while_a_token_is_replaced() {
    let mut machine = served();
    machine.when_due().does("Connect").hears(Event::Connected).does("Send client credentials");
    machine.shows("Ready 1").hears(untold(2)).does("Publish Ready 2, Close");
}

#[test]
fn a_failure_leaves_the_token_in_use_and_is_tried_again() {
    let failures = [
        silence(),
        server_error(),
        throttled(Some(2 * SECOND)),
        Event::Answered(Outcome::NotSent("gone".into())),
    ];
    for failure in failures {
        let mut machine = served();
        machine.when_due().hears(Event::Connected).hears(failure).does("Close");
        machine.stands(Standing::Retrying).shows("Ready 1").when_due().does("Connect");
        machine.hears(Event::NotSent("refused".into())).does("Close").after(LIFE).shows("Expired");
    }
    let mut machine = Machine::renewable();
    machine.hears(Event::NotSent("refused".into())).does("Publish Pending, Close");
    machine.when_due().does("Connect");
}

#[test]
fn a_refusal_waits_for_the_operator_whatever_it_is_called() {
    for refusal in [Refusal::Client, Refusal::Request, Refusal::DeadGrant] {
        let mut machine = Machine::renewable();
        machine
            .hears(Event::Connected)
            .hears(refused(refusal))
            .does("Publish Misconfigured, Close");
        machine.stands(Standing::Misconfigured).after(DAY).does("");
        machine.hears(Event::Reconfigured).hears(Event::Tick).does("Connect");
        machine.hears(Event::Connected).hears(untold(1)).stands(Standing::Active);
    }
}

#[test]
fn a_401_fetches_a_new_token_and_the_breaker_counts() {
    let mut machine = served();
    machine.hears(Event::Rejected(Generation(1))).does("Connect");
    machine.hears(Event::Connected).hears(untold(2)).does("Publish Ready 2, Close, Settle");
    machine.hears(Event::Rejected(Generation(2))).does("Settle");
    machine.after(30 * SECOND).hears(Event::Rejected(Generation(2))).does("Connect");
}

#[test]
fn seeds_are_not_for_it() {
    served().hears(Event::Seeded(seed("seed"))).hears(Event::Tick).does("");
}
