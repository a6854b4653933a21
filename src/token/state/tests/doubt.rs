//! The answer that never came: the oracle, the last try, the end that is true.

use super::*;

fn twice(oracle: Oracle) -> [Event; 2] {
    [Event::Probed(oracle), Event::Probed(oracle)]
}

#[test]
fn an_exchange_that_did_not_take_place_is_repeated() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().does("Publish Ready 1, Probe").stands(Standing::InDoubt);
    machine.hears(Event::Probed(Oracle::Alive)).does("Probe");
    machine.hears(Event::Probed(Oracle::Alive)).does("Close").stands(Standing::Retrying);
    machine.explains("seems not to have taken place").sends().does("Publish Hold, Send refresh-1");
    machine.hears(granted(2)).hears(Event::Persisted).stands(Standing::Active);
    assert_eq!(machine.record().intent, None);
}

/// RFC 9700 does not ask a server to end the access token with the refresh token.
#[test]
fn a_token_that_lives_on_after_a_loss_does_not_hide_the_loss() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears_all(twice(Oracle::Alive)).stands(Standing::Retrying);
    assert!(machine.record().intent.is_some(), "a restart must know of it");
    let mut restarted = machine.clone_of();
    restarted.restarts().hears(Event::Opened(None)).does("Probe");
    restarted.hears_all(twice(Oracle::Alive)).sends();
    for mut machine in [machine.sends().clone_of(), restarted] {
        machine.hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
        machine.stands(Standing::Lost).explains("an answer");
        assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
    }
}

#[test]
fn a_server_that_wants_to_be_left_alone_meanwhile_leaves_the_doubt_open() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears_all(twice(Oracle::Alive)).sends();
    machine.hears(throttled(Some(60 * SECOND))).does("Publish Ready 1, Persist 4");
    assert!(machine.record().intent.is_some());
    machine
        .hears(Event::Persisted)
        .stands(Standing::Retrying)
        .sends()
        .hears(silence())
        .does("Publish Ready 1, Persist 6");
    machine.stands(Standing::Lost);
}

#[test]
fn a_token_that_is_spent_is_tried_once_more_under_a_revision_of_its_own() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Probed(Oracle::Dead)).does("Probe");
    machine.hears(Event::Probed(Oracle::Dead)).does("Publish Hold, Rehearse");
    machine.hears_all([Event::Rehearsed, Event::Connected]).does("Intend 3");
    machine.hears(Event::Intended).does("Send refresh-1");
    machine.clone_of().hears(granted(2)).hears(Event::Persisted).stands(Standing::Active);
    machine.hears(refused(Refusal::DeadGrant)).does("Publish SignInRequired, Persist 4");
    machine.hears(Event::Persisted).stands(Standing::Lost).explains("an answer").plans_nothing();
    assert_eq!(machine.record().loss, Some(Loss::AnswerLost));
}

#[test]
fn the_second_answer_of_the_oracle_counts() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Probed(Oracle::Alive));
    machine.clone_of().hears(Event::Probed(Oracle::Dead)).does("Publish Hold, Rehearse");
    machine.hears(Event::Probed(Oracle::Unclear)).does("Close").stands(Standing::InDoubt);
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Probed(Oracle::Dead));
    machine.hears(Event::Probed(Oracle::Alive)).does("Close").stands(Standing::Retrying);
}

#[test]
fn a_last_try_without_an_answer_ends_it() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears_all(twice(Oracle::Dead));
    machine.goes_on().hears(silence()).does("Publish SignInRequired, Persist 4");
    machine.hears(Event::Persisted).stands(Standing::Lost);
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
    machine.hears(Event::Asked).does("").after(4 * MINUTE).does("").after(MINUTE).does("Probe");
    machine.hears(Event::Probed(Oracle::Dead)).does("Close").shows("SignInRequired");
}

#[test]
fn a_last_try_that_was_turned_away_is_still_owed() {
    let not_sent = Event::Answered(Outcome::NotSent("gone".into()));
    // Requests hold for a try that comes soon, and are told of one that does not.
    for (answer, shown) in [(throttled(Some(60 * SECOND)), "Expired"), (not_sent, "Hold")] {
        let mut machine = Machine::rotating();
        machine.loses_the_answer();
        machine.hears_all(twice(Oracle::Dead));
        machine.goes_on().hears(answer).does("Persist 4");
        machine.hears(Event::Persisted).shows(shown).stands(Standing::InDoubt);
        machine.plans_within(SECOND / 2, 60 * SECOND).when_due().shows("Hold");
        machine.hears(Event::Opened(None)).does("Rehearse");
        machine.goes_on().hears(silence()).stands(Standing::Lost);
    }
}

#[test]
fn a_last_try_is_the_last_one_whatever_goes_wrong() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears_all(twice(Oracle::Dead)).goes_on();
    machine.hears(server_error()).does("Publish SignInRequired, Persist 4");
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
}

#[test]
fn a_gateway_that_turns_away_may_have_passed_the_exchange_on() {
    let mut machine = Machine::rotating();
    machine.sends().hears(unavailable()).does("Publish Ready 1, Persist 3");
    machine.hears(Event::Persisted).stands(Standing::Retrying);
    assert!(machine.record().intent.is_some());
    machine.sends().hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
    // Where reuse is punished, a restart would have to give the grant up for it.
    let mut machine = Machine::cautious();
    machine.sends().hears(unavailable()).does("Publish Ready 1, Persist 3");
    assert_eq!(machine.record().intent, None);
}

#[test]
fn a_client_refused_at_the_last_try_leaves_the_doubt_open() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears_all(twice(Oracle::Dead));
    machine.goes_on().hears(refused(Refusal::Client));
    machine.does("Publish Misconfigured, Persist 4").hears(Event::Persisted);
    machine.stands(Standing::Misconfigured);
    assert!(machine.record().intent.is_some());
    machine.hears(Event::Reconfigured).hears(Event::Tick).does("Open").shows("Hold");
    machine.takes_the_steps().hears(refused(Refusal::DeadGrant)).stands(Standing::Lost);
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
}

#[test]
fn an_oracle_that_says_nothing_is_asked_again_and_nothing_is_given_up() {
    for mut machine in [Machine::rotating(), Machine::cautious()] {
        machine.loses_the_answer();
        for _ in 0..5 {
            machine.hears(Event::Probed(Oracle::Unclear)).does("Close").stands(Standing::InDoubt);
            machine.explains("cannot be asked").shows("Ready 1");
            machine.when_due().does("Open").hears(Event::Opened(None)).does("Probe");
        }
        assert!(machine.record().intent.is_some());
    }
}

#[test]
fn without_an_oracle_the_token_is_tried_once_more() {
    let mut machine = Machine::rotating();
    machine.after(2 * LIFE).does("Publish Hold, Open").takes_the_steps();
    machine.hears(silence()).does("Publish Expired, Close").stands(Standing::InDoubt);
    machine.plans_within(SECOND * 3 / 4, SECOND * 5 / 4).sends();
    machine.clone_of().hears(granted(2)).hears(Event::Persisted).stands(Standing::Active);
    machine.hears(refused(Refusal::DeadGrant)).does("Publish SignInRequired, Persist 4");
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
}

/// Whatever comes back, or does not, and whoever finds what is stored.
#[test]
fn no_refresh_token_is_presented_more_than_twice() {
    let answers = [silence(), unreadable(), server_error()];
    for (first, second) in
        answers.iter().flat_map(|it| answers.iter().map(move |other| (it, other)))
    {
        for oracle in [Oracle::Alive, Oracle::Dead, Oracle::Unclear] {
            for crashes in [false, true] {
                let mut machine = Machine::rotating();
                machine.sends();
                let (mut sent, mut answers) = (1, [first, second].into_iter());
                if crashes {
                    machine.restarts();
                    answers.next();
                } else {
                    machine.hears(answers.next().unwrap().clone());
                }
                // The operator is in a hurry, and the access token lives for a day.
                for _ in 0..1000 {
                    let stored = Some(machine.record());
                    let answer = match machine.done.last() {
                        Some(Action::Open) => Event::Opened(stored),
                        Some(Action::Rehearse) => Event::Rehearsed,
                        Some(Action::Connect) => Event::Connected,
                        Some(Action::Intend(_)) => Event::Intended,
                        Some(Action::Persist(_)) => Event::Persisted,
                        Some(Action::Probe { .. }) => Event::Probed(oracle),
                        Some(Action::Send(_)) => {
                            sent += 1;
                            answers.next().unwrap_or(second).clone()
                        }
                        _ => {
                            machine.after(10 * SECOND);
                            if !machine.done.is_empty() {
                                continue;
                            }
                            Event::Asked
                        }
                    };
                    machine.hears(answer);
                }
                if sent == 1 || crashes && sent == 2 && oracle == Oracle::Unclear {
                    // Nothing is given up while the upstream does not say what became of it.
                    assert_eq!(oracle, Oracle::Unclear, "{first:?}, crashes {crashes}");
                    continue;
                }
                // The one that was cut off by the end of its process does not count.
                let expected = if crashes { 3 } else { 2 };
                assert_eq!(sent, expected, "{first:?}, {second:?}, {oracle:?}, crashes {crashes}");
                machine.stands(Standing::Lost).explains("sign in again");
                machine.restarts().stands(Standing::Lost);
            }
        }
    }
}

/// A maintenance ends no grant, however long it takes.
#[test]
fn a_server_that_says_later_is_asked_again_and_counts_nothing() {
    let mut machine = Machine::rotating();
    for _ in 0..20 {
        machine.sends().hears(unavailable()).hears(Event::Persisted).stands(Standing::Retrying);
    }
    machine.sends().hears(granted(2)).hears(Event::Persisted).shows("Ready 2");
}

#[test]
fn the_second_presentation_is_kept_for_later_while_the_access_token_serves() {
    for answer in [server_error(), unreadable()] {
        let mut machine = Machine::rotating();
        machine.sends().hears(answer).hears_all(twice(Oracle::Alive)).shows("Ready 1");
        machine.plans_within(600 * SECOND, 600 * SECOND).stands(Standing::Retrying);
        // The operator wants it now.
        machine.clone_of().after(30 * SECOND).hears(Event::Asked).does("Open");
        // A request finds the token dead.
        machine.hears(Event::Rejected(Generation(1))).does("Probe");
        machine.hears(Event::Probed(Oracle::Dead)).hears(Event::Tick);
        machine.takes_the_steps().does("Send refresh-1").shows("Hold");
    }
    // An answer that came nowhere may still be had, from a server that repeats it for a moment.
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears_all(twice(Oracle::Alive));
    machine.plans_within(SECOND / 2, 2 * SECOND);
}

#[test]
fn a_token_that_ended_between_the_questions_proves_nothing() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Probed(Oracle::Dead));
    machine.now = machine.now.plus(LIFE);
    machine.hears(Event::Probed(Oracle::Dead)).does("Publish Expired, Close");
    machine.stands(Standing::InDoubt);
}

#[test]
fn a_token_that_the_upstream_refused_before_is_no_oracle() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Rejected(Generation(1))).does("Open").takes_the_steps();
    machine.hears(silence()).does("Publish Ready 1, Close").stands(Standing::InDoubt);
}

#[test]
fn a_server_that_punishes_reuse_sees_no_token_twice() {
    let mut machine = Machine::cautious();
    machine.loses_the_answer().hears_all(twice(Oracle::Dead));
    machine.does("Publish SignInRequired, Persist 3").hears(Event::Persisted);
    machine.stands(Standing::Lost).explains("an answer");
    let mut machine = Machine::cautious();
    machine.after(2 * LIFE).takes_the_steps().hears(silence());
    machine.does("Publish SignInRequired, Persist 3").stands(Standing::Lost);
    // Such a server may leave the old access token alive, which proves nothing then.
    let mut machine = Machine::cautious();
    machine.loses_the_answer().hears_all(twice(Oracle::Alive)).does("Persist 3");
    machine.hears(Event::Persisted).stands(Standing::Lost).shows("Ready 1").plans_nothing();
}

#[test]
fn a_server_that_punishes_reuse_and_tells_of_its_failure_is_asked_again() {
    let mut machine = Machine::cautious();
    machine.sends().hears(server_error()).hears_all(twice(Oracle::Alive)).does("Persist 3");
    assert_eq!(machine.record().intent, None);
    machine.hears(Event::Persisted).sends().does("Publish Hold, Send refresh-1");
}

#[test]
fn a_stored_intent_is_found_at_start_and_asked_about() {
    let mut machine = Machine::rotating();
    machine.sends().restarts().does("Publish Ready 1, Open");
    machine.hears(Event::Opened(Some(machine.record()))).does("Probe").stands(Standing::InDoubt);
    machine.clone_of().hears_all(twice(Oracle::Alive)).does("Close").sends();
    machine.hears_all(twice(Oracle::Dead)).does("Publish Hold, Rehearse").goes_on();
    machine.hears(refused(Refusal::DeadGrant)).hears(Event::Persisted).stands(Standing::Lost);
    machine.restarts().stands(Standing::Lost).does("Publish Ready 1").explains("an answer");
}

#[test]
fn a_stored_intent_with_an_expired_token_is_tried_or_given_up_as_the_server_demands() {
    let mut machine = Machine::rotating();
    machine.sends();
    machine.now = machine.now.plus(LIFE);
    machine.restarts().hears(Event::Opened(None)).does("Rehearse");
    let mut machine = Machine::cautious();
    machine.sends();
    machine.now = machine.now.plus(LIFE);
    machine.restarts().hears(Event::Opened(None)).does("Publish SignInRequired, Persist 3");
}

#[test]
fn a_401_during_the_doubt_waits_for_its_end() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Rejected(Generation(1))).does("");
    machine.hears_all(twice(Oracle::Dead)).goes_on().hears(granted(2));
    machine.hears(Event::Persisted).does("Publish Ready 2, Close, Settle");
}
