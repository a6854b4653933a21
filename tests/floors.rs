//! No crate of a `Cargo.lock` is older than the release that mended its known vulnerabilities.
//!
//! The advisory database cannot be reached from every build machine, so the floors stand here. Each
//! crate appears once: a second, older copy would bring the defect back.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::fs;
use std::path::Path;

use toml::Table;

/// The crates that touch the network, tokens or TLS, and what their floor mends.
const FLOORS: [(&str, [u64; 3], &str); 12] = [
    ("arc-swap", [1, 1, 0], "RUSTSEC-2020-0091, dangling reference in Map"),
    ("bytes", [1, 11, 1], "RUSTSEC-2026-0007, overflow in reserve"),
    ("h2", [0, 4, 16], "RUSTSEC-2026-0258, unbounded empty DATA frames"),
    ("http", [0, 1, 20], "RUSTSEC-2019-0033, overflow in reserve"),
    ("hyper", [1, 11, 0], "Content-Length kept before Transfer-Encoding"),
    ("idna", [1, 0, 0], "RUSTSEC-2024-0421, Punycode of ASCII labels accepted"),
    ("ring", [0, 17, 12], "RUSTSEC-2025-0009, panic with overflow checks"),
    ("rustls", [0, 23, 46], "RUSTSEC-2026-0285, messages at the wrong encryption level"),
    ("rustls-webpki", [0, 103, 13], "RUSTSEC-2026-0104, panic in revocation lists"),
    ("time", [0, 2, 23], "RUSTSEC-2020-0071, local offset read from the environment"),
    ("tokio", [1, 44, 0], "RUSTSEC-2025-0023, broadcast channel clones in parallel"),
    ("tokio-rustls", [0, 13, 1], "RUSTSEC-2020-0019, data that waits is not read"),
];

#[test]
fn no_locked_crate_is_below_its_floor() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    for name in ["Cargo.lock", "fuzz/Cargo.lock"] {
        let path = root.join(name);
        // The fuzzers are a workspace of their own, which the package of the crate does not have.
        if !path.parent().is_some_and(Path::is_dir) {
            continue;
        }
        let lock = fs::read_to_string(path).unwrap();
        let violations = violations(&lock);
        assert!(violations.is_empty(), "{name}:\n{}", violations.join("\n"));
    }
}

#[test]
fn an_old_a_second_and_a_missing_crate_are_noticed() {
    let lock = |crates: &[(&str, &str)]| -> String {
        let package = |(name, version): &(&str, &str)| {
            format!("[[package]]\nname = \"{name}\"\nversion = \"{version}\"\n")
        };
        crates.iter().map(package).collect()
    };
    let mut crates = vec![
        ("arc-swap", "1.1.0"),
        ("bytes", "1.11.1"),
        ("http", "0.1.20"),
        ("h2", "0.4.16"),
        ("hyper", "1.11.0"),
        ("idna", "1.0.0"),
        ("ring", "0.17.12"),
        ("rustls", "0.23.46"),
        ("rustls-webpki", "0.103.13"),
        ("time", "0.2.23"),
        ("tokio", "1.44.0+build.7"),
        ("tokio-rustls", "0.13.1"),
    ];
    assert_eq!(violations(&lock(&crates)), Vec::<String>::new());

    crates[4].1 = "1.9.12";
    let old = "hyper 1.9.12 is below 1.11.0 (Content-Length kept before Transfer-Encoding); \
               run `cargo update -p hyper`";
    assert_eq!(violations(&lock(&crates)), [old]);

    crates[4].1 = "1.11.0";
    crates.push(("h2", "0.3.27"));
    assert_eq!(violations(&lock(&crates)).len(), 2, "a second copy that is too old");

    crates.retain(|(name, _)| *name != "h2");
    assert_eq!(violations(&lock(&crates)).len(), 1, "a crate that is not there");
}

/// What is wrong with a lock file, one sentence each.
fn violations(lock: &str) -> Vec<String> {
    let lock: Table = match lock.parse() {
        Ok(lock) => lock,
        Err(error) => return vec![format!("it is no TOML: {error}")],
    };
    let mut violations = Vec::new();
    for (name, floor, reason) in FLOORS {
        let versions = locked(&lock, name);
        if versions.len() != 1 {
            violations.push(format!(
                "{name} is there {} times instead of once: {versions:?}; see `cargo tree -i {name}`, \
                 and drop the floor if nothing needs the crate any more",
                versions.len()
            ));
        }
        for version in versions {
            if numbers(version) < floor {
                let [major, minor, patch] = floor;
                violations.push(format!(
                    "{name} {version} is below {major}.{minor}.{patch} ({reason}); \
                     run `cargo update -p {name}`"
                ));
            }
        }
    }
    violations
}

/// Every locked version of a crate.
fn locked<'a>(lock: &'a Table, name: &str) -> Vec<&'a str> {
    let packages = lock.get("package").and_then(toml::Value::as_array).into_iter().flatten();
    packages
        .filter(|package| package.get("name").and_then(toml::Value::as_str) == Some(name))
        .filter_map(|package| package.get("version").and_then(toml::Value::as_str))
        .collect()
}

/// Major, minor and patch; what is no number counts as 0, the lowest.
fn numbers(version: &str) -> [u64; 3] {
    let release = version.split(['+', '-']).next().unwrap_or_default();
    let mut parts = release.split('.').map(|part| part.parse().unwrap_or(0));
    [(); 3].map(|()| parts.next().unwrap_or(0))
}
