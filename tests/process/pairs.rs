//! Two sidecars on one state directory: one exchange for each generation, whoever is stopped, killed
//! or started again.

use std::collections::HashSet;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use rustix::process::Signal;
use webwork_sidecar::clock;
use webwork_sidecar::simulator::{Config, Outcome, Security, When};
use webwork_sidecar::token::state::Standing;

use crate::support::{
    Credential, Place, Process, Service, get, pause, quiet, times, until, within,
};

/// The longest time without an exchange after one of two has died.
const TAKEOVER: Duration = Duration::from_secs(3);

/// How many rotations two of them make; `ROTATIONS` chooses another number.
const ROTATIONS: u32 = 40;

fn service(access_life: Duration) -> Service {
    Service::start(Config { access_life, ..quiet() }, Security::Plain)
}

/// Fails unless every refresh token was presented once, and every exchange was granted.
fn one_exchange_for_each_generation(service: &Service, place: &Place) {
    let journal = service.journal();
    let mut presented = HashSet::new();
    for exchange in journal.exchanges() {
        assert!(!exchange.spent_before, "{exchange:?}");
        assert!(matches!(exchange.outcome, Outcome::Granted(_)), "{exchange:?}");
        assert!(presented.insert(exchange.presented), "twice: {exchange:?}");
    }
    assert_eq!(journal.reuses(), 0);
    assert_eq!(place.record().unwrap().generation.0, journal.grants());
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn two_sidecars_exchange_every_generation_once() {
    let service = service(Duration::from_secs(1));
    let place = Place::rotating(&service, 0.1);
    let rotations = times("ROTATIONS", ROTATIONS).into();
    let seed = times("SEED", fastrand::u32(..));
    eprintln!("SEED={seed}");
    let mut random = fastrand::Rng::with_seed(seed.into());
    let mut two = [place.run(), place.run()];
    let (mut stops, mut kills, mut longest) = (0, 0, Duration::ZERO);
    let start = clock::now();
    while service.grants() < rotations {
        let before = service.grants();
        until("they rotate", || service.grants() > before + 4);
        let which = random.usize(0..2);
        two[which].halt();
        if random.bool() || place.has_intent() {
            // It may hold the lock: then nobody can go on until it does.
            pause(Duration::from_millis(random.u64(0..1_500)));
            two[which].signal(Signal::CONT);
            stops += 1;
        } else {
            // Halted, and nothing is announced: whatever it was about to do was not sent.
            std::mem::replace(&mut two[which], place.run()).kill();
            kills += 1;
            let before = service.grants();
            let took = within(TAKEOVER, "the other takes over", || service.grants() > before);
            longest = longest.max(took);
        }
    }
    two.into_iter().for_each(Process::stop);
    one_exchange_for_each_generation(&service, &place);
    eprintln!(
        "{} rotations in {:?}, {stops} stops, {kills} kills, longest takeover {longest:?}",
        service.grants(),
        clock::now().since(start)
    );
}

/// Longer than one process waits for the lock of another; only with `PATIENCE_TEST=1`.
#[test]
fn one_that_stops_with_the_lock_for_long_keeps_the_others_from_guessing() {
    let stopped = if times("PATIENCE_TEST", 0) == 0 { 3 } else { 80 };
    let service = service(Duration::from_secs(20));
    let place = Place::rotating(&service, 0.1);
    let one = place.run();
    one.has_token();
    let two = place.run();
    two.has_token();
    service.delay_exchange(When::After, Duration::from_secs(1));
    service.until_struck();
    // Whichever sent it stops before the answer comes.
    one.halt();
    two.halt();
    let (sender, other) = if one.holds_a_lock() { (one, two) } else { (two, one) };
    other.signal(Signal::CONT);
    pause(Duration::from_secs(stopped));
    assert_eq!(service.journal().exchanges().len(), 2, "nobody sends what may be spent");
    assert_eq!(other.report().token.loss, None);
    sender.signal(Signal::CONT);
    until("the answer is stored", || {
        place.record().is_some_and(|record| record.generation.0 >= 2 && record.intent.is_none())
    });
    for sidecar in [sender, other] {
        sidecar.has_token();
        assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
        sidecar.stop();
    }
    one_exchange_for_each_generation(&service, &place);
}

#[test]
fn one_that_dies_in_an_exchange_is_followed_by_the_other() {
    let service = service(Duration::from_secs(60));
    let place = Place::rotating(&service, 0.5);
    let (one, two) = (place.run(), place.run());
    one.has_token();
    two.has_token();
    assert_eq!(service.journal().exchanges().len(), 1, "the second adopts what the first got");
    service.delay_exchange(When::Before, Duration::from_secs(600));
    one.order_exchange();
    service.until_struck();
    one.kill();
    // By itself, although nothing is due and nobody asks.
    two.within(TAKEOVER, "it asks what became of it", |r| r.token.state == Standing::InDoubt);
    until("it exchanges", || service.grants() == 2);
    two.has_token();
    assert_eq!(service.journal().reuses(), 0);
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
}

#[test]
fn a_token_that_the_other_has_replaced_is_not_used_again() {
    let service = service(Duration::from_secs(3));
    // Rotations come faster than exchanges that a 401 causes may follow each other.
    let plan = "[refresh]\nat = 0.4\n";
    let place = Place::with(&service, Credential::AuthorizationCode, plan);
    let two = [place.run(), place.run()];
    for rotation in 1..=6 {
        until("the rotation is stored", || {
            place.record().is_some_and(|r| r.generation.0 >= rotation && r.intent.is_none())
        });
        for sidecar in &two {
            assert_eq!(sidecar.get("/api/v2/workspaces").status, 200, "{}", sidecar.last());
        }
    }
    two.into_iter().for_each(Process::stop);
    one_exchange_for_each_generation(&service, &place);
}

#[test]
fn callers_of_both_never_see_a_rotation() {
    let service = service(Duration::from_secs(5));
    let place = Place::rotating(&service, 0.5);
    let two = [place.run(), place.run()];
    let over = AtomicBool::new(false);
    let answers: Vec<u16> = std::thread::scope(|scope| {
        let callers = two.each_ref().map(|sidecar| {
            let (base, over) = (sidecar.proxy(), &over);
            scope.spawn(move || {
                let mut answers = Vec::new();
                while !over.load(Ordering::Relaxed) {
                    answers.push(get(base, "/api/v2/workspaces").unwrap().status);
                }
                answers
            })
        });
        until("they rotate", || service.grants() >= 5);
        over.store(true, Ordering::Relaxed);
        callers.into_iter().flat_map(|caller| caller.join().unwrap()).collect()
    });
    let bad: Vec<_> = answers.iter().filter(|status| **status != 200).collect();
    assert!(bad.is_empty(), "of {} answers: {bad:?}", answers.len());
    two.into_iter().for_each(Process::stop);
    one_exchange_for_each_generation(&service, &place);
}
