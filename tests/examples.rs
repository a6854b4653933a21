//! The files in `config/` are documentation that is executed.

#![allow(missing_docs)]
#![allow(clippy::unwrap_used, clippy::panic, reason = "a test says so by failing")]

mod files;

use std::fs;
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::time::Duration;

use files::below;
use tempfile::TempDir;
use webwork_sidecar::admin::configuration::Given;
use webwork_sidecar::cli::init::{self, CredentialKind};
use webwork_sidecar::config::{Chosen, Config, Environment, Warning, load};
use webwork_sidecar::telemetry::pulse;

fn root() -> &'static Path {
    Path::new(env!("CARGO_MANIFEST_DIR"))
}

fn examples() -> PathBuf {
    root().join("config")
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
    let files = below("config");
    let examples: Vec<_> = files.iter().filter(|name| name.ends_with(".toml")).collect();
    assert!(examples.len() >= 5, "{examples:?}");
    for name in examples {
        let text = fs::read_to_string(root().join(name)).unwrap();
        // Where a pod has its secrets, this host has none.
        let text = text.replace("/run/secrets/webwork-sidecar/", "");
        let path = secrets.path().join("example.toml");
        write(&path, &text);
        loaded(&path, &secrets);
    }
}

/// What looks at the files in `config/` beside this: the beginning of their names, and the test.
const READERS: [(&str, &str); 9] = [
    ("config/app.sh", "tests/release/engine.py"),
    ("config/compose.yaml", "tests/release/engine.py"),
    ("config/grafana/", "tests/release/metrics"),
    ("config/kubernetes/", "tests/release/manifests"),
    ("config/package/build", "tests/run"),
    ("config/package/root", "tests/release/engine.py"),
    ("config/package/", "tests/release/deb"),
    ("config/prometheus/", "tests/release/metrics"),
    ("config/systemd/", "config/package/deb"),
];

#[test]
fn nothing_in_config_is_looked_at_by_nobody() {
    for name in below("config") {
        let reader = READERS.iter().find(|(start, _)| name.starts_with(start));
        assert!(name.ends_with(".toml") || reader.is_some(), "which test looks at {name}?");
    }
    for (start, reader) in READERS {
        let text = fs::read_to_string(root().join(reader)).unwrap();
        assert!(text.contains(start.trim_end_matches('/')), "{reader} does not look at {start}");
        assert!(below("config").iter().any(|name| name.starts_with(start)), "there is no {start}");
    }
}

#[test]
fn what_names_a_version_names_that_of_the_package() {
    let mut named = 0;
    let compiler = format!("rust:{}-", env!("CARGO_PKG_RUST_VERSION"));
    let program = concat!("webwork-sidecar:", env!("CARGO_PKG_VERSION"));
    let label = concat!("ARG VERSION=", env!("CARGO_PKG_VERSION"));
    let kubernetes = below("config/kubernetes").into_iter();
    for name in kubernetes.chain(["Dockerfile".to_owned()]) {
        let text = fs::read_to_string(root().join(&name)).unwrap();
        for line in text.lines() {
            for (start, whole) in [
                ("rust:", compiler.as_str()),
                ("image: webwork-sidecar:", program),
                ("newTag: ", env!("CARGO_PKG_VERSION")),
                ("ARG VERSION=", label),
            ] {
                if line.contains(start) {
                    assert!(line.contains(whole), "{name}: {line}");
                    named += 1;
                }
            }
        }
    }
    assert!(named >= 4, "{named}");
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

/// A file of settings as systemd reads it: the lines `key=value`, without the sections.
fn unit(name: &str) -> Vec<(String, String)> {
    let text = fs::read_to_string(examples().join("systemd").join(name)).unwrap();
    let lines = text.lines().filter(|line| !line.is_empty() && !line.starts_with(['#', '[']));
    let setting = |line: &str| line.split_once('=').map(|(key, value)| (key.into(), value.into()));
    lines.map(|line| setting(line).unwrap_or_else(|| panic!("{name}: {line}"))).collect()
}

/// The values of a key, in order.
fn values<'a>(unit: &'a [(String, String)], key: &str) -> Vec<&'a str> {
    unit.iter().filter(|(name, _)| name == key).map(|(_, value)| value.as_str()).collect()
}

#[test]
fn the_sockets_of_the_units_are_those_of_the_defaults() {
    let secrets = secrets();
    let defaults = loaded(&examples().join("minimal.toml"), &secrets).listen;
    for (name, called, addresses) in [
        ("webwork-sidecar.socket", "proxy", defaults.proxy),
        ("webwork-sidecar-admin.socket", "admin", defaults.admin),
    ] {
        let unit = unit(name);
        let addresses: Vec<_> = addresses.iter().map(ToString::to_string).collect();
        assert_eq!(values(&unit, "ListenStream"), addresses, "{name}");
        assert_eq!(values(&unit, "FileDescriptorName"), [called], "{name}");
    }
}

/// Systemd would kill it in the middle of an exchange, and the grant could be lost.
#[test]
fn the_unit_leaves_time_for_a_start_and_for_an_end() {
    let secrets = secrets();
    let defaults = loaded(&examples().join("minimal.toml"), &secrets);
    let unit = unit("webwork-sidecar.service");
    let seconds = |key| values(&unit, key)[0].parse().map(Duration::from_secs).unwrap();
    let exchange = defaults.token.exchange.timeout;
    assert!(seconds("TimeoutStartSec") > exchange);
    assert!(seconds("TimeoutStopSec") > exchange + defaults.drain.delay + defaults.drain.timeout);
    assert!(seconds("WatchdogSec") > pulse::PATIENCE);
}

#[test]
fn the_unit_hands_over_the_secrets_that_are_there_and_needs_no_other() {
    let unit = unit("webwork-sidecar.service");
    let names = |key| -> Vec<&str> {
        values(&unit, key).into_iter().filter_map(|value| Some(value.split_once(':')?.0)).collect()
    };
    let (given, absent) = (names("LoadCredential"), names("SetCredential"));
    assert_eq!(given, absent);
    let beside = secrets();
    let configuration = beside.path().join("sidecar.toml");
    for example in ["minimal.toml", "client-credentials.toml", "personal-access-token.toml"] {
        let secret = fs::read_to_string(examples().join(example)).unwrap();
        let secret = given.iter().find(|name| secret.contains(&format!("_file = \"{name}\"")));
        let secret = secret.unwrap_or_else(|| panic!("the unit has no secret for {example}"));
        // Under systemd, with the one secret that this example needs, and then with none.
        let credentials = tempfile::tempdir().unwrap();
        absent.iter().for_each(|name| write(&credentials.path().join(name), "\n"));
        write(&credentials.path().join(secret), "0123456789abcdef\n");
        let config = loaded(&examples().join(example), &credentials);
        assert_eq!(config.watched[1].path(), credentials.path().join(secret));

        write(&credentials.path().join(secret), "\n");
        fs::copy(examples().join(example), &configuration).unwrap();
        let config = loaded(&configuration, &credentials);
        assert_eq!(config.watched[1].path(), beside.path().join(secret));
        let environment = Environment::from([("CREDENTIALS_DIRECTORY", credentials.path())]);
        let errors = load(Some(&examples().join(example)), &environment).unwrap_err().to_string();
        let missing = format!("there is no file {}", examples().join(secret).display());
        assert!(errors.contains(&missing), "{errors}");
    }
}
