//! Undoes a content coding that was not asked for: RFC 9110 §8.4.1.
//!
//! The request says `identity`, and some gateways compress all the same. A coding is known by its first
//! bytes, because the field that should name it is often wrong. What it unfolds to is bounded.

use std::io::Read;

use flate2::read::{DeflateDecoder, MultiGzDecoder, ZlibDecoder};
use http::HeaderMap;
use http::header::CONTENT_ENCODING;
use secrecy::zeroize::Zeroizing;

use super::line::MAX_ANSWER;

/// Codings that may lie over one another.
const LAYERS: usize = 2;

/// The content without its codings; `None` if it has none, or one that cannot be undone.
pub(super) fn decoded(fields: &HeaderMap, content: &[u8]) -> Option<Zeroizing<Vec<u8>>> {
    let is_deflate = fields
        .get_all(CONTENT_ENCODING)
        .iter()
        .any(|value| value.as_bytes().eq_ignore_ascii_case(b"deflate"));
    let mut plain = layer(content, is_deflate)?;
    for _ in 1..LAYERS {
        let Some(below) = layer(&plain, false) else { break };
        plain = below;
    }
    Some(plain)
}

fn layer(content: &[u8], is_deflate: bool) -> Option<Zeroizing<Vec<u8>>> {
    if content.starts_with(GZIP) {
        return bounded(MultiGzDecoder::new(content));
    }
    let zlib = is_zlib(content).then(|| bounded(ZlibDecoder::new(content))).flatten();
    // RFC 9110 §8.4.1.2: some send "deflate" without the zlib wrapper.
    zlib.or_else(|| is_deflate.then(|| bounded(DeflateDecoder::new(content))).flatten())
}

/// RFC 1952 §2.3.1, with the one method that there is.
const GZIP: &[u8] = &[0x1f, 0x8b, 8];

/// RFC 1950 §2.2: method 8, and a header that is a multiple of 31.
fn is_zlib(content: &[u8]) -> bool {
    let &[method, flags, ..] = content else { return false };
    method & 0x0f == 8 && u16::from_be_bytes([method, flags]).is_multiple_of(31)
}

/// What a decoder brings before it ends or breaks off; `None` if that is nothing, or too much.
fn bounded(decoder: impl Read) -> Option<Zeroizing<Vec<u8>>> {
    let most = MAX_ANSWER + 1;
    // With room for everything it never moves, and leaves no copy behind.
    let mut plain = Zeroizing::new(Vec::with_capacity(most + 64));
    decoder.take(u64::try_from(most).ok()?).read_to_end(&mut plain).ok();
    (!plain.is_empty() && plain.len() <= MAX_ANSWER).then_some(plain)
}

#[cfg(test)]
mod tests {
    use std::io::Write;

    use flate2::Compression;
    use flate2::write::{DeflateEncoder, GzEncoder, ZlibEncoder};
    use http::HeaderValue;

    use super::*;

    const TEXT: &[u8] = br#"{"access_token":"a"}"#;

    fn gzip(content: &[u8]) -> Vec<u8> {
        let mut encoder = GzEncoder::new(Vec::new(), Compression::best());
        encoder.write_all(content).unwrap();
        encoder.finish().unwrap()
    }

    fn plain(coding: &'static str, content: &[u8]) -> Option<Vec<u8>> {
        let mut fields = HeaderMap::new();
        fields.insert(CONTENT_ENCODING, HeaderValue::from_static(coding));
        decoded(&fields, content).map(|plain| plain.to_vec())
    }

    #[test]
    fn each_coding_is_undone_whatever_the_field_says() {
        let mut zlib = ZlibEncoder::new(Vec::new(), Compression::fast());
        zlib.write_all(TEXT).unwrap();
        let zlib = zlib.finish().unwrap();
        let mut raw = DeflateEncoder::new(Vec::new(), Compression::fast());
        raw.write_all(TEXT).unwrap();
        let raw = raw.finish().unwrap();
        for coding in ["gzip", "x-gzip", "identity", "br"] {
            assert_eq!(plain(coding, &gzip(TEXT)).as_deref(), Some(TEXT), "{coding}");
            assert_eq!(plain(coding, &gzip(&gzip(TEXT))).as_deref(), Some(TEXT), "{coding}");
            assert_eq!(plain(coding, &zlib).as_deref(), Some(TEXT), "{coding}");
        }
        assert_eq!(plain("deflate", &zlib).as_deref(), Some(TEXT));
        assert_eq!(plain("deflate", &raw).as_deref(), Some(TEXT));
    }

    #[test]
    fn text_is_left_alone_and_a_coding_that_breaks_off_gives_what_came() {
        for text in [TEXT, b"", b"h", b"access_token=a", b"x\x9c"] {
            assert_eq!(plain("gzip", text), None);
        }
        let long = b"0123456789abcdefghijklmnopqrstuvwxyz".repeat(1000);
        let cut = gzip(&long);
        let cut = plain("gzip", &cut[..cut.len() - 9]).unwrap();
        assert!(long.starts_with(&cut) && !cut.is_empty());
    }

    #[test]
    fn a_bomb_is_not_unfolded() {
        assert_eq!(plain("gzip", &gzip(&vec![b' '; 50 << 20])), None);
        assert_eq!(plain("gzip", &gzip(&vec![b' '; MAX_ANSWER])).unwrap().len(), MAX_ANSWER);
        assert_eq!(plain("gzip", &gzip(&vec![b' '; MAX_ANSWER + 1])), None);
    }
}
