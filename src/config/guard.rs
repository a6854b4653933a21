//! `[guard]`: who may call, and for what.

use http::Method;
use http::uri::Authority;
use url::Url;

use crate::guard;
use crate::secret::Secret;

use super::reader::Reader;
use super::value::{Choice, List, Text, Wrong, quoted};

/// The key travels in a field and must not be guessed.
const SHORTEST_KEY: usize = 16;

const METHODS: Choice<&Method> = Choice(&[
    ("GET", &Method::GET),
    ("HEAD", &Method::HEAD),
    ("POST", &Method::POST),
    ("PUT", &Method::PUT),
    ("PATCH", &Method::PATCH),
    ("DELETE", &Method::DELETE),
    ("OPTIONS", &Method::OPTIONS),
]);

const HOST: Text<String> = Text {
    expected: "a host name, with or without a port, such as \"sidecar\" or \"sidecar:9180\"",
    check: host,
};

const ORIGIN: Text<String> = Text {
    expected: "scheme, host and, if it is not the default, port of a web page, such as \"https://app.example\"",
    check: origin,
};

const PATH: Text<String> =
    Text { expected: "a path that begins and ends with /, such as \"/api/\"", check: path };

pub(super) fn guard(reader: &mut Reader<'_>) -> guard::Config {
    let mut config = guard::Config::default();
    reader.set("guard.hosts", &List(HOST), &mut config.hosts);
    reader.set("guard.origins", &List(ORIGIN), &mut config.origins);
    if let Some(methods) = reader.read("guard.methods", &List(METHODS)) {
        config.methods = methods.into_iter().cloned().collect();
    }
    reader.set("guard.paths", &List(PATH), &mut config.paths);
    for (key, is_empty) in
        [("guard.methods", config.methods.is_empty()), ("guard.paths", config.paths.is_empty())]
    {
        if is_empty {
            let wrong = Wrong::new("the list is empty, so every request would be refused");
            reader.refuse(key, wrong.expecting("at least one item, or no such line"));
        }
    }
    config.caller_key = reader.secret(
        "guard.caller_key",
        "a key of at least 16 letters, digits and signs, such as `openssl rand -hex 32` prints",
        caller_key,
    );
    config
}

fn found(text: &str) -> Wrong {
    Wrong::new(format!("found {}", quoted(text)))
}

fn host(text: &str) -> Result<String, Wrong> {
    if let Some((_, rest)) = text.split_once("://") {
        let host = rest.split('/').next().unwrap_or(rest);
        return Err(found(text).suggesting(host));
    }
    if text.contains('*') {
        return Err(Wrong::new("patterns are not possible, every name is compared as it is"));
    }
    let authority = text.parse::<Authority>().ok().filter(|_| !text.contains('@'));
    let authority = authority.filter(|authority| !authority.host().is_empty());
    let port_is_number = text.ends_with(']')
        || text.rsplit_once(':').is_none_or(|(_, port)| port.parse::<u16>().is_ok());
    match authority.filter(|_| port_is_number) {
        Some(authority) if ["0.0.0.0", "[::]"].contains(&authority.host()) => {
            Err(Wrong::new("0.0.0.0 and [::] are no names, and web pages can misuse them")
                .expecting("the name or address that callers really use"))
        }
        Some(_) => Ok(text.to_owned()),
        None => Err(found(text)),
    }
}

fn origin(text: &str) -> Result<String, Wrong> {
    if text == "*" || text == "null" {
        let what = format!("\"{text}\" would let every web page use the token");
        return Err(Wrong::new(what));
    }
    let url = Url::parse(text).map_err(|_| found(text))?;
    if !matches!(url.scheme(), "http" | "https") || !url.has_host() {
        return Err(found(text));
    }
    match url.origin().ascii_serialization() {
        exact if exact == text => Ok(exact),
        exact => Err(found(text).suggesting(exact)),
    }
}

fn path(text: &str) -> Result<String, Wrong> {
    if text == "/oauth" || text.starts_with("/oauth/") || text == "/" {
        let what =
            format!("{} would open /oauth/, where tokens are made, to callers", quoted(text));
        return Err(Wrong::new(what));
    }
    let plain = |c: char| c.is_ascii_graphic() && !"%?#\\*".contains(c);
    let segments_are_plain = || text.split('/').all(|part| part != "." && part != "..");
    if !text.chars().all(plain) || !segments_are_plain() || text.contains("//") {
        return Err(found(text).expecting(
            "a path such as \"/api/\", without %, ?, #, *, backslash, empty and dot segments",
        ));
    }
    match text.trim_matches('/') {
        "" => Err(found(text)),
        "oauth" => Err(Wrong::new("callers have no business in /oauth/, where tokens are made")),
        inner if text == format!("/{inner}/") => Ok(text.to_owned()),
        inner => Err(found(text).suggesting(format!("/{inner}/"))),
    }
}

fn caller_key(text: String) -> Result<Secret, String> {
    if text.len() < SHORTEST_KEY {
        return Err(format!("it is shorter than {SHORTEST_KEY} characters"));
    }
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err("it has a space, or a character that is not ASCII".to_owned());
    }
    Ok(Secret::new(text))
}
