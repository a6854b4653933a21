//! Who may use the sidecar, and for what: the verdict on a request, before its content is read.
//!
//! A port that adds a credential is a confused deputy for every web page, container and user that can
//! reach it. The checks run in this order, and the first refusal ends the request, so that a stranger
//! learns nothing about the later ones:
//!
//! ```text
//! authority    Host is one of ours             against DNS rebinding       421, 400
//! cross_site   no web page of another origin   against forged requests     403
//! caller       the caller key, if configured   against other local users   403
//! policy       method, then target             against detours             403, 400
//! ```
//!
//! GET is judged like POST, because it carries the credential too. Nothing here does I/O, reads a clock
//! or changes a request, and a request that is admitted costs no allocation.

mod authority;
mod caller;
mod cross_site;
mod policy;
mod refusal;
mod target;

use http::Method;
use http::request::Parts;

use crate::secret::Secret;

pub use authority::Door;
pub use caller::CALLER_KEY;
pub use cross_site::Pages;
pub use refusal::Refusal;
pub use target::Flaw;

use authority::Authorities;
use caller::CallerKey;
use cross_site::Origins;
use policy::Policy;

/// Who may use the sidecar, and for what.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names allowed in `Host` beside the loopback names, each with or without a port. One without a
    /// port goes with every bound port.
    pub hosts: Vec<String>,
    /// Origins of web pages that may call, such as `https://app.example`. Default none.
    pub origins: Vec<String>,
    /// Methods that are forwarded. Default GET, HEAD, POST, PUT, PATCH, DELETE, OPTIONS.
    pub methods: Vec<Method>,
    /// Prefixes of paths that are forwarded, each starting and ending with `/`. Default `/api/`.
    pub paths: Vec<String>,
    /// The key that callers must send in the field `X-Sidecar-Key`; none by default.
    pub caller_key: Option<Secret>,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            hosts: Vec::new(),
            origins: Vec::new(),
            methods: vec![
                Method::GET,
                Method::HEAD,
                Method::POST,
                Method::PUT,
                Method::PATCH,
                Method::DELETE,
                Method::OPTIONS,
            ],
            paths: vec!["/api/".to_owned()],
            caller_key: None,
        }
    }
}

/// A configuration that would let in nobody, or everybody.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum InvalidConfig {
    /// An entry of `hosts` that is no name.
    #[error(
        "guard.hosts: {0:?} is no host; write a name or address, with a port or without, such as \"sidecar\" or \"sidecar:9180\""
    )]
    Host(String),
    /// An entry of `hosts` that stands for every address.
    #[error(
        "guard.hosts: {0:?} means every address, and web pages use it to reach local programs; write the name that callers use"
    )]
    EveryHost(String),
    /// An entry of `origins` that no browser sends.
    #[error(
        "guard.origins: {0:?} is no origin as a browser writes it; write scheme, host and a port that is not the default, such as \"https://app.example\""
    )]
    Origin(String),
    /// TRACE or CONNECT.
    #[error("guard.methods: {0} would show the token or open a tunnel; remove it")]
    Method(Method),
    /// No method at all.
    #[error("guard.methods is empty, so that nothing could be forwarded; name at least \"GET\"")]
    NoMethods,
    /// An entry of `paths` that is no plain prefix.
    #[error(
        "guard.paths: {0:?} is no prefix; start and end it with \"/\" and write it without escapes, dot segments and empty segments, such as \"/api/\""
    )]
    Path(String),
    /// An entry of `paths` that leads to tokens.
    #[error(
        "guard.paths: {0:?} leads to where tokens are made, which is never forwarded; remove it"
    )]
    OffLimits(String),
    /// No path at all.
    #[error("guard.paths is empty, so that nothing could be forwarded; name at least \"/api/\"")]
    NoPaths,
    /// A key that no field could carry.
    #[error("the caller key is empty or has characters other than printable ASCII; make a new one")]
    CallerKey,
}

/// Stands at one door and judges every request that comes through it.
#[derive(Clone, Debug)]
pub struct Guard {
    authorities: Authorities,
    origins: Origins,
    caller_key: Option<CallerKey>,
    policy: Policy,
}

impl Guard {
    /// A guard for the requests that come through `door`.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the entry of the configuration that cannot be kept.
    pub fn new(config: &Config, door: Door<'_>, pages: Pages) -> Result<Self, InvalidConfig> {
        Ok(Self {
            authorities: Authorities::new(&config.hosts, door)?,
            origins: Origins::new(&config.origins, pages)?,
            caller_key: config.caller_key.clone().map(CallerKey::new).transpose()?,
            policy: Policy::new(&config.methods, &config.paths)?,
        })
    }

    /// Judges the head of a request. The content of a refused one stays unread, so its connection ends
    /// with the answer.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`].
    pub fn admit(&self, head: &Parts) -> Result<(), Refusal> {
        self.authorities.admit(head)?;
        self.origins.admit(head)?;
        if let Some(key) = &self.caller_key {
            key.admit(&head.headers)?;
        }
        self.policy.admit(&head.method, &head.uri)
    }
}

#[cfg(test)]
mod tests {
    use http::Request;

    use super::*;

    /// The head of a GET to a guard at port 9180; `fields` replace none of it.
    fn head(target: &str, fields: &[(&str, &str)]) -> Parts {
        let mut request = Request::get(target).header("host", "localhost:9180");
        for (name, value) in fields {
            request = request.header(*name, *value);
        }
        request.body(()).unwrap().into_parts().0
    }

    fn guard(config: &Config) -> Guard {
        let bound = ["127.0.0.1:9180".parse().unwrap()];
        Guard::new(config, Door::Tcp(&bound), Pages::None).unwrap()
    }

    #[test]
    fn what_curl_sends_is_admitted_by_default() {
        let fields = [("user-agent", "curl/8.5.0"), ("accept", "*/*")];
        let verdict = guard(&Config::default()).admit(&head("/api/v2/workspaces?page=2", &fields));
        assert_eq!(verdict, Ok(()));
    }

    #[test]
    fn the_first_check_that_fails_gives_the_answer() {
        let key = Secret::new("a-key-for-callers".into());
        let guard = guard(&Config { caller_key: Some(key), ..Config::default() });
        let mut everything_wrong = head("/oauth/token", &[("origin", "https://evil.example")]);
        let host = everything_wrong.headers.insert("host", "evil.example".parse().unwrap());
        let foreign =
            Refusal::HostForeign { host: "evil.example".into(), ours: "localhost:9180".into() };
        assert_eq!(guard.admit(&everything_wrong), Err(foreign));
        everything_wrong.headers.insert("host", host.unwrap());
        assert_eq!(guard.admit(&everything_wrong), Err(Refusal::Origin));
        everything_wrong.headers.remove("origin");
        assert_eq!(guard.admit(&everything_wrong), Err(Refusal::CallerKeyMissing));
        everything_wrong.headers.insert(CALLER_KEY, "a-key-for-callers".parse().unwrap());
        assert_eq!(guard.admit(&everything_wrong), Err(Refusal::OffLimits));
    }

    #[test]
    fn a_configuration_is_checked_without_any_open_door() {
        let config = Config { paths: Vec::new(), ..Config::default() };
        let verdict = Guard::new(&config, Door::Tcp(&[]), Pages::None).map(drop);
        assert_eq!(verdict, Err(InvalidConfig::NoPaths));
    }
}
