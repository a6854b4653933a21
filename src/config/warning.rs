//! What the operator should know about a configuration that works.

use std::path::PathBuf;

use crate::net::listen::Address;
use crate::net::origin::Origin;

/// Something that is allowed, but seldom meant.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum Warning {
    /// A variable of the environment is seen by every child process and in `/proc`.
    #[error(
        "{variable} holds a secret, and the environment is readable for others; put the secret into a file, or a systemd credential, and name that in {variable}_FILE"
    )]
    SecretInEnvironment {
        /// The variable.
        variable: String,
    },
    /// As above, in a variable that other programs share.
    #[error(
        "{variable} holds the password of a proxy, and the environment is readable for others; put the URL into a file and name it in upstream.proxy_file"
    )]
    ProxyPasswordInEnvironment {
        /// The variable.
        variable: String,
    },
    /// A refresh token to begin with is used once, and its file may well be gone after that.
    #[error(
        "there is no file {}; without a stored grant the sidecar waits for it, and takes up a refresh token that is put there",
        path.display()
    )]
    NoSeed {
        /// The file.
        path: PathBuf,
    },
    /// Everybody between this host and that one can read the token.
    #[error(
        "{key} is {origin}, without TLS: everybody on the way there can read tokens and secrets, and upstream.allow_plaintext allows it; use https"
    )]
    Plaintext {
        /// The key of the URL.
        key: String,
        /// The origin.
        origin: Origin,
    },
    /// Others than the owner may read a file with a secret.
    #[error(
        "{} holds a secret and can be read by others (mode {mode:04o}); run `chmod 600` on it, and `chown` it to the user that runs the sidecar",
        path.display()
    )]
    SecretReadable {
        /// The file.
        path: PathBuf,
        /// Its permission bits.
        mode: u32,
    },
    /// Nobody has put anything in the place of a text of the template.
    #[error(
        "{key} is still the text of the template; put the client ID of the app there, as WebWork shows it"
    )]
    Template {
        /// The key.
        key: String,
    },
    /// Every program that reaches the address can use the token.
    #[error(
        "{address} can be reached from outside this host, and listen.allow_any_address lets everybody there use the token; set guard.caller_key_file"
    )]
    OpenAddress {
        /// The address.
        address: Address,
    },
    /// Every program of this host can use the token.
    #[error(
        "listen.socket_mode lets every user of this host connect to {address} and use the token; take a mode such as \"0660\" with listen.socket_owner, or set guard.uids, guard.gids or guard.caller_key_file"
    )]
    OpenSocket {
        /// The socket.
        address: Address,
    },
    /// Requests that arrive there under another name than localhost are refused.
    #[error(
        "{address} can be reached from outside this host, but guard.hosts is empty; requests with any Host but localhost will be refused"
    )]
    NoHosts {
        /// The address.
        address: Address,
    },
}
