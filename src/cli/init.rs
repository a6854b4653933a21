//! `init`: a commented configuration to begin with.

mod state_directory;

use std::fs::OpenOptions;
use std::io::{self, Write};
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};

use crate::config::{Environment, STATE_DIRECTORY};

use super::Exit;
use super::style::{complain, say};

/// Arguments of `init`.
#[derive(Debug, clap::Args)]
#[command(after_help = HELP)]
pub(super) struct Init {
    /// File to write.
    #[arg(default_value = "sidecar.toml")]
    file: PathBuf,
    /// The kind of credential to prepare.
    #[arg(long, value_enum, default_value_t = CredentialKind::AuthorizationCode)]
    credential: CredentialKind,
    /// Write every setting there is, with its meaning, range and default.
    #[arg(long, conflicts_with = "credential")]
    full: bool,
}

const HELP: &str = "\
Examples:
  webwork-sidecar init                                  writes sidecar.toml
  webwork-sidecar init --credential personal-access-token
  webwork-sidecar init --full /etc/webwork-sidecar/sidecar.toml";

impl Init {
    pub(super) fn perform(self) -> Exit {
        let directory = state_directory::of_user(&Environment::of_process());
        match write(&self.file, &self.text(directory.as_deref())) {
            Ok(()) => {
                let file = self.file.display();
                say(format_args!("{file} is written. Fill it in, then try it:\n"));
                if self.full || self.credential == CredentialKind::PersonalAccessToken {
                    say(
                        "  put the token into the file personal_access_token next to it, mode 0600",
                    );
                }
                if self.full || self.credential != CredentialKind::PersonalAccessToken {
                    say(
                        "  put the client secret into the file client_secret next to it, mode 0600",
                    );
                }
                if self.full || self.credential == CredentialKind::AuthorizationCode {
                    say(format_args!("  webwork-sidecar login --config {file}"));
                }
                say(format_args!("  webwork-sidecar check --config {file} --online"));
                say(format_args!("  webwork-sidecar run --config {file}"));
                Exit::Done
            }
            Err(error) => {
                complain(error);
                Exit::Failed
            }
        }
    }

    /// The configuration, with this state directory instead of the default.
    fn text(&self, directory: Option<&Path>) -> String {
        let template = if self.full { REFERENCE } else { self.credential.template() };
        // The other credentials store nothing.
        let stores = self.full || self.credential == CredentialKind::AuthorizationCode;
        let Some(directory) = directory.and_then(Path::to_str).filter(|_| stores) else {
            return template.to_owned();
        };
        let setting = format!("directory = \"{}\"", escaped(directory));
        if self.full {
            template.replacen(&format!("#directory = {STATE_DIRECTORY:?}"), &setting, 1)
        } else {
            format!("{template}\n[state]\n# {MEANING}\n{setting}\n")
        }
    }
}

/// Escapes a text without control characters for a basic string of TOML.
fn escaped(text: &str) -> String {
    text.replace('\\', r"\\").replace('"', r#"\""#)
}

/// What is said of the state directory where the reference file does not say it.
const MEANING: &str =
    "Where the grant is kept; a directory of its own, mode 0700, made when it is needed.";

/// Every setting there is.
const REFERENCE: &str = include_str!("../../config/sidecar.toml");

/// Which credential the configuration is for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, clap::ValueEnum)]
pub enum CredentialKind {
    /// An OAuth2 app to which a person signs in once.
    #[value(alias = "authorization_code")]
    AuthorizationCode,
    /// An OAuth2 app that acts for itself.
    #[value(alias = "client_credentials")]
    ClientCredentials,
    /// A token that a person made.
    #[value(alias = "personal_access_token")]
    PersonalAccessToken,
}

impl CredentialKind {
    /// The text of the configuration.
    pub fn template(self) -> &'static str {
        match self {
            Self::AuthorizationCode => include_str!("../../config/minimal.toml"),
            Self::ClientCredentials => include_str!("../../config/client-credentials.toml"),
            Self::PersonalAccessToken => include_str!("../../config/personal-access-token.toml"),
        }
    }
}

/// Why no configuration was written.
#[derive(Debug, thiserror::Error)]
pub enum InitError {
    /// Something is there already; it is left as it is.
    #[error(
        "{} exists already and was left as it is; name another file, or remove it first",
        .0.display()
    )]
    Exists(PathBuf),
    /// The directory is not there.
    #[error(
        "{} cannot be written, because its directory does not exist; create the directory first",
        .0.display()
    )]
    NoDirectory(PathBuf),
    /// The file could not be written.
    #[error(
        "{} cannot be written: {error}; name a file that this user may create",
        path.display()
    )]
    Unwritable {
        /// The file.
        path: PathBuf,
        /// What the system said.
        error: io::Error,
    },
}

/// Writes a commented configuration that only its owner can read and change.
///
/// # Errors
///
/// [`InitError`]; whatever stands at `path` already, even a dangling link, is left as it is.
pub fn init(path: &Path, credential: CredentialKind) -> Result<(), InitError> {
    write(path, credential.template())
}

fn write(path: &Path, template: &str) -> Result<(), InitError> {
    let refused = |error: io::Error| match error.kind() {
        io::ErrorKind::AlreadyExists => InitError::Exists(path.to_owned()),
        io::ErrorKind::NotFound => InitError::NoDirectory(path.to_owned()),
        _ => InitError::Unwritable { path: path.to_owned(), error },
    };
    let mut file =
        OpenOptions::new().write(true).create_new(true).mode(0o600).open(path).map_err(refused)?;
    file.write_all(template.as_bytes())
        .and_then(|()| file.sync_all())
        .map_err(|error| InitError::Unwritable { path: path.to_owned(), error })
}

#[cfg(test)]
mod tests {
    use std::fs;
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn text(credential: CredentialKind, full: bool, directory: &str) -> String {
        Init { file: PathBuf::new(), credential, full }.text(Some(Path::new(directory)))
    }

    #[test]
    fn a_state_directory_is_written_where_the_credential_needs_one() {
        use CredentialKind::{AuthorizationCode, ClientCredentials, PersonalAccessToken};
        // Quotes and backslashes are allowed in the name of a directory.
        let odd = r#"/home/an"n\b/webwork-sidecar"#;
        for full in [false, true] {
            let text = text(AuthorizationCode, full, odd);
            let value: toml::Table = text.parse().unwrap();
            assert_eq!(value["state"]["directory"].as_str(), Some(odd), "{text}");
        }
        for credential in [ClientCredentials, PersonalAccessToken] {
            assert_eq!(text(credential, false, odd), credential.template());
        }
    }

    #[test]
    fn a_new_configuration_belongs_to_its_owner_alone() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.toml");
        init(&path, CredentialKind::PersonalAccessToken).unwrap();
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, CredentialKind::PersonalAccessToken.template());
        assert_eq!(fs::metadata(&path).unwrap().permissions().mode() & 0o777, 0o600);
    }

    #[test]
    fn what_is_there_is_never_overwritten() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("sidecar.toml");
        init(&path, CredentialKind::ClientCredentials).unwrap();
        let error = init(&path, CredentialKind::AuthorizationCode).unwrap_err();
        assert!(error.to_string().ends_with("name another file, or remove it first"), "{error}");
        let text = fs::read_to_string(&path).unwrap();
        assert_eq!(text, CredentialKind::ClientCredentials.template());
        let link = directory.path().join("link");
        std::os::unix::fs::symlink("nowhere", &link).unwrap();
        assert!(matches!(
            init(&link, CredentialKind::ClientCredentials),
            Err(InitError::Exists(_))
        ));
    }

    #[test]
    fn a_missing_directory_is_named_as_such() {
        let directory = tempfile::tempdir().unwrap();
        let path = directory.path().join("missing/sidecar.toml");
        let error = init(&path, CredentialKind::AuthorizationCode).unwrap_err();
        assert!(matches!(&error, InitError::NoDirectory(named) if *named == path), "{error}");
    }
}
