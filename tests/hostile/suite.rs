//! Every case against one process with the default configuration, and then the bill.

use std::io::{Read, Write};
use std::net::TcpStream;

use crate::stage::Stage;
use crate::support::{
    Case, Door, Group, Sidecar, Until, Upstream, Words, allow_descriptors, hear, report, spell,
    until,
};

const BOTH: Group = Group::Requests(&[Door::Proxy, Door::Admin]);
const PROXY: Group = Group::Requests(&[Door::Proxy]);
const ADMIN: Group = Group::Requests(&[Door::Admin]);

/// A file's name, whose bytes it has, and its text.
type File = (&'static str, Group, &'static str);

/// For the default configuration, in this order.
const DEFAULTS: [File; 9] = [
    ("hosts", BOTH, include_str!("cases/hosts.txt")),
    ("pages", BOTH, include_str!("cases/pages.txt")),
    ("targets", PROXY, include_str!("cases/targets.txt")),
    ("admin", ADMIN, include_str!("cases/admin.txt")),
    ("framing", BOTH, include_str!("cases/framing.txt")),
    ("chunks", PROXY, include_str!("cases/chunks.txt")),
    ("fields", PROXY, include_str!("cases/fields.txt")),
    ("answers", Group::Answers, include_str!("cases/answers.txt")),
    ("limits", BOTH, include_str!("cases/limits.txt")),
];

/// For short limits.
const IMPATIENT: [File; 3] = [
    ("slow", BOTH, include_str!("cases/slow.txt")),
    ("stalled", PROXY, include_str!("cases/stalled.txt")),
    ("silent", Group::Answers, include_str!("cases/silent.txt")),
];

/// For a sidecar with a caller key.
const KEYED: [File; 1] = [("keys", BOTH, include_str!("cases/keys.txt"))];

/// All cases of all files, with the name of their file.
pub(crate) fn cases() -> Vec<(&'static str, Group, Case)> {
    [cases_of(&DEFAULTS), cases_of(&IMPATIENT), cases_of(&KEYED)].concat()
}

fn cases_of(files: &[File]) -> Vec<(&'static str, Group, Case)> {
    let of = |(name, group, text): &File| {
        let (name, group) = (*name, *group);
        Case::all(text, group).into_iter().map(move |case| (name, group, case))
    };
    files.iter().flat_map(of).collect()
}

#[test]
fn there_are_more_than_two_hundred_cases_and_each_has_a_name_of_its_own() {
    let mut names: Vec<_> =
        cases().iter().map(|(file, _, case)| format!("{file}/{}", case.name)).collect();
    let count = names.len();
    assert!(count >= 200, "{count}");
    names.sort_unstable();
    names.dedup();
    assert_eq!(names.len(), count);
}

#[test]
fn the_default_configuration_stands() {
    let most = allow_descriptors();
    let upstream = Upstream::start();
    let mut stage = Stage::new(Sidecar::with_defaults(&upstream.url()), upstream);
    for (file, group, case) in cases_of(&DEFAULTS) {
        stage.play(file, group, &case);
    }
    flood(&mut stage, most);
    hoard(&mut stage);
    stage.finish();
}

#[test]
fn short_limits_end_what_would_last_for_ever() {
    let upstream = Upstream::start();
    let limits = include_str!("impatient.toml");
    let mut stage = Stage::new(Sidecar::with(&upstream.url(), limits, |_| ()), upstream);
    for (file, group, case) in cases_of(&IMPATIENT) {
        stage.play(file, group, &case);
    }
    stage.finish();
}

#[test]
fn nobody_passes_without_the_caller_key() {
    let upstream = Upstream::start();
    let mut stage = Stage::new(Sidecar::with_key(&upstream.url()), upstream);
    for (file, group, case) in cases_of(&KEYED) {
        stage.play(file, group, &case);
    }
    stage.finish();
}

/// More connections than there are places: who is too many waits, and nobody is turned away.
fn flood(stage: &mut Stage, most: u64) {
    const PLACES: usize = 1024;
    const CALLERS: usize = PLACES + 76;
    if most < 2 * CALLERS as u64 + 100 {
        report("LEFT OUT: the flood of connections, because this host permits too few of them");
        return;
    }
    let sidecar = stage.sidecar();
    let spelt = spell("{get}Connection: close\r\n", &sidecar.words(Door::Proxy));
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        let mut stream = TcpStream::connect(sidecar.address(Door::Proxy)).unwrap();
        stream.write_all(&spelt.bytes).unwrap();
        callers.push(stream);
    }
    until("every place is taken", || sidecar.connections() >= PLACES as u64);
    for mut stream in &callers {
        stream.write_all(b"\r\n").unwrap();
    }
    let answered = |stream: &TcpStream| {
        let heard = hear(stream, Until::Answers(1), |_| false);
        heard.answers.first().is_some_and(|answer| answer.status == 200)
    };
    let turned_away = callers.iter().filter(|stream| !answered(stream)).count();
    if turned_away > 0 {
        stage.fails(format!("{turned_away} callers of the flood were turned away"));
    }
    drop(callers);
    stage.goes_on();
}

/// Callers that ask for more than anybody keeps, and do not read it: the upstream has to wait, too.
fn hoard(stage: &mut Stage) {
    const CALLERS: usize = 12;
    let request = spell("{get}\\r\\n", &stage.sidecar().words(Door::Proxy));
    let answer = "HTTP/1.1 200 OK\\r\\nContent-Length: 16777216\\r\\n\\r\\n{a*16777216}";
    let mut callers = Vec::new();
    for _ in 0..CALLERS {
        stage.upstream().answers(spell(answer, &Words::default()));
        let mut stream = TcpStream::connect(stage.sidecar().address(Door::Proxy)).unwrap();
        stream.write_all(&request.bytes).unwrap();
        // The first byte shows that the answer is on its way.
        stream.read_exact(&mut [0]).unwrap();
        callers.push(stream);
    }
    stage.goes_on();
}
