//! The text of a secret, as people and tools leave it in files and variables.
//!
//! No secret begins or ends with white space, so what editors, `echo` and `kubectl` add there is removed.
//! Everything else is named and left to the operator: to guess at a secret is to send a wrong one, and
//! an authorization server may count that against the client.

use secrecy::zeroize::Zeroizing;

use crate::secret::Secret;

/// The content of a file as text. The error reads on after "the file PATH".
pub(super) fn decoded(content: Vec<u8>) -> Result<Secret, &'static str> {
    if is_utf16(&content) {
        drop(Zeroizing::new(content));
        return Err("is UTF-16, as > in Windows PowerShell writes it; save it as UTF-8");
    }
    let text = String::from_utf8(content).map(Secret::new).map_err(|error| {
        drop(Zeroizing::new(error.into_bytes()));
        "is not text (UTF-8)"
    })?;
    if text.expose().contains('\0') {
        return Err("has a NUL character; write it again as plain text, with the secret alone");
    }
    Ok(text)
}

/// UTF-16 begins with a byte order mark, or has a zero beside every character of ASCII.
fn is_utf16(content: &[u8]) -> bool {
    let are_zeros = |start| content.iter().skip(start).step_by(2).all(|byte| *byte == 0);
    content.starts_with(b"\xff\xfe")
        || content.starts_with(b"\xfe\xff")
        || content.len() > 1 && are_zeros(0) != are_zeros(1)
}

/// The text without line ends, blank lines and other white space around it, and without the invisible
/// characters that editors and web pages add.
pub(super) fn trimmed(text: &str) -> &str {
    const INVISIBLE: [char; 3] = ['\u{feff}', '\u{200b}', '\u{2060}'];
    text.trim_matches(|it: char| it.is_whitespace() || INVISIBLE.contains(&it))
}

/// Checks what holds for every secret; says what is wrong, and never repeats the text.
pub(super) fn one_line(text: &str) -> Result<(), String> {
    let wrong = if text.is_empty() {
        "it is empty"
    } else if !text.contains(['\n', '\r']) {
        return Ok(());
    } else if is_json(text) {
        JSON
    } else if text.starts_with("-----BEGIN ") {
        "it is a key or a certificate (PEM)"
    } else if text.lines().any(is_assignment) {
        "it has several lines, as a file of variables has; keep the value of the secret alone"
    } else {
        "it has more than one line; keep the line of the secret alone"
    };
    Err(wrong.to_owned())
}

/// Checks that a token or a client secret, which has one line, stands alone.
pub(super) fn bare(text: &str) -> Result<(), String> {
    let begins =
        |start: &str| text.get(..start.len()).is_some_and(|it| it.eq_ignore_ascii_case(start));
    let wrong = if begins("bearer ") {
        "it begins with \"Bearer \", which is not part of the token"
    } else if begins("authorization:") {
        "it is a whole Authorization field; keep what follows \"Bearer \""
    } else if begins("https://") || begins("http://") {
        "it is a URL, not a secret"
    } else if is_json(text) {
        JSON
    } else if is_assignment(text) {
        "it is an assignment, such as NAME=value; keep the value alone"
    } else if is_quoted(text) {
        "it is in quotation marks; remove them"
    } else if is_placeholder(text) {
        "it is a placeholder, such as <token>; put the real one in its place"
    } else {
        return Ok(());
    };
    Err(wrong.to_owned())
}

const JSON: &str = "it is JSON; keep the value alone, without braces and quotation marks";

fn is_json(text: &str) -> bool {
    let ends = [('{', '}'), ('[', ']')];
    ends.iter().any(|(start, end)| text.starts_with(*start) && text.ends_with(*end))
        && text.contains('"')
}

/// A line of a shell script, an env file, TOML, YAML or PowerShell. A secret may have a `=` or a `:` of its
/// own, and Base64 ends with `=`; so a name before it must look like that of a variable.
fn is_assignment(line: &str) -> bool {
    const COMMANDS: [&str; 4] = ["export ", "set ", "$env:", "ENV "];
    let line = line.trim();
    let rest = COMMANDS.iter().find_map(|command| line.strip_prefix(command));
    let Some((name, value)) = rest.unwrap_or(line).split_once(['=', ':']) else { return false };
    let is_equation = rest.unwrap_or(line)[name.len()..].starts_with('=');
    let is_spaced = value.starts_with(' ');
    if value.trim().is_empty() || value.starts_with('=') || !is_equation && !is_spaced {
        return false;
    }
    let name = name.trim().trim_matches(['"', '\'']);
    is_variable(name) && (rest.is_some() || is_spaced || is_telling(name))
}

fn is_variable(name: &str) -> bool {
    let allowed = |it: char| it.is_ascii_alphanumeric() || matches!(it, '_' | '-' | '.');
    name.starts_with(|it: char| it.is_ascii_alphabetic() || it == '_') && name.chars().all(allowed)
}

/// Names of environment variables have capitals alone; others say what their value is.
fn is_telling(name: &str) -> bool {
    const KINDS: [&str; 7] = ["token", "secret", "key", "password", "auth", "jwt", "pat"];
    let lower = name.to_ascii_lowercase();
    !name.contains(|it: char| it.is_ascii_lowercase()) && name.len() > 1
        || KINDS.iter().any(|kind| lower.contains(kind))
}

/// A client secret may have any printable character, quotation marks at both ends included. Between those
/// that somebody has put there stand letters, digits and a few signs.
fn is_quoted(text: &str) -> bool {
    let marks =
        [('"', '"'), ('\'', '\''), ('`', '`'), ('\u{201c}', '\u{201d}'), ('\u{2018}', '\u{2019}')];
    let plain = |it: char| it.is_ascii_alphanumeric() || "-._~+/=|".contains(it);
    marks.iter().any(|(start, end)| {
        let inside = text.strip_prefix(*start).and_then(|rest| rest.strip_suffix(*end));
        inside.is_some_and(|inside| inside.chars().all(plain))
    })
}

fn is_placeholder(text: &str) -> bool {
    let inside = text.strip_prefix('<').and_then(|rest| rest.strip_suffix('>'));
    let plain = |it: char| it.is_ascii_alphanumeric() || matches!(it, ' ' | '-' | '_');
    inside.is_some_and(|inside| !inside.is_empty() && inside.chars().all(plain))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_stands_around_a_secret_is_removed() {
        for text in [
            "a b",
            "a b\n",
            "a b\r\n",
            "a b\n\n\n",
            "\n \r\n\ta b \n\t\n",
            "\u{feff}a b\r\n",
            "a b\u{a0}\u{200b}",
        ] {
            assert_eq!(trimmed(text), "a b", "{text:?}");
            assert_eq!(one_line(trimmed(text)), Ok(()));
        }
    }

    #[test]
    fn a_secret_is_one_line() {
        for (text, says) in [
            ("", "empty"),
            ("a\nb", "more than one line"),
            ("a\rb", "more than one line"),
            ("{\n  \"token\": \"a\"\n}", "JSON"),
            ("-----BEGIN PRIVATE KEY-----\na\n", "PEM"),
            ("CLIENT_ID=1\nTOKEN=a", "a file of variables"),
            ("client_id: 1\ntoken: a", "a file of variables"),
        ] {
            let wrong = one_line(text).unwrap_err();
            assert!(wrong.contains(says), "{text:?}: {wrong}");
        }
    }

    #[test]
    fn other_encodings_are_named() {
        let utf16 = |order: fn(u16) -> [u8; 2], text: &str| -> Vec<u8> {
            text.encode_utf16().flat_map(order).collect()
        };
        for content in [
            utf16(u16::to_le_bytes, "\u{feff}canary\r\n"),
            utf16(u16::to_be_bytes, "\u{feff}canary\r\n"),
            utf16(u16::to_le_bytes, "canary"),
            utf16(u16::to_be_bytes, "canary\n"),
        ] {
            assert!(decoded(content).unwrap_err().contains("UTF-16"));
        }
        assert!(decoded(b"canary\0\0".to_vec()).unwrap_err().contains("NUL"));
        assert!(decoded(vec![0; 40]).unwrap_err().contains("NUL"));
        assert!(decoded(b"can\0ary\n".to_vec()).unwrap_err().contains("NUL"));
        assert!(decoded(b"canary\xff".to_vec()).unwrap_err().contains("not text"));
        assert_eq!(decoded("a\u{e9}".into()).unwrap().expose(), "a\u{e9}");
        assert_eq!(decoded(Vec::new()).unwrap().expose(), "");
    }

    #[test]
    fn what_is_pasted_with_a_secret_is_named() {
        for (text, says) in [
            ("Bearer eyJ0.a.b", "\"Bearer \""),
            ("bearer 12|abc", "\"Bearer \""),
            ("Authorization: Bearer eyJ0", "Authorization field"),
            ("TOKEN=eyJ0.a.b", "assignment"),
            ("WEBWORK_SIDECAR_CREDENTIAL__PERSONAL_ACCESS_TOKEN__TOKEN=12|abc", "assignment"),
            ("TOKEN='eyJ0'", "assignment"),
            ("export TOKEN=eyJ0", "assignment"),
            ("export x=eyJ0", "assignment"),
            ("set TOKEN=eyJ0", "assignment"),
            ("$env:TOKEN = \"eyJ0\"", "assignment"),
            ("token = \"eyJ0\"", "assignment"),
            ("token: eyJ0", "assignment"),
            ("access_token=eyJ0", "assignment"),
            ("\"token\": \"eyJ0\"", "assignment"),
            ("CLIENT_SECRET=Kq3nGQ8Xz0dL", "assignment"),
            ("\"eyJ0.a.b\"", "quotation marks"),
            ("'12|abc'", "quotation marks"),
            ("\u{201c}eyJ0\u{201d}", "quotation marks"),
            ("\"\"", "quotation marks"),
            ("{\"access_token\":\"eyJ0\"}", "JSON"),
            ("[\"eyJ0\"]", "JSON"),
            ("<your-token>", "placeholder"),
            ("https://webwork-tracker.com/app/settings/rest-api", "URL"),
        ] {
            let wrong = bare(text).unwrap_err();
            assert!(wrong.contains(says), "{text:?}: {wrong}");
        }
    }

    #[test]
    fn a_secret_that_stands_alone_passes() {
        for text in [
            "eyJ0.e-_~+/30==",
            "12|abcDEF0123",
            "Zm9v=",
            "ZM9V==",
            "123456:ABC-DEF",
            "a=b",
            "v2.local=x",
            "sk_live_51",
            "xoxb-1-2",
            "id:secret",
            "\"a b'c\"",
            "<$%>",
            "{curly}",
            "=x",
            ":x",
            "correct horse battery staple",
        ] {
            assert_eq!(bare(text), Ok(()), "{text:?}");
        }
    }
}
