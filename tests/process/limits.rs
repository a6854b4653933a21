//! What callers take of the process: they wait at its limits, and nothing else does.

use std::fs::{self, File};
use std::io::{BufRead, BufReader, ErrorKind, Write};
use std::net::{TcpListener, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

use webwork_sidecar::simulator::Security;

use crate::support::{
    Credential, Outcome, Place, Process, Service, binary, left_out, quiet, until,
};

const WORKSPACES: &str = "/api/v2/workspaces";

/// Lets this process have enough connections of its own.
fn many_files(wanted: u64) -> bool {
    let Rlimit { current, maximum } = getrlimit(Resource::Nofile);
    if current.is_none_or(|soft| soft >= wanted) {
        return true;
    }
    let raised = Rlimit { current: Some(wanted), maximum };
    let is_raised = setrlimit(Resource::Nofile, raised).is_ok();
    if !is_raised {
        left_out("the limit of open files of this test cannot be raised");
    }
    is_raised
}

/// The command `run` with a limit of open files, as the options of `ulimit` say it.
fn limited(place: &Place, options: &str) -> Command {
    let script = format!("ulimit {options} && exec \"$@\"");
    place.run_under("sh", &["-c", &script, "sh"])
}

fn callers(sidecar: &Process, count: usize) -> Vec<TcpStream> {
    let authority = sidecar.proxy().strip_prefix("http://").unwrap();
    (0..count)
        .map(|_| {
            let caller = TcpStream::connect(authority).unwrap();
            caller.set_nonblocking(true).unwrap();
            caller
        })
        .collect()
}

fn sends(mut caller: &TcpStream) {
    let authority = caller.peer_addr().unwrap();
    write!(caller, "GET {WORKSPACES} HTTP/1.1\r\nHost: {authority}\r\n\r\n").unwrap();
}

/// Whether an answer is there. It has to be a success.
fn is_answered(caller: &TcpStream) -> bool {
    let mut begin = [0; 15];
    match caller.peek(&mut begin) {
        Ok(read) if read == begin.len() => begin == *b"HTTP/1.1 200 OK" || panic!("{begin:?}"),
        Ok(0) => panic!("closed without an answer"),
        Ok(_) => false,
        Err(error) if error.kind() == ErrorKind::WouldBlock => false,
        Err(error) => panic!("{error}"),
    }
}

#[test]
fn callers_never_take_the_last_file() {
    if !many_files(1_500) {
        return;
    }
    // Over HTTP/1.1, each caller that is served has a connection to the upstream.
    for (security, options, idle) in [
        (Security::Tls, "-Sn 1024", 1_100),
        (Security::Plain, "-n 256", 400),
        (Security::Tls, "-n 128", 200),
        (Security::Plain, "-n 96", 100),
    ] {
        let service = Service::start(quiet(), security);
        let place = Place::rotating(&service, 0.5);
        let sidecar = Process::listening(limited(&place, options));
        sidecar.has_token();
        let mut callers = callers(&sidecar, idle);
        let report = sidecar.until("the limit is reached", |report| report.capacity.waited > 0);
        let places = report.capacity.max_connections;
        assert_eq!(report.capacity.connections, places, "{options}");
        let exchanged = |what| {
            let before = sidecar.report().token.generation;
            sidecar.order_exchange();
            sidecar.until(what, |report| report.token.generation > before);
            assert_eq!(sidecar.probe("/livez").status, 200, "{options}");
        };
        exchanged("an exchange while callers are idle");

        // Whoever has a place is served, and at the same time everything else goes on.
        callers.iter().for_each(sends);
        exchanged("an exchange while callers are served");
        let enough = u64::try_from(places).unwrap();
        let report = sidecar.until("all places", |report| report.traffic.answers >= enough);
        assert_eq!(report.traffic.errors, 0, "{options}");

        // Whoever has none gets the place of one that leaves, and is not reset.
        until("everybody is served", || {
            callers.retain(|caller| !is_answered(caller));
            callers.is_empty()
        });
        assert_eq!(sidecar.report().traffic.errors, 0, "{options}");
        sidecar.stop();
    }
}

#[test]
fn a_soft_limit_is_raised_and_a_hard_one_is_told_at_the_start() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let told = "leaves room for fewer callers than caller.max_connections";
    let raised = Process::listening(limited(&place, "-Sn 256"));
    raised.has_token();
    let report = raised.report();
    assert!(raised.lines().iter().all(|line| !line.contains(told)), "{:#?}", raised.lines());
    assert!(report.capacity.open_files > 4 * 1024, "{:?}", report.capacity);
    assert_eq!(report.capacity.max_connections, 1024);
    raised.stop();

    let lowered = Process::listening(limited(&place, "-n 256"));
    lowered.has_token();
    let lines = lowered.lines();
    assert_eq!(lines.iter().filter(|line| line.contains(told)).count(), 1, "{lines:#?}");
    let report = lowered.report();
    assert_eq!(report.capacity.open_files, 256);
    assert!((10..1024).contains(&report.capacity.max_connections), "{:?}", report.capacity);
    lowered.stop();

    let hopeless = Process::start(limited(&place, "-n 28"));
    hopeless.ends_with(1, &["the limit of open files is 28, but at least", "ulimit -n"]);
}

/// A cgroup with a limit of memory, where this user may make one.
struct Cgroup(PathBuf);

impl Cgroup {
    fn of(bytes: usize) -> Option<Self> {
        let roots =
            [("/sys/fs/cgroup/memory", "memory.limit_in_bytes"), ("/sys/fs/cgroup", "memory.max")];
        let made = roots.into_iter().find_map(|(root, file)| {
            let group = Path::new(root).join(format!("webwork-sidecar-{}", std::process::id()));
            fs::create_dir(&group).ok()?;
            let group = Self(group);
            // Only the file of a cgroup is there already.
            let limit = File::options().write(true).open(group.0.join(file));
            limit.and_then(|mut limit| write!(limit, "{bytes}")).ok().map(|()| group)
        });
        if made.is_none() {
            left_out("a cgroup with a limit of memory cannot be made");
        }
        made
    }
}

impl Drop for Cgroup {
    fn drop(&mut self) {
        until("the cgroup is empty", || fs::remove_dir(&self.0).is_ok());
    }
}

/// An upstream that has much to say, and little at `/api/little`. Its threads end with their connections.
fn talkative() -> String {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let url = format!("http://{}", listener.local_addr().unwrap());
    std::thread::spawn(move || {
        for connection in listener.incoming() {
            std::thread::spawn(move || talk(connection.unwrap()));
        }
    });
    url
}

fn talk(connection: TcpStream) -> std::io::Result<()> {
    let (mut reader, mut writer) = (BufReader::new(connection.try_clone()?), connection);
    let mut line = String::new();
    while reader.read_line(&mut line)? > 0 {
        let length = if line.contains("/api/little") { 2 } else { 8 << 20 };
        while line != "\r\n" {
            line.clear();
            reader.read_line(&mut line)?;
        }
        line.clear();
        write!(writer, "HTTP/1.1 200 OK\r\nContent-Length: {length}\r\n\r\n")?;
        for part in vec![b'x'; length].chunks(64 << 10) {
            writer.write_all(part)?;
        }
    }
    Ok(())
}

#[test]
fn callers_who_do_not_read_cannot_have_the_process_killed() {
    const CALLERS: usize = 350;
    let limit = 64 << 20;
    let Some(group) = Cgroup::of(limit).filter(|_| many_files(2_500)) else { return };
    let service = Service::start(quiet(), Security::Plain);
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    place.amend(&format!("url = {:?}", service.url()), &format!("url = {:?}", talkative()));
    let script = format!("echo $$ > {}/cgroup.procs && exec \"$@\"", group.0.display());
    let mut sidecar = Process::listening(place.run_under("sh", &["-c", &script, "sh"]));
    let memory = sidecar.report().capacity.memory.unwrap();
    assert!(memory.limit < limit && memory.limit >= limit / 3, "{memory:?}");

    let callers = callers(&sidecar, CALLERS);
    for mut caller in &callers {
        let authority = caller.peer_addr().unwrap();
        socket2::SockRef::from(caller).set_recv_buffer_size(4096).unwrap();
        write!(caller, "GET /api/much HTTP/1.1\r\nHost: {authority}\r\n\r\n").unwrap();
    }
    // Some have an answer that they do not read, and the others wait for their turn.
    sidecar.until("answers begin", |report| report.traffic.answers >= 100);
    assert!(!sidecar.has_ended());
    assert_eq!(sidecar.probe("/livez").status, 200);
    let memory = sidecar.report().capacity.memory.unwrap();
    assert!(memory.reserved <= memory.limit, "{memory:?}");
    drop(callers);
    assert_eq!(sidecar.get("/api/little").content, "xx");
    sidecar.stop();
}

#[test]
fn a_limit_that_is_reached_is_told_everywhere() {
    let service = Service::quiet();
    let limit = "[caller]\nmax_connections = 2\n";
    let place = Place::with(&service, Credential::PersonalAccessToken, limit);
    let sidecar = place.run();
    sidecar.has_token();
    sidecar.asked(&["status"]).expect(0, &["0 of 2 connections"]);
    assert!(sidecar.lines().iter().all(|line| !line.contains("connection limit")));

    let callers = callers(&sidecar, 5);
    let report = sidecar.until("one waits", |report| report.capacity.waited > 0);
    assert_eq!((report.capacity.connections, report.capacity.max_connections), (2, 2));
    let line = sidecar.says("connection limit reached");
    assert!(line.contains("\"WARN\"") && line.contains("\"limit\":2"), "{line}");
    let metrics = sidecar.probe("/metrics").content;
    for told in ["connections_limit 2", "connections_waited_total "] {
        assert!(metrics.contains(&format!("\nwebwork_sidecar_{told}")), "{metrics}");
    }
    assert!(sidecar.probe("/").content.contains("The limit of 2 connections is reached"));
    sidecar.asked(&["status"]).expect(0, &["2 of 2 connections", "raise caller.max_connections"]);
    doctor(&place, &sidecar).expect(0, &["warn connections", "-> let callers close"]);

    // The others get their places one after the other, and the log stays quiet.
    drop(callers);
    sidecar.until("all are gone", |report| report.capacity.connections == 0);
    let lines = sidecar.lines();
    let told = lines.iter().filter(|line| line.contains("connection limit reached"));
    assert_eq!(told.count(), 1, "{lines:#?}");
    sidecar.stop();
}

/// What `doctor` says of a sidecar that has chosen its ports itself.
fn doctor(place: &Place, sidecar: &Process) -> Outcome {
    let mut command = Command::new(binary());
    command.env("WEBWORK_SIDECAR_CONFIG", place.configuration());
    command.args(["doctor", "--offline", "--admin", sidecar.admin()]);
    Outcome::of(command)
}

#[test]
fn doctor_tells_the_limits_of_the_sidecar_that_runs() {
    let service = Service::quiet();
    let place = Place::with(&service, Credential::PersonalAccessToken, "");
    let mut alone = place.command("doctor");
    alone.arg("--offline");
    Outcome::of(alone).expect(0, &["no sidecar runs that could tell its limit"]);

    let sidecar = Process::listening(limited(&place, "-n 300"));
    sidecar.has_token();
    let told = ["warn open files", "the running sidecar may have 300 open"];
    doctor(&place, &sidecar).expect(0, &told);
    sidecar.stop();
}
