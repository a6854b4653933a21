//! A process of the binary that never outlives its test.

use std::io::{BufRead, BufReader, Read, Write};
use std::os::unix::process::ExitStatusExt;
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, Condvar, Mutex};
use std::time::Duration;

use rustix::process::{Pid, Signal, WaitOptions, kill_process, waitpid};
use serde_json::Value;
use webwork_sidecar::admin::Report;
use webwork_sidecar::token::state::Standing;

use super::{Answer, PATIENCE, ask, awaited, binary, get, until};

/// A running process and what it has said so far.
pub(crate) struct Process {
    child: Child,
    said: Arc<Said>,
    proxy: String,
    admin: String,
}

/// How a command ended.
#[derive(Debug)]
pub(crate) struct Outcome {
    pub(crate) code: Option<i32>,
    /// Standard output.
    pub(crate) result: String,
    /// Standard error.
    pub(crate) trouble: String,
}

#[derive(Default)]
struct Said {
    lines: Mutex<Lines>,
    more: Condvar,
}

#[derive(Default)]
struct Lines {
    seen: Vec<String>,
    open: usize,
}

/// Arguments of `strace` that meddle with system calls. With `-D` the tracer is our grandchild, and
/// the traced process our child: what kills it and waits for it is the same as ever.
pub(crate) fn traced<'a>(calls: &'a str, inject: &'a str) -> Vec<&'a str> {
    vec!["-D", "-f", "-qq", "-o", "/dev/null", "-e", calls, "-e", inject]
}

impl Outcome {
    /// Runs a command that ends by itself.
    pub(crate) fn of(mut command: Command) -> Self {
        let output = command.stdin(Stdio::null()).output().unwrap();
        let text = |bytes| String::from_utf8(bytes).unwrap();
        Self {
            code: output.status.code(),
            result: text(output.stdout),
            trouble: text(output.stderr),
        }
    }

    /// Fails unless it ended with this code and said these texts, on either output.
    pub(crate) fn expect(&self, code: i32, texts: &[&str]) {
        assert_eq!(self.code, Some(code), "{self:#?}");
        for text in texts {
            let said = self.result.contains(text) || self.trouble.contains(text);
            assert!(said, "no {text:?} in {self:#?}");
        }
    }
}

impl Process {
    /// Starts a command; everything that it prints is kept.
    pub(crate) fn start(mut command: Command) -> Self {
        command.stdin(Stdio::null());
        Self::started(command)
    }

    /// Starts a command that is told something later.
    pub(crate) fn listening_to_us(mut command: Command) -> Self {
        command.stdin(Stdio::piped());
        Self::started(command)
    }

    fn started(mut command: Command) -> Self {
        command.stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut child = command.spawn().unwrap();
        let said = Arc::<Said>::default();
        said.lines.lock().unwrap().open = 2;
        said.listen(child.stdout.take().unwrap());
        said.listen(child.stderr.take().unwrap());
        Self { child, said, proxy: String::new(), admin: String::new() }
    }

    /// Starts `run` and waits for its addresses.
    pub(crate) fn listening(command: Command) -> Self {
        let mut process = Self::start(command);
        process.finds_addresses();
        process
    }

    /// Waits until it has told where it listens.
    pub(crate) fn finds_addresses(&mut self) {
        self.proxy = url(&self.says("\"forwarding\""));
        self.admin = url(&self.says("\"admin\""));
    }

    /// Starts `run` with a log for people, and waits for its addresses.
    pub(crate) fn listening_in_text(command: Command) -> Self {
        let mut process = Self::start(command);
        let url = |line: String| line.split('"').nth(1).unwrap().to_owned();
        process.proxy = url(process.says("forwarding url="));
        process.admin = url(process.says("admin url="));
        process
    }

    /// Where callers call.
    pub(crate) fn proxy(&self) -> &str {
        &self.proxy
    }

    /// Where the admin is asked.
    pub(crate) fn admin(&self) -> &str {
        &self.admin
    }

    /// The outcome of a command that asks this sidecar.
    pub(crate) fn asked(&self, arguments: &[&str]) -> Outcome {
        let mut command = Command::new(binary());
        command.args(arguments).args(["--admin", &self.admin]);
        Outcome::of(command)
    }

    /// Waits for a line with this text, and returns it.
    pub(crate) fn says(&self, text: &str) -> String {
        self.said.find(text, 0).1
    }

    /// Waits for a line with this text after those that were said up to now.
    pub(crate) fn goes_on_to_say(&self, text: &str, from: usize) -> (usize, String) {
        self.said.find(text, from)
    }

    /// Everything said so far.
    pub(crate) fn lines(&self) -> Vec<String> {
        self.said.lines.lock().unwrap().seen.clone()
    }

    pub(crate) fn signal(&self, signal: Signal) {
        kill_process(self.id(), signal).unwrap();
    }

    /// Stops all of its threads, and returns when they stand still.
    pub(crate) fn halt(&self) {
        self.signal(Signal::STOP);
        let status = waitpid(Some(self.id()), WaitOptions::UNTRACED).unwrap();
        assert!(status.is_some_and(|(_, status)| status.stopped()), "{status:?}");
    }

    /// Its number.
    pub(crate) fn pid(&self) -> u32 {
        self.child.id()
    }

    fn id(&self) -> Pid {
        Pid::from_raw(self.pid().try_into().unwrap()).unwrap()
    }

    /// Whether it has the right to exchange, as the system's table of locks says.
    pub(crate) fn holds_a_lock(&self) -> bool {
        let locks = std::fs::read_to_string("/proc/locks").unwrap();
        locks.contains(&format!(" FLOCK  ADVISORY  WRITE {} ", self.child.id()))
    }

    /// Ends it at once, as the system does when memory runs out.
    pub(crate) fn kill(mut self) {
        self.child.kill().unwrap();
        let status = self.child.wait().unwrap();
        assert_eq!(status.signal(), Some(9), "{status}: {:#?}", self.lines());
    }

    /// Whether it has ended, by itself or by somebody else's doing.
    pub(crate) fn has_ended(&mut self) -> bool {
        self.child.try_wait().unwrap().is_some()
    }

    /// Waits for its end, which has to be with this code and these texts.
    pub(crate) fn ends_with(self, code: i32, texts: &[&str]) {
        let said = Arc::clone(&self.said);
        let status = self.ended();
        said.until_closed();
        let lines = said.lines.lock().unwrap();
        assert_eq!(status.code(), Some(code), "{:#?}", lines.seen);
        for text in texts {
            assert!(
                lines.seen.iter().any(|line| line.contains(text)),
                "no {text:?}: {:#?}",
                lines.seen
            );
        }
    }

    /// Writes to its standard input, and closes that.
    pub(crate) fn hears(&mut self, text: &str) {
        let mut input = self.child.stdin.take().expect("standard input");
        input.write_all(text.as_bytes()).unwrap();
    }

    /// Waits for its end.
    pub(crate) fn ended(mut self) -> ExitStatus {
        let mut status = None;
        until("the process ends", || {
            status = self.child.try_wait().unwrap();
            status.is_some()
        });
        status.unwrap()
    }

    /// Ends it in order, and fails if that is no success.
    pub(crate) fn stop(self) {
        self.signal(Signal::TERM);
        let said = Arc::clone(&self.said);
        let status = self.ended();
        assert_eq!(status.code(), Some(0), "{:#?}", said.lines.lock().unwrap().seen);
    }

    /// One request through the sidecar.
    pub(crate) fn get(&self, target: &str) -> Answer {
        get(&self.proxy, target).unwrap()
    }

    /// What it says of itself.
    pub(crate) fn report(&self) -> Report {
        let answer = get(&self.admin, "/status").unwrap();
        serde_json::from_str(&answer.content).unwrap_or_else(|error| panic!("{error}: {answer:?}"))
    }

    /// One request to the admin listener.
    pub(crate) fn probe(&self, target: &str) -> Answer {
        get(&self.admin, target).unwrap()
    }

    /// Orders an exchange; what comes of it is for the caller to see.
    pub(crate) fn order_exchange(&self) {
        let admin = self.admin.clone();
        std::thread::spawn(move || ask(&admin, "POST", "/refresh", ""));
    }

    /// Waits until it says so of itself.
    pub(crate) fn until(&self, what: &str, told: impl Fn(&Report) -> bool) -> Report {
        self.within(PATIENCE, what, told)
    }

    /// Waits until there is a token and nothing is going on.
    pub(crate) fn has_token(&self) -> Report {
        self.until("a token", |report| report.token.state == Standing::Active)
    }

    pub(crate) fn within(
        &self,
        limit: Duration,
        what: &str,
        told: impl Fn(&Report) -> bool,
    ) -> Report {
        let mut report = self.report();
        let happened = awaited(limit, || {
            report = self.report();
            told(&report)
        });
        assert!(happened.is_some(), "{what}: not within {limit:?}: {report:#?}\n{}", self.last());
        report
    }

    /// The end of the log.
    pub(crate) fn last(&self) -> String {
        let lines = self.lines();
        lines[lines.len().saturating_sub(15)..].join("\n")
    }
}

impl Said {
    fn listen(self: &Arc<Self>, output: impl Read + Send + 'static) {
        let said = Arc::clone(self);
        std::thread::spawn(move || {
            for line in BufReader::new(output).lines().map_while(Result::ok) {
                said.lines.lock().unwrap().seen.push(line);
                said.more.notify_all();
            }
            said.lines.lock().unwrap().open -= 1;
            said.more.notify_all();
        });
    }

    fn until_closed(&self) {
        let lines = self.lines.lock().unwrap();
        let open = |lines: &mut Lines| lines.open > 0;
        drop(self.more.wait_timeout_while(lines, PATIENCE, open).unwrap());
    }

    fn find(&self, text: &str, from: usize) -> (usize, String) {
        let lines = self.lines.lock().unwrap();
        let missing = |lines: &mut Lines| {
            lines.open > 0 && !lines.seen.iter().skip(from).any(|line| line.contains(text))
        };
        let (lines, _) = self.more.wait_timeout_while(lines, PATIENCE, missing).unwrap();
        let found = lines.seen.iter().enumerate().skip(from).find(|(_, line)| line.contains(text));
        let (index, line) =
            found.unwrap_or_else(|| panic!("it never said {text:?}: {:#?}", lines.seen));
        (index + 1, line.clone())
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        // Both fail only for a process that has ended.
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn url(line: &str) -> String {
    let line: Value = serde_json::from_str(line).unwrap();
    line["url"].as_str().unwrap().to_owned()
}
