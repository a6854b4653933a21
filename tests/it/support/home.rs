//! The files of one sidecar, or of several that share them.

use std::os::unix::fs::DirBuilderExt;
use std::path::{Path, PathBuf};

use tempfile::TempDir;

use super::{Credential, Service, write};

/// Holds the client secret.
pub(crate) const CLIENT_SECRET: &str = "client_secret";
/// Holds the seed.
pub(crate) const REFRESH_TOKEN: &str = "refresh_token";
/// Holds the personal access token.
pub(crate) const PERSONAL_ACCESS_TOKEN: &str = "personal_access_token";

const CONFIG: &str = "sidecar.toml";

/// A directory with a configuration, the secrets that it names, and the state.
#[derive(Debug)]
pub(super) struct Home(TempDir);

impl Home {
    /// Everything that a person would have written to use the service.
    pub(super) fn furnish(credential: Credential, service: &Service) -> Self {
        let home = Self(tempfile::tempdir().unwrap());
        let app = format!(
            "client_id = {:?}\nclient_secret_file = {CLIENT_SECRET:?}\n",
            service.client_id()
        );
        let authorize = format!("authorize_url = \"{}/oauth/authorize\"\n", service.url());
        home.put("ca.pem", service.ca_pem());
        let section = match credential {
            Credential::AuthorizationCode => {
                home.put(REFRESH_TOKEN, &service.new_refresh_token());
                format!("{app}{authorize}refresh_token_file = {REFRESH_TOKEN:?}\n")
            }
            Credential::SignInToCome => format!("{app}{authorize}"),
            Credential::ClientCredentials => format!("{app}scope = [\"read\", \"write\"]\n"),
            Credential::PersonalAccessToken => {
                home.put(PERSONAL_ACCESS_TOKEN, &service.new_personal_access_token());
                format!("token_file = {PERSONAL_ACCESS_TOKEN:?}\n")
            }
        };
        home.put(CLIENT_SECRET, service.client_secret());
        let ca = if service.ca_pem().is_empty() { "" } else { "ca_file = \"ca.pem\"\n" };
        let text = format!(
            "[listen]\nproxy = [\"127.0.0.1:0\"]\nadmin = [\"127.0.0.1:0\"]\n\
             [upstream]\nurl = {:?}\n{ca}[state]\ndirectory = {:?}\n[credential.{}]\n{section}",
            service.url(),
            home.state(),
            credential.name(),
        );
        home.put(CONFIG, &text);
        home
    }

    pub(super) fn config(&self) -> PathBuf {
        self.path(CONFIG)
    }

    pub(super) fn state(&self) -> PathBuf {
        self.path("state")
    }

    /// Writes a file in one go, as an operator's tool does: nobody sees half of it.
    pub(super) fn put(&self, name: &str, content: &str) {
        write(&self.path("new"), content);
        std::fs::rename(self.path("new"), self.path(name)).unwrap();
    }

    /// Makes a directory where the sidecar wants to write a file. It fails for every user, root too.
    pub(super) fn obstruct(&self, name: &str) {
        let path = self.state().join(name);
        std::fs::remove_file(&path).ok();
        std::fs::DirBuilder::new().mode(0o700).create(path).unwrap();
    }

    pub(super) fn clear(&self, name: &str) {
        std::fs::remove_dir(self.state().join(name)).unwrap();
    }

    fn path(&self, name: &str) -> PathBuf {
        Path::join(self.0.path(), name)
    }
}
