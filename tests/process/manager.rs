//! Under a service manager: what it is told, and the sockets that it has opened.

use std::collections::VecDeque;
use std::os::unix::net::UnixDatagram;
use std::process::Command;

use rustix::process::Signal;

use crate::support::{Credential, Outcome, PATIENCE, Place, Process, Service, binary, left_out};

/// The ear of a service manager.
struct Manager {
    socket: UnixDatagram,
    heard: VecDeque<String>,
}

impl Manager {
    fn listening(place: &Place) -> Self {
        let socket = UnixDatagram::bind(place.path("notify")).unwrap();
        socket.set_read_timeout(Some(PATIENCE)).unwrap();
        Self { socket, heard: VecDeque::new() }
    }

    /// Waits for a message that begins so, and returns it.
    fn hears(&mut self, beginning: &str) -> String {
        loop {
            let mut buffer = [0; 4096];
            let length = self
                .socket
                .recv(&mut buffer)
                .unwrap_or_else(|error| panic!("no {beginning:?} after {:?}: {error}", self.heard));
            let message = String::from_utf8(buffer[..length].to_vec()).unwrap();
            self.heard.push_back(message.clone());
            if message.starts_with(beginning) {
                return message;
            }
        }
    }

    fn start(&self, place: &Place) -> Command {
        let mut command = place.command("run");
        command.env("NOTIFY_SOCKET", place.path("notify"));
        command
    }
}

#[test]
fn it_is_told_of_start_reload_and_end() {
    let service = Service::quiet();
    let place = Place::rotating(&service, 0.5);
    let mut manager = Manager::listening(&place);
    let mut command = manager.start(&place);
    command.env("WATCHDOG_USEC", "400000");
    let sidecar = Process::listening(command);
    manager.hears("READY=1");
    assert!(manager.hears("STATUS=").contains("not verified yet"), "{:?}", manager.heard);
    manager.hears("WATCHDOG=1");
    manager.hears("WATCHDOG=1");
    sidecar.signal(Signal::HUP);
    let reloading = manager.hears("RELOADING=1");
    assert!(reloading.contains("\nMONOTONIC_USEC="), "{reloading}");
    manager.hears("READY=1");
    sidecar.signal(Signal::TERM);
    manager.hears("STOPPING=1");
    assert_eq!(sidecar.ended().code(), Some(0));
}

/// A service that is killed because nobody has signed in is one at which nobody can sign in.
#[test]
fn a_person_who_is_awaited_does_not_keep_it_from_being_ready() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::AuthorizationCode, "");
    place.amend("refresh_token_file = \"refresh_token\"\n", "");
    let mut manager = Manager::listening(&place);
    let sidecar = Process::listening(manager.start(&place));
    manager.hears("READY=1");
    assert!(manager.hears("STATUS=").contains("signed in"), "{:?}", manager.heard);
    sidecar.stop();
}

/// Opens the sockets and becomes the sidecar, as a service manager's child does.
const OPENS: &str = "
import os, socket, sys
kinds, command = sys.argv[1].split(','), sys.argv[2:]
for number, kind in enumerate(kinds):
    name, _, place = kind.partition('=')
    if place.startswith('/'):
        opened = socket.socket(socket.AF_UNIX)
        opened.bind(place)
    elif place == 'datagram':
        opened = socket.socket(socket.AF_INET, socket.SOCK_DGRAM)
    else:
        opened = socket.socket(socket.AF_INET)
        opened.bind((place, 0))
    if place != 'datagram':
        opened.listen()
    os.dup2(opened.fileno(), 100 + number)
for number in range(len(kinds)):
    os.dup2(100 + number, 3 + number)
os.environ.update(LISTEN_PID=str(os.getpid()), LISTEN_FDS=str(len(kinds)),
                  LISTEN_FDNAMES=':'.join(kind.partition('=')[0] for kind in kinds))
os.execv(command[0], command)
";

/// The command `run` with these sockets, each as `name=address` or `name=/path`.
fn activated(place: &Place, sockets: &str) -> Option<Command> {
    if Command::new("python3").arg("--version").output().is_err() {
        left_out("python3 is not installed");
        return None;
    }
    let mut command = Command::new("python3");
    command.args(["-c", OPENS, sockets]).arg(binary()).args(["run", "--config"]);
    command.arg(place.configuration());
    Some(command)
}

#[test]
fn sockets_that_it_has_opened_go_before_those_of_the_configuration() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let path = place.path("proxy.sock");
    let metrics = place.path("metrics.sock");
    let (proxy, scraped) = (path.display(), metrics.display());
    let sockets = format!("proxy=127.0.0.1,admin=127.0.0.1,proxy={proxy},metrics={scraped}");
    let Some(command) = activated(&place, &sockets) else { return };
    let sidecar = Process::listening(command);
    sidecar.has_token();
    assert_eq!(sidecar.get("/api/v2/workspaces").status, 200);
    let proxies = sidecar.report().facts.proxy;
    assert_eq!(proxies.len(), 2, "{proxies:?}");
    assert!(proxies[1].ends_with("proxy.sock"), "{proxies:?}");
    assert!(sidecar.says("\"metrics\"").contains("metrics.sock"));
    sidecar.stop();
    assert!(path.exists(), "a socket of somebody else was removed");
}

#[test]
fn a_socket_that_cannot_be_used_is_refused_with_a_reason() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    for (sockets, why) in [
        ("webwork-sidecar.socket=127.0.0.1", "set FileDescriptorName="),
        ("proxy=datagram", "use ListenStream="),
        ("proxy=0.0.0.0", "guard.caller_key_file"),
    ] {
        let Some(command) = activated(&place, sockets) else { return };
        Outcome::of(command).expect(1, &[why]);
    }
}
