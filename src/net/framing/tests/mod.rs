//! Messages as they come over the wire, and what the readers say of them.

mod request;
mod response;

use proptest::prelude::*;
use proptest::sample::Index;

use super::{Flaw, Limits, Objection, Passed, Reader, repaired};

const LIMITS: Limits = Limits { head: 1024, fields: 12, target: 64 };

/// What became of bytes that arrived in pieces.
#[derive(Debug, Default, PartialEq, Eq)]
struct Outcome {
    clear: Vec<u8>,
    objection: Option<Objection>,
}

impl Outcome {
    fn flaw(&self) -> Option<Flaw> {
        self.objection.map(|objection| objection.flaw)
    }
}

/// Shows the pieces to a reader, one after the other.
fn fed(mut reader: impl Reader, pieces: &[&[u8]]) -> Outcome {
    let mut outcome = Outcome::default();
    let mut window = Vec::new();
    for piece in pieces {
        window.extend_from_slice(piece);
        let verdict = reader.judge(&window);
        let repairs = reader.repairs();
        let went: Vec<u8> = window.drain(..verdict.clear).collect();
        outcome.clear.extend(repaired(&went, &repairs));
        outcome.objection = verdict.objection;
        if outcome.objection.is_some() {
            break;
        }
    }
    outcome
}

/// Every byte by itself.
fn singly(bytes: &[u8]) -> Vec<&[u8]> {
    bytes.chunks(1).collect()
}

/// The bytes, cut at these places.
fn cut<'a>(bytes: &'a [u8], cuts: &[Index]) -> Vec<&'a [u8]> {
    let mut places: Vec<_> = cuts.iter().map(|cut| cut.index(bytes.len() + 1)).collect();
    places.sort_unstable();
    let mut begin = 0;
    let pieces = places.into_iter().chain([bytes.len()]);
    pieces.map(|place| &bytes[std::mem::replace(&mut begin, place)..place]).collect()
}

/// Some of these words one after the other, and a few bytes that are none.
fn words(words: &'static [&'static str]) -> impl Strategy<Value = Vec<u8>> {
    let part = prop_oneof![
        6 => prop::sample::select(words).prop_map(|word| word.as_bytes().to_vec()),
        1 => prop::collection::vec(any::<u8>(), 1..4),
    ];
    prop::collection::vec(part, 0..24).prop_map(|parts| parts.concat())
}

/// Where the pieces begin does not change what is wrong, and never lets more of a flawed message pass
/// than was here before.
fn agree(bytes: &[u8], whole: &Outcome, pieces: &Outcome) {
    let shown = bytes.escape_ascii();
    assert_eq!(whole.flaw(), pieces.flaw(), "{shown}");
    assert!(pieces.clear.starts_with(&whole.clear), "{shown}");
    match pieces.objection {
        Some(Objection { passed: Passed::Head, .. }) => {}
        _ => assert_eq!(whole.clear, pieces.clear, "{shown}"),
    }
}
