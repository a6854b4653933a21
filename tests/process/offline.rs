//! `simulate` and `run` as two processes: how an app is developed offline.

use std::fs;
use std::path::Path;
use std::process::Command;

use crate::support::{Place, Process, ask, binary, write};

/// A `simulate` with the configurations that it wrote.
struct Simulated {
    _process: Process,
    place: Place,
}

impl Simulated {
    fn start(personality: &str, more: &[&str]) -> Self {
        let place = Place::empty();
        let mut command = Command::new(binary());
        command.args(["simulate", "--listen", "127.0.0.1:0", "--personality", personality]);
        command.arg("--directory").arg(place.path("simulated")).args(more);
        let process = Process::start(command);
        process.says("run --config");
        process.says("personal-access-token.toml");
        Self { _process: process, place }
    }

    /// The command that it advises, on free ports.
    fn sidecar(&self, configuration: &str) -> Process {
        let mut command = Command::new(binary());
        let file = self.place.path("simulated").join(configuration);
        command.arg("run").arg("--config").arg(file);
        for listener in ["PROXY", "ADMIN"] {
            command.env(format!("WEBWORK_SIDECAR_LISTEN__{listener}"), "127.0.0.1:0");
        }
        Process::listening(command)
    }
}

const CONFIGURATIONS: [&str; 3] =
    ["authorization-code.toml", "client-credentials.toml", "personal-access-token.toml"];

/// Reads and writes through the sidecar.
fn works(sidecar: &Process) {
    sidecar.has_token();
    let answer = sidecar.get("/api/v2/workspaces");
    assert_eq!(answer.status, 200, "{answer:?}\n{}", sidecar.last());
    let workspace = answer.json()["data"][0]["id"].clone();
    let target = format!("/api/v2/projects?workspace_id={workspace}");
    let created = ask(sidecar.proxy(), "POST", &target, "{\"name\":\"Offline\"}").unwrap();
    assert_eq!(created.status, 200, "{created:?}");
}

fn every_configuration_works(personality: &str) {
    let simulated = Simulated::start(personality, &["--rate-limit", "0"]);
    for configuration in CONFIGURATIONS {
        let sidecar = simulated.sidecar(configuration);
        works(&sidecar);
        let generation = sidecar.report().token.generation;
        sidecar.stop();
        let restarted = simulated.sidecar(configuration);
        works(&restarted);
        let report = restarted.report();
        if configuration == "authorization-code.toml" {
            assert_eq!(report.token.generation, generation, "nothing was due");
            assert_eq!(report.token.rotations, 0);
        }
        restarted.stop();
    }
}

#[test]
fn every_configuration_works_with_league_8() {
    every_configuration_works("league8");
}

#[test]
fn every_configuration_works_with_league_9() {
    every_configuration_works("league9");
}

#[test]
fn every_configuration_works_with_rfc_9700() {
    every_configuration_works("rfc9700");
}

#[test]
fn plain_http_works_on_loopback() {
    let simulated = Simulated::start("league9", &["--plain"]);
    let text = fs::read_to_string(simulated.place.path("simulated/authorization-code.toml"));
    assert!(text.unwrap().contains("http://127.0.0.1:"));
    works(&simulated.sidecar("authorization-code.toml"));
}

#[test]
fn a_directory_that_cannot_be_written_to_is_named() {
    let place = Place::empty();
    write(&place.path("file"), "");
    let mut command = Command::new(binary());
    command.args(["simulate", "--listen", "127.0.0.1:0", "--directory"]);
    command.arg(Path::new(&place.path("file")).join("inside"));
    crate::support::Outcome::of(command).expect(1, &["cannot write to", "file/inside"]);
}
