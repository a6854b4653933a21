//! The command line: one file for each command, and what the exit codes mean.

mod addresses;
mod ask;
mod check;
mod completions;
mod confine;
mod demo;
mod doctor;
mod exit;
mod healthcheck;
pub mod init;
mod login;
mod logout;
mod man;
mod proof;
mod ready;
mod refresh;
mod run;
mod service_manager;
mod setup;
mod signals;
mod simulate;
mod status;
mod stop;
mod style;
mod wait;

use std::path::PathBuf;
use std::time::Duration;

use clap::{Parser, Subcommand};

pub use exit::Exit;

use crate::config::{self, Config, Environment, Source};
use crate::telemetry::panics;

use style::complain;

/// Puts a valid bearer token on every request to the WebWork Tracker API.
#[derive(Debug, Parser)]
#[command(name = "webwork-sidecar", version, long_about = ABOUT, after_help = EXAMPLES)]
pub struct Arguments {
    #[command(subcommand)]
    command: Command,
}

const ABOUT: &str = "\
Puts a valid bearer token on every request to the WebWork Tracker API.

Point any HTTP tool at http://localhost:9180 instead of https://api.webwork-tracker.com; the sidecar
obtains, refreshes and sends the token.";

const EXAMPLES: &str = "\
Examples:
  webwork-sidecar demo                          see it work, with a simulated API
  webwork-sidecar init                          write a commented sidecar.toml
  webwork-sidecar login --config sidecar.toml   sign in with a browser
  webwork-sidecar check --config sidecar.toml --online
  webwork-sidecar run --config sidecar.toml     do the work
  curl http://localhost:9180/api/v2/workspaces

Exit codes: 0 done, 1 it did not work, 2 the configuration or the command line is wrong.";

#[derive(Debug, Subcommand)]
enum Command {
    /// Forward requests and keep the token fresh, until SIGTERM or Ctrl-C.
    Run(run::Run),
    /// See it work: a simulated API, the real sidecar before it, tokens that live 20 seconds.
    Demo(demo::Demo),
    /// Simulate the API and its authorization server, to develop an app offline.
    Simulate(simulate::Simulate),
    /// Write a commented configuration to begin with.
    Init(init::Init),
    /// Check configuration, files and permissions; with --online also token and API.
    Check(check::Check),
    /// Sign in with a browser, here or anywhere, and store the grant.
    Login(login::Login),
    /// Forget the grant.
    Logout(logout::Logout),
    /// Look for whatever keeps requests from being served, and say what to do.
    Doctor(doctor::Doctor),
    /// Let a running sidecar get a new token now.
    Refresh(refresh::Refresh),
    /// Show how a running sidecar is doing.
    Status(status::Status),
    /// Tell by the exit code whether a running sidecar can serve requests: a probe.
    Healthcheck(healthcheck::Healthcheck),
    /// Wait until a running sidecar is ready, started or stopped.
    Wait(wait::Wait),
    /// Stop a running sidecar in order, and wait for its end.
    Stop(stop::Stop),
    /// Print what a shell needs to complete these commands.
    Completions(completions::Completions),
    /// Print a manual page.
    Man(man::Manual),
}

/// Where the configuration comes from.
#[derive(Clone, Debug, clap::Args)]
struct ConfigFile {
    /// Configuration file [default: $WEBWORK_SIDECAR_CONFIG, else /etc/webwork-sidecar/sidecar.toml
    /// if it exists, else the environment alone]
    #[arg(long, value_name = "FILE")]
    config: Option<PathBuf>,
}

impl ConfigFile {
    /// The configuration, or the exit code after saying what is wrong with it.
    fn load(&self) -> Result<Config, Exit> {
        self.source().load().map_err(|errors| {
            complain(errors);
            Exit::Misconfigured
        })
    }

    fn source(&self) -> Source {
        Source { file: self.config.clone(), environment: Environment::of_process() }
    }
}

/// Performs what the arguments say. Every command may read secrets, so each is confined first.
pub fn perform(arguments: Arguments) -> Exit {
    panics::mute();
    for exposure in confine::confine() {
        complain(format_args!("warning: {exposure}"));
    }
    match arguments.command {
        Command::Run(run) => run.perform(),
        Command::Demo(demo) => demo.perform(),
        Command::Simulate(simulate) => simulate.perform(),
        Command::Init(init) => init.perform(),
        Command::Check(check) => check.perform(),
        Command::Doctor(doctor) => doctor.perform(),
        Command::Login(login) => login.perform(),
        Command::Logout(logout) => logout.perform(),
        Command::Refresh(refresh) => refresh.perform(),
        Command::Status(status) => status.perform(),
        Command::Healthcheck(healthcheck) => healthcheck.perform(),
        Command::Wait(wait) => wait.perform(),
        Command::Stop(stop) => stop.perform(),
        Command::Completions(completions) => completions.perform(),
        Command::Man(manual) => manual.perform(),
    }
}

/// Runs a short piece of asynchronous work to its end.
fn block_on<T, E: From<std::io::Error>>(work: impl Future<Output = Result<T, E>>) -> Result<T, E> {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
    runtime.block_on(work)
}

/// Reads a life, which has to be some.
fn life(text: &str) -> Result<Duration, &'static str> {
    span(text).and_then(|life| match life.is_zero() {
        true => Err("it must be longer than nothing, such as 20s"),
        false => Ok(life),
    })
}

/// Reads a span of time from an argument.
fn span(text: &str) -> Result<Duration, &'static str> {
    config::span(text).ok_or("write a span such as 20s, 5min or 15d")
}

#[cfg(test)]
mod tests {
    use clap::CommandFactory;

    use super::*;

    #[test]
    fn every_command_teaches_by_example() {
        let program = Arguments::command();
        program.clone().debug_assert();
        for command in program.get_subcommands() {
            let help = command.get_after_help().map(ToString::to_string).unwrap_or_default();
            let example = format!("webwork-sidecar {}", command.get_name());
            assert!(help.contains(&example), "{}: {help}", command.get_name());
        }
    }
}
