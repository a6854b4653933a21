//! Secrets, and the files that they come from.
//!
//! Every secret `x` has a twin `x_file`. The environment goes before the file, and within one layer
//! only one of the two may be given: whoever writes both has a secret in use that is not the one in
//! mind. A bare file name is looked up in `$CREDENTIALS_DIRECTORY` (systemd) first. A credential that is
//! empty there counts as none: that is how a unit names one that need not exist (`SetCredential=`).

use std::path::{Path, PathBuf};

use crate::secret::Fingerprint;

use super::env::variable_of;
use super::file::{self, Loaded, Privacy, Unreadable};
use super::reader::{Found, Layer, Reader};
use super::secret_text::{decoded, one_line, trimmed};
use super::transport::{FOR_A_SHELL, WRITTEN_OUT, is_for_a_shell};
use super::value::{Wrong, quoted};
use super::warning::Warning;
use super::watched::Watched;

/// Largest file with a secret in KiB; the longest tokens seen have about 1.
const LARGEST: u64 = 64;

/// The variable by which systemd tells where `LoadCredential=` puts files.
const CREDENTIALS_DIRECTORY: &str = "CREDENTIALS_DIRECTORY";

/// What it means that the file of a secret is not there.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Absence {
    /// A mistake.
    Refused,
    /// It may come, or have been removed after use.
    Awaited,
}

impl Reader<'_> {
    /// Reads a secret that is used once, at the beginning: its file may be gone by then.
    pub(super) fn seed<T>(
        &mut self,
        key: &str,
        expected: &str,
        check: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        self.either(key, expected, Absence::Awaited, check)
    }

    /// Reads a secret. `expected` reads on after "expected"; `check` says what is wrong with a
    /// text, and never repeats it.
    pub(super) fn secret<T>(
        &mut self,
        key: &str,
        expected: &str,
        check: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        self.either(key, expected, Absence::Refused, check)
    }

    fn either<T>(
        &mut self,
        key: &str,
        expected: &str,
        absence: Absence,
        check: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        let twin = format!("{key}_file");
        self.know(key, expected.to_owned());
        self.know(&twin, format!("the name of a file with {expected}"));
        let (inline, file) = (self.find(key), self.find(&twin));
        match (inline, file) {
            (Some(inline), Some(file)) if inline.layer == file.layer => {
                let what = "the secret is given twice, here and as a file";
                let one = match file.layer {
                    Layer::File => format!("only one of {key} and {twin}"),
                    Layer::Environment => {
                        format!("only one of {} and {}", variable_of(key), variable_of(&twin))
                    }
                };
                self.refuse(key, Wrong::new(what).expecting(one).confidential());
                None
            }
            (Some(inline), file) if file.is_none_or(|file| file.layer < inline.layer) => {
                self.inline(key, inline, expected, check)
            }
            (_, Some(file)) => self.filed(&twin, file, expected, absence, check),
            (_, None) => None,
        }
    }

    /// Whether a secret was given in either form, right or wrong.
    pub(super) fn gives_secret(&self, key: &str) -> bool {
        self.gives(key) || self.gives(&format!("{key}_file"))
    }

    fn inline<T>(
        &mut self,
        key: &str,
        found: Found<'_>,
        expected: &str,
        check: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        let wrong = |what: String| Wrong::new(what).expecting(expected).confidential();
        let Some(text) = found.raw.text() else {
            let mistyped = found.raw.mistyped().what;
            self.refuse(key, wrong(format!("{mistyped} instead of text in quotation marks")));
            return None;
        };
        match found.layer {
            Layer::Environment => {
                self.warnings.push(Warning::SecretInEnvironment { variable: variable_of(key) });
            }
            Layer::File => {
                if let Some(document) = self.document {
                    self.warn_of(document.path().to_owned(), document.privacy());
                }
            }
        }
        let text = trimmed(text);
        match one_line(text).and_then(|()| check(text.to_owned())) {
            Ok(secret) => Some(secret),
            Err(what) => {
                self.refuse(key, wrong(what));
                None
            }
        }
    }

    fn filed<T>(
        &mut self,
        key: &str,
        found: Found<'_>,
        expected: &str,
        absence: Absence,
        check: impl FnOnce(String) -> Result<T, String>,
    ) -> Option<T> {
        let name = match found.raw.text() {
            Some(name) if !name.is_empty() => name,
            _ => {
                let wrong = found.raw.mistyped();
                self.refuse(key, wrong.expecting("the name of a file").confidential());
                return None;
            }
        };
        let path = self.located(name);
        if looks_like_a_secret(name) || is_homeless(&path) && is_jumbled(name) {
            let wrong = Wrong::new("this looks like the secret itself")
                .expecting("the name of a file that holds it; the secret goes into that file");
            self.refuse(key, wrong.confidential());
            return None;
        }
        if is_for_a_shell(name) {
            self.refuse(key, Wrong::new(FOR_A_SHELL).expecting(WRITTEN_OUT));
            return None;
        }
        if absence == Absence::Awaited && is_missing(&path) {
            self.watched.push(Watched::absent(&path));
            self.warn(Warning::NoSeed { path });
            return None;
        }
        let mut fingerprint = None;
        let noted = |text: String| {
            fingerprint = Some(Fingerprint::of(&text));
            check(text)
        };
        match self.content(&path, name, noted) {
            Ok(secret) => {
                self.fingerprints.extend(fingerprint.map(|it| (key.to_owned(), it)));
                Some(secret)
            }
            Err(what) => {
                self.refuse(key, Wrong::new(what).expecting(format!("a file with {expected}")));
                None
            }
        }
    }

    fn content<T>(
        &mut self,
        path: &Path,
        name: &str,
        check: impl FnOnce(String) -> Result<T, String>,
    ) -> Result<T, String> {
        let shown = path.display();
        let Loaded { content, privacy, watched } =
            file::load(path, LARGEST).map_err(|why| match why {
                Unreadable::Missing => match self.credential(name) {
                    Some(elsewhere) => format!(
                        "there is no file {shown}, and no {}; create one or correct the name",
                        elsewhere.display()
                    ),
                    None => format!("there is no file {shown}; create it or correct the name"),
                },
                other => format!("the file {shown} {other}"),
            })?;
        self.watched.push(watched);
        let text = decoded(content).map_err(|what| format!("the file {shown} {what}"))?;
        let text = trimmed(text.expose());
        one_line(text)
            .and_then(|()| check(text.to_owned()))
            .map_err(|what| format!("the content of {shown} is not usable: {what}"))
            .inspect(|_| self.warn_of(path.to_owned(), privacy))
    }

    /// Where the file of that name is, or should be.
    fn located(&self, name: &str) -> PathBuf {
        match self.credential(name) {
            Some(path) if is_filled(&path) => path,
            _ => self.resolved(name),
        }
    }

    /// Where systemd would put a credential of that name; none for a path, or without systemd.
    fn credential(&self, name: &str) -> Option<PathBuf> {
        let directory = self.environment.variable(CREDENTIALS_DIRECTORY)?;
        if directory.is_empty() || name.contains('/') || name == ".." {
            return None;
        }
        Some(Path::new(directory).join(name))
    }

    fn warn_of(&mut self, path: PathBuf, privacy: Privacy) {
        if let Privacy::Shared(mode) = privacy {
            self.warn(Warning::SecretReadable { path, mode });
        }
    }
}

fn is_missing(path: &Path) -> bool {
    std::fs::metadata(path).is_err_and(|error| error.kind() == std::io::ErrorKind::NotFound)
}

/// Whether there is more in it than a line end.
fn is_filled(path: &Path) -> bool {
    std::fs::metadata(path).is_ok_and(|metadata| metadata.len() > 1)
}

/// Whether somebody has pasted a secret where the name of its file belongs. Such a name is not
/// repeated in messages. File names have less than 100 characters, and long ones have dots or
/// directories.
fn looks_like_a_secret(name: &str) -> bool {
    let long = name.split('/').any(|part| part.len() >= 100);
    long || (name.len() >= 32 && !name.contains(['/', '.'])) || quoted(name).contains('\\')
}

/// Whether there is no directory that the file could be in.
fn is_homeless(path: &Path) -> bool {
    path.parent().is_none_or(|parent| !parent.exists())
}

/// Whether it has every kind of character, as what was made at random has; Base64 has slashes, too.
fn is_jumbled(name: &str) -> bool {
    let kinds = [char::is_uppercase, char::is_lowercase, |it: char| it.is_ascii_digit()];
    name.len() >= 32 && kinds.iter().all(|kind| name.contains(kind))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pasted_secret_is_told_from_the_name_of_a_file() {
        for name in ["client_secret", "/run/secrets/webwork-sidecar-refresh-token", "../a.b"] {
            assert!(!looks_like_a_secret(name), "{name}");
        }
        let token = format!("eyJ0eXAi.{}.sig", "a".repeat(120));
        for name in [token.as_str(), "Kq3nGQ8Xz0dLw5cYb7aTf1mRv2sHj6pE9uIoNeWb", "two\nlines"] {
            assert!(looks_like_a_secret(name), "{name}");
        }
    }

    #[test]
    fn a_name_with_slashes_that_leads_nowhere_may_be_a_secret() {
        let pasted = "Kq3nGQ8Xz0/dLw5cYb7aTf1mRv2sHj6/pE9uIoNeWb+w==";
        assert!(is_homeless(Path::new(pasted)) && is_jumbled(pasted));
        let usual = "/run/secrets/webwork-sidecar/refresh-token-2";
        assert!(!is_jumbled(usual));
        let directory = tempfile::tempdir().unwrap();
        assert!(!is_homeless(&directory.path().join("Refresh-Token-Of-Production-Sidecar-2")));
    }
}
