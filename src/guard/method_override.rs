//! Does the query ask for another method? Laravel takes `_method` of a POST for the method itself.
//!
//! A policy that allows POST and not DELETE would be worth nothing if `POST /x?_method=DELETE` passed.
//! PHP accepts the name in many spellings, which are all found here.

use super::target::byte_of;

/// Whether a parameter of the query is named `_method`, as PHP or a more obliging server reads it.
pub fn is_in(query: &str) -> bool {
    query.split(['&', ';']).any(is_override)
}

/// PHP decodes a name, skips spaces before it, ends it at a NUL, takes `[` for the beginning of an
/// index, and `.` and space for `_` (`php_register_variable_ex`).
fn is_override(parameter: &str) -> bool {
    let name = parameter.split('=').next().unwrap_or_default();
    let decoded = decode_form(name).skip_while(|byte| *byte == b' ');
    let meant = decoded.take_while(|byte| !matches!(byte, b'\0' | b'[')).map(|byte| match byte {
        b'.' | b' ' => b'_',
        other => other.to_ascii_lowercase(),
    });
    meant.eq(*b"_method")
}

/// What a form decoder makes of a name in the query, where every byte has a meaning: `+` is a space,
/// and what is no escape stands for itself.
fn decode_form(text: &str) -> impl Iterator<Item = u8> {
    let mut rest = text.as_bytes();
    std::iter::from_fn(move || {
        let (byte, tail) = match rest {
            [] => return None,
            [b'+', tail @ ..] => (b' ', tail),
            [b'%', high, low, tail @ ..] => match byte_of(*high, *low) {
                Some(byte) => (byte, tail),
                None => (b'%', &rest[1..]),
            },
            [byte, tail @ ..] => (*byte, tail),
        };
        rest = tail;
        Some(byte)
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_spelling_of_the_name_is_found() {
        for query in [
            "_method=DELETE",
            "_method",
            "_method=",
            "a=b&_method=PUT",
            "a=b;_method=PUT",
            "&&_method=PUT",
            "%5fmethod=DELETE",
            "%5Fmethod=DELETE",
            "_%6Dethod=DELETE",
            "%5f%6d%65%74%68%6f%64=DELETE",
            ".method=DELETE",
            "%2emethod=DELETE",
            "+_method=DELETE",
            "%20%20_method=DELETE",
            "_method%00x=DELETE",
            "_method[]=DELETE",
            "_method%5B0%5D=DELETE",
            "_METHOD=DELETE",
        ] {
            assert!(is_in(query), "{query}");
        }
    }

    #[test]
    fn other_parameters_are_left_alone() {
        for query in [
            "",
            "method=a",
            "a=_method",
            "payment_method=card",
            "_methods=1",
            "%255fmethod=a",
            "%zz",
        ] {
            assert!(!is_in(query), "{query}");
        }
    }
}
