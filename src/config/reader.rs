//! Reads keys from the environment and the file, and remembers which keys there are.
//!
//! The code that asks for a key is the only declaration of that key: its kind, range and default
//! stand there. What nobody asked for is unknown ([`super::unknown`]), and what was asked for is
//! what the reference file must explain. A wrong value is noted and the default goes on in its
//! place, so that one run reports everything.

use std::collections::HashMap;
use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::{DeTable, DeValue};

use crate::secret::Fingerprint;

use super::document::{Document, SECRETS};
use super::env::{Environment, variable_of};
use super::error::{Errors, Excerpt, Place, Problem};
use super::value::{Kind, Raw, Wrong};
use super::warning::Warning;
use super::watched::Watched;

/// A key that was asked for.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) struct Known {
    /// Its dotted path.
    pub(super) key: String,
    /// What its values look like.
    pub(super) expected: String,
}

impl Known {
    /// The last part of the path.
    pub(super) fn leaf(&self) -> &str {
        leaf(&self.key)
    }

    /// Whether a value can be shown without a thought. A file name is not such a value: people
    /// paste the secret itself there.
    pub(super) fn holds_no_secret(&self) -> bool {
        !SECRETS.contains(&self.leaf().trim_end_matches("_file"))
    }
}

/// The last part of a dotted path.
pub(super) fn leaf(key: &str) -> &str {
    key.rsplit('.').next().unwrap_or(key)
}

/// What is wrong with a value that has quotation marks around it. No key has such values.
pub(super) const QUOTED: &str = "the value has quotation marks around it, and they are part of it: `docker run --env-file` passes them on as they are; remove them";

/// A value and where it stands.
#[derive(Clone, Copy)]
pub(super) struct Found<'a> {
    pub(super) raw: Raw<'a>,
    pub(super) layer: Layer,
}

/// What a value was given by. A later layer goes before an earlier one.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(super) enum Layer {
    File,
    Environment,
}

/// Both layers, and what was learned on the way.
pub(super) struct Reader<'a> {
    pub(super) document: Option<&'a Document>,
    pub(super) root: Option<&'a Spanned<DeTable<'a>>>,
    pub(super) environment: &'a Environment,
    pub(super) known: Vec<Known>,
    pub(super) warnings: Vec<Warning>,
    pub(super) watched: Vec<Watched>,
    /// Of the secrets in files, by the keys that name the files.
    pub(super) fingerprints: HashMap<String, Fingerprint>,
    problems: Vec<Problem>,
}

impl<'a> Reader<'a> {
    pub(super) fn new(
        document: Option<&'a Document>,
        root: Option<&'a Spanned<DeTable<'a>>>,
        environment: &'a Environment,
    ) -> Self {
        Self {
            document,
            root,
            environment,
            known: Vec::new(),
            warnings: Vec::new(),
            watched: document.map(|document| document.watched().clone()).into_iter().collect(),
            fingerprints: HashMap::new(),
            problems: Vec::new(),
        }
    }

    /// The value of a key, if it is there and right.
    pub(super) fn read<K: Kind>(&mut self, key: &str, kind: &K) -> Option<K::Value> {
        self.know(key, kind.expected());
        let found = self.find(key)?;
        match kind.read(found.raw) {
            Ok(value) => Some(value),
            Err(wrongs) => {
                for wrong in wrongs {
                    let expected = wrong.expected.clone().unwrap_or_else(|| kind.expected());
                    self.refuse(key, wrong.expecting(expected));
                }
                None
            }
        }
    }

    /// Replaces a default by the value of a key, if it is there.
    pub(super) fn set<K: Kind>(&mut self, key: &str, kind: &K, target: &mut K::Value) {
        if let Some(value) = self.read(key, kind) {
            *target = value;
        }
    }

    /// Notes that a key exists.
    pub(super) fn know(&mut self, key: &str, expected: String) {
        self.known.push(Known { key: key.to_owned(), expected });
    }

    /// A key's value as it was written; the environment goes before the file.
    pub(super) fn find(&mut self, key: &str) -> Option<Found<'a>> {
        let variable = variable_of(key);
        if self.environment.is_quoted(&variable) {
            self.note(Problem::new(Place::Variable(variable), QUOTED));
            return None;
        }
        match self.environment.text(&variable) {
            Some(Ok(text)) => {
                return Some(Found { raw: Raw::Variable(text), layer: Layer::Environment });
            }
            Some(Err(_)) => {
                self.note(Problem::new(Place::Variable(variable), "the value is not UTF-8 text"));
                return None;
            }
            None => {}
        }
        let raw = Raw::Toml(self.value(key)?);
        Some(Found { raw, layer: Layer::File })
    }

    /// Whether anything was said about a section.
    pub(super) fn has(&self, section: &str) -> bool {
        let prefix = format!("{}__", variable_of(section));
        self.value(section).is_some()
            || self.environment.overrides().any(|name| name.starts_with(&prefix))
    }

    /// Whether a key was given, right or wrong.
    pub(super) fn gives(&self, key: &str) -> bool {
        self.environment.variable(&variable_of(key)).is_some() || self.value(key).is_some()
    }

    /// Notes a problem with a key's value; with its section or the file if there is no value.
    pub(super) fn refuse(&mut self, key: &str, wrong: Wrong) {
        let place = self.place(key, wrong.at.clone());
        let excerpt = self.excerpt(key, &wrong);
        let problem = Problem::new(place, wrong.message()).with_excerpt(excerpt);
        self.note(match problem.place {
            Place::Variable(_) => problem,
            _ => problem.of_key(key),
        });
    }

    /// Notes a problem; one that was met before is told once.
    pub(super) fn note(&mut self, problem: Problem) {
        if !self.problems.contains(&problem) {
            self.problems.push(problem);
        }
    }

    /// Warns, once.
    pub(super) fn warn(&mut self, warning: Warning) {
        if !self.warnings.contains(&warning) {
            self.warnings.push(warning);
        }
    }

    /// A path as the operator means it: relative to the directory of the configuration file.
    pub(super) fn resolved(&self, path: &str) -> PathBuf {
        let directory = self.document.and_then(|document| document.path().parent());
        directory.unwrap_or(Path::new("")).join(path)
    }

    /// The result, if nothing at all is wrong.
    pub(super) fn finish<T>(mut self, result: impl FnOnce(Self) -> Option<T>) -> Result<T, Errors> {
        self.refuse_unknown();
        let problems = std::mem::take(&mut self.problems);
        match result(self) {
            Some(result) if problems.is_empty() => Ok(result),
            _ => Err(Errors::new(problems)),
        }
    }

    pub(super) fn value(&self, key: &str) -> Option<&'a Spanned<DeValue<'a>>> {
        let mut table = self.root?.get_ref();
        let mut parts = key.split('.').peekable();
        while let Some(part) = parts.next() {
            let value = table.get(part)?;
            if parts.peek().is_none() {
                return Some(value);
            }
            table = value.get_ref().as_table()?;
        }
        None
    }

    /// Where the name of a key or section stands; for a section, where it is named first.
    fn name(&self, key: &str) -> Option<Range<usize>> {
        let (table, name) = match key.rsplit_once('.') {
            Some((section, name)) => (self.value(section)?.get_ref().as_table()?, name),
            None => (self.root?.get_ref(), key),
        };
        table.keys().find(|known| known.get_ref() == name).map(Spanned::span)
    }

    fn place(&self, key: &str, part: Option<Range<usize>>) -> Place {
        let variable = variable_of(key);
        if self.environment.variable(&variable).is_some() {
            return Place::Variable(variable);
        }
        let Some(document) = self.document else { return Place::Nowhere };
        let span = part.or_else(|| self.value(key).map(Spanned::span));
        let section = || self.name(key.rsplit_once('.')?.0);
        match span.or_else(section) {
            Some(span) => document.place(span.start),
            None => Place::File(document.path().to_owned()),
        }
    }

    fn excerpt(&self, key: &str, wrong: &Wrong) -> Option<Excerpt> {
        if wrong.confidential || self.environment.variable(&variable_of(key)).is_some() {
            return None;
        }
        let span = wrong.at.clone().or_else(|| self.value(key).map(Spanned::span));
        // A section has no line of its own worth showing: its span may begin at any of its keys.
        let shown = !matches!(self.value(key).map(Spanned::get_ref), Some(DeValue::Table(_)))
            || wrong.at.is_some();
        self.document?.excerpt(span.filter(|_| shown)?)
    }
}
