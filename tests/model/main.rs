//! The state machine against a reference server, in every order of loss, delay and crash.
//!
//! A [`Case`](case::Case) is a schedule: what the operator and the callers do, and the fate of every
//! operation that the replicas begin. The [`World`](world::World) runs one to three replicas through
//! it, on one store and one server, and after each step the [laws](laws) are held against what the
//! server and the store really know. Then all faults end, and the world must come to rest.
//!
//! A failure prints the shortest schedule that breaks a law, in words, and what happened in it.
//! `MODEL_CASES` sets the number of cases.

#![expect(clippy::expect_used, reason = "a test that cannot make its tokens has failed")]

mod case;
mod laws;
mod replica;
mod server;
mod store;
mod words;
mod world;

use proptest::prelude::*;
use proptest::test_runner::{Config, TestCaseError, TestRunner};

use case::Case;
use world::World;

/// Cases of an ordinary run.
const CASES: u32 = 10_000;

#[test]
fn no_order_of_loss_delay_and_crash_breaks_a_law() {
    let config = Config { cases: cases(), failure_persistence: None, ..Config::default() };
    let outcome = TestRunner::new(config).run(&any::<Case>(), |case| {
        World::of(&case).run().map_err(|breach| {
            let journal = World::of(&case).journal();
            TestCaseError::fail(format!("{breach}\n\nwhat happened:\n{journal}"))
        })
    });
    if let Err(failure) = outcome {
        panic!("{failure}");
    }
}

#[expect(
    clippy::disallowed_methods,
    reason = "a number of cases is no configuration of the product"
)]
fn cases() -> u32 {
    std::env::var("MODEL_CASES").ok().and_then(|text| text.parse().ok()).unwrap_or(CASES)
}
