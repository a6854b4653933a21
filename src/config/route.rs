//! The way out: `upstream.proxy`, or else what the environment says to every program.
//!
//! As with curl, a proxy of the environment counts for an https address of this host too, unless NO_PROXY
//! names it; never for an http one, where it would read the token. What it says and we cannot do is an
//! error; to go out directly all the same would pass by whoever set it.

use std::sync::Arc;

use http::uri::PathAndQuery;
use hyper_util::client::proxy::matcher::Matcher;

use crate::net::origin::{Origin, Protection};
use crate::net::tunnel::{OutboundProxy, Route};

use super::env::Environment;
use super::error::{Place, Problem};
use super::reader::Reader;
use super::warning::Warning;

const KEY: &str = "upstream.proxy";

/// What a proxy looks like; it reads on after "expected".
const URL: &str = "the URL of an HTTP proxy, such as http://proxy.example:3128, with user:password@ before the host where it wants them";

/// Where the environment names a proxy for `https` and for `http`; the first one that is set counts.
const FOR_HTTPS: [&str; 4] = ["HTTPS_PROXY", "https_proxy", "ALL_PROXY", "all_proxy"];
const FOR_HTTP: [&str; 4] = ["HTTP_PROXY", "http_proxy", "ALL_PROXY", "all_proxy"];

/// Where it names the hosts that need none.
const EXEMPT: [&str; 2] = ["NO_PROXY", "no_proxy"];

impl Environment {
    /// The variables that say how to reach other hosts, and are set.
    pub fn proxy_variables(&self) -> Vec<&'static str> {
        let [https, lower_case, ..] = FOR_HTTPS;
        let names = [https, lower_case].into_iter().chain(FOR_HTTP).chain(EXEMPT);
        names.filter(|name| self.is_set(name)).collect()
    }
}

/// Who decides how an origin is reached.
#[derive(Clone, Debug)]
pub(super) enum Way {
    /// The configuration, for the upstream and the token endpoint alike.
    Chosen(Route),
    /// The environment, for each by its scheme and host.
    Environment,
}

/// Reads `upstream.proxy` or its file.
pub(super) fn way(reader: &mut Reader<'_>) -> Way {
    let warned = reader.warnings.len();
    let expected = format!("{URL}, or \"none\"");
    let chosen = reader.secret(KEY, &expected, |text| match text.as_str() {
        "none" => Ok(Route::Direct),
        text => OutboundProxy::of(text)
            .map(|proxy| Route::Through(Arc::new(proxy)))
            .map_err(|error| error.to_string()),
    });
    match chosen {
        Some(route) => {
            if !is_secret(&route) {
                // A URL without a password may be read by everybody.
                reader.warnings.truncate(warned);
            }
            Way::Chosen(route)
        }
        None => Way::Environment,
    }
}

impl Way {
    /// The way to an origin.
    pub(super) fn to(&self, origin: &Origin, reader: &mut Reader<'_>) -> Route {
        match self {
            Self::Chosen(route) => route.clone(),
            Self::Environment => told(origin, reader),
        }
    }
}

fn told(origin: &Origin, reader: &mut Reader<'_>) -> Route {
    let variables = match origin.protection() {
        Protection::Tls(_) => FOR_HTTPS,
        // The proxy would read the token, on its way to a place that may not even be this host.
        Protection::Plain if origin.is_loopback() => return Route::Direct,
        Protection::Plain => FOR_HTTP,
    };
    let Some((variable, text)) = first(&variables, reader) else { return Route::Direct };
    if first(&EXEMPT, reader).is_some_and(|(_, list)| is_exempt(list, origin)) {
        return Route::Direct;
    }
    match OutboundProxy::of(text) {
        Ok(proxy) => {
            if proxy.is_authenticated() {
                reader.warn(Warning::ProxyPasswordInEnvironment { variable: variable.to_owned() });
            }
            Route::Through(Arc::new(proxy))
        }
        Err(error) => {
            let what = format!("{error}; expected {URL}; upstream.proxy goes before this variable");
            reader.note(Problem::new(Place::Variable(variable.to_owned()), what));
            Route::Direct
        }
    }
}

/// The first of these variables that says something, and what.
fn first<'a>(
    variables: &[&'static str],
    reader: &mut Reader<'a>,
) -> Option<(&'static str, &'a str)> {
    for &variable in variables {
        match reader.environment.text(variable) {
            Some(Ok("")) | None => {}
            Some(Ok(text)) => return Some((variable, text)),
            Some(Err(_)) => {
                let place = Place::Variable(variable.to_owned());
                reader.note(Problem::new(place, "the value is not UTF-8 text"));
            }
        }
    }
    None
}

/// Whether a list such as `internal.example, 10.0.0.0/8` names the host: the rules of curl.
fn is_exempt(list: &str, origin: &Origin) -> bool {
    let everything = Matcher::builder().all("http://proxy").no(list).build();
    everything.intercept(&origin.uri(PathAndQuery::from_static("/"))).is_none()
}

fn is_secret(route: &Route) -> bool {
    match route {
        Route::Direct => false,
        Route::Through(proxy) => proxy.is_authenticated(),
    }
}
