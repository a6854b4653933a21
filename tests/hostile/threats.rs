//! Every line of the threat model has its cases here, or a test elsewhere.

use std::collections::{BTreeMap, BTreeSet};
use std::path::Path;

use crate::{certificates, suite};

/// `id | what it is | proof`: the proof is `cases`, or a file of the repository and a test in it.
const THREATS: &str = include_str!("threats.txt");

#[test]
fn every_threat_has_its_proof_and_every_case_its_threat() {
    let mut proofs = BTreeMap::new();
    for line in THREATS.lines().filter(|line| !line.is_empty() && !line.starts_with('#')) {
        let columns: Vec<&str> = line.split(" | ").collect();
        let [id, _what, proof] = columns[..] else { panic!("not three columns: {line}") };
        assert!(proofs.insert(id, proof).is_none(), "{id} is there twice");
    }
    let cases = suite::cases();
    let tried: BTreeSet<&str> = cases
        .iter()
        .map(|(_, _, case)| case.threat)
        .chain(certificates::CASES.map(|(_, threat)| threat))
        .collect();
    let mut wrong = Vec::new();
    for (id, proof) in &proofs {
        match proof.split_once(' ') {
            None if *proof == "cases" && tried.contains(id) => {}
            Some((file, test)) if has_test(file, test) => {}
            _ => wrong.push(format!("{id}: there is no such proof: {proof}")),
        }
    }
    let unknown = tried.iter().filter(|threat| !proofs.contains_key(*threat));
    wrong.extend(unknown.map(|threat| format!("{threat} is no line of threats.txt")));
    assert!(wrong.is_empty(), "{}", wrong.join("\n"));
}

fn has_test(file: &str, test: &str) -> bool {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(file);
    std::fs::read_to_string(path).is_ok_and(|text| text.contains(&format!("fn {test}(")))
}
