//! `[credential.…]`: exactly one of three.

use std::path::Path;

use toml::Spanned;
use toml::de::DeValue;
use url::Url;

use crate::net::origin::{Origin, Plaintext};
use crate::scope::{Scope, ScopeSet};
use crate::secret::Secret;
use crate::token::bearer::{AccessToken, RefreshToken};
use crate::token::source::{
    AUTHORIZE_URL, AuthorizationCode, ClientAuthentication, ClientCredentials, Credential,
    Registration,
};

use super::DEFAULT_FILE;
use super::endpoint::{ENDPOINT, REDIRECTION, protected};
use super::reader::Reader;
use super::secret_text::bare;
use super::transport::Upstream;
use super::value::{Choice, List, Text, Wrong, quoted};
use super::warning::Warning;

const CODE: &str = "credential.authorization_code";
const CLIENT: &str = "credential.client_credentials";
const PERSONAL: &str = "credential.personal_access_token";

/// What is asked for unless the operator says otherwise; `admin` would add DELETE.
const SCOPE: &str = "read write";

/// The admin listener's own address, by default.
const REDIRECT_URI: &str = "http://127.0.0.1:9181/callback";

const NONE: &str = "no credential is configured, so there is no token to put on requests; expected exactly one of

    [credential.authorization_code]
    client_id = \"…\"
    client_secret_file = \"…\"

    [credential.client_credentials]
    client_id = \"…\"
    client_secret_file = \"…\"

    [credential.personal_access_token]
    token_file = \"…\"

or the same in the environment, such as WEBWORK_SIDECAR_CREDENTIAL__PERSONAL_ACCESS_TOKEN__TOKEN_FILE";

const CLIENT_ID: Text<String> = Text {
    expected: "the client ID of the app, as WebWork shows it, such as client_id = \"42\"",
    check: client_id,
};

/// What the templates have in the place of a client ID.
const PLACEHOLDER: &str = "put-the-client-id-here";

const CLIENT_SECRET: &str = "the client secret of the app, as WebWork shows it";

const SCOPES: List<Text<Scope>> =
    List(Text { expected: "\"read\", \"write\", \"admin\" or another scope", check: scope });

const AUTHENTICATION: Choice<ClientAuthentication> =
    Choice(&[("body", ClientAuthentication::Body), ("basic", ClientAuthentication::Basic)]);

/// The credential. None only after something was refused.
pub(super) fn credential(reader: &mut Reader<'_>, upstream: &Upstream) -> Option<Credential> {
    // All three are read in any case, so that their keys are known and their mistakes are told.
    let code = authorization_code(reader, upstream).map(Credential::AuthorizationCode);
    let client = client_credentials(reader, upstream).map(Credential::ClientCredentials);
    let personal = personal_access_token(reader).map(Credential::PersonalAccessToken);
    let mut present: Vec<_> = [(CODE, code), (CLIENT, client), (PERSONAL, personal)]
        .into_iter()
        .filter(|(section, _)| reader.has(section))
        .collect();
    match present.len() {
        // A misspelt section is told as such.
        0 if reader.value("credential").is_some_and(has_entries) => None,
        0 => {
            let problem = match reader.document {
                Some(_) => NONE.to_owned(),
                None => format!("{}{NONE}", without_file()),
            };
            reader.refuse("credential", Wrong::new(problem));
            None
        }
        1 => present.remove(0).1,
        _ => {
            let names: Vec<_> = present.iter().map(|(name, _)| format!("[{name}]")).collect();
            let what = format!(
                "{} are given together, but a sidecar has one credential",
                names.join(" and ")
            );
            let expected = "only one of them; remove the others, or run one sidecar for each";
            reader.refuse("credential", Wrong::new(what).expecting(expected));
            None
        }
    }
}

/// Where no file was read, the one that `init` has just written is likely to be meant.
fn without_file() -> String {
    let written = match Path::new("sidecar.toml").exists() {
        true => ". There is sidecar.toml in this directory: add --config sidecar.toml",
        false => "",
    };
    format!(
        "no configuration file was read: neither --config nor WEBWORK_SIDECAR_CONFIG names one, and there is no \
         {DEFAULT_FILE}{written}. In the environment, "
    )
}

fn has_entries(section: &Spanned<DeValue<'_>>) -> bool {
    section.get_ref().as_table().is_none_or(|table| !table.is_empty())
}

fn authorization_code(reader: &mut Reader<'_>, upstream: &Upstream) -> Option<AuthorizationCode> {
    let registration = registration(reader, CODE, upstream);
    let authorize_url = endpoint(reader, &format!("{CODE}.authorize_url"), upstream.plaintext);
    let redirect_uri = reader.read(&format!("{CODE}.redirect_uri"), &REDIRECTION);
    let scope = scopes(reader, CODE);
    let seed = reader.seed(
        &format!("{CODE}.refresh_token"),
        "a refresh token that the app was given",
        |text| {
            bare(&text)?;
            RefreshToken::new(text).map_err(|error| error.to_string())
        },
    );
    Some(AuthorizationCode {
        registration: registration?,
        authorize_url: authorize_url.or_else(|| Url::parse(AUTHORIZE_URL).ok())?,
        redirect_uri: redirect_uri.unwrap_or_else(|| REDIRECT_URI.to_owned()),
        scope,
        seed,
    })
}

fn client_credentials(reader: &mut Reader<'_>, upstream: &Upstream) -> Option<ClientCredentials> {
    let registration = registration(reader, CLIENT, upstream);
    let scope = scopes(reader, CLIENT);
    let secret = format!("{CLIENT}.client_secret");
    if reader.has(CLIENT) && !reader.gives_secret(&secret) {
        let wrong = Wrong::new("missing; an app that acts for itself must prove who it is");
        reader.refuse(&secret, wrong.expecting("client_secret_file = \"…\""));
    }
    Some(ClientCredentials { registration: registration?, scope })
}

fn personal_access_token(reader: &mut Reader<'_>) -> Option<AccessToken> {
    let key = format!("{PERSONAL}.token");
    let token = reader.secret(
        &key,
        "a personal access token, as https://webwork-tracker.com/app/settings/rest-api shows it",
        |text| {
            bare(&text)?;
            AccessToken::new(text).map_err(|error| error.to_string())
        },
    );
    if reader.has(PERSONAL) && !reader.gives_secret(&key) {
        reader.refuse(&key, Wrong::new("missing").expecting("token_file = \"…\""));
    }
    token
}

fn registration(
    reader: &mut Reader<'_>,
    section: &str,
    upstream: &Upstream,
) -> Option<Registration> {
    let id_key = format!("{section}.client_id");
    let client_id = reader.read(&id_key, &CLIENT_ID);
    if client_id.as_deref() == Some(PLACEHOLDER) {
        reader.warn(Warning::Template { key: id_key.clone() });
    }
    if reader.has(section) && !reader.gives(&id_key) {
        reader.refuse(&id_key, Wrong::new("missing").expecting(CLIENT_ID.expected));
    }
    let secret_key = format!("{section}.client_secret");
    let client_secret = reader.secret(&secret_key, CLIENT_SECRET, client_secret);
    let authentication_key = format!("{section}.client_authentication");
    let authentication = reader.read(&authentication_key, &AUTHENTICATION).unwrap_or_default();
    if authentication == ClientAuthentication::Basic && !reader.gives_secret(&secret_key) {
        let wrong = Wrong::new("\"basic\" is not possible without a client secret");
        reader.refuse(&authentication_key, wrong.expecting("client_secret_file, or \"body\""));
    }
    let token_url = endpoint(reader, &format!("{section}.token_url"), upstream.plaintext);
    let client_id = client_id?;
    let token_url = token_url.or_else(|| upstream.url.join("/oauth/token").ok())?;
    let origin = Origin::with(&token_url, upstream.plaintext).ok()?;
    Some(Registration {
        client_id,
        client_secret,
        authentication,
        token_url,
        plaintext: upstream.plaintext,
        route: upstream.way.to(&origin, reader),
        ca_file: upstream.config.ca_file.clone(),
    })
}

fn endpoint(reader: &mut Reader<'_>, key: &str, plaintext: Plaintext) -> Option<Url> {
    let url = reader.read(key, &ENDPOINT)?;
    protected(reader, key, url, plaintext)
}

fn scopes(reader: &mut Reader<'_>, section: &str) -> ScopeSet {
    match reader.read(&format!("{section}.scope"), &SCOPES) {
        Some(scopes) => scopes.into_iter().collect(),
        None => SCOPE.parse().unwrap_or_default(),
    }
}

fn scope(text: &str) -> Result<Scope, Wrong> {
    text.parse().map_err(|_| {
        let wrong = Wrong::new(format!("found {}", quoted(text)));
        let parts: Vec<_> = text.split_whitespace().map(quoted).collect();
        if parts.len() > 1 {
            wrong.expecting(format!("every scope by itself: {}", parts.join(", ")))
        } else {
            wrong.expecting("printable ASCII without space, quote and backslash, such as \"read\"")
        }
    })
}

/// RFC 6749 appendix A.1.
fn client_id(text: &str) -> Result<String, Wrong> {
    match text {
        "" => Err(Wrong::new("is empty")),
        _ if text.trim() != text => Err(Wrong::new("begins or ends with white space")),
        _ if !is_vschar(text) => Err(Wrong::new("has a character that is not printable ASCII")),
        _ => Ok(text.to_owned()),
    }
}

/// RFC 6749 appendix A.2.
fn client_secret(text: String) -> Result<Secret, String> {
    let secret = Secret::new(text);
    bare(secret.expose())?;
    if is_vschar(secret.expose()) {
        Ok(secret)
    } else {
        Err("it has a character that is not printable ASCII".to_owned())
    }
}

fn is_vschar(text: &str) -> bool {
    text.bytes().all(|byte| (0x20..=0x7e).contains(&byte))
}
