//! URLs, each with the rules of its role.

use url::Url;

use crate::net::origin::{InvalidOrigin, Origin, Plaintext};

use super::reader::Reader;
use super::value::{Text, Wrong, quoted};
use super::warning::Warning;

/// The upstream: an origin, and nothing behind it.
pub(super) const BASE: Text<Url> = Text {
    expected: "scheme and host without a path, such as \"https://api.webwork-tracker.com\"",
    check: base,
};

/// An endpoint of the authorization server, RFC 6749 §3.1 and §3.2.
pub(super) const ENDPOINT: Text<Url> =
    Text { expected: "a URL such as \"https://api.example/oauth/token\"", check: endpoint };

/// The redirection endpoint, RFC 6749 §3.1.2; kept byte for byte.
pub(super) const REDIRECTION: Text<String> = Text {
    expected: "the URL that is registered for the app, such as \"http://127.0.0.1:9181/callback\"",
    check: redirection,
};

pub(super) fn base(text: &str) -> Result<Url, Wrong> {
    let url = reachable(text)?;
    if url.path() != "/" || url.query().is_some() || url.fragment().is_some() {
        let origin = url.origin().ascii_serialization();
        let what = "the URL has more than scheme and host; the rest comes with each request";
        return Err(Wrong::new(what).suggesting(origin));
    }
    Ok(url)
}

fn endpoint(text: &str) -> Result<Url, Wrong> {
    let url = reachable(text)?;
    without_fragment(&url)?;
    Ok(url)
}

fn redirection(text: &str) -> Result<String, Wrong> {
    let url = reachable(text)?;
    if Origin::of(&url).is_err() {
        // A redirect carries a code and no token, but the rule is the same.
        let what = "http is possible only to a loopback address, because the code would travel in the clear";
        return Err(Wrong::new(what).expecting("https, or http with 127.0.0.1, [::1] or localhost"));
    }
    without_fragment(&url)?;
    if !text.bytes().all(|byte| byte.is_ascii_graphic()) {
        return Err(Wrong::new("the URL has a space, or a character that is not ASCII"));
    }
    Ok(text.to_owned())
}

/// Refuses plain HTTP to another host, unless the operator allows it; then warns of it.
pub(super) fn protected(
    reader: &mut Reader<'_>,
    key: &str,
    url: Url,
    plaintext: Plaintext,
) -> Option<Url> {
    if Origin::of(&url).is_ok() {
        return Some(url);
    }
    if plaintext == Plaintext::Anywhere {
        let origin = Origin::with(&url, plaintext).ok()?;
        reader.warn(Warning::Plaintext { key: key.to_owned(), origin });
        return Some(url);
    }
    let wrong = Wrong::new(format!("found {}", quoted(url.as_str().trim_end_matches('/'))));
    reader.refuse(
        key,
        wrong.expecting(
            "https; http is possible only to a loopback address, because it would show secrets to the network (upstream.allow_plaintext = true allows it in a network of your own)",
        ),
    );
    None
}

/// An absolute URL of an origin; [`protected`] says whether secrets may travel there.
fn reachable(text: &str) -> Result<Url, Wrong> {
    let wrong = |what: String| match text.contains('@') {
        true => Wrong::new(what).confidential(),
        false => Wrong::new(what),
    };
    let url = Url::parse(text).map_err(|error| {
        let told = wrong(match error {
            url::ParseError::RelativeUrlWithoutBase => {
                format!("{} is not a complete URL", quoted(text))
            }
            other => format!("{} is not a URL ({other})", quoted(text)),
        });
        let host = text.split('/').next().unwrap_or(text);
        match host.contains('.') && !text.contains(['@', ' ', ':']) {
            true => told.suggesting(format!("https://{text}")),
            false => told,
        }
    })?;
    match Origin::with(&url, Plaintext::Anywhere) {
        Ok(_) => Ok(url),
        Err(InvalidOrigin::Scheme) => Err(wrong(format!("found {}", quoted(text))).expecting(
            "https; http is possible only to a loopback address, because it would show secrets to the network",
        )),
        Err(InvalidOrigin::Host) => Err(wrong("the URL has no host that can be used".to_owned())),
        Err(error @ InvalidOrigin::UserInfo) => Err(wrong(error.to_string())),
    }
}

fn without_fragment(url: &Url) -> Result<(), Wrong> {
    match url.fragment() {
        Some(_) => Err(Wrong::new("the URL has a fragment (#…), which the standard forbids here")),
        None => Ok(()),
    }
}
