//! Connections full of requests, most of them spoilt.

use fastrand::Rng;

/// The answer to one request, or something like it.
pub(crate) fn answer(rng: &mut Rng) -> Vec<u8> {
    let mut bytes = Vec::new();
    for _ in 0..[0, 0, 0, 0, 1, 2, 9][rng.usize(..7)] {
        let odd =
            ["HTTP/1.1 100\r\n\r\n", "HTTP/1.1 101 Up\r\n\r\n", "HTTP/1.1 103 X\r\nY\r\n\r\n"];
        let usual =
            ["HTTP/1.1 103 Early\r\nLink: a\r\n\r\n", "HTTP/1.1 100 Continue\r\nX : 1\r\n\r\n"];
        bytes.extend(latin(mostly(rng, &usual, &odd)));
    }
    let line = mostly(
        rng,
        &[
            "HTTP/1.1 200 OK",
            "HTTP/1.0 200 OK",
            "HTTP/1.1 204 No Content",
            "HTTP/1.1 304 X",
            "HTTP/1.1 413 \u{e9}",
        ],
        &[
            "HTTP/1.1 200",
            "HTTP/1.1 20",
            "HTTP/1.1  200 OK",
            "HTTP/2 200 OK",
            "http/1.1 200 OK",
            "HTTP/1.1 099 X",
            "H",
            "",
        ],
    );
    let mut head = format!("{line}\r\n");
    for _ in 0..rng.usize(..3) {
        head += &self::line(rng);
    }
    if rng.usize(..40) == 0 {
        head += &"X : 1\r\n".repeat(rng.usize(7..14));
    }
    let space = |rng: &mut Rng| {
        mostly(rng, &["", "", " ", "\t", " \t"], &["\x0b", "x", "\r", "\n"]).to_owned()
    };
    if rng.usize(..3) == 0 {
        head += &format!("X-Note{}: yes\r\n", space(rng));
    }
    let framed = mostly(rng, &[""], &[" ", "\t"]).to_owned();
    match rng.usize(..6) {
        0 => {
            bytes.extend(latin(&(head + "\r\n")));
            bytes.extend(content(rng));
        }
        1..=3 => {
            let content = content(rng);
            let length = content.len();
            let values = [
                format!("{length}"),
                format!("{length}, {length}"),
                format!("{length}\t,{length} ,0{length}"),
                format!("{length}\r\nContent-Length: {length}"),
                format!("{length}\r\nX: 1\r\ncontent-length: {length},{length}"),
            ];
            let odd = [
                format!("{length}, {}", length + 1),
                format!("{length},"),
                format!(",{length}"),
                format!("{length};{length}"),
                format!("{length}\r\nContent-Length: {}", length + 1),
                format!("{length}\r\nTransfer-Encoding: chunked"),
            ];
            let of = if rng.usize(..8) == 0 { &odd[..] } else { &values[..] };
            head += &format!("Content-Length{framed}: {}\r\n", of[rng.usize(..of.len())]);
            bytes.extend(latin(&(head + "\r\n")));
            bytes.extend(content);
        }
        _ => {
            head += &format!("Transfer-Encoding{framed}: chunked\r\n");
            bytes.extend(latin(&(head + "\r\n")));
            for _ in 0..rng.usize(..3) {
                let content = content(rng);
                if content.is_empty() {
                    continue;
                }
                let extension =
                    mostly(rng, &["", "", ";a", ";a=b"], &["1", ";\n", " a"]).to_owned();
                bytes.extend(latin(&format!("{:x}{}{extension}\r\n", content.len(), space(rng))));
                bytes.extend(content);
                bytes.extend(b"\r\n");
            }
            bytes.extend(latin(&format!("0{}\r\n", space(rng))));
            if rng.usize(..4) == 0 {
                bytes.extend(latin(&self::line(rng)));
            }
            bytes.extend(b"\r\n");
        }
    }
    for _ in 0..[0, 0, 0, 1, 2][rng.usize(..5)] {
        spoil(&mut bytes, rng);
    }
    bytes
}

/// A few requests; in half of the connections something is wrong with one.
pub(crate) fn connection(rng: &mut Rng) -> Vec<u8> {
    let mut bytes: Vec<u8> = (0..rng.usize(1..=3)).flat_map(|_| request(rng)).collect();
    for _ in 0..[0, 0, 1, 1, 1, 2, 4][rng.usize(..7)] {
        spoil(&mut bytes, rng);
    }
    bytes
}

fn one<'a>(rng: &mut Rng, of: &[&'a str]) -> &'a str {
    of[rng.usize(..of.len())]
}

/// The first of `usual` in most cases, and one of `odd` in the others.
fn mostly<'a>(rng: &mut Rng, usual: &[&'a str], odd: &[&'a str]) -> &'a str {
    if rng.usize(..60) == 0 { one(rng, odd) } else { one(rng, usual) }
}

fn request(rng: &mut Rng) -> Vec<u8> {
    let line_end = mostly(rng, &["\r\n"], &["\n", "\r", "\r\r\n", " \r\n", ""]);
    let before = mostly(rng, &["", "", "\r\n"], &["\r\n\r\n", "\n", " ", "\r"]);
    let method = mostly(
        rng,
        &["GET", "POST", "PUT", "HEAD", "DELETE", "M-SEARCH", "get"],
        &["", "G T", "GET\t", "G\u{e9}T", "GET:", "CONNECT", "PRI", "\x16\x03\x01"],
    );
    let target = mostly(
        rng,
        &["/", "/a/b?c=d", "/%20", "/a|{b}^", "/?", "/<\"`>?<\"`>", "/\u{c3}\u{a9}?\u{e9}"],
        &[
            "",
            "*",
            "a",
            "http://a/b",
            "//",
            "/a b",
            "/a\tb",
            "/a#b",
            "/\u{e9}",
            "/?\"#",
            "/\u{c0}\u{af}\u{ff}?\u{f0}\u{9f}\u{98}\u{80}\u{f0}",
            "/<<<<<<<<<<<<<<<<<<<<<",
            "/<<<<<<<<<<<<<<<<<<<<<<",
            "/\0",
            "?",
            "/<>",
            "http://",
            "a:b:c",
            "[",
            "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
            "/aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa",
        ],
    );
    let version = mostly(
        rng,
        &["HTTP/1.1", "HTTP/1.1", "HTTP/1.1", "HTTP/1.0"],
        &["HTTP/0.9", "HTTP/1.2", "HTTP/2.0", "http/1.1", "HTTP/1.1 ", "HTTP/11", "", "HTTP/1.1\t"],
    );
    let space = mostly(rng, &[" "], &["  ", "\t", "", "\x0b", "\u{a0}"]);
    let mut request = format!("{before}{method}{space}{target} {version}{line_end}");
    for _ in 0..rng.usize(..4) {
        request += &line(rng);
    }
    if rng.usize(..40) == 0 {
        request += &"X: 1\r\n".repeat(rng.usize(7..14));
    }
    if rng.usize(..40) == 0 {
        request += &format!("X: {}\r\n", "x".repeat(rng.usize(300..500)));
    }
    let mut bytes: Vec<u8>;
    match rng.usize(..6) {
        0 | 1 => bytes = latin(&(request + "\r\n")),
        2 | 3 => {
            let content = content(rng);
            let length = content.len().to_string();
            let value = mostly(
                rng,
                &[&length],
                &[
                    "+1",
                    "-1",
                    "0x1",
                    "1,1",
                    "1, 1",
                    "1 1",
                    "",
                    "1.0",
                    "00001",
                    "\u{b2}",
                    "\x0b1",
                    "99999999999999999999",
                    "9999999999999999999",
                    "18446744073709551615",
                ],
            );
            let name = mostly(
                rng,
                &["Content-Length", "content-length"],
                &["Content-Length ", "Content_Length", "Content-Length\t", " Content-Length"],
            );
            request += &format!("{name}: {value}\r\n");
            request += &also(rng);
            bytes = latin(&(request + "\r\n"));
            bytes.extend(content);
        }
        _ => {
            let value = mostly(
                rng,
                &["chunked", "Chunked", " chunked\t"],
                &[
                    "identity",
                    "gzip, chunked",
                    "chunked, chunked",
                    "chunked, identity",
                    "\x0bchunked",
                    "chunked;a=b",
                    "\"chunked\"",
                    ",chunked",
                    "x-chunked",
                    "",
                    "chunked\0",
                ],
            );
            let name = mostly(
                rng,
                &["Transfer-Encoding", "transfer-encoding"],
                &["Transfer-Encoding ", "Transfer_Encoding", "Transfer-Encoding\0", "Transfer"],
            );
            request += &format!("{name}: {value}\r\n");
            request += &also(rng);
            bytes = latin(&(request + "\r\n"));
            chunks(rng, &mut bytes);
        }
    }
    bytes
}

/// Another framing, now and then.
fn also(rng: &mut Rng) -> String {
    let fields = [
        "Content-Length: 0\r\n",
        "Content-Length: 5\r\n",
        "Transfer-Encoding: chunked\r\n",
        "Transfer-Encoding: identity\r\n",
        "transfer-encoding:chunked\r\n",
    ];
    if rng.usize(..16) == 0 { one(rng, &fields).to_owned() } else { String::new() }
}

fn line(rng: &mut Rng) -> String {
    let name = mostly(
        rng,
        &["Host", "X", "Accept", "Connection", "Expect-Not", "x!#$%&'*+-.^_`|~0"],
        &["", "X ", " X", "\tX", "X\0", "X\u{e9}", "(X)", "X;", "X\r\n "],
    );
    let value = mostly(
        rng,
        &["a", "", " a ", "\ta\t", "a b", "\u{e9}", "keep-alive", "a: b", "a,b"],
        &["\0", "a\rb", "a\nb", "\x7f", "\x0b", "a\r\n b", "a\r\n\tb", "\x1b[0m"],
    );
    let colon = mostly(rng, &[": ", ":"], &[" :", "", "::", "\t:", ";"]);
    let end = mostly(rng, &["\r\n"], &["\n", "\r", "\r\r\n", "\n\r", "\r\n\r\n"]);
    // Whether the connection goes on after a request is not the question here.
    format!("{name}{colon}{value}{end}")
}

fn content(rng: &mut Rng) -> Vec<u8> {
    let words = ["", "a", "\r\n", "0\r\n\r\n", "GET / HTTP/1.1\r\n\r\n", "\0\u{ff}", "abcdefghij"];
    (0..rng.usize(..4)).flat_map(|_| latin(one(rng, &words))).collect()
}

fn chunks(rng: &mut Rng, bytes: &mut Vec<u8>) {
    for _ in 0..rng.usize(..4) {
        let content = content(rng);
        if content.is_empty() {
            continue;
        }
        let length = content.len();
        let size = match rng.usize(..30) {
            0 => format!("{length:016x}"),
            1 => format!("{length:017x}"),
            2 => format!("{:x}", length + 1),
            3 => format!("{:x}", length.saturating_sub(1)),
            4 => {
                one(rng, &["", "+1", "-1", "0x1", " 1", "1 ", "1\t", "ffffffffffffffff", "g", "1;"])
                    .to_owned()
            }
            5..=8 => format!("{length:X}"),
            _ => format!("{length:x}"),
        };
        let extension =
            mostly(rng, &["", "", "", ";a", ";a=\"b;c\""], &[" ;a", ";\n", ";\r", ";\0", ";;"]);
        let ends = ["\n", "\r", "", "\r\n\r\n", "\r\r\n"];
        let (first, second) = (mostly(rng, &["\r\n"], &ends), mostly(rng, &["\r\n"], &ends));
        bytes.extend(latin(&format!("{size}{extension}{first}")));
        bytes.extend(content);
        bytes.extend(latin(second));
    }
    bytes.extend(latin(mostly(
        rng,
        &["0", "0", "000", "0;a"],
        &["", "00000000000000000", "0 ", "-0"],
    )));
    bytes.extend(latin(mostly(rng, &["\r\n"], &["\n", "\r", ""])));
    for _ in 0..[0, 0, 0, 1, 2, 11][rng.usize(..6)] {
        bytes.extend(latin(&line(rng)));
    }
    bytes.extend(latin(mostly(rng, &["\r\n"], &["\n", "", "\r", "Content-Length: 5\r\n\r\n"])));
}

/// One byte more, less or other, or a piece again elsewhere, or an early end.
fn spoil(bytes: &mut Vec<u8>, rng: &mut Rng) {
    const ODD: &[u8] = b"\r\n\0 \t:;,+-0aA\x0b\x7f\x80\xff/H";
    if bytes.is_empty() {
        return;
    }
    let at = rng.usize(..bytes.len());
    let odd = ODD[rng.usize(..ODD.len())];
    match rng.usize(..6) {
        0 => bytes[at] = odd,
        1 => bytes.insert(at, odd),
        2 => drop(bytes.remove(at)),
        3 => bytes.truncate(at),
        4 => bytes[at] = rng.u8(..),
        _ => {
            let end = (at + rng.usize(1..40)).min(bytes.len());
            let piece = bytes[at..end].to_vec();
            let to = rng.usize(..=bytes.len());
            bytes.splice(to..to, piece);
        }
    }
}

/// Characters below 256 as single bytes.
fn latin(text: &str) -> Vec<u8> {
    text.chars().map(|c| u8::try_from(u32::from(c)).unwrap()).collect()
}
