//! The floors of the house, held: who may use whom, and how long a file may get.
//!
//! A module uses only modules on lower floors; siblings do not see each other. Read are all paths in
//! `src/`, in `use` lines and elsewhere, that begin at the root of the crate.

mod files;

use std::fs;
use std::io;
use std::path::Path;

use files::below;

/// The floors of `src/lib.rs`, from the ground up.
const FLOORS: [&[&str]; 6] = [
    &["secret", "clock", "scope", "account", "answer", "telemetry"],
    &["guard", "budget", "net"],
    &["token"],
    &["proxy", "admin", "simulator"],
    &["config"],
    // Assembly, the one floor with an order of its own: each may use those on its right.
    &["main", "cli", "app"],
];

/// Files that decide without doing: bytes and times in, verdicts out.
const PURE: [&str; 4] = ["guard/", "net/framing", "token/state/", "budget/window.rs"];

/// What a pure file has no use for.
const EFFECTS: [&str; 6] = ["std::fs", "std::io", "std::process", "tokio::", "hyper", "clock::now"];

/// Longest file in lines before its tests.
const MAX_LINES: usize = 330;

#[test]
fn a_module_uses_only_lower_floors() -> io::Result<()> {
    let mut violations = Vec::new();
    for file in sources()? {
        violations.extend(file.edges().filter_map(|edge| objection(&edge)));
    }
    report("edges that the house does not have", &violations);
    Ok(())
}

#[test]
fn every_module_has_a_floor() -> io::Result<()> {
    let mut violations = Vec::new();
    for file in sources()? {
        let module = file.module();
        if rank(module).is_none() {
            violations.push(format!(
                "{}: the module `{module}` is on no floor; add it to src/lib.rs and to FLOORS",
                file.name
            ));
        }
    }
    report("modules without a floor", &violations);
    Ok(())
}

#[test]
fn the_diagram_of_the_machine_is_the_same_in_both_places() {
    let module = include_str!("../src/token/state/mod.rs");
    let page = include_str!("../ARCHITECTURE.md");
    let diagram =
        module.split("//! ```text\n").nth(1).and_then(|rest| rest.split("//! ```").next());
    let mut lines = diagram.expect("a diagram").lines().map(|line| line.trim_start_matches("//! "));
    assert!(lines.clone().count() > 10);
    assert_eq!(lines.find(|line| !page.contains(line)), None, "not in ARCHITECTURE.md");
}

#[test]
fn the_picture_in_lib_rs_shows_these_floors() {
    let picture = include_str!("../src/lib.rs");
    for (number, floor) in FLOORS.iter().enumerate() {
        let label = format!("//! floor {number} ");
        let line = picture.lines().find(|line| line.starts_with(&label)).unwrap_or_default();
        let words: Vec<&str> = line[label.len().min(line.len())..]
            .split([' ', '→'])
            .filter(|word| !word.is_empty())
            .take(floor.len())
            .collect();
        assert_eq!(words, *floor, "src/lib.rs, floor {number}");
    }
}

#[test]
fn a_file_stays_short_and_says_why_it_exists() -> io::Result<()> {
    let mut violations = Vec::new();
    for file in sources()? {
        let lines = file.before_tests().lines().count();
        if lines > MAX_LINES {
            violations.push(format!(
                "{}: {lines} lines before its tests, at most {MAX_LINES}; split it by noun",
                file.name
            ));
        }
        if !file.text.starts_with("//! ") {
            violations.push(format!("{}: begin it with `//!` and why it exists", file.name));
        }
    }
    report("files that do not read well", &violations);
    Ok(())
}

#[test]
fn what_decides_does_nothing_else() -> io::Result<()> {
    let mut violations = Vec::new();
    for file in sources()? {
        if !PURE.iter().any(|pure| file.name.starts_with(pure)) {
            continue;
        }
        let code = without_comments(&file.text);
        for effect in EFFECTS.iter().filter(|effect| code.contains(**effect)) {
            violations.push(format!("{}: `{effect}` in a pure file", file.name));
        }
    }
    report("effects where only verdicts belong", &violations);
    Ok(())
}

#[test]
fn no_certificate_goes_unchecked() -> io::Result<()> {
    let mut violations = Vec::new();
    for file in sources()? {
        // The one door to a verifier of one's own in rustls: `ClientConfig::dangerous`.
        if file.text.contains("dangerous") {
            violations.push(format!("{}: `dangerous` can switch verification off", file.name));
        }
    }
    report("ways round TLS", &violations);
    Ok(())
}

#[test]
fn a_forbidden_edge_is_found_however_it_is_written() {
    for (name, code) in [
        ("secret.rs", "use crate::clock::now;"),
        ("secret.rs", "fn f() { crate::clock::now() }"),
        ("secret.rs", "fn f() { super::clock::now() }"),
        ("net/serve.rs", "use crate::guard;"),
        ("net/serve.rs", "use super::super::guard;"),
        ("net/serve.rs", "use crate::{\n    answer::Code,\n    token::Config,\n};"),
        ("guard/mod.rs", "use crate::{answer, net::{origin::Origin}};"),
        ("token/state.rs", "pub(crate) use crate::proxy as surface;"),
        ("admin/status.rs", "use crate::proxy::Config;"),
        ("proxy/service.rs", "use crate::token;"),
        ("proxy/service.rs", "use crate::token::{self, current::Access};"),
        ("proxy/service.rs", "use crate::token::{current::Access, bearer::AccessToken};"),
        ("proxy/service.rs", "use crate::{token::{current, source}};"),
        ("simulator/api.rs", "use crate::token::current::Access;"),
        ("config/mod.rs", "use crate::app;"),
        ("app.rs", "use crate::cli;"),
        ("cli/run.rs", "use crate::attic;"),
        ("admin/mod.rs", "use webwork_sidecar::simulator;"),
        ("secret.rs", "use crate::*;"),
    ] {
        let file = Source { name: name.to_owned(), text: code.to_owned() };
        let found = file.edges().filter_map(|edge| objection(&edge)).count();
        assert_eq!(found, 1, "{name}: {code}");
    }
}

#[test]
fn an_allowed_edge_is_left_alone() {
    for (name, code) in [
        ("main.rs", "use webwork_sidecar::cli;"),
        ("cli/run.rs", "use crate::app::App;"),
        ("app.rs", "use crate::{admin, config::Config, net::{listen, serve}, proxy};"),
        ("proxy/service.rs", "use crate::token::current::{Access, CurrentToken};"),
        ("proxy/service.rs", "use crate::proxy::request;"),
        ("token/source/mod.rs", "use super::super::token::bearer; use super::bearer;"),
        ("simulator/api.rs", "use crate::{clock, net::listen};"),
        ("secret.rs", "//! Unlike [`crate::token`].\nfn f() {} // crate::app builds it"),
        ("answer.rs", "pub(crate) fn f() {} use othercrate::token;"),
    ] {
        let file = Source { name: name.to_owned(), text: code.to_owned() };
        let found: Vec<String> = file.edges().filter_map(|edge| objection(&edge)).collect();
        assert_eq!(found, Vec::<String>::new(), "{name}: {code}");
    }
}

/// A file of `src/`; its name is relative to it.
struct Source {
    name: String,
    text: String,
}

/// A path from the root of the crate, and the file that uses it.
struct Edge {
    file: String,
    from: String,
    path: Vec<String>,
}

impl Source {
    /// The module of the crate's root that the file belongs to.
    fn module(&self) -> &str {
        let first = self.name.split('/').next().unwrap_or_default();
        first.strip_suffix(".rs").unwrap_or(first)
    }

    /// The part that the product consists of: tests may reach for anything.
    fn before_tests(&self) -> &str {
        if self.is_test() {
            return "";
        }
        self.text.split("\n#[cfg(test)]").next().unwrap_or_default()
    }

    /// Whether the whole file is a test module.
    fn is_test(&self) -> bool {
        self.name.ends_with("/tests.rs") || self.name.contains("/tests/")
    }

    fn edges(&self) -> impl Iterator<Item = Edge> {
        let code = without_comments(self.before_tests());
        let mut paths = rooted(&code, "crate::");
        paths.extend(rooted(&code, "webwork_sidecar::"));
        let climbed = rooted(&code, &"super::".repeat(self.depth()));
        // In unit tests `super` starts one module further down, so most of these are local names.
        paths.extend(climbed.into_iter().filter(|path| rank(&path[0]).is_some()));
        let (file, from) = (self.name.clone(), self.module().to_owned());
        paths.into_iter().map(move |path| Edge { file: file.clone(), from: from.clone(), path })
    }

    /// How many `super` lead from the file to the root of the crate.
    fn depth(&self) -> usize {
        let components = self.name.split('/').count();
        if self.name.ends_with("/mod.rs") { components - 1 } else { components }
    }
}

/// All paths that begin with `root`.
fn rooted(code: &str, root: &str) -> Vec<Vec<String>> {
    let mut paths = Vec::new();
    for (start, _) in code.match_indices(root) {
        let before = code[..start].chars().next_back();
        if !before.is_some_and(|c| c.is_alphanumeric() || c == '_' || c == ':') {
            expand(&mut code[start + root.len()..].trim_start(), &[], &mut paths);
        }
    }
    paths
}

/// Reads one tree of a `use` declaration, such as `a::{b, c::d}`, into whole paths.
fn expand(rest: &mut &str, prefix: &[String], paths: &mut Vec<Vec<String>>) {
    if let Some(inside) = rest.strip_prefix('{') {
        *rest = inside.trim_start();
        while !rest.is_empty() && !rest.starts_with('}') {
            expand(rest, prefix, paths);
            let end = rest.find([',', '}']).unwrap_or(rest.len());
            *rest = rest[end..].trim_start_matches(',').trim_start();
        }
        *rest = rest.strip_prefix('}').unwrap_or(rest);
        return;
    }
    let end =
        rest.find(|c: char| !(c.is_alphanumeric() || c == '_' || c == '*')).unwrap_or(rest.len());
    let path: Vec<String> = prefix.iter().cloned().chain([rest[..end].to_owned()]).collect();
    *rest = &rest[end..];
    match rest.strip_prefix("::") {
        Some(tail) => {
            *rest = tail;
            expand(rest, &path, paths);
        }
        None => paths.push(path),
    }
}

/// Why an edge may not be, if so.
fn objection(edge: &Edge) -> Option<String> {
    let Edge { file, from, path } = edge;
    let to = path[0].as_str();
    let written = path.join("::");
    if from == "lib" || from == to {
        return None;
    }
    let Some(target) = rank(to) else {
        return Some(format!("{file}: `crate::{written}` leads to no module of FLOORS"));
    };
    let reason = if rank(from).is_none_or(|own| target >= own) {
        format!("`{from}` may use lower floors only, and `{to}` is on {}", place(to))
    } else if from == "simulator" && to == "token" {
        "it must be able to prove `token` wrong, so it shares no code with it".to_owned()
    } else if from == "proxy" && to == "token" && path.get(1).is_none_or(|part| part != "current") {
        "the proxy reads `token::current` and must not see anything else of `token`".to_owned()
    } else {
        return None;
    };
    Some(format!("{file}: `crate::{written}`: {reason}"))
}

/// A number that is lower on lower floors and the same for siblings.
fn rank(module: &str) -> Option<usize> {
    const ASSEMBLY: usize = FLOORS.len() - 1;
    if let Some(position) = FLOORS[ASSEMBLY].iter().position(|name| *name == module) {
        return Some(ASSEMBLY + FLOORS[ASSEMBLY].len() - 1 - position);
    }
    FLOORS[..ASSEMBLY].iter().position(|floor| floor.contains(&module))
}

fn place(module: &str) -> String {
    let floor = FLOORS.iter().position(|floor| floor.contains(&module)).unwrap_or_default();
    format!("floor {floor}")
}

/// Everything but comments, so that a link in documentation is no edge.
fn without_comments(text: &str) -> String {
    let code = |line: &str| match line.trim_start().starts_with("//") {
        true => String::new(),
        false => line.split(" // ").next().unwrap_or_default().to_owned() + "\n",
    };
    text.lines().map(code).collect()
}

/// Every Rust file of `src/`, in order, without the root that only lists the modules.
fn sources() -> io::Result<Vec<Source>> {
    let mut sources = Vec::new();
    for path in below("src") {
        let name = path.strip_prefix("src/").unwrap_or(&path).to_owned();
        if name.ends_with(".rs") && name != "lib.rs" {
            let text = fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join(path))?;
            sources.push(Source { text, name });
        }
    }
    assert!(sources.len() > FLOORS.len(), "no sources found");
    Ok(sources)
}

fn report(what: &str, violations: &[String]) {
    assert!(violations.is_empty(), "{what}:\n  {}\n", violations.join("\n  "));
}
