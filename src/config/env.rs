//! The process environment: read once, in one place, so that every variable that matters is known
//! and checked, and tests bring their own.

use std::collections::BTreeMap;
use std::ffi::{OsStr, OsString};
use std::fmt;
use std::net::{IpAddr, SocketAddr};

/// How every variable that overrides a key of the configuration begins.
pub const PREFIX: &str = "WEBWORK_SIDECAR_";

/// The variable that names the configuration file.
pub const CONFIG: &str = "WEBWORK_SIDECAR_CONFIG";

/// A snapshot of environment variables. An empty one counts as unset: templates and compose files set
/// what they have no value for. Its `Debug` shows names only, for a value can be a secret.
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
        std::env::vars_os().filter_map(named).collect()
    }

    /// The value of a variable, if it is set.
    pub fn variable(&self, name: &str) -> Option<&OsStr> {
        self.0.get(name).map(OsString::as_os_str)
    }

    /// Whether a variable is set.
    pub fn is_set(&self, name: &str) -> bool {
        self.variable(name).is_some()
    }

    /// Whether the value of a variable has quotation marks around it, which a shell would have removed.
    pub(super) fn is_quoted(&self, name: &str) -> bool {
        let value = self.variable(name).map(OsStr::as_encoded_bytes);
        matches!(value, Some([b'"', .., b'"'] | [b'\'', .., b'\'']))
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
        let ours = |(name, value): &(&String, &OsString)| {
            name.starts_with(PREFIX)
                && *name != CONFIG
                && !is_service_link(name, value.to_str().unwrap_or_default())
        };
        self.0.iter().filter(ours).map(|(name, _)| name.as_str())
    }
}

impl fmt::Debug for Environment {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.0.keys()).finish()
    }
}

impl<K: Into<String>, V: Into<OsString>> FromIterator<(K, V)> for Environment {
    fn from_iter<I: IntoIterator<Item = (K, V)>>(variables: I) -> Self {
        let variables = variables.into_iter().map(|(name, value)| (name.into(), value.into()));
        Self(variables.filter(|(_, value): &(String, OsString)| !value.is_empty()).collect())
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

/// Whether the variable was put there by a container engine and not by the operator.
///
/// Kubernetes sets `WEBWORK_SIDECAR_SERVICE_HOST`, `WEBWORK_SIDECAR_PORT_9180_TCP_ADDR` and so on in every
/// pod of the namespace of a Service called `webwork-sidecar`; a link of Docker adds `…_NAME` and
/// `…_ENV_…`. A name with `__` may be a misspelt key as well as that of a Service with `--` in its name, so
/// there the value decides.
fn is_service_link(name: &str, value: &str) -> bool {
    let is_numbered = name.contains("_SERVICE_PORT")
        || name.match_indices("PORT_").any(|(at, port)| {
            let number = &name[at + port.len()..];
            name[..at].ends_with('_') && number.starts_with(|c: char| c.is_ascii_digit())
        });
    let is_host = name.ends_with("_SERVICE_HOST");
    let has_form = is_numbered || is_host || name.ends_with("_PORT") || name.ends_with("_NAME");
    // Whatever is in the environment of the other container follows.
    let is_copied = name.find("_ENV_").is_some_and(|at| !name[..=at].contains("__"));
    is_copied || has_form && (!name.contains("__") || is_link_value(value, is_numbered, is_host))
}

fn is_link_value(value: &str, is_numbered: bool, is_host: bool) -> bool {
    const PROTOCOLS: [&str; 3] = ["tcp", "udp", "sctp"];
    let is_endpoint = value.split_once("://").is_some_and(|(protocol, place)| {
        PROTOCOLS.contains(&protocol) && place.parse::<SocketAddr>().is_ok()
    });
    let is_address = (is_numbered || is_host) && value.parse::<IpAddr>().is_ok();
    let is_detail = is_numbered && (value.parse::<u16>().is_ok() || PROTOCOLS.contains(&value));
    // The name of a container.
    is_endpoint || is_address || is_detail || value.starts_with('/')
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

    /// Everything that a container engine sets for a Service or link with this prefix.
    fn links(prefix: &str) -> Vec<(String, &'static str)> {
        let ends = [
            ("_SERVICE_HOST", "10.96.0.7"),
            ("_SERVICE_PORT", "9180"),
            ("_SERVICE_PORT_HTTP", "9180"),
            ("_SERVICE_PORT_PROXY_ADMIN", "9181"),
            ("_PORT", "tcp://10.96.0.7:9180"),
            ("_PORT_9180_TCP", "tcp://[fd00::7]:9180"),
            ("_PORT_9180_TCP_PROTO", "tcp"),
            ("_PORT_9180_TCP_PORT", "9180"),
            ("_PORT_9180_TCP_ADDR", "fd00::7"),
            ("_PORT_53_UDP", "udp://10.96.0.7:53"),
            ("_PORT_53_SCTP_PROTO", "sctp"),
            ("_NAME", "/web/webwork-sidecar"),
        ];
        ends.into_iter().map(|(end, value)| (format!("{prefix}{end}"), value)).collect()
    }

    #[test]
    fn no_name_of_a_service_is_taken_for_a_setting() {
        for service in [
            "",
            "_ADMIN",
            "_LISTEN",
            "_LISTEN_PORT",
            "_UPSTREAM_URL",
            "_CONFIG",
            "_SERVICE_PORT",
            "_9180",
            "__X",
            "_LISTEN__PROXY",
            "_LISTEN__PORT",
            "_UPSTREAM__URL",
            "__SERVICE_PORT__X",
        ] {
            for (name, value) in links(&format!("WEBWORK_SIDECAR{service}")) {
                let environment = Environment::from([(name.as_str(), value)]);
                assert_eq!(environment.overrides().next(), None, "{name}={value}");
            }
        }
        for name in [
            "WEBWORK_SIDECAR_ENV_PATH",
            "WEBWORK_SIDECAR_ENV_WEBWORK_SIDECAR_UPSTREAM__URL",
            "WEBWORK_SIDECAR_1_ENV_X",
        ] {
            assert_eq!(Environment::from([(name, "x")]).overrides().next(), None, "{name}");
        }
    }

    #[test]
    fn a_misspelt_variable_is_not_taken_for_that_of_a_service() {
        for (name, value) in [
            ("WEBWORK_SIDECAR_LISTEN__PORT", "9180"),
            ("WEBWORK_SIDECAR_LISTEN__PROXY_PORT", "127.0.0.1:9180"),
            ("WEBWORK_SIDECAR_UPSTREAM__SERVICE_HOST", "api.example"),
            ("WEBWORK_SIDECAR_GUARD__FIELD_NAME", "x-key"),
            ("WEBWORK_SIDECAR_LOG__ENV_LEVEL", "debug"),
            ("WEBWORK_SIDECAR_LOG_LEVEL", "debug"),
        ] {
            let environment = Environment::from([(name, value)]);
            assert_eq!(environment.overrides().collect::<Vec<_>>(), [name], "{value}");
        }
    }

    #[test]
    fn what_is_empty_is_not_set() {
        let environment = Environment::from([("WEBWORK_SIDECAR_LISTEN__PROXY", ""), (CONFIG, "")]);
        assert_eq!(environment, Environment::default());
    }

    #[test]
    fn quotation_marks_that_no_shell_removed_are_seen() {
        let quoted = |value: &str| Environment::from([("X", value)]).is_quoted("X");
        assert!(quoted("\"abc\"") && quoted("'abc'") && quoted("\"\""));
        assert!(!quoted("abc") && !quoted("\"abc") && !quoted("\"") && !quoted("a\"b\""));
    }

    #[test]
    fn debug_shows_no_values() {
        let environment = Environment::from([("NAME", "canary")]);
        assert_eq!(format!("{environment:?}"), "{\"NAME\"}");
    }
}
