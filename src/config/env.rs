//! The process environment: read once, in one place, so that every variable that matters is known
//! and checked, and tests bring their own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;

/// How every variable that overrides a key of the configuration begins.
pub const PREFIX: &str = "WEBWORK_SIDECAR_";

/// The variable that names the configuration file.
pub const CONFIG: &str = "WEBWORK_SIDECAR_CONFIG";

/// A snapshot of environment variables. Its `Debug` shows names only, for a value can be a secret.
#[derive(Clone, Default, PartialEq, Eq)]
pub struct Environment(BTreeMap<String, OsString>);

/// A variable whose value is not UTF-8.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct NotUnicode;

impl Environment {
    /// The variables of this process. The only place that reads them.
    #[expect(clippy::disallowed_methods, reason = "the home of the environment")]
    pub fn of_process() -> Self {
        let named = |(name, value): (OsString, OsString)| Some((name.into_string().ok()?, value));
        Self(std::env::vars_os().filter_map(named).collect())
    }

    /// The value of a variable, if it is set.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str)
    }

    /// Whether a variable has a value that is not empty.
    pub fn is_set(&self, name: &str) -> bool {
        self.variable(name).is_some_and(|value| !value.is_empty())
    }

    /// The names of the sockets that systemd passes on.
    pub fn socket_names(&self) -> Option<&str> {
        self.variable("LISTEN_FDNAMES")?.to_str()
    }

    /// The value of a variable as text, if it is set.
    pub(super) fn text(&self, name: &str) -> Option<Result<&str, NotUnicode>> {
        Some(self.variable(name)?.to_str().ok_or(NotUnicode))
    }

    /// Names of all variables that want to override a key.
    pub(super) fn overrides(&self) -> impl Iterator<Item = &str> {
        self.0
            .keys()
            .map(String::as_str)
            .filter(|name| name.starts_with(PREFIX) && *name != CONFIG && !is_service_link(name))
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        Self(variables.into_iter().map(|(name, value)| (name.into(), value.into())).collect())
    }
}

impl<K: Into<String>, V: Into<OsString>, const N: usize> From<[(K, V); N]> for Environment {
    fn from(variables: [(K, V); N]) -> Self {
        variables.into_iter().collect()
    }
}

/// The variable that overrides the key at a dotted path: `WEBWORK_SIDECAR_UPSTREAM__URL`.
pub fn variable_of(key: &str) -> String {
    format!("{PREFIX}{}", key.replace('.', "__").to_ascii_uppercase())
}

/// Whether the variable was put there by a container engine and not by the operator: for a service
/// called `webwork-sidecar`, Kubernetes sets `WEBWORK_SIDECAR_SERVICE_HOST`,
/// `WEBWORK_SIDECAR_PORT_9180_TCP_ADDR` and so on in every pod of its namespace.
fn is_service_link(name: &str) -> bool {
    let port_number =
        || name.split("_PORT_").skip(1).any(|rest| rest.starts_with(|c: char| c.is_ascii_digit()));
    !name.contains("__")
        && (name.ends_with("_SERVICE_HOST")
            || name.contains("_SERVICE_PORT")
            || name.ends_with("_PORT")
            || port_number())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_variable_is_named_by_one_rule() {
        assert_eq!(variable_of("upstream.url"), "WEBWORK_SIDECAR_UPSTREAM__URL");
        assert_eq!(
            variable_of("credential.personal_access_token.token_file"),
            "WEBWORK_SIDECAR_CREDENTIAL__PERSONAL_ACCESS_TOKEN__TOKEN_FILE"
        );
    }

    #[test]
    fn service_links_of_kubernetes_are_not_ours() {
        let environment = Environment::from([
            ("WEBWORK_SIDECAR_SERVICE_HOST", "10.0.0.1"),
            ("WEBWORK_SIDECAR_SERVICE_PORT_PROXY", "9180"),
            ("WEBWORK_SIDECAR_PORT", "tcp://10.0.0.1:9180"),
            ("WEBWORK_SIDECAR_PORT_9180_TCP_ADDR", "10.0.0.1"),
            ("WEBWORK_SIDECAR_ADMIN_PORT_9181_TCP", "tcp://10.0.0.1:9181"),
            ("WEBWORK_SIDECAR_CONFIG", "/etc/x"),
            ("WEBWORK_SIDECAR_UPSTREAM_URL", "a typing error, to be reported"),
            ("HOME", "/root"),
        ]);
        assert_eq!(environment.overrides().collect::<Vec<_>>(), ["WEBWORK_SIDECAR_UPSTREAM_URL"]);
    }

    #[test]
    fn debug_shows_no_values() {
        let environment = Environment::from([("NAME", "canary")]);
        assert_eq!(format!("{environment:?}"), "{\"NAME\"}");
    }
}
