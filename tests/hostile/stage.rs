//! A sidecar between hostile callers and a hostile upstream, and the bill afterwards.

use serde_json::Value;

use crate::support::{
    Case, Door, Group, HONEST, Heard, MEMORY, Manner, Request, SECRETS, Sidecar, Spelt, Upstream,
    report, spell, talk, until,
};

/// One process, its upstream, and what went wrong between them.
pub(crate) struct Stage {
    sidecar: Sidecar,
    upstream: Upstream,
    failures: Vec<String>,
    /// The most memory that was ever in use, KiB.
    highest: u64,
    /// Open descriptors at the start.
    descriptors: Option<usize>,
}

impl Stage {
    pub(crate) fn new(sidecar: Sidecar, upstream: Upstream) -> Self {
        // Both doors are open when they have answered; what that took is closed again.
        for door in [Door::Proxy, Door::Admin] {
            assert_eq!(sidecar.ask(door, "{get}\r\n").status, 200);
        }
        upstream.hang_up();
        let descriptors = sidecar.settled_descriptors();
        Self { sidecar, upstream, failures: Vec::new(), highest: 0, descriptors }
    }

    pub(crate) fn sidecar(&self) -> &Sidecar {
        &self.sidecar
    }

    pub(crate) fn upstream(&self) -> &Upstream {
        &self.upstream
    }

    /// Remembers what went wrong.
    pub(crate) fn fails(&mut self, why: String) {
        self.failures.push(why);
    }

    /// Tries a case in every manner and at every door.
    pub(crate) fn play(&mut self, file: &str, group: Group, case: &Case) {
        match group {
            Group::Answers => {
                self.keep(file, case, "", |stage| stage.answer(case));
            }
            Group::Requests(doors) => {
                for door in doors {
                    for manner in [Manner::AtOnce, Manner::Dribbling] {
                        if manner == Manner::AtOnce || case.can_dribble() {
                            let how = format!("{door:?}, {manner:?}");
                            self.keep(file, case, &how, |stage| stage.request(*door, case, manner));
                        }
                    }
                }
            }
        }
    }

    /// Remembers a failure, and tells the cost of a bomb.
    fn keep(
        &mut self,
        file: &str,
        case: &Case,
        how: &str,
        tried: impl FnOnce(&Self) -> Result<usize, String>,
    ) {
        self.highest = self.highest.max(self.sidecar.bill().highest);
        if case.is_bomb() {
            self.sidecar.forget_highest();
        }
        let before = self.sidecar.bill();
        let outcome = tried(self);
        let after = self.sidecar.bill();
        if let (Ok(bytes), true) = (&outcome, case.is_bomb()) {
            let memory = after.highest.saturating_sub(before.resident);
            let time = (after.ticks - before.ticks) * 10;
            let name = format!("{file}/{} {how}", case.name);
            report(&format!(
                "{name:60} {:>8} KiB sent  +{memory:>6} KiB  {time:>5} ms",
                bytes >> 10
            ));
        }
        if let Err(why) = outcome {
            self.failures.push(format!("{file}/{} ({how}): {why}", case.name));
        }
    }

    /// A hostile caller; the number of bytes that it sent.
    fn request(&self, door: Door, case: &Case, manner: Manner) -> Result<usize, String> {
        let words = self.sidecar.words(door);
        let spelt = spell(case.script, &words);
        let mark = self.upstream.mark();
        let heard = talk(self.sidecar.address(door), &spelt, manner, case.verdict.until());
        keeps_quiet(&heard)?;
        case.verdict.judge(&heard)?;
        if (case.is_late() || case.is_open()) && !self.upstream.settles() {
            return Err("the beginning of it is still open at the upstream".to_owned());
        }
        self.serves(door)?;
        let requests = self.upstream.requests_since(mark);
        let (honest, forwarded) = match door {
            Door::Proxy => (1, heard.answers.iter().filter(|answer| answer.status < 400).count()),
            Door::Admin => (0, 0),
        };
        if requests.len() != honest + forwarded {
            let heads: Vec<_> = requests.iter().map(|request| &request.head).collect();
            return Err(format!("{forwarded} requests may reach the upstream: {heads:#?}"));
        }
        let whole: usize = requests.iter().map(Request::length).sum();
        let beyond = self.upstream.bytes_since(mark) - whole;
        if beyond > 0 && !may_begin(case, &spelt, manner) {
            return Err(format!("{beyond} bytes of it were forwarded"));
        }
        match requests.first() {
            Some(request) if forwarded > 0 => {
                let wrong = case.check(&request.head, &request.content, &words);
                if wrong.is_empty() { Ok(spelt.bytes.len()) } else { Err(wrong.join("; ")) }
            }
            _ => Ok(spelt.bytes.len()),
        }
    }

    /// A hostile upstream; the number of bytes that it sent.
    fn answer(&self, case: &Case) -> Result<usize, String> {
        let words = self.sidecar.words(Door::Proxy);
        let script = spell(case.script, &words);
        let request = match case.method {
            "GET" => "{get}\r\n",
            "HEAD" => "HEAD {path} HTTP/1.1\r\nHost: {host}\r\n\r\n",
            "POST" => "{post}Content-Length: 4\r\n\r\ndata",
            other => panic!("{other} is no method of these tests"),
        };
        let sent = script.bytes.len();
        let mark = self.upstream.mark();
        self.upstream.answers(script);
        let address = self.sidecar.address(Door::Proxy);
        let heard = talk(address, &spell(request, &words), Manner::AtOnce, case.verdict.until());
        keeps_quiet(&heard)?;
        case.verdict.judge(&heard)?;
        let requests = self.upstream.requests_since(mark);
        let used = requests.first().ok_or("nothing was forwarded")?.connection;
        if case.drops_upstream() && !self.upstream.is_hung_up(used) {
            return Err("the connection to the upstream is still in use".to_owned());
        }
        self.serves(Door::Proxy)?;
        let wrong = heard.answers.first().filter(|answer| answer.code().is_none());
        let wrong = wrong.map(|answer| case.check(&answer.head, &answer.content, &words));
        match wrong {
            Some(wrong) if !wrong.is_empty() => Err(wrong.join("; ")),
            _ => Ok(sent),
        }
    }

    /// The next honest request, on a connection of its own.
    fn serves(&self, door: Door) -> Result<(), String> {
        let answer = self.sidecar.ask(door, "{get}\r\n");
        let expected = door == Door::Admin || answer.content == HONEST.as_bytes();
        if answer.status == 200 && expected {
            return Ok(());
        }
        Err(format!("the next honest request got {answer:?}"))
    }

    /// Honest requests are answered at both doors.
    pub(crate) fn goes_on(&mut self) {
        for door in [Door::Proxy, Door::Admin] {
            if let Err(why) = self.serves(door) {
                self.failures.push(why);
            }
        }
    }

    /// Settles the bill, ends the process and fails if anything went wrong.
    pub(crate) fn finish(mut self) {
        self.settle_memory();
        self.settle_descriptors();
        self.settle_words();
        let failures = self.failures;
        assert!(failures.is_empty(), "{} failures:\n{}", failures.len(), failures.join("\n"));
        self.sidecar.stop();
    }

    fn settle_memory(&mut self) {
        let bill = self.sidecar.bill();
        let highest = self.highest.max(bill.highest);
        let (now, most) = (bill.resident, highest);
        report(&format!("in all: VmRSS {now} KiB, VmHWM {most} KiB, CPU {} ms", bill.ticks * 10));
        if highest > MEMORY {
            self.failures.push(format!("{highest} KiB of memory, at most {MEMORY}"));
        }
    }

    fn settle_descriptors(&self) {
        self.upstream.hang_up();
        match self.descriptors {
            Some(before) => {
                until("all descriptors are closed", || {
                    self.sidecar.descriptors().is_some_and(|now| now <= before)
                });
                report(&format!("open descriptors: {before} at the start and at the end"));
            }
            None => report("LEFT OUT: open descriptors, because only root may look at them"),
        }
    }

    /// What was forwarded in all, and what was logged.
    fn settle_words(&mut self) {
        if self.upstream.has_seen("smuggled") {
            self.failures.push("a smuggled request reached the upstream".to_owned());
        }
        for line in self.sidecar.lines() {
            let is_plain = !line.trim_end().bytes().any(|byte| byte.is_ascii_control());
            let is_json = serde_json::from_str::<Value>(&line).is_ok();
            if SECRETS.iter().any(|secret| line.contains(secret)) || !is_plain || !is_json {
                self.failures.push(format!("the log says {line:?}"));
            }
        }
    }
}

/// Whether the upstream may see the beginning of it: the flaw had not arrived yet.
fn may_begin(case: &Case, spelt: &Spelt, manner: Manner) -> bool {
    /// What certainly arrives in one piece.
    const PIECE: usize = 16 << 10;
    let arrives_at_once = manner == Manner::AtOnce && spelt.bytes.len() <= PIECE;
    case.is_open() || case.is_late() && !arrives_at_once
}

/// No caller ever sees a secret.
fn keeps_quiet(heard: &Heard) -> Result<(), String> {
    let said = String::from_utf8_lossy(&heard.bytes);
    match SECRETS.iter().any(|secret| said.contains(secret)) {
        true => Err("a secret is in the answer".to_owned()),
        false => Ok(()),
    }
}
