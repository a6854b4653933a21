//! What README.md says of settings, answers and messages is what the program has.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

mod files;

use std::fs;
use std::path::Path;

use files::below;
use webwork_sidecar::answer::Code;

const README: &str = include_str!("../README.md");
const REFERENCE: &str = include_str!("../config/sidecar.toml");

/// No request gets it today; SEMANTICS.md says so.
const RESERVED: &str = "budget_exhausted";

/// The rows of the table that begins with this line, by cells.
fn table(head: &str) -> Vec<Vec<&'static str>> {
    let (_, rest) = README.split_once(head).unwrap_or_else(|| panic!("no table {head}"));
    let rows = rest.lines().skip(2).take_while(|line| line.starts_with('|'));
    rows.map(|row| row.trim_matches('|').split(" | ").map(str::trim).collect()).collect()
}

/// What stands between backticks.
fn codes(cell: &str) -> Vec<&str> {
    cell.split('`').skip(1).step_by(2).collect()
}

/// The default that the reference file shows for a key.
fn default(key: &str) -> Option<&'static str> {
    let (section, name) = key.split_once('.')?;
    let (_, rest) = REFERENCE.split_once(&format!("\n[{section}]\n"))?;
    let lines = rest.lines().take_while(|line| !line.starts_with('['));
    lines
        .filter_map(|line| line.strip_prefix('#')?.split_once(" = "))
        .find_map(|(known, value)| if known == name { Some(value) } else { None })
}

#[test]
fn the_settings_have_the_defaults_that_are_told() {
    let rows = table("| setting | default | what for |");
    assert!(rows.len() > 10, "{rows:?}");
    for row in rows {
        let key = codes(row[0])[0];
        assert_eq!(Some(codes(row[1])[0]), default(key), "{key}");
    }
}

#[test]
fn every_code_of_an_answer_is_explained() {
    let rows = table("| `error.code` | status | what to do |");
    for code in Code::ALL.iter().filter(|code| code.as_str() != RESERVED) {
        let row = rows.iter().find(|row| codes(row[0]).contains(&code.as_str()));
        let row = row.unwrap_or_else(|| panic!("README.md does not explain {}", code.as_str()));
        assert!(row[1].contains(code.status().as_str()), "{}: {}", code.as_str(), row[1]);
    }
    for name in rows.iter().flat_map(|row| codes(row[0])) {
        assert!(Code::ALL.iter().any(|code| code.as_str() == name), "there is no code {name}");
    }
}

#[test]
fn the_figures_are_those_that_the_script_prints() {
    let script = include_str!("../bench/figures");
    let rows = table("| of the image | |");
    assert_eq!(rows.len(), 5, "{rows:?}");
    for row in rows {
        let what = row[0].replace("64", "{CONNECTIONS}");
        assert!(script.contains(&format!("\"{what}\"")), "bench/figures does not print {what}");
        assert!(row[1].starts_with(|first: char| first.is_ascii_digit()), "{row:?}");
    }
}

#[test]
fn the_messages_of_a_start_are_those_of_the_program() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let code = below("src").into_iter().filter(|name| name.ends_with(".rs"));
    let source: String = code.map(|name| fs::read_to_string(root.join(name)).unwrap()).collect();
    let rows = table("| message | what to do |");
    assert!(rows.len() >= 5, "{rows:?}");
    for row in rows {
        let told = codes(row[0])[0].trim_start_matches("… ");
        // What the program puts in is an example in the table.
        let known = told.replace("uid 0", "uid {owner}");
        let known = known.strip_prefix("Read-only file system").unwrap_or(&known);
        assert!(source.contains(known), "no message of the program: {told}");
    }
}

#[test]
fn what_a_first_build_needs_and_what_a_release_brings_is_told() {
    let compiler =
        concat!("[Rust](https://rustup.rs) ", env!("CARGO_PKG_RUST_VERSION"), " or later");
    assert!(README.contains(compiler), "README.md does not name {compiler}");
    // It is not in the package of the crate, where nothing may be included from elsewhere.
    let workflow = Path::new(env!("CARGO_MANIFEST_DIR")).join(".github/workflows/release.yml");
    let release = fs::read_to_string(workflow).unwrap();
    for (told, made) in [
        ("`webwork-sidecar-linux-amd64`", "\"files/webwork-sidecar-linux-$ARCHITECTURE\""),
        ("on x86-64 and arm64", "ubuntu-24.04-arm, architecture: arm64"),
        ("`SHA256SUMS`", ">SHA256SUMS"),
        (
            "`ghcr.io/OWNER/REPOSITORY:VERSION`",
            "ghcr.io/${GITHUB_REPOSITORY,,}:${GITHUB_REF_NAME#v}",
        ),
        ("`ghcr.io/OWNER/REPOSITORY:VERSION-debug`", "\"$image\" \"$image-debug\""),
        ("for Debian 12", "rust:1.95-bookworm"),
    ] {
        assert!(README.contains(told), "README.md does not tell of {told}");
        assert!(release.contains(made), "the workflow does not make {told}");
    }
}
