//! Bytes as the case files spell them.
//!
//! ```text
//! \r \n \t \0 \\ \{ \} \x7f    a byte
//! {host}                       a word, which depends on the door
//! {a*100}  {X-#: 1\r\n*100}    a repetition; # is its number
//! {fin}                        at the end: the sender says no more
//! ```

use std::collections::HashMap;

/// What the words stand for.
#[derive(Clone, Debug, Default)]
pub(crate) struct Words(HashMap<&'static str, String>);

impl Words {
    pub(crate) fn with(mut self, word: &'static str, meaning: impl Into<String>) -> Self {
        self.0.insert(word, meaning.into());
        self
    }
}

/// What is sent.
#[derive(Clone, Debug)]
pub(crate) struct Spelt {
    pub(crate) bytes: Vec<u8>,
    /// Whether the sender says that nothing follows.
    pub(crate) is_final: bool,
}

/// Reads the notation above; a mistake in it is a mistake in the test.
pub(crate) fn spell(text: &str, words: &Words) -> Spelt {
    let rest = text.strip_suffix("{fin}");
    Spelt { bytes: bytes(rest.unwrap_or(text), words), is_final: rest.is_some() }
}

fn bytes(text: &str, words: &Words) -> Vec<u8> {
    let mut spelt = Vec::new();
    let mut rest = text;
    while let Some(first) = rest.chars().next() {
        let (head, tail) = rest.split_at(first.len_utf8());
        rest = match first {
            '\\' => escaped(tail, &mut spelt),
            '{' => {
                let (inner, tail) =
                    tail.split_once('}').unwrap_or_else(|| panic!("no }} in {text:?}"));
                expand(inner, words, &mut spelt);
                tail
            }
            _ => {
                spelt.extend_from_slice(head.as_bytes());
                tail
            }
        };
    }
    spelt
}

fn escaped<'a>(text: &'a str, spelt: &mut Vec<u8>) -> &'a str {
    let byte = match text.as_bytes().first() {
        Some(b'r') => b'\r',
        Some(b'n') => b'\n',
        Some(b't') => b'\t',
        Some(b'0') => 0,
        Some(b'x') => {
            spelt.push(u8::from_str_radix(&text[1..3], 16).expect("two hexadecimal digits"));
            return &text[3..];
        }
        Some(sign @ (b'\\' | b'{' | b'}')) => *sign,
        other => panic!("an unknown escape: {other:?} in {text:?}"),
    };
    spelt.push(byte);
    &text[1..]
}

fn expand(inner: &str, words: &Words, spelt: &mut Vec<u8>) {
    let repetition = inner.rsplit_once('*');
    match repetition.and_then(|(what, times)| Some((what, times.parse::<usize>().ok()?))) {
        Some((what, times)) if what.contains('#') => {
            for number in 0..times {
                spelt.extend(bytes(&what.replace('#', &number.to_string()), words));
            }
        }
        Some((what, times)) => spelt.extend(bytes(what, words).repeat(times)),
        None => {
            let meaning = words.0.get(inner);
            let meaning = meaning.unwrap_or_else(|| panic!("the word {{{inner}}} is unknown"));
            spelt.extend_from_slice(meaning.as_bytes());
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_notation_is_read() {
        let words = Words::default().with("host", "localhost:1");
        let spelt = spell(r"{host}\r\n\0\x7f\{\\{ab*2}{#,*3}{fin}", &words);
        assert_eq!(spelt.bytes, b"localhost:1\r\n\0\x7f{\\abab0,1,2,");
        assert!(spelt.is_final);
        assert!(!spell("a", &words).is_final);
    }
}
