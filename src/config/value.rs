//! What a value can be: true or false, one of several words, text, a list; [`super::number`] has
//! the rest.
//!
//! A [`Kind`] reads one value, from TOML or from an environment variable, and says what it expects.

use std::fmt::Display;
use std::ops::Range;

use toml::Spanned;
use toml::de::DeValue;

use super::suggest::closest;

/// A value as it was written.
#[derive(Clone, Copy)]
pub(super) enum Raw<'a> {
    /// In an environment variable: always text.
    Variable(&'a str),
    /// In the configuration file.
    Toml(&'a Spanned<DeValue<'a>>),
}

/// Why a value is not acceptable.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Wrong {
    /// What is wrong; it reads on after the key.
    pub(super) what: String,
    /// What to write instead, if it is not what the kind expects anyway.
    pub(super) expected: Option<String>,
    /// A value that was perhaps meant, as it is written in the file.
    pub(super) suggestion: Option<String>,
    /// The part of the file that is wrong, if it is not the whole value.
    pub(super) at: Option<Range<usize>>,
    /// Whether the value must not be shown.
    pub(super) confidential: bool,
}

impl Wrong {
    pub(super) fn new(what: impl Display) -> Self {
        Self { what: what.to_string(), ..Self::default() }
    }

    pub(super) fn expecting(mut self, expected: impl Display) -> Self {
        self.expected = Some(expected.to_string());
        self
    }

    pub(super) fn suggesting(mut self, suggestion: impl Display) -> Self {
        self.suggestion = Some(format!("\"{suggestion}\""));
        self
    }

    pub(super) fn confidential(mut self) -> Self {
        self.confidential = true;
        self
    }

    /// The whole sentence.
    pub(super) fn message(&self) -> String {
        let mut message = self.what.clone();
        if let Some(expected) = &self.expected {
            message.push_str("; expected ");
            message.push_str(expected);
        }
        if let Some(suggestion) = &self.suggestion {
            message.push_str("; did you mean ");
            message.push_str(suggestion);
            message.push('?');
        }
        message
    }
}

/// A kind of value.
pub(super) trait Kind {
    /// What it becomes.
    type Value;

    /// What to write; it reads on after "expected".
    fn expected(&self) -> String;

    /// Reads a value, or says everything that is wrong with it.
    fn read(&self, raw: Raw<'_>) -> Result<Self::Value, Vec<Wrong>>;
}

impl Raw<'_> {
    /// The text, if this is one.
    pub(super) fn text(&self) -> Option<&str> {
        match self {
            Self::Variable(text) => Some(text),
            Self::Toml(value) => value.get_ref().as_str(),
        }
    }

    /// What was found instead of the right type; never the value, which can be a misplaced secret.
    pub(super) fn mistyped(&self) -> Wrong {
        Wrong::new(match self {
            Self::Variable(text) => return Wrong::new(unfit(text)),
            Self::Toml(value) => match value.get_ref() {
                DeValue::String(text) => return Wrong::new(unfit(text)),
                DeValue::Integer(_) => "found a number",
                DeValue::Float(_) => "found a number with a fraction",
                DeValue::Boolean(_) => "found true or false",
                DeValue::Datetime(_) => "found a date or time",
                DeValue::Array(_) => "found a list",
                DeValue::Table(_) => "found a section",
            },
        })
    }

    /// An integer, also from a variable.
    pub(super) fn integer(&self) -> Option<i64> {
        match self {
            Self::Variable(text) => text.parse().ok(),
            Self::Toml(value) => {
                let integer = value.get_ref().as_integer()?;
                i64::from_str_radix(integer.as_str(), integer.radix()).ok()
            }
        }
    }
}

/// A text in quotation marks, shortened, with control characters escaped. With an `@` it could be a
/// URL with a password, and is not shown.
pub(super) fn quoted(text: &str) -> String {
    if text.contains('@') {
        return "\"…\"".to_owned();
    }
    let mut shown: String = text.chars().take(60).collect();
    if shown.len() < text.len() {
        shown.push('…');
    }
    format!("{shown:?}")
}

fn unfit(text: &str) -> String {
    if text.is_empty() { "is empty".to_owned() } else { format!("found {}", quoted(text)) }
}

/// `true` or `false`.
pub(super) struct Flag;

impl Kind for Flag {
    type Value = bool;

    fn expected(&self) -> String {
        "true or false".into()
    }

    fn read(&self, raw: Raw<'_>) -> Result<bool, Vec<Wrong>> {
        let text = match raw {
            Raw::Toml(value) => match value.get_ref().as_bool() {
                Some(flag) => return Ok(flag),
                None => raw.text().unwrap_or_default(),
            },
            Raw::Variable(text) => text,
        };
        let meant = match text.to_ascii_lowercase().as_str() {
            "true" | "yes" | "on" | "1" => "true",
            "false" | "no" | "off" | "0" => "false",
            _ => return Err(vec![raw.mistyped()]),
        };
        match raw {
            Raw::Variable("true") => Ok(true),
            Raw::Variable("false") => Ok(false),
            Raw::Variable(_) => Err(vec![raw.mistyped().suggesting(meant)]),
            Raw::Toml(_) => Err(vec![
                Wrong::new("found text").expecting(format!("{meant} without quotation marks")),
            ]),
        }
    }
}

/// One word of several.
pub(super) struct Choice<T: 'static>(pub(super) &'static [(&'static str, T)]);

impl<T: Copy> Kind for Choice<T> {
    type Value = T;

    fn expected(&self) -> String {
        let words: Vec<_> = self.0.iter().map(|(word, _)| format!("\"{word}\"")).collect();
        match words.split_last() {
            Some((last, rest)) if !rest.is_empty() => format!("{} or {last}", rest.join(", ")),
            _ => words.concat(),
        }
    }

    fn read(&self, raw: Raw<'_>) -> Result<T, Vec<Wrong>> {
        let text = raw.text().ok_or_else(|| vec![raw.mistyped()])?;
        if let Some((_, value)) = self.0.iter().find(|(word, _)| *word == text) {
            return Ok(*value);
        }
        let wrong = raw.mistyped();
        Err(vec![match closest(text, self.0.iter().map(|(word, _)| *word)) {
            Some(near) => wrong.suggesting(near),
            None => wrong,
        }])
    }
}

/// Text with a meaning of its own.
pub(super) struct Text<T> {
    /// What to write; it reads on after "expected".
    pub(super) expected: &'static str,
    /// Reads the text.
    pub(super) check: fn(&str) -> Result<T, Wrong>,
}

impl<T> Kind for Text<T> {
    type Value = T;

    fn expected(&self) -> String {
        self.expected.to_owned()
    }

    fn read(&self, raw: Raw<'_>) -> Result<T, Vec<Wrong>> {
        let text = raw.text().ok_or_else(|| vec![raw.mistyped()])?;
        (self.check)(text).map_err(|wrong| vec![wrong])
    }
}

/// Several values of one kind; in a variable they are separated by commas.
pub(super) struct List<K>(pub(super) K);

impl<K: Kind> Kind for List<K> {
    type Value = Vec<K::Value>;

    fn expected(&self) -> String {
        format!("a list, each item {}", self.0.expected())
    }

    fn read(&self, raw: Raw<'_>) -> Result<Vec<K::Value>, Vec<Wrong>> {
        let read = |item: Raw<'_>| {
            self.0.read(item).map_err(|mut wrongs| {
                for wrong in &mut wrongs {
                    wrong.expected.get_or_insert_with(|| self.0.expected());
                    if let Raw::Toml(value) = item {
                        wrong.at.get_or_insert(value.span());
                    }
                }
                wrongs
            })
        };
        let items: Vec<_> = match raw {
            Raw::Variable(text) if text.trim().is_empty() => Vec::new(),
            Raw::Variable(text) => {
                text.split(',').map(|item| read(Raw::Variable(item.trim()))).collect()
            }
            Raw::Toml(value) => match value.get_ref() {
                DeValue::Array(items) => items.iter().map(|item| read(Raw::Toml(item))).collect(),
                DeValue::String(text) => {
                    let items: Vec<_> = text
                        .split([',', ' '])
                        .filter(|item| !item.is_empty())
                        .map(quoted)
                        .collect();
                    let list = format!("[{}]", items.join(", "));
                    return Err(vec![Wrong { suggestion: Some(list), ..Wrong::new("found text") }]);
                }
                _ => return Err(vec![raw.mistyped()]),
            },
        };
        let (mut values, mut wrongs) = (Vec::new(), Vec::new());
        for item in items {
            match item {
                Ok(value) => values.push(value),
                Err(more) => wrongs.extend(more),
            }
        }
        if wrongs.is_empty() { Ok(values) } else { Err(wrongs) }
    }
}
