//! The configuration file as text: its tables, and the places and lines that errors point at.

use std::ops::Range;
use std::path::{Path, PathBuf};

use toml::Spanned;
use toml::de::DeTable;

use crate::secret::Secret;

use super::error::{Errors, Excerpt, Place, Problem};
use super::file::{self, Loaded, Privacy, Unreadable};
use super::syntax;
use super::watched::Watched;

/// Largest configuration file in KiB; the reference file has about 10.
const LARGEST: u64 = 1024;

/// U+FEFF, which some editors put before a text.
const MARK: &[u8] = b"\xEF\xBB\xBF";

/// Names of keys whose value is a secret.
pub(super) const SECRETS: [&str; 4] = ["client_secret", "refresh_token", "token", "caller_key"];

/// The text of a configuration file, wiped when dropped: there may be secrets in it.
pub(super) struct Document {
    path: PathBuf,
    text: Secret,
    privacy: Privacy,
    watched: Watched,
}

impl Document {
    pub(super) fn load(path: &Path) -> Result<Self, Errors> {
        let place = || Place::File(path.to_owned());
        let loaded = file::load(path, LARGEST).map_err(|why| match why {
            Unreadable::Missing => Problem::new(
                place(),
                "there is no such configuration file; correct the path, or write one with `webwork-sidecar init`",
            ),
            other => Problem::new(place(), format!("the configuration file {other}")),
        })?;
        let Loaded { content: mut bytes, privacy, watched } = loaded;
        if bytes.starts_with(MARK) {
            bytes.drain(..MARK.len());
        }
        let document =
            |text| Self { path: path.to_owned(), text: Secret::new(text), privacy, watched };
        match String::from_utf8(bytes) {
            Ok(text) => Ok(document(text)),
            Err(error) => {
                let valid = error.utf8_error().valid_up_to();
                let before = String::from_utf8_lossy(&error.as_bytes()[..valid]).into_owned();
                let place = document(before).place(valid);
                Err(Problem::new(place, "this is not UTF-8; save the file in the encoding UTF-8")
                    .into())
            }
        }
    }

    /// The tables of the file, or everything that is wrong with its syntax.
    pub(super) fn parse(&self) -> Result<Spanned<DeTable<'_>>, Errors> {
        let (table, errors) = DeTable::parse_recoverable(self.text());
        if errors.is_empty() { Ok(table) } else { Err(syntax::explained(self, &errors)) }
    }

    pub(super) fn path(&self) -> &Path {
        &self.path
    }

    pub(super) fn watched(&self) -> &Watched {
        &self.watched
    }

    pub(super) fn text(&self) -> &str {
        self.text.expose()
    }

    pub(super) fn privacy(&self) -> Privacy {
        self.privacy
    }

    /// The place of a byte of the text.
    pub(super) fn place(&self, offset: usize) -> Place {
        let before = self.text().get(..offset).unwrap_or(self.text());
        let line = before.matches('\n').count() + 1;
        let column = before[line_start(before)..].chars().count() + 1;
        Place::Line { file: self.path.clone(), line, column }
    }

    /// The line of a span up to its end and closing brackets, with carets under the span; none if
    /// that could show a secret. A comment may hold one, so nothing else after the span is ever
    /// shown; neither is a line with another value or a secret's name before it, nor one with a
    /// password in a URL.
    pub(super) fn excerpt(&self, span: Range<usize>) -> Option<Excerpt> {
        let before = self.text().get(..span.start)?;
        let start = line_start(before);
        let lead = &before[start..];
        let rest = self.text().get(span.end..)?;
        let meant = self.text().get(span)?.lines().next().unwrap_or_default();
        let closing = &rest[..rest.len() - rest.trim_start_matches(']').len()];
        let text = format!("{lead}{meant}{closing}");
        let mut words = lead.split(|c: char| !c.is_ascii_alphanumeric() && c != '_');
        if lead.matches('=').count() > 1
            || text.contains('@')
            // A password can be torn in two by the mistake that this is about.
            || rest.lines().next().is_some_and(|line| line.contains('@'))
            || words.any(|word| SECRETS.contains(&word))
        {
            return None;
        }
        Some(Excerpt {
            line: before.matches('\n').count() + 1,
            indent: lead.chars().count(),
            width: meant.chars().count().max(1),
            text,
        })
    }
}

/// Where the last line of a text begins.
pub(super) fn line_start(text: &str) -> usize {
    text.rfind('\n').map_or(0, |newline| newline + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn document(text: &str) -> Document {
        let file = tempfile::NamedTempFile::new().unwrap();
        let Loaded { privacy, watched, .. } = file::load(file.path(), 1).unwrap();
        Document { path: "a.toml".into(), text: Secret::new(text.into()), privacy, watched }
    }

    #[test]
    fn places_count_characters_from_one() {
        let document = document("a = 1\nb = \"\u{e9}\u{e9}\" # c\n");
        assert_eq!(document.place(0).to_string(), "a.toml:1:1");
        assert_eq!(document.place(document.text().find('#').unwrap()).to_string(), "a.toml:2:10");
        assert_eq!(document.place(document.text().len()).to_string(), "a.toml:3:1");
    }

    #[test]
    fn an_excerpt_ends_where_its_span_ends() {
        let document = document("a = 1\nb = [2, 3] # canary\n");
        let excerpt = document.excerpt(10..16).unwrap();
        assert_eq!((excerpt.line, excerpt.text.as_str()), (2, "b = [2, 3]"));
        assert_eq!((excerpt.indent, excerpt.width), (4, 6));
    }

    #[test]
    fn a_line_that_could_hold_a_secret_is_not_shown() {
        for text in [
            "token = 7",
            "a = { token = \"canary\", b = 7",
            "a = { b = \"canary\", c = 7",
            "\"caller_key\".x = 7",
            "url = \"https://me:canary@host\" 7",
        ] {
            let end = text.len();
            assert_eq!(document(text).excerpt(end - 1..end), None, "{text}");
        }
    }
}
