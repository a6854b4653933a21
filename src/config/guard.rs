//! `[guard]`: who may call, and for what.

use http::uri::Authority;
use http::{HeaderName, Method};
use url::Url;

use crate::guard::{self, CALLER_KEY, InvalidRule, Rule};
use crate::proxy::ScopeCheck;
use crate::scope::{Rights, ScopeSet};
use crate::secret::Secret;

use super::account::{GroupKind, UserKind};
use super::reader::Reader;
use super::value::{Choice, Flag, Kind, List, Raw, Text, Wrong, quoted};

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

/// Other fields are sent by everybody, or end with each hop.
const REQUIRED_FIELD: Text<HeaderName> = Text {
    expected: "a field name of letters, digits and - that begins with X-, such as \"X-WebWork-Proxy\"",
    check: required_field,
};

const RULE: List<Text<Rule>> = List(Text {
    expected: "methods and a path, where * is one segment and ** any rest, such as \"GET,HEAD /api/v2/**\"",
    check: rule,
});

const SCOPE: List<Choice<&str>> =
    List(Choice(&[("read", "read"), ("write", "write"), ("admin", "admin")]));

pub(super) fn guard(reader: &mut Reader<'_>) -> guard::Config {
    let mut config = guard::Config::default();
    reader.set("guard.hosts", &List(HOST), &mut config.hosts);
    reader.set("guard.origins", &List(ORIGIN), &mut config.origins);
    let methods = some(reader, "guard.methods", &List(METHODS));
    let methods = methods.map(|methods| methods.into_iter().cloned().collect());
    config.methods = methods.unwrap_or(config.methods);
    config.paths = some(reader, "guard.paths", &List(PATH)).unwrap_or(config.paths);
    config.rules = some(reader, "guard.rules", &Rules).unwrap_or_default();
    let is_stray = |rule: &&Rule| !config.paths.iter().any(|path| rule.reaches(path));
    if let Some(rule) = config.rules.iter().find(is_stray) {
        let what = format!("the path {} is under none of guard.paths", quoted(rule.path()));
        reader.refuse("guard.rules", Wrong::new(what).expecting("paths such as \"/api/v2/**\""));
    }
    let mut read_only = false;
    reader.set("guard.read_only", &Flag, &mut read_only);
    if read_only {
        config.methods.retain(Method::is_safe);
        if config.methods.is_empty() {
            let wrong = Wrong::new("none of guard.methods only reads");
            reader.refuse("guard.read_only", wrong.expecting("\"GET\" in guard.methods"));
        }
    }
    config.required_field = reader.read("guard.required_field", &REQUIRED_FIELD);
    config.uids = some(reader, "guard.uids", &List(UserKind)).unwrap_or_default();
    config.gids = some(reader, "guard.gids", &List(GroupKind)).unwrap_or_default();
    config.caller_key = reader.secret(
        "guard.caller_key",
        "a key of at least 16 letters, digits and signs, such as `openssl rand -hex 32` prints",
        caller_key,
    );
    config
}

/// Reads a list of what is allowed. One that is empty, perhaps by mistake, would allow nothing; it must
/// not mean everything.
fn some<T, K: Kind<Value = Vec<T>>>(
    reader: &mut Reader<'_>,
    key: &str,
    kind: &K,
) -> Option<Vec<T>> {
    let items = reader.read(key, kind)?;
    if items.is_empty() {
        let wrong = Wrong::new("the list is empty, so every request would be refused");
        reader.refuse(key, wrong.expecting("at least one item, or no such line"));
        return None;
    }
    Some(items)
}

/// Whose word counts for what the token may do.
pub(super) fn scope_check(reader: &mut Reader<'_>) -> ScopeCheck {
    let mut check_scope = true;
    reader.set("guard.check_scope", &Flag, &mut check_scope);
    let scope = reader.read("guard.scope", &SCOPE);
    match scope.map(|values| values.join(" ").parse::<ScopeSet>()) {
        _ if !check_scope => ScopeCheck::Off,
        Some(Ok(scope)) => ScopeCheck::Operator(Rights::from(&scope)),
        _ => ScopeCheck::Token,
    }
}

/// Rules as a list. In a variable a rule ends with its path, because its methods are separated by
/// commas, too.
struct Rules;

impl Kind for Rules {
    type Value = Vec<Rule>;

    fn expected(&self) -> String {
        RULE.expected()
    }

    fn read(&self, raw: Raw<'_>) -> Result<Vec<Rule>, Vec<Wrong>> {
        let text = match (raw, raw.text()) {
            (Raw::Variable(text), _) => text,
            (Raw::Toml(_), Some(text)) => {
                let suggestion = Some(format!("[{}]", quoted(text)));
                return Err(vec![Wrong { suggestion, ..Wrong::new("found text") }]);
            }
            (Raw::Toml(_), None) => return RULE.read(raw),
        };
        let mut rules: Vec<String> = Vec::new();
        for part in text.split(',').map(str::trim).filter(|part| !part.is_empty()) {
            match rules.last_mut() {
                Some(rule) if !rule.contains('/') => *rule = format!("{rule},{part}"),
                _ => rules.push(part.to_owned()),
            }
        }
        let read = |text: &String| rule(text).map_err(|wrong| vec![wrong]);
        rules.iter().map(read).collect()
    }
}

fn rule(text: &str) -> Result<Rule, Wrong> {
    text.parse().map_err(|why: InvalidRule| Wrong::new(format!("found {}: {why}", quoted(text))))
}

fn required_field(text: &str) -> Result<HeaderName, Wrong> {
    let name = text.to_ascii_lowercase();
    let is_plain = name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-');
    let is_own =
        name.starts_with("x-") && !name.starts_with("x-forwarded") && CALLER_KEY != name.as_str();
    name.parse().ok().filter(|_| is_plain && is_own).ok_or_else(|| found(text))
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
