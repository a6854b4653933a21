//! What a process costs, by `/proc`.

use std::fs::{self, OpenOptions};
use std::io::Write;

use rustix::process::{Resource, Rlimit, getrlimit, setrlimit};

/// The bill of a process.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Bill {
    /// Resident memory now and at its highest, KiB.
    pub(crate) resident: u64,
    pub(crate) highest: u64,
    /// CPU time of all threads, in hundredths of a second: `USER_HZ` is 100 wherever Linux runs.
    pub(crate) ticks: u64,
}

impl Bill {
    pub(crate) fn of(pid: u32) -> Self {
        let status = fs::read_to_string(format!("/proc/{pid}/status")).unwrap();
        let number = |name: &str| {
            let line = status.lines().find_map(|line| line.strip_prefix(name)).unwrap();
            line.split_whitespace().next().unwrap().parse().unwrap()
        };
        let stat = fs::read_to_string(format!("/proc/{pid}/stat")).unwrap();
        // The name of the program, in parentheses, may have spaces.
        let (_, rest) = stat.rsplit_once(") ").unwrap();
        let fields: Vec<&str> = rest.split(' ').collect();
        let ticks = [fields[11], fields[12]].iter().map(|text| text.parse::<u64>().unwrap()).sum();
        Self { resident: number("VmRSS:"), highest: number("VmHWM:"), ticks }
    }
}

/// Starts counting the highest memory anew, where the system lets us.
pub(crate) fn forget_highest(pid: u32) {
    let file = OpenOptions::new().write(true).open(format!("/proc/{pid}/clear_refs"));
    drop(file.and_then(|mut file| file.write_all(b"5")));
}

/// How many descriptors are open; `None` if the process is nobody's to look at.
pub(crate) fn descriptors(pid: u32) -> Option<usize> {
    Some(fs::read_dir(format!("/proc/{pid}/fd")).ok()?.count())
}

/// Lets this process, and those that it starts, open as many files as the system permits.
pub(crate) fn allow_descriptors() -> u64 {
    let Rlimit { maximum, .. } = getrlimit(Resource::Nofile);
    setrlimit(Resource::Nofile, Rlimit { current: maximum, maximum }).unwrap();
    maximum.unwrap_or(u64::MAX)
}
