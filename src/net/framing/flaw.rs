//! What can be wrong with a message.

/// Why a message does not pass. Shown, it completes the sentence "it is malformed: …" and quotes nothing
/// of the message.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, thiserror::Error)]
pub enum Flaw {
    /// RFC 9112 §3: not three parts with one space between each, HTTP/0.9 included.
    #[error(
        "the request line is not a method, a target and a version, with one space between each"
    )]
    RequestLine,
    /// RFC 9110 §9.1.
    #[error("the method has a character that none may have")]
    Method,
    /// RFC 9112 §3.2; a fragment is no part of a target either.
    #[error("the request target has a character that must be percent-encoded or left out")]
    Target,
    /// Over [`Limits::target`](super::Limits::target).
    #[error("the request target is too long")]
    TargetTooLong,
    /// RFC 9112 §2.3: neither `HTTP/1.0` nor `HTTP/1.1`.
    #[error("the version is neither HTTP/1.0 nor HTTP/1.1")]
    Version,
    /// RFC 9113 §3.4: the client preface of HTTP/2.
    #[error("the connection begins with HTTP/2; this address speaks HTTP/1.1")]
    Http2,
    /// RFC 8446 §5.1: the first byte of a handshake record.
    #[error("the connection begins with a TLS handshake; this address is plain HTTP: use http://")]
    Tls,
    /// RFC 9112 §4.
    #[error("the status line is not a version and a status code")]
    StatusLine,
    /// RFC 9112 §2.2: LF without CR.
    #[error("a line does not end with CRLF")]
    LineEnd,
    /// RFC 9112 §5.2: a line that begins with white space.
    #[error("a field is folded over several lines")]
    Folded,
    /// RFC 9112 §5.1: a name that is empty or no token, or white space before the colon.
    #[error("a field has no name, or one with a character that none may have")]
    FieldName,
    /// RFC 9110 §5.5, RFC 9112 §2.2: NUL, CR without LF and other control characters, in any line.
    #[error("a line has a control character")]
    Control,
    /// RFC 9110 §8.6: not 1 to 19 digits.
    #[error("Content-Length is not a number of bytes")]
    Length,
    /// RFC 9112 §6.3; equal ones too.
    #[error("there is more than one Content-Length")]
    RepeatedLength,
    /// RFC 9112 §6.1: something other than `chunked`.
    #[error("Transfer-Encoding is something other than chunked")]
    Coding,
    /// RFC 9112 §6.1: nothing is chunked twice.
    #[error("there is more than one Transfer-Encoding")]
    RepeatedCoding,
    /// RFC 9112 §6.1: "likely … an attempt to perform request smuggling".
    #[error("there are both Content-Length and Transfer-Encoding")]
    TwoFramings,
    /// RFC 9112 §6.1: HTTP/1.0 has no transfer codings.
    #[error("there is a Transfer-Encoding in HTTP/1.0, which has none")]
    CodingInHttp10,
    /// Over [`Limits::head`](super::Limits::head).
    #[error("the header section is too large")]
    TooLarge,
    /// Over [`Limits::fields`](super::Limits::fields).
    #[error("there are too many fields")]
    TooManyFields,
    /// Over 4 KiB or 10 fields.
    #[error("the trailer section is too large")]
    TrailersTooLarge,
    /// RFC 9112 §7.1: not 1 to 16 hexadecimal digits at once before the line end.
    #[error("the size of a chunk is not a hexadecimal number on a line of its own")]
    ChunkSize,
    /// RFC 9112 §7.1.1.
    #[error("the extension of a chunk is too long or has a control character")]
    ChunkExtension,
    /// RFC 9112 §7.1: a chunk is longer than its size, or does not end with CRLF.
    #[error("a chunk does not end where its size says")]
    ChunkEnd,
    /// The connection ended within a head.
    #[error("it broke off in the middle of its header section")]
    Unfinished,
    /// The rest of a head did not come in time.
    #[error("its header section did not arrive in time")]
    Late,
    /// Bytes from an upstream that was not asked, or after the end of its answer.
    #[error("there are bytes that belong to no answer")]
    Surplus,
    /// RFC 9110 §15.2.2: a 101, and nobody had asked for it.
    #[error("it switched protocols without being asked")]
    Switched,
    /// More interim answers than anybody needs.
    #[error("there are too many interim answers")]
    TooManyInterim,
}
