//! The credential as it is configured.

use crate::clock;
use crate::config::Config;
use crate::secret::Fingerprint;
use crate::token::bearer::AccessToken;
use crate::token::claims::Claims;
use crate::token::source::Credential;

use super::super::style::relative;
use super::ends_soon;
use super::finding::Findings;

const CHECK: &str = "credential";

pub(super) fn credential(config: &Config, findings: &mut Findings) {
    match &config.token.credential {
        Credential::AuthorizationCode(code) => {
            app(&code.registration.client_id, findings);
            findings.ok(CHECK, format!("a sign-in asks for: {}", code.scope));
        }
        Credential::ClientCredentials(own) => app(&own.registration.client_id, findings),
        Credential::PersonalAccessToken(token) => personal(token, findings),
    }
}

fn app(client_id: &str, findings: &mut Findings) {
    findings.ok(CHECK, format!("client ID with fingerprint {}", Fingerprint::of(client_id)));
}

fn personal(token: &AccessToken, findings: &mut Findings) {
    let (claims, now) = (Claims::of(token), clock::now().wall());
    let scope = claims.scope.map_or("not told".into(), |scope| scope.to_string());
    let fix = "make a new one at https://webwork-tracker.com/app/settings/rest-api and put it into its file";
    let shown = format!("personal access token {}, scope: {scope}", token.fingerprint());
    match claims.expires {
        None => findings.ok(CHECK, format!("{shown}, its end is not told")),
        Some(end) if end <= now => {
            findings.fail(CHECK, format!("{shown}, ended {}", relative(end, now)), fix);
        }
        Some(end) if ends_soon(end, now) => {
            findings.warn(CHECK, format!("{shown}, ends {}", relative(end, now)), fix);
        }
        Some(end) => findings.ok(CHECK, format!("{shown}, ends {}", relative(end, now))),
    }
}
