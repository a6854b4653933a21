//! Refresh tokens that the operator provides.

use super::*;

#[test]
fn a_first_seed_is_exchanged_at_once_and_requests_hold() {
    let mut machine = Machine::signed_out();
    machine.does("Publish SignInRequired").stands(Standing::SignedOut).plans_nothing();
    machine.hears(Event::Asked).does("").hears(Event::Seeded(seed("seed")));
    machine.does("Publish Hold").hears(Event::Tick).does("Open");
    machine.hears(Event::Opened(None)).goes_on().does("Send seed");
    machine.hears(granted(1)).hears(Event::Persisted).does("Publish Ready 1, Close");
    machine.stands(Standing::Active);
    assert_eq!(machine.record().seed, Some(seed("seed").fingerprint()));
}

#[test]
fn a_seed_that_is_known_changes_nothing() {
    let mut machine = Machine::signed_out();
    machine.hears(Event::Seeded(seed("seed"))).hears(Event::Seeded(seed("seed")));
    machine.sends().hears(granted(1)).hears(Event::Persisted);
    machine.hears(Event::Seeded(seed("seed"))).does("").plans_within(9 * DAY, 11 * DAY);
    machine.hears(Event::Seeded(seed("refresh-1"))).plans_within(9 * DAY, 11 * DAY);
    machine.restarts().hears(Event::Seeded(seed("seed"))).plans_within(9 * DAY, 11 * DAY);
}

#[test]
fn a_seed_given_again_does_not_shorten_the_wait() {
    let mut machine = Machine::signed_out();
    machine.hears(Event::Seeded(seed("seed"))).sends().hears(throttled(Some(60 * SECOND)));
    machine.hears(Event::Persisted).hears(Event::Seeded(seed("seed"))).hears(Event::Tick);
    machine.does("").plans_within(60 * SECOND, 60 * SECOND);
}

#[test]
fn a_new_seed_replaces_a_grant_that_serves_until_then() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Seeded(seed("new"))).does("").sends().does("Publish Hold, Send new");
    machine.hears(granted(7)).hears(Event::Persisted).does("Publish Ready 2, Close");
    assert_eq!(machine.state.grant().unwrap().refresh, Some(refresh(7)));
}

#[test]
fn a_refused_seed_falls_back_to_the_grant_from_before_and_is_not_sent_again() {
    let mut machine = Machine::rotating();
    let planned = machine.wait();
    machine.hears(Event::Seeded(seed("new"))).sends().hears(refused(Refusal::DeadGrant));
    machine.does("Publish Ready 1, Persist 3").hears(Event::Persisted).stands(Standing::Active);
    machine.explains("the grant from before");
    assert_eq!(machine.wait(), planned);
    machine.hears(Event::Seeded(seed("new"))).hears(Event::Tick).does("");
    machine.clone_of().restarts().hears(Event::Seeded(seed("new"))).hears(Event::Tick).does("");
    machine.sends().does("Publish Hold, Send refresh-1");
}

#[test]
fn a_refused_seed_without_a_grant_is_lost_until_another_comes() {
    let mut machine = Machine::signed_out();
    machine.hears(Event::Seeded(seed("dead"))).sends().hears(refused(Refusal::DeadGrant));
    machine.hears(Event::Persisted).stands(Standing::Lost).shows("SignInRequired");
    machine.restarts().hears(Event::Seeded(seed("dead"))).hears(Event::Tick).does("");
    machine.stands(Standing::Lost).hears(Event::Seeded(seed("good"))).sends();
    machine.hears(granted(1)).hears(Event::Persisted).stands(Standing::Active);
    assert_eq!(machine.record().loss, None);
}

#[test]
fn a_lost_grant_is_left_by_a_seed_and_comes_back_when_that_is_refused() {
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
    machine.hears(Event::Seeded(seed("new"))).does("").sends().does("Publish Hold, Send new");
    machine.clone_of().hears(granted(2)).hears(Event::Persisted).stands(Standing::Active);
    machine.hears(refused(Refusal::DeadGrant)).hears(Event::Persisted).stands(Standing::Lost);
    machine.plans_nothing();
}

#[test]
fn requests_wait_for_the_seed_that_follows_a_loss() {
    let mut machine = Machine::rotating();
    machine.sends().hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
    machine.explains("refused the refresh token").after(16 * DAY).hears(Event::Tick);
    machine.shows("SignInRequired").hears(Event::Seeded(seed("new"))).does("Publish Hold");
    assert_eq!(machine.state.trouble(), None);
    machine.sends().hears(granted(2)).hears(Event::Persisted).does("Publish Ready 2, Close");
}

#[test]
fn a_seed_does_not_bring_a_dead_token_back_into_use() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Rejected(Generation(1))).takes_the_steps();
    machine.hears(refused(Refusal::DeadGrant)).hears(Event::Persisted).shows("SignInRequired");
    machine.hears(Event::Seeded(seed("new"))).does("Publish Hold").sends().shows("Hold");
    machine.hears(throttled(Some(60 * SECOND))).does("Persist 5");
    machine.hears(Event::Persisted).does("Publish Expired, Close");
}

#[test]
fn an_exchange_ends_with_the_token_with_which_it_began() {
    let mut machine = Machine::rotating();
    machine.when_due().hears_all([Event::Opened(None), Event::Rehearsed]);
    machine.hears(Event::Connected).does("Intend 2").hears(Event::Seeded(seed("new")));
    machine.hears(Event::Intended).does("Publish Hold, Send refresh-1");
    let mut refused_meanwhile = machine.clone_of();
    machine.hears(granted(2)).hears(Event::Persisted).does("Publish Ready 2, Close");
    assert_eq!(machine.record().seed, None);
    machine.sends().does("Publish Hold, Send new");
    refused_meanwhile.hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
    assert_eq!(refused_meanwhile.record().loss, Some(Loss::Refused));
    refused_meanwhile.sends().does("Publish Hold, Send new");
}

#[test]
fn a_seed_in_doubt_is_tried_again_without_an_oracle() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Seeded(seed("new"))).loses_the_answer();
    machine.does("Publish Ready 1, Close").stands(Standing::InDoubt);
    machine.sends().does("Publish Hold, Send new").hears(refused(Refusal::DeadGrant));
    machine.hears(Event::Persisted).stands(Standing::Active).explains("refused or spent");
    let mut machine = Machine::cautious();
    machine.hears(Event::Seeded(seed("new"))).loses_the_answer().does("Publish Ready 1, Persist 3");
    machine.hears(Event::Persisted).stands(Standing::Active).explains("refused or spent");
}

#[test]
fn a_seed_in_doubt_is_still_in_doubt_after_a_restart_and_the_grant_is_not() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Seeded(seed("new"))).sends();
    machine.clone_of().restarts().does("Publish Ready 1").stands(Standing::Active);
    machine.restarts().hears(Event::Seeded(seed("new"))).stands(Standing::InDoubt);
    machine.sends().hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
    machine.stands(Standing::Active);
    let mut machine = Machine::signed_out();
    machine.hears(Event::Seeded(seed("only"))).sends().restarts().stands(Standing::SignedOut);
    machine.hears(Event::Seeded(seed("only"))).sends().hears(refused(Refusal::DeadGrant));
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
}

#[test]
fn a_grant_in_doubt_does_not_keep_a_seed_waiting_and_is_not_forgotten_over_it() {
    for mut machine in [Machine::rotating(), Machine::cautious()] {
        machine.loses_the_answer().hears(Event::Probed(Oracle::Unclear));
        let doubt = machine.record().intent;
        machine.hears(Event::Seeded(seed("new"))).sends().does("Publish Hold, Send new");
        let mut taken = machine.clone_of();
        taken.hears(granted(2)).hears(Event::Persisted).stands(Standing::Active);
        assert_eq!(taken.record().intent, None);
        machine.hears(refused(Refusal::DeadGrant)).hears(Event::Persisted);
        assert_eq!(machine.record().intent, doubt);
        machine.stands(Standing::InDoubt).when_due().hears(Event::Opened(None)).does("Probe");
    }
}

#[test]
fn a_seed_survives_a_client_that_is_refused() {
    let mut machine = Machine::signed_out();
    machine.hears(Event::Seeded(seed("seed"))).sends().hears(refused(Refusal::Client));
    machine.hears(Event::Persisted).stands(Standing::Misconfigured).shows("Misconfigured");
    machine.hears(Event::Seeded(seed("seed"))).hears(Event::Tick).does("");
    machine.hears(Event::Reconfigured).sends().does("Publish Hold, Send seed");
}

#[test]
fn a_seed_taken_by_another_process_is_not_taken_twice() {
    let mut machine = Machine::signed_out();
    let empty = machine.record();
    machine.hears(Event::Seeded(seed("seed"))).when_due().does("Open").shows("Hold");
    let mut stored = successor(&empty, 1, machine.now);
    stored.seed = Some(seed("seed").fingerprint());
    machine.hears(Event::Opened(Some(stored))).does("Publish Ready 1, Close");
    machine.stands(Standing::Active);
}

#[test]
fn a_seed_that_another_process_took_withdraws_the_one_from_before() {
    let mut machine = Machine::rotating();
    let planned = machine.wait();
    let mut stored = record();
    stored.revision = 3;
    stored.seed = Some(seed("second").fingerprint());
    machine.hears(Event::Seeded(seed("first"))).hears(Event::Seen(stored));
    machine.hears(Event::Seeded(seed("second"))).hears(Event::Tick).does("");
    assert_eq!(machine.wait(), planned);
}

#[test]
fn a_newer_seed_replaces_one_that_waits_for_the_lock() {
    let mut machine = Machine::rotating();
    machine.hears(Event::Seeded(seed("first"))).when_due().does("Open");
    machine
        .hears(Event::Seeded(seed("second")))
        .takes_the_steps()
        .does("Publish Hold, Send second");
}

#[test]
fn a_seed_withdrawn_while_the_lock_is_waited_for_leaves_a_loss_a_loss() {
    let mut lost = record();
    (lost.loss, lost.seed) = (Some(Loss::Refused), Some(seed("dead").fingerprint()));
    let mut machine = Machine::with(Refresh::default(), lost);
    machine.hears(Event::Seeded(seed("new"))).when_due().does("Open");
    machine.hears(Event::Seeded(seed("dead"))).hears(Event::Opened(None)).does("Close");
    machine.stands(Standing::Lost).plans_nothing();
}

#[test]
fn a_seed_that_another_process_gave_up_calls_for_no_exchange_of_the_grant() {
    let mut machine = Machine::rotating();
    let planned = machine.wait();
    let mut stored = record();
    (stored.revision, stored.seed) = (3, Some(seed("new").fingerprint()));
    machine.hears(Event::Seeded(seed("new"))).when_due().does("Open");
    machine.hears(Event::Opened(Some(stored))).does("Close").stands(Standing::Active);
    assert_eq!(machine.wait(), planned);
}

#[test]
fn a_token_that_was_spent_is_not_taken_for_a_seed() {
    let mut machine = Machine::rotating();
    // A backup of the token in use, put into the seed's place.
    machine.hears(Event::Seeded(seed("refresh-1"))).does("").stands(Standing::Active);
    machine.sends().hears(granted(2)).hears(Event::Persisted);
    machine.hears(Event::Seeded(seed("refresh-1"))).does("").stands(Standing::Active);
    machine.restarts().hears(Event::Seeded(seed("refresh-1"))).does("").stands(Standing::Active);
}

#[test]
fn an_earlier_seed_is_not_sent_again() {
    let mut machine = Machine::signed_out();
    for (number, text) in [(1, "one"), (2, "two")] {
        machine.hears(Event::Seeded(seed(text))).sends().hears(granted(number));
        machine.hears(Event::Persisted);
    }
    machine.hears(Event::Seeded(seed("one"))).does("").stands(Standing::Active);
    machine.hears(Event::Seeded(seed("three"))).sends().hears(refused(Refusal::DeadGrant));
    machine.hears(Event::Persisted).hears(Event::Seeded(seed("two"))).does("");
    machine.hears(Event::Seeded(seed("three"))).does("").stands(Standing::Active);
}

#[test]
fn a_grant_in_doubt_is_in_doubt_for_whoever_finds_a_seeds_exchange_too() {
    let mut machine = Machine::rotating();
    machine.loses_the_answer().hears(Event::Probed(Oracle::Unclear));
    machine.hears(Event::Seeded(seed("new"))).sends().does("Publish Hold, Send new");
    machine.restarts().hears(Event::Opened(None)).does("Probe");
    machine.hears_all([Event::Probed(Oracle::Dead), Event::Probed(Oracle::Dead)]).goes_on();
    machine.hears(refused(Refusal::DeadGrant));
    assert_eq!(machine.state.loss(), Some(Loss::AnswerLost));
}
