//! Finds the answer in what a token endpoint sent.
//!
//! RFC 6749 §5 wants a JSON object. Servers send forms, wrap the object into another one, and let
//! guards, warnings of PHP and padding stand around it. An answer may bring the only copy of a rotated
//! token, so whatever has one reading is read. What has none, or two, is nothing.

use std::borrow::Cow;

use http::HeaderMap;
use secrecy::zeroize::Zeroizing;
use serde::de::IgnoredAny;
use serde_json::{Map, Value};
use url::form_urlencoded;

use super::coding::decoded;
use super::tree::Tree;

/// An answer in which tokens or an error were found.
pub(super) enum Answer {
    /// The object with `access_token`.
    Tokens(Found),
    /// The object with the error.
    Error(Found),
}

/// An object, and where in it the answer stands.
pub(super) struct Found {
    tree: Tree,
    path: Vec<Step>,
}

/// One step down.
#[derive(Clone, Debug, PartialEq, Eq)]
enum Step {
    Name(String),
    Index(usize),
}

/// Places at which an object is looked for: what stands around one is short.
const ATTEMPTS: usize = 64;

/// Levels that are searched for the answer.
const DEPTH: usize = 4;

/// The one answer in the content, if there is one.
pub(super) fn answer(fields: &HeaderMap, content: &[u8]) -> Option<Answer> {
    let plain = decoded(fields, content);
    let text = text(plain.as_ref().map_or(content, |plain| plain.as_slice()));
    answer_in(&text)
}

fn answer_in(text: &str) -> Option<Answer> {
    let text = text.trim_matches(|it: char| it.is_whitespace() || it == '\0' || it == '\u{feff}');
    // JSON as a text in JSON.
    if text.starts_with('"') {
        let inner = Zeroizing::new(serde_json::from_str::<String>(text).ok()?);
        return if inner.starts_with('"') { None } else { answer_in(&inner) };
    }
    let mut answer = None;
    for tree in objects(text)? {
        let Some(next) = judged(tree)? else { continue };
        match &answer {
            None => answer = Some(next),
            Some(before) if before.object() == next.object() => {}
            Some(_) => return None,
        }
    }
    match answer {
        Some(answer) => Some(answer),
        None => judged(form(text)?)?,
    }
}

/// The objects in a text, one after the other; `None` if one of them has two readings.
fn objects(text: &str) -> Option<Vec<Tree>> {
    let (mut found, mut rest) = (Vec::new(), text);
    for _ in 0..ATTEMPTS {
        let Some(start) = rest.find('{') else { break };
        if is_page(&rest[..start]) {
            // An example in a page is nobody's token.
            return None;
        }
        rest = &rest[start..];
        let mut stream = serde_json::Deserializer::from_str(rest).into_iter::<IgnoredAny>();
        rest = match stream.next() {
            Some(Ok(_)) => {
                let (object, after) = rest.split_at_checked(stream.byte_offset())?;
                found.push(serde_json::from_str(object).ok()?);
                after
            }
            _ => &rest[1..],
        };
    }
    Some(found)
}

fn is_page(text: &str) -> bool {
    let text = text.to_ascii_lowercase();
    ["<!doctype", "<html", "<body"].into_iter().any(|mark| text.contains(mark))
}

/// What GitHub sends unless it is asked for JSON, and others in RFC 6749's own youth.
fn form(text: &str) -> Option<Tree> {
    if !text.contains('=') || text.contains(['<', '{', '"', ' ', '\n']) {
        return None;
    }
    let mut tree = Map::new();
    for (name, value) in form_urlencoded::parse(text.as_bytes()) {
        let value = Value::from(value.into_owned());
        if tree.get(&*name).is_some_and(|before| *before != value) {
            return None;
        }
        tree.insert(name.into_owned(), value);
    }
    Some(Tree::object(tree))
}

/// Tokens or an error in an object. `Some(None)`: it has neither; `None`: it contradicts itself.
#[expect(clippy::option_option, reason = "nothing there is not the same as two things there")]
fn judged(tree: Tree) -> Option<Option<Answer>> {
    let Some(top) = tree.as_object() else { return Some(None) };
    let tokens = places(top, &|object| text_of(object, "access_token").is_some());
    let mut errors = places(top, &|object| error_code(object).is_some_and(|code| !code.is_empty()));
    if errors.is_empty() {
        errors = places(top, &|object| error_code(object).is_some());
    }
    match (tokens.as_slice(), errors.as_slice()) {
        ([], []) => Some(None),
        ([path], []) => Some(Some(Answer::Tokens(Found { path: path.clone(), tree }))),
        // The error of the outermost object is the error.
        ([], [path, ..]) => Some(Some(Answer::Error(Found { path: path.clone(), tree }))),
        _ => None,
    }
}

/// Where objects of a kind stand, the outermost first; what is within one of them is its own affair.
fn places(
    top: &Map<String, Value>,
    is_one: &dyn Fn(&Map<String, Value>) -> bool,
) -> Vec<Vec<Step>> {
    let mut found = Vec::new();
    let mut level = vec![(Vec::new(), top)];
    for _ in 0..DEPTH {
        let mut below = Vec::new();
        for (path, object) in level {
            if is_one(object) {
                found.push(path);
                continue;
            }
            for (name, value) in object {
                let mut path = path.clone();
                path.push(Step::Name(name.clone()));
                match value {
                    Value::Object(inner) => below.push((path, inner)),
                    Value::Array(values) => {
                        let inner = values.iter().enumerate();
                        below.extend(inner.filter_map(|(index, value)| {
                            let mut path = path.clone();
                            path.push(Step::Index(index));
                            Some((path, value.as_object()?))
                        }));
                    }
                    _ => {}
                }
            }
        }
        level = below;
    }
    found
}

impl Answer {
    fn object(&self) -> Option<&Map<String, Value>> {
        match self {
            Self::Tokens(found) | Self::Error(found) => found.object(),
        }
    }
}

impl Found {
    fn object(&self) -> Option<&Map<String, Value>> {
        let mut object = self.tree.as_object()?;
        let mut steps = self.path.iter().peekable();
        while let Some(Step::Name(name)) = steps.next() {
            object = match (object.get(name)?, steps.next_if(|it| matches!(it, Step::Index(_)))) {
                (Value::Array(values), Some(Step::Index(index))) => {
                    values.get(*index)?.as_object()?
                }
                (value, _) => value.as_object()?,
            };
        }
        Some(object)
    }

    /// A member of the answer.
    pub(super) fn get(&self, name: &str) -> Option<&Value> {
        value_of(self.object()?, name)
    }

    /// A member that is a text and not empty.
    pub(super) fn text(&self, name: &str) -> Option<&str> {
        text_of(self.object()?, name)
    }

    /// The code of the error; empty if it has none.
    pub(super) fn error(&self) -> Option<&str> {
        error_code(self.object()?)
    }

    /// Members of this name that stand elsewhere.
    pub(super) fn elsewhere(&self, name: &str) -> usize {
        let Some(top) = self.tree.as_object() else { return 0 };
        let here = self.object();
        let all = places(top, &|object| {
            value_of(object, name).is_some_and(|value| !value.is_null()) && Some(object) != here
        });
        all.len()
    }
}

/// A member by its name, or by the name as other languages spell it: `accessToken`, `access-token`.
fn value_of<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a Value> {
    let spelt = |other: &&String| squashed(other) == squashed(name);
    object.get(name).or_else(|| object.get(object.keys().find(spelt)?))
}

fn text_of<'a>(object: &'a Map<String, Value>, name: &str) -> Option<&'a str> {
    value_of(object, name).and_then(Value::as_str).filter(|text| !text.trim().is_empty())
}

/// The code of an error; empty if an error is told without one.
fn error_code(object: &Map<String, Value>) -> Option<&str> {
    let told = |name| value_of(object, name).and_then(code_of);
    let says_no = |name| object.get(name).is_some_and(|it| *it == Value::Bool(false));
    let failed = ["ok", "success"].into_iter().any(says_no)
        || text_of(object, "status").is_some_and(|it| ["error", "fail"].contains(&it));
    let code = told("error").filter(|code| !code.is_empty()).or_else(|| told("errors"));
    let code = code.or_else(|| text_of(object, "error_code")).or_else(|| told("error"));
    match code {
        None if failed => text_of(object, "code").or(Some("")),
        code => code,
    }
}

/// What `error` says: a code, an object with one, or that there is an error.
fn code_of(value: &Value) -> Option<&str> {
    match value {
        Value::Null | Value::Bool(false) => None,
        Value::String(text) => Some(text.trim()).filter(|text| !text.is_empty()),
        Value::Number(number) => (number.as_f64() != Some(0.0)).then_some(""),
        Value::Bool(true) => Some(""),
        Value::Array(values) => values.first().map(|first| code_of(first).unwrap_or_default()),
        Value::Object(object) if object.is_empty() => None,
        Value::Object(object) => {
            let code = ["code", "error", "type"].into_iter().find_map(|name| text_of(object, name));
            Some(code.unwrap_or_default())
        }
    }
}

/// A name or a code without what languages and servers spell differently.
pub(super) fn squashed(text: &str) -> String {
    text.chars().filter(char::is_ascii_alphanumeric).map(|it| it.to_ascii_lowercase()).collect()
}

/// The content as text. A byte that is no text cannot be part of a token, and does no harm elsewhere.
fn text(content: &[u8]) -> Zeroizing<String> {
    let utf16 = |from: fn([u8; 2]) -> u16| {
        let units = content.chunks_exact(2).map(|unit| from([unit[0], unit[1]]));
        char::decode_utf16(units).map(|it| it.unwrap_or(char::REPLACEMENT_CHARACTER)).collect()
    };
    // RFC 8259 §8.1 has ended the other encodings; their byte order marks are still seen.
    Zeroizing::new(match content {
        [0xff, 0xfe, ..] => utf16(u16::from_le_bytes),
        [0xfe, 0xff, ..] => utf16(u16::from_be_bytes),
        _ => match String::from_utf8_lossy(content) {
            Cow::Borrowed(text) => text.to_owned(),
            Cow::Owned(text) => text,
        },
    })
}
