//! Who may use the sidecar, and for what: the verdict on a request, before its content is read.
//!
//! A port that adds a credential is a confused deputy for every web page, container and user that can
//! reach it. The checks run in this order, and the first refusal ends the request, so that a stranger
//! learns nothing about the later ones:
//!
//! ```text
//! peers        the account, if configured      against other local users   403
//! authority    Host is one of ours             against DNS rebinding       421, 400
//! cross_site   no web page of another origin   against forged requests     403
//! caller       the field, if configured        against SSRF                403
//!              the caller key, if configured   against other local users   403
//! policy       method, target, rules           against detours             403, 400
//! ```
//!
//! The way of a person's browser back from a sign-in may be an exception: see `callback`.
//!
//! GET is judged like POST, because it carries the credential too. Nothing here does I/O, reads a clock
//! or changes a request, and a request that is admitted costs no allocation.

mod authority;
mod callback;
mod caller;
mod cross_site;
mod method_override;
mod peers;
mod policy;
mod refusal;
mod rule;
mod target;

use http::request::Parts;
use http::{HeaderName, HeaderValue, Method};

use crate::account::{Account, Gid, Uid};
use crate::secret::Secret;

pub use authority::Door;
pub use callback::Callback;
pub use caller::CALLER_KEY;
pub use cross_site::Pages;
pub use method_override::is_in as asks_for_another_method;
pub use refusal::Refusal;
pub use rule::{InvalidRule, Rule};
pub use target::Flaw;

use authority::Authorities;
use caller::{CallerKey, RequiredField};
use cross_site::{Origins, Passage};
use peers::Peers;
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
    /// Methods and paths that go together, beyond methods and prefixes; empty, as by default, if
    /// every allowed method goes with every allowed path.
    pub rules: Vec<Rule>,
    /// The field that callers must send, with any value; none by default.
    pub required_field: Option<HeaderName>,
    /// The key that callers must send in the field `X-Sidecar-Key`; none by default.
    pub caller_key: Option<Secret>,
    /// Users whose programs may call through Unix sockets. Empty, as [`gids`](Self::gids) is, if
    /// accounts do not matter.
    pub uids: Vec<Uid>,
    /// Groups whose programs may call through Unix sockets.
    pub gids: Vec<Gid>,
    /// Where an authorization server sends browsers back; nowhere by default.
    pub callback: Option<Callback>,
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
            rules: Vec::new(),
            required_field: None,
            caller_key: None,
            uids: Vec::new(),
            gids: Vec::new(),
            callback: None,
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
    peers: Option<Peers>,
    authorities: Authorities,
    callback: Option<Callback>,
    origins: Origins,
    required_field: Option<RequiredField>,
    caller_key: Option<CallerKey>,
    policy: Policy,
}

/// What an admitted request is to get.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Admitted {
    /// What it asks for.
    Request,
    /// The answer that a preflight of an allowed origin gets: these methods may be used.
    Preflight(HeaderValue),
}

impl Guard {
    /// A guard for the requests that come through `door`.
    ///
    /// # Errors
    ///
    /// [`InvalidConfig`] names the entry of the configuration that cannot be kept.
    pub fn new(config: &Config, door: Door<'_>, pages: Pages) -> Result<Self, InvalidConfig> {
        let peers = match (door, pages) {
            // Probes come to the pages over TCP, where they have no account, and get no credential.
            (Door::Tcp(_), Pages::Own) => None,
            _ => Peers::new(&config.uids, &config.gids),
        };
        Ok(Self {
            peers,
            authorities: Authorities::new(&config.hosts, config.callback.as_ref(), door)?,
            callback: config.callback.clone(),
            origins: Origins::new(&config.origins, pages)?,
            required_field: config.required_field.clone().map(RequiredField),
            caller_key: config.caller_key.clone().map(CallerKey::new).transpose()?,
            policy: Policy::new(config)?,
        })
    }

    /// Judges the head of a request, and the account that sent it where the kernel tells. The content of a refused one stays unread, so its connection ends
    /// with the answer.
    ///
    /// # Errors
    ///
    /// The first [`Refusal`].
    pub fn admit(&self, head: &Parts, peer: Option<Account>) -> Result<Admitted, Refusal> {
        if let Some(peers) = &self.peers {
            peers.admit(peer)?;
        }
        self.authorities.admit(head)?;
        if self.callback.as_ref().is_some_and(|callback| callback.is_reached_by(head)) {
            return Ok(Admitted::Request);
        }
        let lands = self.callback.is_some() && callback::lands(head);
        if !lands && self.origins.admit(head)? == Passage::Preflight {
            return Ok(Admitted::Preflight(self.policy.methods()));
        }
        if let Some(field) = &self.required_field {
            field.admit(&head.headers)?;
        }
        if let Some(key) = &self.caller_key {
            key.admit(&head.headers)?;
        }
        self.policy.admit(&head.method, &head.uri)?;
        Ok(Admitted::Request)
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
        let head = head("/api/v2/workspaces?page=2", &fields);
        assert_eq!(guard(&Config::default()).admit(&head, None), Ok(Admitted::Request));
    }

    #[test]
    fn the_first_check_that_fails_gives_the_answer() {
        let required = HeaderName::from_static("x-webwork-proxy");
        let guard = guard(&Config {
            uids: vec![Uid(1000)],
            required_field: Some(required.clone()),
            caller_key: Some(Secret::new("a-key-for-callers".into())),
            ..Config::default()
        });
        let ours = Some(Account { uid: Uid(1000), gid: Gid(1000) });
        let mut wrong = head("/oauth/token", &[("origin", "https://evil.example")]);
        let host = wrong.headers.insert("host", "evil.example".parse().unwrap());
        assert_eq!(guard.admit(&wrong, None), Err(Refusal::Account));
        let foreign =
            Refusal::HostForeign { host: "evil.example".into(), ours: "localhost:9180".into() };
        assert_eq!(guard.admit(&wrong, ours), Err(foreign));
        wrong.headers.insert("host", host.unwrap());
        let page = Refusal::Page("https://evil.example".into());
        assert_eq!(guard.admit(&wrong, ours), Err(page));
        wrong.headers.remove("origin");
        assert_eq!(guard.admit(&wrong, ours), Err(Refusal::FieldMissing(required.clone())));
        wrong.headers.insert(required, "1".parse().unwrap());
        assert_eq!(guard.admit(&wrong, ours), Err(Refusal::CallerKeyMissing));
        wrong.headers.insert(CALLER_KEY, "a-key-for-callers".parse().unwrap());
        assert_eq!(guard.admit(&wrong, ours), Err(Refusal::OffLimits));
    }

    #[test]
    fn a_preflight_is_asked_for_no_field_and_no_key() {
        let guard = guard(&Config {
            origins: vec!["https://app.example".into()],
            methods: vec![Method::GET, Method::OPTIONS],
            required_field: Some(HeaderName::from_static("x-webwork-proxy")),
            caller_key: Some(Secret::new("a-key-for-callers".into())),
            ..Config::default()
        });
        let ask = [("origin", "https://app.example"), ("access-control-request-method", "GET")];
        let mut head = head("/api/v2/tasks", &ask);
        head.method = Method::OPTIONS;
        let methods = HeaderValue::from_static("GET, OPTIONS");
        assert_eq!(guard.admit(&head, None), Ok(Admitted::Preflight(methods)));
        head.headers.insert("host", "evil.example".parse().unwrap());
        assert!(matches!(guard.admit(&head, None), Err(Refusal::HostForeign { .. })));
    }

    #[test]
    fn a_browser_comes_back_from_a_sign_in_without_any_key_and_to_one_path() {
        let guard = guard(&Config {
            callback: Some(Callback {
                authority: "127.0.0.1:7777".into(),
                path: "/oauth/callback".into(),
            }),
            caller_key: Some(Secret::new("a-key-for-callers".into())),
            ..Config::default()
        });
        let fields = [
            ("sec-fetch-site", "cross-site"),
            ("sec-fetch-mode", "navigate"),
            ("sec-fetch-dest", "document"),
        ];
        let mut back = head("/oauth/callback?code=a", &fields);
        back.headers.insert("host", "127.0.0.1:7777".parse().unwrap());
        assert_eq!(guard.admit(&back, None), Ok(Admitted::Request));
        // It ends at the page, if it shows the key.
        let mut end = head("/?sign_in=done", &fields);
        assert_eq!(guard.admit(&end, None), Err(Refusal::CallerKeyMissing));
        end.headers.insert(CALLER_KEY, "a-key-for-callers".parse().unwrap());
        assert_eq!(guard.admit(&end, None), Err(Refusal::Path));
        end.headers.insert("sec-fetch-dest", "iframe".parse().unwrap());
        assert_eq!(guard.admit(&end, None), Err(Refusal::FetchSite));
        back.headers.insert("host", "evil.example".parse().unwrap());
        assert!(matches!(guard.admit(&back, None), Err(Refusal::HostForeign { .. })));
        let elsewhere = head("/api/v2/tasks", &fields);
        assert_eq!(guard.admit(&elsewhere, None), Err(Refusal::FetchSite));
        let framed = head("/oauth/callback?code=a", &fields[..2]);
        assert_eq!(guard.admit(&framed, None), Err(Refusal::FetchSite));
    }

    #[test]
    fn accounts_matter_at_every_door_but_to_pages_over_tcp() {
        let config = Config { uids: vec![Uid(1000)], ..Config::default() };
        let bound = ["127.0.0.1:9180".parse().unwrap()];
        for (door, pages, expected) in [
            (Door::Unix, Pages::None, Err(Refusal::Account)),
            (Door::Unix, Pages::Own, Err(Refusal::Account)),
            (Door::Tcp(&bound), Pages::None, Err(Refusal::Account)),
            (Door::Tcp(&bound), Pages::Own, Ok(Admitted::Request)),
        ] {
            let guard = Guard::new(&config, door, pages).unwrap();
            let mut head = head("/api/", &[]);
            if door == Door::Unix {
                head.headers.insert("host", "localhost".parse().unwrap());
            }
            assert_eq!(guard.admit(&head, None), expected, "{door:?} {pages:?}");
        }
    }

    #[test]
    fn a_configuration_is_checked_without_any_open_door() {
        let config = Config { paths: Vec::new(), ..Config::default() };
        let verdict = Guard::new(&config, Door::Tcp(&[]), Pages::None).map(drop);
        assert_eq!(verdict, Err(InvalidConfig::NoPaths));
    }
}
