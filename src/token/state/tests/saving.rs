//! Tokens that are there and cannot be stored.

use super::*;

#[test]
fn tokens_that_cannot_be_stored_are_used_and_written_until_they_are() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).hears(Event::NotPersisted("no space left".into()));
    machine.does("Publish Ready 2").stands(Standing::Unsaved).explains("no space left");
    for wait in [1, 2, 4, 8, 15, 15] {
        machine.plans_within(wait * SECOND, wait * SECOND).when_due().does("Persist 3");
        machine.stands(Standing::Unsaved).hears(Event::NotPersisted("no space left".into()));
        assert!(machine.state.must_finish());
    }
    machine.when_due().hears(Event::Persisted).does("Close").stands(Standing::Active);
    machine.explains("nothing").plans_within(9 * DAY, 11 * DAY);
}

#[test]
fn a_disk_that_hangs_does_not_keep_tokens_from_requests() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).does("Persist 3").after(4 * SECOND).does("").shows("Hold");
    machine.after(SECOND).does("Publish Ready 2").stands(Standing::Unsaved).explains("the disk");
    assert!(machine.state.must_finish());
    let mut failing = machine.clone_of();
    machine.hears(Event::Persisted).does("Close").stands(Standing::Active).explains("nothing");
    failing.hears(Event::NotPersisted("input/output error".into())).stands(Standing::Unsaved);
    failing.when_due().does("Persist 3").explains("input/output error");
}

#[test]
fn no_token_is_spent_while_a_write_is_owed() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).hears(Event::NotPersisted("no space left".into()));
    machine.hears(Event::Asked).does("").hears(Event::Rejected(Generation(2))).does("Settle");
    machine.hears(Event::Seeded(seed("new"))).does("").when_due().hears(Event::Persisted);
    machine.does("Close, Open").takes_the_steps().does("Publish Hold, Send new");
}

#[test]
fn a_token_that_ends_while_a_write_is_owed_does_not_hold() {
    let mut machine = Machine::rotating();
    machine.sends().hears(granted(2)).hears(Event::NotPersisted("no space left".into()));
    machine.after(LIFE).does("Publish Expired, Persist 3").hears(Event::Persisted);
    machine.does("Publish Hold, Close").hears(Event::Tick).does("Open");
}

#[test]
fn what_is_not_stored_about_a_failure_does_not_hide_the_failure() {
    let failed = || Event::NotPersisted("no space left".into());
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::DeadGrant)).hears(failed()).stands(Standing::Lost);
    machine.explains("no space left").when_due().does("Persist 3").hears(Event::Persisted);
    machine.stands(Standing::Lost).explains("provide a new one");
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::Client)).hears(failed());
    machine.stands(Standing::Misconfigured).when_due().hears(Event::Persisted);
    machine.stands(Standing::Misconfigured).explains("does not accept");
    let mut machine = Machine::rotating();
    machine.sends().hears(throttled(None)).hears(failed()).stands(Standing::Retrying);
    machine.when_due().hears(Event::Persisted).stands(Standing::Retrying).explains("too many");
}
