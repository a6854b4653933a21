//! TOML's syntax errors in plain words.

use std::collections::BTreeMap;
use std::ops::Range;

use super::document::{Document, line_start};
use super::error::{Errors, Excerpt, Problem};

/// How the parser's messages begin, and what they mean to somebody who has never read TOML's
/// grammar.
#[rustfmt::skip]
const PLAIN: [(&str, &str); 22] = [
    ("duplicate key", "this name was already given above; keep one of the two"),
    ("invalid basic string, expected non", "a control character stands in the text; remove it"),
    ("invalid literal string, expected non", "a control character stands in the text; remove it"),
    ("invalid comment character", "a control character stands in the comment; remove it"),
    ("invalid basic string", "the quotation mark that begins the text is never closed; expected \" at its end"),
    ("invalid literal string", "the quotation mark that begins the text is never closed; expected ' at its end"),
    ("invalid multi-line", "the three quotation marks that begin the text are never closed; expected the same three at its end"),
    ("missing escaped value", "a backslash in \"…\" must begin an escape such as \\n; write \\\\ for a backslash itself, or put the text in '…'"),
    ("too few unicode value digits", "too few digits after \\u or \\U; expected 4 or 8 hexadecimal digits"),
    ("string values must be quoted", "the value is missing or lacks quotation marks; expected text as \"…\", a number, true, false, or a list as [\"…\", \"…\"]"),
    ("key with no value", "expected = and a value after the name, or [name] if a section is meant"),
    ("unquoted keys cannot be empty", "a name is missing here; expected letters, digits, - and _"),
    ("invalid key-value pair", "expected a line of the form name = value"),
    ("invalid unquoted key", "a name cannot have this character; expected letters, digits, - and _"),
    ("unclosed table", "the name of the section is not closed; expected ] after it"),
    ("unclosed array", "the list is not closed; expected ] at its end"),
    ("unclosed inline table", "the braces are not closed; expected } at their end"),
    ("missing comma", "a comma is missing between two values"),
    ("unexpected key or value", "expected the line to end here; each name = value has a line of its own"),
    ("carriage return must be followed", "a carriage return without a line feed; save the file with the line ends of Unix or Windows"),
    ("invalid boolean", "expected true or false, in lower case"),
    ("unexpected leading zero", "a number cannot begin with 0; remove the 0, or put text in quotation marks"),
];

/// One problem for each line: what follows the first one in a line is mostly its echo.
pub(super) fn explained(document: &Document, errors: &[toml::de::Error]) -> Errors {
    let end = document.text().len();
    let mut lines = BTreeMap::new();
    for error in errors {
        let span = error.span().unwrap_or(end..end);
        let line = document.text()[..span.start.min(end)].matches('\n').count();
        lines.entry(line).or_insert_with(|| {
            Problem::new(document.place(span.start), plain(error.message()))
                .with_excerpt(excerpt(document, span))
        });
    }
    Errors::new(lines.into_values().collect())
}

fn plain(message: &str) -> String {
    let found = PLAIN.iter().find(|(start, _)| message.starts_with(start));
    let plain = found.map_or(message, |(_, plain)| plain);
    format!("the file is not valid TOML: {plain}")
}

/// Where the syntax is broken nothing is known about the meaning of a line, so it is shown only if
/// it begins like a section, or with a name that is known to hold no secret.
fn excerpt(document: &Document, span: Range<usize>) -> Option<Excerpt> {
    let start = line_start(document.text().get(..span.start)?);
    let line = document.text()[start..].lines().next().unwrap_or_default().trim_start();
    let plain = |c: char| c.is_ascii_alphanumeric() || "._-[] ".contains(c);
    let safe = match line.split_once('=') {
        Some((name, _)) => {
            let name = name.trim();
            let leaf = name.rsplit('.').next().unwrap_or(name);
            super::known().iter().any(|known| known.holds_no_secret() && known.leaf() == leaf)
        }
        None => line.starts_with('[') && line.chars().all(plain),
    };
    if safe { document.excerpt(span) } else { None }
}
