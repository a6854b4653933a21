//! kill -9 at any system call and at any moment: nothing is torn, nothing is stale, and every loss is
//! one that the server's journal explains.

use std::os::unix::process::ExitStatusExt;
use std::time::Duration;

use webwork_sidecar::simulator::{Config, Security, When};

use crate::support::{
    Place, Process, Service, Truth, expected, finds, left_out, pause, quiet, settle, times, traced,
    truth, until,
};

const GRACE: Duration = Duration::from_secs(30);

/// System calls of an exchange, in about this order: the first of each is always the same step.
const STEPS: [(&str, u32, Option<Truth>); 13] = [
    // Rehearsal: whatever had the successor's name is removed, and room is reserved.
    ("unlinkat", 1, Some(Truth::Whole)),
    ("fsync", 1, Some(Truth::Whole)),
    ("fsync", 2, None),
    ("connect", 1, Some(Truth::Whole)),
    // Intent: a copy of the record before, then the record.
    ("renameat", 1, Some(Truth::Whole)),
    ("fsync", 3, None),
    ("fsync", 4, None),
    ("renameat", 2, None),
    ("fsync", 5, None),
    // The server has answered.
    ("pwrite64", 1, Some(Truth::AnswerLost)),
    ("ftruncate", 1, Some(Truth::AnswerLost)),
    ("renameat", 3, None),
    ("fsync", 8, None),
];

#[test]
fn killed_at_any_step_the_next_start_knows_the_truth() {
    killed_at_any_step(Duration::ZERO);
}

#[test]
fn killed_at_any_step_a_grace_period_saves_everything() {
    killed_at_any_step(GRACE);
}

fn killed_at_any_step(grace: Duration) {
    let rounds = std::thread::scope(|scope| {
        let rounds = STEPS.map(|(call, n, _)| scope.spawn(move || killed_at(call, n, grace)));
        rounds.map(|round| round.join().unwrap())
    });
    if rounds.contains(&Round::Untraced) {
        left_out("strace may not trace here");
        return;
    }
    for ((call, n, expected), round) in STEPS.into_iter().zip(rounds) {
        // Calls are counted by thread, so that only a first one is sure to be reached.
        if let Some(expected) = expected {
            assert_eq!(round, Round::Killed(expected), "{call} {n}");
        }
    }
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Round {
    Killed(Truth),
    /// The call was never made so often.
    Missed,
    Untraced,
}

/// Kills the second exchange of a grant with the n-th call.
fn killed_at(call: &str, n: u32, grace: Duration) -> Round {
    let life = Duration::from_secs(20);
    let service = Service::start(Config { grace, access_life: life, ..quiet() }, Security::Plain);
    let place = Place::rotating(&service, 0.1);
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.stop();
    let (filter, inject) = (format!("trace={call}"), format!("inject={call}:signal=KILL:when={n}"));
    let mut sidecar = Process::start(place.run_under("strace", &traced(&filter, &inject)));
    let mut ended = false;
    until("the exchange is over", || {
        ended = sidecar.has_ended();
        ended || service.grants() > 2
    });
    if !ended {
        return Round::Missed;
    }
    if sidecar.ended().signal() != Some(9) {
        return Round::Untraced;
    }
    settle(&service);
    let truth = truth(&service, &place);
    let round = format!("{call} {n}, grace {grace:?}, {truth:?}");
    finds(&place.run(), &service, &place, expected(truth, grace), &round);
    eprintln!("{round}");
    Round::Killed(truth)
}

/// How often the tight loop is killed; `KILLS` chooses another number.
const KILLS: u32 = 25;

#[test]
fn killed_at_random_moments_nothing_is_torn_or_stale_and_every_loss_is_told() {
    killed_at_random_moments(Duration::ZERO);
}

#[test]
fn killed_at_random_moments_a_grace_period_loses_nothing() {
    let losses = killed_at_random_moments(GRACE);
    assert_eq!(losses, 0);
}

fn killed_at_random_moments(grace: Duration) -> u32 {
    let config = Config { access_life: Duration::from_secs(1), grace, ..quiet() };
    let service = Service::start(config, Security::Plain);
    let place = Place::rotating(&service, 0.1);
    let seed = times("SEED", fastrand::u32(..));
    let mut random = fastrand::Rng::with_seed(seed.into());
    eprintln!("SEED={seed}");
    let (kills, mut doubts, mut losses, mut newest) = (times("KILLS", KILLS), 0, 0, 0);
    for kill in 1..=kills {
        let round = format!("kill {kill} of SEED={seed}");
        service.faults().clear();
        if random.bool() {
            // A slow server widens the moment in which an answer can be lost.
            let when = if random.bool() { When::Before } else { When::After };
            service.delay_exchange(when, Duration::from_millis(random.u64(0..300)));
        }
        let sidecar = place.run();
        pause(Duration::from_micros(random.u64(0..700_000)));
        let used = used_generation(&sidecar);
        sidecar.kill();
        settle(&service);
        let stored = place.record().map_or(0, |record| record.generation.0);
        assert!(stored >= used.max(newest), "{round}: stale: {stored}, {used} was in use");
        newest = stored;
        doubts += u32::from(place.has_intent());
        let truth = expected(truth(&service, &place), grace);
        if truth == Truth::AnswerLost {
            losses += 1;
            service.faults().clear();
            let sidecar = place.run();
            finds(&sidecar, &service, &place, truth, &round);
            place.seed(&service);
            // What is exchanged from here on is the new grant's.
            sidecar.has_token();
            sidecar.kill();
            settle(&service);
        }
        let loss = place.record().and_then(|record| record.loss);
        assert!(loss.is_none() || truth == Truth::AnswerLost, "{round}: {loss:?} is not true");
    }
    service.faults().clear();
    let sidecar = place.run();
    // A server that repeats an answer late says that the token ends now, which plans nothing: a request
    // finds out.
    sidecar.until("it goes on", |_| sidecar.get("/api/v2/workspaces").status == 200);
    let generation = sidecar.report().token.generation;
    sidecar.until("it goes on", |report| report.token.generation > generation);
    sidecar.stop();
    assert_eq!(place.stored_refresh_token(), service.newest_refresh_token());
    let grants = service.grants();
    eprintln!(
        "grace {grace:?}: {kills} kills, {grants} rotations, {doubts} in doubt, {losses} lost, \
         0 torn, 0 stale"
    );
    losses
}

/// The newest generation that the log says was in use.
fn used_generation(sidecar: &Process) -> u64 {
    let lines = sidecar.lines();
    let used = lines.iter().filter(|line| line.contains("a token is in use"));
    let generations = used.filter_map(|line| {
        let line: serde_json::Value = serde_json::from_str(line).ok()?;
        line["generation"].to_string().trim_matches('"').parse().ok()
    });
    generations.max().unwrap_or_default()
}
