//! Log lines in which nothing but the log itself controls the reader's terminal.
//!
//! A caller chooses its path, and a server what its errors say. A line break in one of them would forge
//! an event; an escape sequence could repaint or query the terminal of whoever reads the log. So every
//! control character of a value is written as an escape: those of ASCII, and U+0080 to U+009F, which
//! terminals take for the same commands and which JSON does not ask to be escaped.

use std::fmt::{self, Debug, Write as _};
use std::io;

use tracing::field::Field;
use tracing_subscriber::fmt::format::Writer;

/// Writes one field of an event as text. The event's message comes without a name.
pub(super) fn field(writer: &mut Writer<'_>, field: &Field, value: &dyn Debug) -> fmt::Result {
    match field.name() {
        "message" => {}
        name => write!(writer, "{name}=")?,
    }
    write!(Escaped(writer), "{value:?}")
}

/// Passes text on, without control characters.
struct Escaped<W>(W);

impl<W: fmt::Write> fmt::Write for Escaped<W> {
    fn write_str(&mut self, text: &str) -> fmt::Result {
        for part in text.split_inclusive(char::is_control) {
            let plain = part.trim_end_matches(char::is_control);
            self.0.write_str(plain)?;
            write!(self.0, "{}", part[plain.len()..].escape_default())?;
        }
        Ok(())
    }
}

/// Passes JSON on, with those control characters escaped that JSON itself tolerates in a text. They
/// cannot stand elsewhere in JSON, so none has to be told from another.
pub(super) struct Json<W>(pub(super) W);

impl<W: io::Write> io::Write for Json<W> {
    /// Gets a whole line, as `tracing_subscriber` writes it.
    fn write(&mut self, line: &[u8]) -> io::Result<usize> {
        self.write_all(line).map(|()| line.len())
    }

    fn write_all(&mut self, line: &[u8]) -> io::Result<()> {
        match std::str::from_utf8(line) {
            Ok(text) if text.contains(is_tolerated) => self.0.write_all(escaped(text).as_bytes()),
            _ => self.0.write_all(line),
        }
    }

    fn flush(&mut self) -> io::Result<()> {
        self.0.flush()
    }
}

/// RFC 8259 §7 asks for escapes below U+0020 only.
fn is_tolerated(character: char) -> bool {
    matches!(character, '\u{7f}'..='\u{9f}')
}

fn escaped(text: &str) -> String {
    let mut out = String::with_capacity(text.len() + 16);
    for character in text.chars() {
        if is_tolerated(character) {
            // Writing to a `String` cannot fail.
            write!(out, "\\u{:04x}", u32::from(character)).ok();
        } else {
            out.push(character);
        }
    }
    out
}
