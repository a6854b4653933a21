//! The files in `config/` are documentation that is executed.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;
use webwork_sidecar::admin::configuration::Given;
use webwork_sidecar::cli::init::{self, CredentialKind};
use webwork_sidecar::config::{Chosen, Config, Environment, Warning, load};

fn examples() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("config")
}

/// A directory with every secret that an example names.
fn secrets() -> TempDir {
    let directory = tempfile::tempdir().unwrap();
    for name in ["client_secret", "personal_access_token", "refresh_token", "caller_key"] {
        write(&directory.path().join(name), "0123456789abcdef0123456789abcdef\n");
    }
    directory
}

fn write(path: &Path, text: &str) {
    let mut options = fs::OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

fn loaded(path: &Path, secrets: &TempDir) -> Config {
    let environment = Environment::from([("CREDENTIALS_DIRECTORY", secrets.path())]);
    match load(Some(path), &environment) {
        Ok(config) => config,
        Err(errors) => panic!("{errors}"),
    }
}

#[test]
fn every_example_is_a_valid_configuration() {
    let secrets = secrets();
    let mut names = Vec::new();
    for entry in fs::read_dir(examples()).unwrap() {
        let path = entry.unwrap().path();
        if path.extension().is_some_and(|extension| extension == "toml") {
            loaded(&path, &secrets);
            names.push(path.file_name().unwrap().to_owned());
        }
    }
    assert!(names.len() >= 4, "{names:?}");
}

#[test]
fn the_reference_file_shows_the_defaults() {
    let secrets = secrets();
    let text = fs::read_to_string(examples().join("sidecar.toml")).unwrap();
    let is_default =
        |line: &str| line.starts_with('#') && line[1..].starts_with(char::is_alphabetic);
    let shown = text.lines().filter(|line| is_default(line)).count();
    assert!(shown > 30, "only {shown} defaults were found");
    let with_defaults: String = text
        .lines()
        .map(
            |line| if is_default(line) { format!("{}\n", &line[1..]) } else { format!("{line}\n") },
        )
        .collect();

    let path = secrets.path().join("sidecar.toml");
    write(&path, &text);
    let mut silent = loaded(&path, &secrets);
    write(&path, &with_defaults);
    let mut explicit = loaded(&path, &secrets);

    assert_eq!(explicit.listen.proxy_chosen, Chosen::Explicit);
    explicit.listen.proxy_chosen = Chosen::Default;
    explicit.listen.admin_chosen = Chosen::Default;
    // They are two versions of one file.
    explicit.watched.clear();
    silent.watched.clear();
    // What is shown of either has the same values, and other givers.
    for config in [&mut explicit, &mut silent] {
        config.settings.iter_mut().for_each(|setting| setting.given = Given::File);
    }
    assert_eq!(format!("{explicit:#?}"), format!("{silent:#?}"));
}

#[test]
fn what_init_writes_works_as_soon_as_its_secret_is_there() {
    for (credential, secrets_named) in [
        (CredentialKind::AuthorizationCode, 1),
        (CredentialKind::ClientCredentials, 1),
        (CredentialKind::PersonalAccessToken, 1),
    ] {
        let directory = secrets();
        let path = directory.path().join("sidecar.toml");
        init::init(&path, credential).unwrap();
        let config = load(Some(&path), &Environment::default()).unwrap();
        let template = |warning: &Warning| matches!(warning, Warning::Template { .. });
        assert!(config.warnings.iter().all(template), "{:?}", config.warnings);
        assert_eq!(config.watched.len(), 1 + secrets_named, "{:?}", config.watched);
    }
}
