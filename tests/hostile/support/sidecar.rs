//! The real binary in front of an upstream.

use std::fs::OpenOptions;
use std::io::{BufRead, BufReader, Read, Write};
use std::net::SocketAddr;
use std::os::unix::fs::OpenOptionsExt;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Condvar, Mutex};

use rustix::process::{Pid, Signal, kill_process};
use serde_json::Value;
use tempfile::TempDir;

use super::caller::{Manner, Until};
use super::process::{descriptors, forget_highest};
use super::{Bill, PATIENCE, Seen, Spelt, Words, spell, talk, until};

/// The credential, which nobody but the upstream may ever see.
const TOKEN: &str = "canary-0123456789-ABCDEFGHIJKLMNOPQRSTUVWXYZ-abcdefghijklmnopq";

/// The key of callers, where one is configured.
const KEY: &str = "canary-key-0123456789";

/// What appears in no answer and no line of the log.
pub(crate) const SECRETS: [&str; 2] = [TOKEN, KEY];

/// One of the two listeners.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Door {
    Proxy,
    Admin,
}

/// A running process that never outlives its test.
pub(crate) struct Sidecar {
    child: Child,
    said: Arc<Said>,
    proxy: SocketAddr,
    admin: SocketAddr,
    upstream: String,
    /// What honest callers send beside the rest.
    honest: String,
    _directory: TempDir,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Vec<String>>,
    more: Condvar,
}

/// Writes a file that only its owner can read.
pub(crate) fn write(path: &Path, text: &str) {
    let mut options = OpenOptions::new();
    let mut file = options.write(true).create(true).truncate(true).mode(0o600).open(path).unwrap();
    file.write_all(text.as_bytes()).unwrap();
}

impl Sidecar {
    /// The default configuration, but for what a test cannot do without: ports, state, upstream and
    /// credential.
    pub(crate) fn with_defaults(upstream: &str) -> Self {
        Self::with(upstream, "", |_| ())
    }

    /// With a caller key, which its honest callers know.
    pub(crate) fn with_key(upstream: &str) -> Self {
        let prepare = |place: &Path| write(&place.join("caller_key"), KEY);
        let mut sidecar =
            Self::with(upstream, "[guard]\ncaller_key_file = \"caller_key\"\n", prepare);
        sidecar.honest = format!("X-Sidecar-Key: {KEY}\r\n");
        sidecar
    }

    /// The same with more: `upstream.` keys, other sections, and files beside the configuration.
    pub(crate) fn with(upstream: &str, more: &str, prepare: impl FnOnce(&Path)) -> Self {
        let directory = tempfile::tempdir().unwrap();
        let place = directory.path();
        write(&place.join("token"), TOKEN);
        prepare(place);
        let configuration = place.join("sidecar.toml");
        write(
            &configuration,
            &format!(
                "state.directory = {:?}\n[upstream]\nurl = {upstream:?}\n{more}\n\
                 [listen]\nproxy = [\"127.0.0.1:0\"]\nadmin = [\"127.0.0.1:0\"]\n\
                 [credential.personal_access_token]\ntoken_file = \"token\"\n",
                place.join("state"),
            ),
        );
        let mut command = Command::new(binary());
        command.args(["run", "--config"]).arg(&configuration);
        // Variables of this machine are configuration, too.
        let mut child = command
            .env_clear()
            .stdin(Stdio::null())
            .stdout(Stdio::piped())
            .stderr(Stdio::piped())
            .spawn()
            .unwrap();
        let said = Arc::<Said>::default();
        said.listen(child.stdout.take().unwrap());
        said.listen(child.stderr.take().unwrap());
        let [proxy, admin] = ["\"forwarding\"", "\"admin\""].map(|word| address(&said.find(word)));
        let upstream = upstream.to_owned();
        let honest = String::new();
        Self { child, said, proxy, admin, upstream, honest, _directory: directory }
    }

    pub(crate) fn address(&self, door: Door) -> SocketAddr {
        match door {
            Door::Proxy => self.proxy,
            Door::Admin => self.admin,
        }
    }

    /// What the words of the case files mean at this door.
    pub(crate) fn words(&self, door: Door) -> Words {
        let (port, other) = (
            self.address(door).port(),
            match door {
                Door::Proxy => self.admin.port(),
                Door::Admin => self.proxy.port(),
            },
        );
        let (get, post) = match door {
            Door::Proxy => ("/api/v2/workspaces", "/api/v2/tasks"),
            Door::Admin => ("/livez", "/refresh"),
        };
        let host = format!("localhost:{port}");
        let honest = &self.honest;
        let head =
            |method, target| format!("{method} {target} HTTP/1.1\r\nHost: {host}\r\n{honest}");
        Words::default()
            .with("line", format!("GET {get} HTTP/1.1\r\n"))
            .with("get", head("GET", get))
            .with("post", head("POST", post))
            .with("path", get)
            .with("smuggled", head("GET", "/api/v2/smuggled") + "\r\n")
            .with("host", host)
            .with("port", port.to_string())
            .with("other", other.to_string())
            .with("token", TOKEN)
            .with("key", KEY)
            .with("upstream", self.upstream.as_str())
    }

    /// An honest request on a connection of its own.
    pub(crate) fn ask(&self, door: Door, request: &str) -> Seen {
        let spelt = spell(request, &self.words(door));
        self.sends(door, &spelt)
    }

    fn sends(&self, door: Door, what: &Spelt) -> Seen {
        let heard = talk(self.address(door), what, Manner::AtOnce, Until::Answers(1));
        heard.answers.into_iter().next().unwrap_or_else(|| {
            panic!("no answer to an honest request: {:?}\n{:#?}", heard.end, self.lines())
        })
    }

    /// The number of connections of callers, as the status tells it.
    pub(crate) fn connections(&self) -> u64 {
        let status = self.ask(Door::Admin, "GET /status HTTP/1.1\r\nHost: {host}\r\n\r\n");
        let status: Value = serde_json::from_slice(&status.content).unwrap();
        status["traffic"]["connections"].as_u64().unwrap()
    }

    /// Everything said so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.said.lines.lock().unwrap().clone()
    }

    pub(crate) fn bill(&self) -> Bill {
        Bill::of(self.child.id())
    }

    pub(crate) fn forget_highest(&self) {
        forget_highest(self.child.id());
    }

    pub(crate) fn descriptors(&self) -> Option<usize> {
        descriptors(self.child.id())
    }

    /// The same, when the number has stopped changing.
    pub(crate) fn settled_descriptors(&self) -> Option<usize> {
        const LOOKS: usize = 20;
        let mut last = self.descriptors();
        let mut same = 0;
        until("descriptors are opened and closed", || {
            let now = self.descriptors();
            same = if now == last { same + 1 } else { 0 };
            last = now;
            same == LOOKS
        });
        last
    }

    /// Ends it in order, and fails if that is no success.
    pub(crate) fn stop(mut self) {
        let id = Pid::from_raw(self.child.id().try_into().unwrap()).unwrap();
        kill_process(id, Signal::TERM).unwrap();
        let mut status = None;
        until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        assert_eq!(status.unwrap().code(), Some(0), "{:#?}", self.lines());
    }
}

impl Said {
    fn listen(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let said = Arc::clone(self);
        std::thread::spawn(move || {
            let mut output = BufReader::new(output);
            let mut line = Vec::new();
            while output.read_until(b'\n', &mut line).is_ok_and(|read| read > 0) {
                let text = String::from_utf8_lossy(&std::mem::take(&mut line)).into_owned();
                said.lines.lock().unwrap().push(text);
                said.more.notify_all();
            }
        });
    }

    fn find(&self, text: &str) -> String {
        let has = |lines: &mut Vec<String>| !lines.iter().any(|line| line.contains(text));
        let lines = self.lines.lock().unwrap();
        let (lines, _) = self.more.wait_timeout_while(lines, PATIENCE, has).unwrap();
        let found = lines.iter().find(|line| line.contains(text));
        found.unwrap_or_else(|| panic!("it never said {text:?}: {lines:#?}")).clone()
    }
}

impl Drop for Sidecar {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn address(line: &str) -> SocketAddr {
    let line: Value = serde_json::from_str(line).unwrap();
    line["url"].as_str().unwrap().strip_prefix("http://").unwrap().parse().unwrap()
}

/// The binary under test.
#[expect(clippy::disallowed_methods, reason = "tests are chosen by the environment")]
fn binary() -> PathBuf {
    std::env::var_os("BIN").map_or_else(|| env!("CARGO_BIN_EXE_webwork-sidecar").into(), Into::into)
}
