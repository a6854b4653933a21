//! `[upstream]`, `[caller]`, `[proxy]`: connections, their limits, and what travels over them.

use std::path::PathBuf;
use std::time::Duration;

use url::Url;

use crate::net::origin::{Origin, Plaintext};
use crate::net::tls::ca_file::certificates;
use crate::net::{drain, serve, upstream};
use crate::proxy;

use super::endpoint::{BASE, base, protected};
use super::file;
use super::number::{Auto, Count, Size, Span};
use super::reader::Reader;
use super::route::{Way, way};
use super::units::{KIB, MIB, days, hours, millis, minutes, seconds};
use super::value::{Flag, Text, Wrong};

/// Largest file with certificates in KiB; the collection of a whole system has about 250.
const LARGEST_CA_FILE: u64 = 4096;

/// Where the API is.
pub(super) const UPSTREAM_URL: &str = "https://api.webwork-tracker.com";

const PATH: Text<String> = Text { expected: "the name of a file", check: path };

/// The upstream, and what the token endpoint shares with it.
pub(super) struct Upstream {
    pub(super) url: Url,
    pub(super) config: upstream::Config,
    pub(super) plaintext: Plaintext,
    pub(super) way: Way,
}

/// The upstream's URL, and how to reach it. None only after something was refused.
pub(super) fn upstream(reader: &mut Reader<'_>) -> Option<Upstream> {
    const URL: &str = "upstream.url";
    let plaintext = match reader.read("upstream.allow_plaintext", &Flag) {
        Some(true) => Plaintext::Anywhere,
        Some(false) | None => Plaintext::Loopback,
    };
    let named = reader.read(URL, &BASE).and_then(|url| protected(reader, URL, url, plaintext));
    let url = named.or_else(|| base(UPSTREAM_URL).ok())?;
    let mut config = upstream::Config::new(Origin::with(&url, plaintext).ok()?);
    config.ca_file = ca_file(reader);
    let way = way(reader);
    config.route = way.to(&config.origin, reader);
    let connecting = Span(millis(100)..=minutes(2));
    reader.set("upstream.connect_timeout", &connecting, &mut config.connect_timeout);
    reader.set("upstream.tls_timeout", &connecting, &mut config.tls_timeout);
    let response = Span(millis(100)..=hours(1));
    reader.set("upstream.response_timeout", &response, &mut config.response_timeout);
    let idle = Span(seconds(1)..=minutes(10));
    reader.set("upstream.idle_timeout", &idle, &mut config.idle_timeout);
    reader.set("upstream.max_age", &Span(seconds(1)..=days(1)), &mut config.max_age);
    Some(Upstream { url, config, plaintext, way })
}

pub(super) fn caller(reader: &mut Reader<'_>) -> serve::Config {
    let mut config = serve::Config::default();
    reader.set("caller.head_timeout", &Span(millis(100)..=minutes(5)), &mut config.head_timeout);
    let waiting = Span(millis(100)..=hours(1));
    reader.set("caller.idle_timeout", &waiting, &mut config.idle_timeout);
    reader.set("caller.content_timeout", &waiting, &mut config.content_timeout);
    reader.set("caller.max_head", &Size(8 * KIB..=MIB), &mut config.max_head);
    reader.set("caller.max_fields", &Count(10..=1000), &mut config.max_fields);
    reader.set("caller.max_target", &Size(256..=64 * KIB), &mut config.max_target);
    reader.set("caller.max_connections", &Count(1..=100_000), &mut config.max_connections);
    let memory = Auto(Size(16 * MIB..=1024 * 1024 * MIB));
    reader.set("caller.max_memory", &memory, &mut config.max_memory);
    if config.max_target >= config.max_head {
        let key =
            if reader.gives("caller.max_target") { "caller.max_target" } else { "caller.max_head" };
        let what = format!(
            "a request target of {} bytes does not fit into a head of {} bytes, which holds it",
            config.max_target, config.max_head
        );
        let wrong = Wrong::new(what).expecting("caller.max_target smaller than caller.max_head");
        reader.refuse(key, wrong);
    }
    config
}

pub(super) fn proxy(reader: &mut Reader<'_>) -> proxy::Config {
    let mut config = proxy::Config::default();
    reader.set("proxy.replay_limit", &Size(0..=16 * MIB), &mut config.replay_limit);
    reader.set("proxy.hold", &Span(millis(100)..=minutes(5)), &mut config.hold);
    reader.set("proxy.access_log", &Flag, &mut config.access_log);
    config
}

pub(super) fn drain(reader: &mut Reader<'_>) -> drain::Config {
    let mut config = drain::Config::default();
    reader.set("drain.delay", &Span(Duration::ZERO..=minutes(10)), &mut config.delay);
    reader.set("drain.timeout", &Span(millis(100)..=minutes(10)), &mut config.timeout);
    config
}

/// A directory that the operator named.
pub(super) fn directory(reader: &mut Reader<'_>, key: &str) -> Option<PathBuf> {
    let kind = Text { expected: "the name of a directory", check: path };
    let name = reader.read(key, &kind)?;
    let path = reader.resolved(&name);
    if path.exists() && !path.is_dir() {
        let what = format!("{} is not a directory", path.display());
        reader.refuse(key, Wrong::new(what).expecting(kind.expected));
        return None;
    }
    Some(path)
}

fn ca_file(reader: &mut Reader<'_>) -> Option<PathBuf> {
    const KEY: &str = "upstream.ca_file";
    let name = reader.read(KEY, &PATH)?;
    let path = reader.resolved(&name);
    let shown = path.display();
    let what = match file::load(&path, LARGEST_CA_FILE) {
        Err(why) => format!("the file {shown} {why}"),
        Ok(loaded) => match certificates(&loaded.content) {
            Ok(_) => {
                reader.watched.push(loaded.watched);
                return Some(path);
            }
            Err(reason) => reason.of(&path),
        },
    };
    let expected = "a file in PEM form, with lines such as -----BEGIN CERTIFICATE-----";
    reader.refuse(KEY, Wrong::new(what).expecting(expected));
    None
}

fn path(text: &str) -> Result<String, Wrong> {
    match text {
        "" => Err(Wrong::new("is empty")),
        _ if text.contains('\0') => Err(Wrong::new("no file name has a NUL character")),
        _ if is_for_a_shell(text) => Err(Wrong::new(FOR_A_SHELL).expecting(WRITTEN_OUT)),
        _ => Ok(text.to_owned()),
    }
}

/// Whether a shell would replace the beginning of a path by another directory. Here `~` would be the name of
/// a directory next to the configuration file.
pub(super) fn is_for_a_shell(path: &str) -> bool {
    let first = path.split('/').next().unwrap_or(path);
    first == "~" || first.len() < path.len() && first.starts_with('~') || first.starts_with('$')
}

/// What is wrong with such a path, and what to write.
pub(super) const FOR_A_SHELL: &str = "only a shell replaces ~ and $ in a path";
pub(super) const WRITTEN_OUT: &str = "the whole path, such as \"/srv/webwork\"";
