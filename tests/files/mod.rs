//! The files of the project, for tests that read them.

#![allow(clippy::unwrap_used, reason = "a test says so by failing")]

use std::fs;
use std::path::Path;

/// The names of all files below a directory, from the root of the project, in order.
pub(crate) fn below(directory: &str) -> Vec<String> {
    let root = Path::new(env!("CARGO_MANIFEST_DIR"));
    let mut waiting = vec![root.join(directory)];
    let mut files = Vec::new();
    while let Some(path) = waiting.pop() {
        if path.is_dir() {
            waiting.extend(fs::read_dir(&path).unwrap().map(|entry| entry.unwrap().path()));
        } else {
            files.push(path.strip_prefix(root).unwrap().to_str().unwrap().to_owned());
        }
    }
    files.sort();
    files
}
