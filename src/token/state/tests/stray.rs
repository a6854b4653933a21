//! Every phase hears everything: what is not meant for it changes nothing.

use super::*;

/// A machine in each phase, and the answers that it waits for.
fn phases() -> Vec<(&'static str, Machine)> {
    let mut phases = Vec::new();
    let mut machine = Machine::rotating();
    phases.push(("Resting", machine.clone()));
    machine.when_due();
    phases.push(("Opening", machine.clone()));
    machine.hears(Event::Opened(Some(record())));
    phases.push(("Rehearsing", machine.clone()));
    machine.hears(Event::Rehearsed);
    phases.push(("Connecting", machine.clone()));
    machine.hears(Event::Connected);
    phases.push(("Intending", machine.clone()));
    machine.hears(Event::Intended);
    phases.push(("Sending", machine.clone()));
    let mut doubting = machine.clone();
    doubting.hears(silence());
    phases.push(("Doubting", doubting.clone()));
    doubting.hears(Event::Probed(Oracle::Alive));
    phases.push(("Doubting", doubting));
    machine.hears(granted(2));
    phases.push(("Persisting", machine.clone()));
    machine.hears(Event::NotPersisted("no space left".into()));
    phases.push(("Unsaved", machine.clone()));
    machine.when_due();
    phases.push(("Resaving", machine));
    phases
}

fn answers() -> Vec<(&'static [&'static str], Event)> {
    vec![
        (&["Opening"], Event::Opened(None)),
        (&["Opening"], Event::Busy),
        (&["Opening", "Rehearsing", "Intending"], Event::Unwritable("why".into())),
        (&["Rehearsing"], Event::Rehearsed),
        (&["Connecting"], Event::Connected),
        (&["Connecting"], Event::NotSent("why".into())),
        (&["Intending"], Event::Intended),
        (&["Sending"], granted(9)),
        (&["Sending"], refused(Refusal::DeadGrant)),
        (&["Sending"], refused(Refusal::Client)),
        (&["Sending"], throttled(None)),
        (&["Sending"], silence()),
        (&["Sending"], Event::Answered(Outcome::NotSent("why".into()))),
        (&["Persisting", "Resaving"], Event::Persisted),
        (&["Persisting", "Resaving"], Event::NotPersisted("why".into())),
        (&["Doubting"], Event::Probed(Oracle::Alive)),
        (&["Doubting"], Event::Probed(Oracle::Dead)),
        (&["Doubting"], Event::Probed(Oracle::Unclear)),
    ]
}

#[test]
fn a_late_answer_changes_nothing_and_a_timely_one_does() {
    for (phase, machine) in phases() {
        for (meant, answer) in answers() {
            let mut hearer = machine.clone();
            let told = format!("{phase} hears {answer:?}");
            hearer.hears(answer);
            let unmoved = format!("{:?}", hearer.state) == format!("{:?}", machine.state);
            assert_eq!(unmoved, !meant.contains(&phase), "{told}");
            assert_eq!(hearer.done.is_empty(), !meant.contains(&phase) || stays_unsaved(&hearer));
        }
    }
}

/// A write that fails has nothing to be done but to wait.
fn stays_unsaved(machine: &Machine) -> bool {
    matches!(machine.state.phase, Phase::Unsaved { failures: 2.., .. })
}

#[test]
fn while_something_is_performed_nothing_else_begins() {
    for (phase, machine) in phases() {
        if phase == "Resting" {
            continue;
        }
        let newer = successor(&machine.record(), 9, machine.now);
        let triggers = [Event::Tick, Event::Asked, Event::Reconfigured, Event::Seen(newer), {
            Event::Seeded(seed("new"))
        }];
        for trigger in triggers {
            let told = format!("{phase} hears {trigger:?}");
            let mut hearer = machine.clone();
            hearer.hears(trigger);
            assert_eq!(words(&hearer.done), "", "{told}");
            assert_eq!(hearer.state.phase, machine.state.phase, "{told}");
        }
    }
}

#[test]
fn a_401_waits_for_the_end_of_what_is_performed() {
    for (phase, mut machine) in phases() {
        machine.hears(Event::Rejected(Generation(1)));
        let expected = match phase {
            "Resting" => "Open",
            "Unsaved" | "Resaving" => "Settle",
            _ => "",
        };
        assert_eq!(words(&machine.done), expected, "{phase}");
    }
}

#[test]
fn what_must_be_finished_is_what_could_lose_something() {
    let finished: Vec<&str> = phases()
        .iter()
        .filter(|(_, machine)| machine.state.must_finish())
        .map(|(phase, _)| *phase)
        .collect();
    assert_eq!(finished, ["Intending", "Sending", "Persisting", "Unsaved", "Resaving"]);
}

#[test]
fn only_an_exchange_on_the_wire_or_a_successor_not_yet_stored_holds() {
    let holding: Vec<&str> = phases()
        .iter()
        .filter(|(_, machine)| machine.shown == "Hold")
        .map(|(phase, _)| *phase)
        .collect();
    assert_eq!(holding, ["Sending", "Persisting"]);
}
