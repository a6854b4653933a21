//! SEMANTICS.md and SECURITY.md name a test for what they promise, and every test that they name exists.
//!
//! A proof is written as `file::name`: a test in Rust, a target of fuzz/, a case of a file of cases, in
//! which a line begins with its name, or an attempt of a script, where the name stands in quotation marks.

#![allow(clippy::panic, reason = "a page that is not there has failed the test")]

use std::fs;
use std::path::Path;

/// The pages, and how many proofs there are at least: if they are written in another way, they are not
/// found, and nothing is proven.
const PAGES: [(&str, usize); 2] = [("SEMANTICS.md", 60), ("SECURITY.md", 40)];

#[test]
fn every_row_has_a_proof_and_every_proof_exists() {
    for (page, least) in PAGES {
        let text = read(page);
        let mut wrong = Vec::new();
        let mut count = 0;
        for row in rows(&text) {
            let proofs: Vec<_> = proofs(row).collect();
            if proofs.is_empty() {
                wrong.push(format!("no proof: {row}"));
            }
            count += proofs.len();
            wrong.extend(proofs.into_iter().filter_map(|(file, name)| missing(file, name)));
        }
        assert!(wrong.is_empty(), "{page}:\n  {}", wrong.join("\n  "));
        assert!(count >= least, "{page} has {count} proofs");
    }
}

#[test]
fn every_answer_of_our_own_is_in_semantics() {
    let (semantics, source) = (read("SEMANTICS.md"), read("src/answer.rs"));
    let codes: Vec<&str> = source
        .lines()
        .filter_map(|line| line.split_once("=> Entry(S::")?.1.split('"').nth(1))
        .collect();
    assert!(codes.len() > 20, "{codes:?}");
    for code in codes {
        assert!(semantics.contains(&format!("`{code}`")), "{code} of src/answer.rs is missing");
    }
}

#[test]
fn every_field_that_is_dropped_is_in_semantics() {
    let (semantics, source) = (read("SEMANTICS.md"), read("src/proxy/fields.rs"));
    let semantics = semantics.to_ascii_lowercase();
    let product = source.split("#[cfg(test)]").next().unwrap_or_default();
    let code = product.lines().map(str::trim).filter(|line| !line.starts_with("//"));
    let names: Vec<&str> = code.flat_map(names).collect();
    assert!(names.len() > 40, "{names:?}");
    for name in names {
        assert!(
            semantics.contains(&format!("`{name}")),
            "{name} of src/proxy/fields.rs is missing"
        );
    }
}

/// The names of fields in a line of code; bytes, such as `b"close"`, are values.
fn names(line: &str) -> Vec<&str> {
    let parts: Vec<&str> = line.split('"').collect();
    let texts = parts.windows(2).step_by(2).filter(|pair| !pair[0].ends_with('b'));
    let is_name = |text: &&str| {
        let is_plain = |byte: u8| byte.is_ascii_lowercase() || b"-2".contains(&byte);
        text.len() > 1 && text.bytes().all(is_plain)
    };
    texts.map(|pair| pair[1]).filter(is_name).collect()
}

fn read(page: &str) -> String {
    let path = Path::new(env!("CARGO_MANIFEST_DIR")).join(page);
    fs::read_to_string(&path).unwrap_or_else(|error| panic!("{}: {error}", path.display()))
}

/// The rows of all tables, without their heads.
fn rows(text: &str) -> impl Iterator<Item = &str> {
    let mut lines = text.lines().peekable();
    std::iter::from_fn(move || {
        loop {
            let line = lines.next()?;
            let is_head = lines.peek().is_some_and(|next| next.starts_with("| ---"));
            if line.starts_with("| ") && !line.starts_with("| ---") && !is_head {
                return Some(line);
            }
        }
    })
}

/// The proofs in a row, each as file and name.
fn proofs(row: &str) -> impl Iterator<Item = (&str, &str)> {
    let codes = row.split('`').skip(1).step_by(2).filter_map(|code| code.split_once("::"));
    codes.filter(|(file, _)| file.contains('/'))
}

fn missing(file: &str, name: &str) -> Option<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    // The fuzzers are a workspace of their own, which the package of the crate does not have.
    if file.starts_with("fuzz/") && !root.join("fuzz").is_dir() {
        return None;
    }
    let Ok(text) = fs::read_to_string(root.join(file)) else {
        return Some(format!("there is no file {file} with {name}"));
    };
    let is_there = match file.rsplit_once('.').map(|(_, kind)| kind) {
        Some("rs") if name == "fuzz_target" => text.contains("fuzz_target!("),
        Some("rs") => text.contains(&format!("fn {name}(")),
        Some("txt") => text.lines().any(|line| line.starts_with(&format!("{name} |"))),
        _ => text.contains(&format!("\"{name}\"")),
    };
    (!is_there).then(|| format!("there is no {name} in {file}"))
}
