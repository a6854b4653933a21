//! A directory with a configuration, secrets and state.

use std::fs::{self, OpenOptions};
use std::io::Write;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::Command;

use tempfile::TempDir;
use webwork_sidecar::secret::Fingerprint;
use webwork_sidecar::simulator::Simulator;
use webwork_sidecar::token::record::Record;

use super::{Process, binary};

/// Which credential the configuration names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Credential {
    AuthorizationCode,
    ClientCredentials,
    PersonalAccessToken,
}

/// Where one sidecar, or several of them, live.
pub(crate) struct Place {
    directory: TempDir,
}

/// Writes a file that only its owner can read.
pub(crate) fn write(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

impl Place {
    /// A place with nothing in it.
    pub(crate) fn empty() -> Self {
        Self { directory: tempfile::tempdir().unwrap() }
    }

    /// A configuration with a fresh grant of this service. `more` is TOML before the credential.
    pub(crate) fn with(service: &Simulator, credential: Credential, more: &str) -> Self {
        let place = Self::empty();
        let secrets = [
            ("ca.pem", service.ca_pem()),
            ("client_secret", service.client_secret()),
            ("token", &service.issue_personal_access_token(&"read write".parse().unwrap())),
        ];
        for (name, text) in secrets {
            write(&place.path(name), text);
        }
        place.seed(service);
        let app = format!(
            "client_id = {:?}\nclient_secret_file = \"client_secret\"\n",
            service.client_id()
        );
        let credential = match credential {
            Credential::AuthorizationCode => format!(
                "[credential.authorization_code]\n{app}authorize_url = \"{}/oauth/authorize\"\n\
                 refresh_token_file = \"refresh_token\"\n",
                service.url()
            ),
            Credential::ClientCredentials => format!("[credential.client_credentials]\n{app}"),
            Credential::PersonalAccessToken => {
                "[credential.personal_access_token]\ntoken_file = \"token\"\n".to_owned()
            }
        };
        let authority = if service.ca_pem().is_empty() { "" } else { "ca_file = \"ca.pem\"\n" };
        let text = format!(
            "[upstream]\nurl = {:?}\n{authority}\n\
             [listen]\nproxy = [\"127.0.0.1:0\"]\nadmin = [\"127.0.0.1:0\"]\n\n\
             [state]\ndirectory = {:?}\n\n[log]\nformat = \"json\"\nlevel = \"info\"\n\n\
             {more}\n{credential}",
            service.url(),
            place.state(),
        );
        write(&place.configuration(), &text);
        place
    }

    /// A rotating grant, refreshed after this share of its life, or at once when that is ordered.
    pub(crate) fn rotating(service: &Simulator, at: f64) -> Self {
        let refresh = format!("[refresh]\nat = {at}\nunauthorized_interval = \"1s\"\n");
        Self::with(service, Credential::AuthorizationCode, &refresh)
    }

    /// Provides a new refresh token to begin with.
    pub(crate) fn seed(&self, service: &Simulator) {
        let seed = service.issue_refresh_token(&"read write".parse().unwrap());
        // Like every careful operator: a reader sees the old file or the new one.
        write(&self.path("refresh_token.new"), &seed);
        fs::rename(self.path("refresh_token.new"), self.path("refresh_token")).unwrap();
    }

    pub(crate) fn path(&self, name: &str) -> PathBuf {
        self.directory.path().join(name)
    }

    pub(crate) fn configuration(&self) -> PathBuf {
        self.path("sidecar.toml")
    }

    pub(crate) fn state(&self) -> PathBuf {
        self.path("state")
    }

    pub(crate) fn grant_file(&self) -> PathBuf {
        self.state().join("grant.json")
    }

    /// Replaces a text in the configuration.
    pub(crate) fn amend(&self, old: &str, new: &str) {
        let text = fs::read_to_string(self.configuration()).unwrap();
        assert!(text.contains(old), "{old} is not in {text}");
        write(&self.configuration(), &text.replace(old, new));
    }

    /// Adds a line to the credential.
    pub(crate) fn add(&self, line: &str) {
        let text = fs::read_to_string(self.configuration()).unwrap();
        write(&self.configuration(), &format!("{text}{line}\n"));
    }

    /// What is stored; a file that is torn fails the test.
    pub(crate) fn record(&self) -> Option<Record> {
        let bytes = match fs::read(self.grant_file()) {
            Ok(bytes) => bytes,
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => return None,
            Err(error) => panic!("{error}"),
        };
        let record = Record::from_bytes(&bytes);
        Some(record.unwrap_or_else(|why| panic!("torn: {why}; {} bytes", bytes.len())))
    }

    pub(crate) fn stored_refresh_token(&self) -> Option<Fingerprint> {
        let grant = self.record()?.grant?;
        grant.refresh.map(|token| token.fingerprint())
    }

    /// Whether an exchange has announced itself.
    pub(crate) fn has_intent(&self) -> bool {
        self.record().is_some_and(|record| record.intent.is_some())
    }

    /// A command on this configuration.
    pub(crate) fn command(&self, name: &str) -> Command {
        let mut command = Command::new(binary());
        command.args([name, "--config"]).arg(self.configuration());
        command
    }

    /// The command `run`, under another one: `strace`, for example.
    pub(crate) fn run_under(&self, wrapper: &str, arguments: &[&str]) -> Command {
        let mut command = Command::new(wrapper);
        command.args(arguments).arg(binary()).args(["run", "--config"]).arg(self.configuration());
        command
    }

    /// Starts a sidecar and waits until it listens.
    pub(crate) fn run(&self) -> Process {
        Process::listening(self.command("run"))
    }
}
