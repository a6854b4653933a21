//! A configuration file: read, or refused with places that exist and without the secret in it.
#![no_main]

use std::io::Write;
use std::sync::LazyLock;

use libfuzzer_sys::fuzz_target;
use tempfile::NamedTempFile;
use webwork_sidecar::config::error::Place;
use webwork_sidecar::config::{Environment, load};

/// Follows whatever the input is, so that every kind of broken text comes before it.
const SECRET: &str = "\nclient_secret = \"canary-f3a9\"\n";
const CANARY: &str = "canary";

/// In memory, where there is such a place: a disk would be the slowest part of a run.
static FILE: LazyLock<NamedTempFile> =
    LazyLock::new(|| NamedTempFile::new_in("/dev/shm").or_else(|_| NamedTempFile::new()).unwrap());

fuzz_target!(|bytes: &[u8]| {
    let said_before = bytes.windows(CANARY.len()).any(|window| window == CANARY.as_bytes());
    if said_before {
        return;
    }
    let mut file = std::fs::File::create(FILE.path()).unwrap();
    file.write_all(&[bytes, SECRET.as_bytes()].concat()).unwrap();
    drop(file);
    let lines = bytes.split(|byte| *byte == b'\n').count() + 2;
    match load(Some(FILE.path()), &Environment::default()) {
        Ok(config) => assert!(!format!("{config:?}").contains(CANARY)),
        Err(errors) => {
            assert!(!format!("{errors} {errors:?}").contains(CANARY), "{errors}");
            assert!(errors.iter().next().is_some());
            for problem in errors.iter() {
                assert!(!problem.message.is_empty());
                match &problem.place {
                    Place::Line { line, column, .. } => {
                        assert!((1..=lines).contains(line) && *column >= 1, "{problem}");
                    }
                    Place::File(_) | Place::Nowhere => {}
                    Place::Variable(name) => panic!("no variable is set: {name}"),
                }
            }
        }
    }
});
