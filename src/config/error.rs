//! What is wrong with a configuration, told to somebody who has never seen the code.
//!
//! All problems are reported at once, each with the place to mend and what to write there. A
//! secret's value never gets into a [`Problem`]: messages name keys and files, and a source line is
//! shown only as far as it is known to hold no secret.

use std::fmt;
use std::path::PathBuf;

/// Everything that is wrong, in the order of the file; never empty.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub struct Errors(Vec<Problem>);

impl Errors {
    pub(super) fn new(mut problems: Vec<Problem>) -> Self {
        problems.sort_by(|one, other| one.place.cmp(&other.place));
        problems.dedup();
        Self(problems)
    }

    /// The problems, one by one.
    pub fn iter(&self) -> impl Iterator<Item = &Problem> {
        self.0.iter()
    }
}

impl From<Problem> for Errors {
    fn from(problem: Problem) -> Self {
        Self(vec![problem])
    }
}

impl fmt::Display for Errors {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, problem) in self.0.iter().enumerate() {
            let gap = if index == 0 { "" } else { "\n" };
            write!(f, "{gap}{problem}")?;
        }
        Ok(())
    }
}

/// One thing to mend. Shown as `FILE:LINE:COLUMN: key: what is wrong; expected …; did you mean
/// "…"?`, followed by the line in question where that helps.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Problem {
    /// Where to mend it.
    pub place: Place,
    /// The dotted path of the key; none where the whole file is meant, or where a variable says it.
    pub key: Option<String>,
    /// What is wrong and what to write instead.
    pub message: String,
    /// The source line.
    pub excerpt: Option<Excerpt>,
}

impl Problem {
    pub(super) fn new(place: Place, message: impl Into<String>) -> Self {
        Self { place, key: None, message: message.into(), excerpt: None }
    }

    pub(super) fn of_key(mut self, key: impl Into<String>) -> Self {
        self.key = Some(key.into());
        self
    }

    pub(super) fn with_excerpt(mut self, excerpt: Option<Excerpt>) -> Self {
        self.excerpt = excerpt;
        self
    }
}

impl fmt::Display for Problem {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}: ", self.place)?;
        if let Some(key) = &self.key {
            write!(f, "{key}: ")?;
        }
        f.write_str(&self.message)?;
        match &self.excerpt {
            Some(excerpt) => write!(f, "\n{excerpt}"),
            None => Ok(()),
        }
    }
}

/// Where a problem is. Ordered as they are reported.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Place {
    /// A character of the configuration file; both numbers count from 1.
    Line {
        /// The file.
        file: PathBuf,
        /// Its line.
        line: usize,
        /// The character in that line.
        column: usize,
    },
    /// A configuration file as a whole.
    File(PathBuf),
    /// An environment variable.
    Variable(String),
    /// The configuration as a whole, when there is no file.
    Nowhere,
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Line { file, line, column } => write!(f, "{}:{line}:{column}", file.display()),
            Self::File(file) => write!(f, "{}", file.display()),
            Self::Variable(name) => f.write_str(name),
            Self::Nowhere => f.write_str("configuration"),
        }
    }
}

/// A source line as far as it may be shown, with carets under what is meant.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Excerpt {
    /// Number of the line, from 1.
    pub line: usize,
    /// Its text, up to the end of what is meant.
    pub text: String,
    /// Characters before the carets.
    pub indent: usize,
    /// Number of carets, at least 1.
    pub width: usize,
}

impl fmt::Display for Excerpt {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let number = self.line.to_string();
        // Tabs and control characters would move the carets, or the terminal's cursor.
        let text = self.text.replace(char::is_control, " ");
        writeln!(f, "  {number} | {}", text.trim_end())?;
        let (gutter, indent) = (" ".repeat(number.len()), " ".repeat(self.indent));
        write!(f, "  {gutter} | {indent}{}", "^".repeat(self.width))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn problems_are_told_in_the_order_of_the_file_and_each_only_once() {
        let at = |line| Place::Line { file: "a.toml".into(), line, column: 1 };
        let variable = Problem::new(Place::Variable("V".into()), "is empty");
        let late = Problem::new(at(10), "late").of_key("b.c");
        let early = Problem::new(at(9), "early");
        let errors = Errors::new(vec![variable, late, early.clone(), early]);
        assert_eq!(errors.to_string(), "a.toml:9:1: early\na.toml:10:1: b.c: late\nV: is empty");
    }

    #[test]
    fn carets_stand_under_what_is_meant() {
        let excerpt = Excerpt { line: 12, text: "\tat = 2".into(), indent: 6, width: 1 };
        assert_eq!(excerpt.to_string(), "  12 |  at = 2\n     |       ^");
    }
}
