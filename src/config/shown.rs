//! The configuration as it may be shown: every key with its value, and who gave it. A secret appears as its
//! fingerprint, which tells one from the next.

use std::collections::HashMap;
use std::sync::LazyLock;

use crate::admin::configuration::{Given, Setting};
use crate::secret::Fingerprint;
use crate::token::source::Credential;

use super::reader::{Found, Known, Layer, Reader};
use super::value::Raw;

/// Every key and its default: a line `#name = value` in a section of it. A test holds it to the code.
pub(super) const REFERENCE: &str = include_str!("../../config/sidecar.toml");

/// What runs with this configuration, in the order in which it was asked for.
pub(super) fn settings(reader: &mut Reader<'_>, credential: &Credential) -> Vec<Setting> {
    let mut settings: Vec<Setting> = Vec::new();
    for known in reader.known.clone() {
        let in_use = known.section().is_none_or(|section| reader.has(section));
        if !in_use || settings.iter().any(|setting| setting.key == known.key) {
            continue;
        }
        let (value, given) = match reader.find(&known.key) {
            Some(found) => (shown(reader, &known, found), given(found.layer)),
            // Its default follows upstream.url, so that no text of the reference can name it.
            None if known.leaf() == "token_url" => match credential.registration() {
                Some(app) => (format!("\"{}\"", app.token_url), Given::Default),
                None => continue,
            },
            None => match DEFAULTS.get(known.key.as_str()) {
                Some(value) => ((*value).to_owned(), Given::Default),
                None => continue,
            },
        };
        settings.push(Setting { key: known.key, value, given });
    }
    settings
}

impl Known {
    /// The section of a credential that this key belongs to, and that counts only if it is there.
    fn section(&self) -> Option<&str> {
        self.key.strip_prefix("credential.")?;
        self.key.rsplit_once('.').map(|(section, _)| section)
    }
}

fn given(layer: Layer) -> Given {
    match layer {
        Layer::File => Given::File,
        Layer::Environment => Given::Environment,
    }
}

fn shown(reader: &Reader<'_>, known: &Known, found: Found<'_>) -> String {
    let text = match found.raw {
        Raw::Variable(text) => text.to_owned(),
        Raw::Toml(value) => reader
            .document
            .and_then(|it| it.text().get(value.span()))
            .unwrap_or_default()
            .to_owned(),
    };
    if known.leaf().ends_with("_file") {
        return match reader.fingerprints.get(&known.key) {
            Some(fingerprint) => format!("{text} (fingerprint {fingerprint})"),
            None => text,
        };
    }
    if !known.holds_no_secret() {
        let secret = found.raw.text().unwrap_or_default();
        return format!("fingerprint {}", Fingerprint::of(secret));
    }
    // A URL with a password.
    if text.contains('@') { "…".to_owned() } else { text }
}

static DEFAULTS: LazyLock<HashMap<String, &'static str>> = LazyLock::new(|| {
    let mut defaults = HashMap::new();
    let mut section = "";
    for line in REFERENCE.lines() {
        let bare = line.trim_start_matches(['#', ' ']);
        if let Some(name) = bare.strip_prefix('[').and_then(|rest| rest.strip_suffix(']')) {
            section = name;
        } else if let Some((name, value)) =
            line.strip_prefix('#').and_then(|it| it.split_once(" = "))
            && !name.contains(' ')
        {
            defaults.insert(format!("{section}.{name}"), value);
        }
    }
    defaults
});

#[cfg(test)]
mod tests {
    use std::io::Write;

    use super::super::{Environment, load};
    use super::*;

    #[test]
    fn every_value_has_a_giver_and_no_secret_is_shown() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.toml");
        let mut file = std::fs::File::create(&path).unwrap();
        let secret = "canary-in-line";
        write!(
            file,
            "[credential.client_credentials]\nclient_id = \"42\"\nclient_secret = {secret:?}\n\
             [guard]\ncaller_key_file = \"key\"\n[drain]\ntimeout = \"7s\"\n"
        )
        .unwrap();
        let mut key = std::fs::File::create(directory.path().join("key")).unwrap();
        write!(key, "canary-in-a-file-0123456789abcdef").unwrap();
        let variables = [
            ("WEBWORK_SIDECAR_LOG__LEVEL", "debug"),
            ("WEBWORK_SIDECAR_UPSTREAM__PROXY", "http://user:canary@proxy.example:3128"),
        ];
        let config = load(Some(&path), &Environment::from(variables)).unwrap();
        let told = |key: &str| {
            let setting = config.settings.iter().find(|setting| setting.key == key);
            setting.map(|setting| (setting.value.as_str(), setting.given))
        };
        assert_eq!(told("drain.timeout"), Some(("\"7s\"", Given::File)));
        assert_eq!(told("log.level"), Some(("debug", Given::Environment)));
        assert_eq!(told("guard.read_only"), Some(("false", Given::Default)));
        let fingerprint = format!("fingerprint {}", Fingerprint::of(secret));
        let key = "credential.client_credentials.client_secret";
        assert_eq!(told(key), Some((fingerprint.as_str(), Given::File)));
        assert!(told("guard.caller_key_file").unwrap().0.contains("(fingerprint "));
        assert_eq!(
            told("credential.authorization_code.redirect_uri"),
            None,
            "another credential's"
        );
        let all = format!("{:?}", config.settings);
        assert!(!all.contains("canary"), "{all}");
        assert!(config.settings.len() > 40, "{}", config.settings.len());
    }
}
