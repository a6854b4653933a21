//! The state directory that `init` writes for an ordinary user, who may not use the default in /var/lib.

use std::ffi::OsStr;
use std::fs;
use std::os::unix::fs::MetadataExt;
use std::path::{Path, PathBuf};

use rustix::fs::Access;
use rustix::process::geteuid;

use crate::config::{Environment, STATE_DIRECTORY};

/// The name in the directory of the user's state, and in /var/lib.
const NAME: &str = "webwork-sidecar";

/// Beside the configuration, for a user without a home: relative names are relative to that file.
const BESIDE: &str = "state";

/// The directory to write into the configuration; `None` if the default is right.
///
/// The default stays for root, for a user to whom it belongs, and in the image, where a volume is mounted on it
/// and the account that runs `init` need not be the one that runs the sidecar.
pub(super) fn of_user(environment: &Environment) -> Option<PathBuf> {
    let default = Path::new(STATE_DIRECTORY);
    if geteuid().is_root() || is_usable(default) {
        return None;
    }
    in_home(environment)
        .find(|directory| is_usable(directory))
        .or_else(|| (!default.exists()).then(|| PathBuf::from(BESIDE)))
}

/// Where programs keep state that outlives a restart, by the XDG Base Directory Specification.
fn in_home(environment: &Environment) -> impl Iterator<Item = PathBuf> {
    // The specification: a relative path is invalid and ignored.
    let absolute = |name| {
        let path = environment.variable(name).map(OsStr::to_owned).map(PathBuf::from);
        path.filter(|path| path.is_absolute())
    };
    let state = absolute("XDG_STATE_HOME");
    let home = absolute("HOME").map(|home| home.join(".local/state"));
    // What TOML cannot hold as it is cannot be written into the configuration.
    let is_plain =
        |path: &PathBuf| path.to_str().is_some_and(|text| !text.contains(char::is_control));
    state.into_iter().chain(home).map(|base| base.join(NAME)).filter(is_plain)
}

/// Whether this user could keep a grant there: the directory is the user's own, or can be created.
fn is_usable(directory: &Path) -> bool {
    match fs::metadata(directory) {
        Ok(found) => found.is_dir() && found.uid() == geteuid().as_raw(),
        Err(_) => {
            let above = directory.ancestors().skip(1).find(|path| path.exists());
            above.is_some_and(|path| {
                rustix::fs::access(path, Access::WRITE_OK | Access::EXEC_OK).is_ok()
            })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn candidates<const N: usize>(variables: [(&str, &str); N]) -> Vec<PathBuf> {
        in_home(&Environment::from(variables)).collect()
    }

    #[test]
    fn the_state_home_comes_before_the_home() {
        let both = candidates([("XDG_STATE_HOME", "/xdg"), ("HOME", "/home/ann")]);
        let expected = ["/xdg/webwork-sidecar", "/home/ann/.local/state/webwork-sidecar"];
        assert_eq!(both, expected.map(PathBuf::from));
    }

    #[test]
    fn an_empty_or_relative_base_is_ignored() {
        assert_eq!(candidates([("XDG_STATE_HOME", ""), ("HOME", "")]), Vec::<PathBuf>::new());
        let home = candidates([("XDG_STATE_HOME", "state"), ("HOME", "/home/ann")]);
        assert_eq!(home, [PathBuf::from("/home/ann/.local/state/webwork-sidecar")]);
    }

    #[test]
    fn a_directory_is_usable_if_it_is_ours_or_can_be_created() {
        let directory = tempfile::tempdir().unwrap();
        assert!(is_usable(directory.path()));
        assert!(is_usable(&directory.path().join("not/yet/there")));
        let file = directory.path().join("file");
        fs::File::create(&file).unwrap();
        assert!(!is_usable(&file));
    }
}
