//! (being written)

use http::Method;

use crate::secret::Secret;

/// Who may use the sidecar, and for what.
#[derive(Clone, Debug)]
pub struct Config {
    /// Names allowed in `Host` beside the loopback names, each with or without a port.
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
