//! Texts that must never be seen, and everybody who looks for them.
//!
//! Whoever makes a secret for a test plants it; whoever reads what a sidecar shows examines it. So every
//! log line, page, answer of our own and `Debug` text of the whole suite is examined, whichever test it
//! belongs to.

use std::fmt::Debug;
use std::sync::{Mutex, MutexGuard, PoisonError};

use super::Reply;

/// How every token of the simulator begins, those that tests publish themselves, and what tests write
/// where the operator writes a secret.
const BEGINNINGS: [&str; 4] = ["eyJ0eXAi", "def50200", "token-", "canary"];

/// A secret that nobody may see as long as this lives.
pub(crate) struct Planted(String);

static PLANTED: Mutex<Vec<String>> = Mutex::new(Vec::new());

/// What was seen where no test looks: lines of the log.
static FOUND: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Planted {
    pub(crate) fn new(secret: impl Into<String>) -> Self {
        let secret = secret.into();
        assert!(secret.len() >= 8, "too short to be told from other texts");
        locked(&PLANTED).push(secret.clone());
        Self(secret)
    }
}

impl Drop for Planted {
    fn drop(&mut self) {
        let mut planted = locked(&PLANTED);
        if let Some(at) = planted.iter().position(|secret| *secret == self.0) {
            planted.swap_remove(at);
        }
    }
}

/// The planted text that stands in this one.
pub(crate) fn shown_by(text: &str) -> Option<String> {
    let planted = locked(&PLANTED);
    let all = BEGINNINGS.into_iter().chain(planted.iter().map(String::as_str));
    all.into_iter().find(|secret| text.contains(secret)).map(str::to_owned)
}

/// Fails if a planted text stands in this one.
pub(crate) fn examine(what: &str, text: &str) {
    assert_eq!(shown_by(text), None, "in {what}: {text}");
}

/// Fails if a planted text can be seen by whoever prints this.
pub(crate) fn examine_debug(thing: &impl Debug) {
    examine(std::any::type_name_of_val(thing), &format!("{thing:?} {thing:#?}"));
}

/// Fails if an answer of the sidecar's own shows a planted text. What the upstream says is its own.
pub(crate) fn examine_reply(reply: &Reply) {
    let fields = format!("{:?}", reply.fields);
    if fields.contains("\"webwork-sidecar; error=") {
        examine("an answer", &format!("{fields} {}", String::from_utf8_lossy(&reply.content)));
    }
}

/// Remembers a line of the log that shows a planted text. Who writes it cannot fail the test.
pub(crate) fn examine_line(line: &str) {
    if shown_by(line).is_some() {
        locked(&FOUND).push(line.to_owned());
    }
}

/// Fails if any line of the log so far showed a planted text.
pub(crate) fn nothing_was_logged() {
    assert_eq!(*locked(&FOUND), Vec::<String>::new());
}

/// Another test's failure is not this one's.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
