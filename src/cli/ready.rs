//! The line that ends a start: what to do next, with the addresses that are really bound.

use std::fmt;

use crate::admin::Report;
use crate::admin::sign_in::Way;
use crate::guard::{self, CALLER_KEY};
use crate::net::listen::Address;
use crate::token::state::Standing;

/// What the guard asks of every request: a caller key, or a field of the operator's choice.
#[derive(Debug)]
pub(super) struct Demands(Vec<String>);

impl Demands {
    pub(super) fn of(guard: &guard::Config) -> Self {
        let key = guard.caller_key.as_ref().map(|_| format!("{CALLER_KEY}: YOUR-KEY"));
        let field = guard.required_field.as_ref().map(|field| format!("{field}: 1"));
        Self(key.into_iter().chain(field).collect())
    }

    /// No browser sends a field that somebody else chose.
    fn admit_browsers(&self) -> bool {
        self.0.is_empty()
    }
}

/// What to do once the start is over.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(super) enum NextStep {
    /// Send a request, such as this.
    Request(String),
    /// Sign in, there or by a command.
    SignIn(Option<String>),
    /// Do what is wanted, which this says.
    Correct(String),
}

impl NextStep {
    pub(super) fn of(report: &Report, demands: &Demands) -> Self {
        let needs_person = matches!(report.token.state, Standing::SignedOut | Standing::Lost);
        if needs_person && !report.ready && report.sign_in.way != Way::None {
            let page = addresses(&report.facts.admin).find_map(|address| address.url());
            return Self::SignIn(page.filter(|_| demands.admit_browsers()));
        }
        if report.ready
            && let Some(address) = addresses(&report.facts.proxy).next()
        {
            return Self::Request(curl(&address, demands));
        }
        let advice = report.verdict.advice.clone();
        Self::Correct(advice.unwrap_or_else(|| report.verdict.headline.clone()))
    }
}

impl fmt::Display for NextStep {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Request(curl) => f.write_str(curl),
            Self::SignIn(Some(page)) => {
                write!(f, "sign in at {page}/ or with `webwork-sidecar login`")
            }
            Self::SignIn(None) => f.write_str("sign in with `webwork-sidecar login`"),
            Self::Correct(advice) => write!(f, "no valid token yet: {advice}"),
        }
    }
}

/// TCP first: it is what most tools can do.
fn addresses(written: &[String]) -> impl Iterator<Item = Address> {
    let mut addresses: Vec<Address> = written.iter().filter_map(|it| it.parse().ok()).collect();
    addresses.sort_by_key(|address| matches!(address, Address::Unix(_)));
    addresses.into_iter()
}

fn curl(address: &Address, demands: &Demands) -> String {
    const PATH: &str = "/api/v2/workspaces";
    let fields: String = demands.0.iter().map(|field| format!("--header '{field}' ")).collect();
    match (address, address.url()) {
        (Address::Unix(path), _) => {
            format!("curl {fields}--unix-socket {} http://localhost{PATH}", path.display())
        }
        (_, Some(url)) => format!("curl {fields}{url}{PATH}"),
        (other, None) => format!("curl {fields}http://{other}{PATH}"),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn line(address: &str, demands: &[&str]) -> String {
        let demands = Demands(demands.iter().map(|&field| field.to_owned()).collect());
        curl(&address.parse().unwrap(), &demands)
    }

    #[test]
    fn the_line_can_be_pasted_as_it_is() {
        let path = "/api/v2/workspaces";
        assert_eq!(line("127.0.0.1:9280", &[]), format!("curl http://localhost:9280{path}"));
        assert_eq!(line("0.0.0.0:80", &[]), format!("curl http://localhost:80{path}"));
        assert_eq!(line("10.0.0.7:9180", &[]), format!("curl http://10.0.0.7:9180{path}"));
        assert_eq!(line("[fd00::7]:9180", &[]), format!("curl http://[fd00::7]:9180{path}"));
        assert_eq!(
            line("unix:/run/p.sock", &["x-ours: 1"]),
            format!("curl --header 'x-ours: 1' --unix-socket /run/p.sock http://localhost{path}")
        );
    }

    #[test]
    fn a_socket_is_named_where_there_is_nothing_else() {
        let written = ["unix:/run/p.sock".to_owned(), "127.0.0.1:9180".to_owned()];
        assert_eq!(addresses(&written).next(), "127.0.0.1:9180".parse().ok());
        assert_eq!(addresses(&written[..1]).next(), "unix:/run/p.sock".parse().ok());
    }
}
