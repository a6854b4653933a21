//! The end: what was sent is finished, and what was not sent stays unsent.

use super::*;

#[test]
fn what_was_not_sent_is_not_sent_any_more() {
    let mut machine = Machine::rotating();
    machine.when_due().does("Open").clone_of().hears(Event::Ending).does("");
    machine.clone_of().hears_all([Event::Ending, Event::Opened(None)]).does("Close");
    machine.hears(Event::Opened(None)).does("Rehearse");
    machine.clone_of().hears_all([Event::Ending, Event::Rehearsed]).does("Close");
    machine.hears(Event::Rehearsed).does("Connect");
    machine.clone_of().hears_all([Event::Ending, Event::Connected]).does("Close");
    // From here on a restart would find an intent, and ask.
    machine.hears(Event::Connected).does("Intend 2").hears_all([Event::Ending, Event::Intended]);
    machine.does("Publish Hold, Send refresh-1").hears(granted(2)).does("Persist 3");
    machine.hears(Event::Persisted).does("Publish Ready 2, Close");
}

#[test]
fn nothing_new_begins() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Ending).hears(Event::Rejected(Generation(1))).does("Settle");
    machine.hears(Event::Asked).does("").hears(Event::Seeded(seed("new"))).does("");
    machine.after(12 * DAY).does("").after(LIFE).does("Publish Expired");
}
