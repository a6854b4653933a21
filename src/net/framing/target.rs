//! Request targets in a spelling that [`http::Uri`] can hold.
//!
//! Clients send characters that RFC 3986 keeps out of a target, such as `"`, `<`, `>`, a backtick and bytes of
//! UTF-8 or Latin-1. `Uri` takes some of them in a path, others in a query, and bytes above ASCII as UTF-8
//! alone. The rest is percent-encoded before hyper parses the head, so that the guard judges the very bytes
//! that go to the upstream.

use std::borrow::Cow;

/// The target, which begins with a slash, with every byte percent-encoded that `Uri` cannot hold. Nothing else
/// of it changes.
pub(super) fn encoded(target: &[u8]) -> Cow<'_, [u8]> {
    let path = target.iter().position(|byte| *byte == b'?').unwrap_or(target.len());
    let fits = |at: usize, byte: u8| match byte {
        b'<' | b'>' => false,
        b'`' => at > path,
        b'"' => at < path,
        _ => true,
    };
    let is_held = std::str::from_utf8(target).is_ok()
        && target.iter().enumerate().all(|(at, byte)| fits(at, *byte));
    if is_held {
        return target.into();
    }
    let mut spelt = Vec::with_capacity(target.len() + 16);
    let mut at = 0;
    for chunk in target.utf8_chunks() {
        for byte in chunk.valid().bytes() {
            if fits(at, byte) {
                spelt.push(byte);
            } else {
                escape(byte, &mut spelt);
            }
            at += 1;
        }
        for byte in chunk.invalid() {
            escape(*byte, &mut spelt);
            at += 1;
        }
    }
    spelt.into()
}

/// Capital digits, RFC 3986 §2.1.
fn escape(byte: u8, spelt: &mut Vec<u8>) {
    const DIGITS: &[u8; 16] = b"0123456789ABCDEF";
    spelt.extend([b'%', DIGITS[usize::from(byte >> 4)], DIGITS[usize::from(byte & 0xf)]]);
}

#[cfg(test)]
mod tests {
    use http::Uri;

    use super::*;
    use crate::net::framing::fields::is_target;

    #[test]
    fn what_uri_holds_is_unchanged_and_the_rest_is_encoded() {
        for byte in (0..=u8::MAX).filter(|byte| is_target(*byte) && *byte != b'?') {
            for before in [&b"/a"[..], b"/a?b=", b"/a?b?", b"/\xc3\xa9?\xc3\xa9"] {
                let target = [before, &[byte], b"z"].concat();
                let spelt = encoded(&target);
                let shown = target.escape_ascii();
                assert!(Uri::try_from(&spelt[..]).is_ok(), "{shown}");
                if Uri::try_from(&target[..]).is_ok() {
                    assert_eq!(spelt, target, "{shown}");
                } else {
                    let escape = format!("%{byte:02X}");
                    assert_eq!(spelt, [before, escape.as_bytes(), b"z"].concat(), "{shown}");
                }
            }
        }
    }

    #[test]
    fn only_bytes_that_are_no_utf8_are_encoded() {
        for (target, spelt) in [
            (&b"/caf\xc3\xa9?q=\xf0\x9f\x98\x80"[..], &b"/caf\xc3\xa9?q=\xf0\x9f\x98\x80"[..]),
            (b"/caf\xe9", b"/caf%E9"),
            (b"/caf\xc3\xa9/caf\xe9?q=\xe9", b"/caf\xc3\xa9/caf%E9?q=%E9"),
            (b"/\xc3%a9", b"/%C3%a9"),
            (b"/..\xc0\xafoauth", b"/..%C0%AFoauth"),
            (b"/\xed\xa0\x80", b"/%ED%A0%80"),
            (b"/\xff?\xff", b"/%FF?%FF"),
            (b"/a?b?<\"`>", b"/a?b?%3C%22`%3E"),
            (b"/<\"`>{|}^", b"/%3C\"%60%3E{|}^"),
        ] {
            assert_eq!(encoded(target), spelt, "{}", target.escape_ascii());
        }
    }
}
