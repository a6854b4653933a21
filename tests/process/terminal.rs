//! What a person sees of `demo` on a terminal, however wide it is.

use std::fs::File;
use std::io::Read;
use std::os::fd::{AsFd, OwnedFd};
use std::process::{Child, Command, Stdio};
use std::sync::{Arc, Mutex};

use rustix::fs::{Mode, OFlags, open};
use rustix::pty::{OpenptFlags, grantpt, openpt, ptsname, unlockpt};
use rustix::termios::{Winsize, tcsetwinsize};

use crate::commands::USUAL_PORTS;
use crate::support::{Outcome, binary, until};

/// A terminal that wraps what is too long, and wraps it anew when its width changes, as most do.
struct Screen {
    columns: usize,
    /// What was written between line ends, however many rows it takes.
    lines: Vec<Vec<char>>,
    line: usize,
    column: usize,
    /// How often the status line was drawn.
    draws: usize,
}

/// A program on a terminal.
struct Session {
    child: Child,
    master: OwnedFd,
    screen: Arc<Mutex<Screen>>,
}

impl Screen {
    fn new(columns: usize) -> Self {
        Self { columns, lines: vec![Vec::new()], line: 0, column: 0, draws: 0 }
    }

    fn write(&mut self, text: &str) {
        let mut rest = text.chars();
        while let Some(next) = rest.next() {
            match next {
                '\r' => self.column = self.row_start(),
                '\n' => {
                    self.line += 1;
                    self.column = 0;
                    self.lines.resize_with(self.lines.len().max(self.line + 1), Vec::new);
                }
                '\x1b' => {
                    assert_eq!([rest.next(), rest.next()], [Some('['), Some('J')]);
                    self.lines.truncate(self.line + 1);
                    self.lines[self.line].truncate(self.column);
                    self.draws += 1;
                }
                shown => {
                    let line = &mut self.lines[self.line];
                    line.resize(line.len().max(self.column + 1), ' ');
                    line[self.column] = shown;
                    self.column += 1;
                }
            }
        }
    }

    /// The first column of the row in which the cursor stands. After the last column it waits there.
    fn row_start(&self) -> usize {
        self.column.saturating_sub(1) / self.columns * self.columns
    }

    fn rows(&self) -> Vec<String> {
        let rows = |line: &Vec<char>| -> Vec<String> {
            match line.is_empty() {
                true => vec![String::new()],
                false => line.chunks(self.columns).map(|row| row.iter().collect()).collect(),
            }
        };
        self.lines.iter().flat_map(rows).collect()
    }
}

impl Session {
    /// Starts the binary with these arguments.
    fn start(arguments: &[&str], columns: u16) -> Self {
        let master = openpt(OpenptFlags::RDWR | OpenptFlags::NOCTTY).unwrap();
        grantpt(&master).unwrap();
        unlockpt(&master).unwrap();
        let name = ptsname(&master, Vec::new()).unwrap();
        let ours = open(name, OFlags::RDWR | OFlags::NOCTTY, Mode::empty()).unwrap();
        resize(&master, columns);
        let end = || Stdio::from(ours.try_clone().unwrap());
        let mut command = Command::new(binary());
        command.args(arguments).stdin(Stdio::null()).stdout(end()).stderr(end());
        let child = command.spawn().unwrap();
        let screen = Arc::new(Mutex::new(Screen::new(columns.into())));
        let mut output = File::from(master.try_clone().unwrap());
        let shown = Arc::clone(&screen);
        std::thread::spawn(move || {
            let (mut bytes, mut chunk) = (Vec::new(), [0; 4096]);
            // The master has no end of file: once the program is gone, reading fails.
            while let Ok(read @ 1..) = output.read(&mut chunk) {
                bytes.extend_from_slice(&chunk[..read]);
                let whole = match std::str::from_utf8(&bytes) {
                    Ok(text) => text.len(),
                    Err(error) => error.valid_up_to(),
                };
                let text: Vec<u8> = bytes.drain(..whole).collect();
                shown.lock().unwrap().write(std::str::from_utf8(&text).unwrap());
            }
        });
        Self { child, master, screen }
    }

    fn resize(&self, columns: u16) {
        // The lock keeps what is written for the old width from being read at the new one.
        let mut screen = self.screen.lock().unwrap();
        resize(&self.master, columns);
        screen.columns = columns.into();
    }

    fn draws(&self) -> usize {
        self.screen.lock().unwrap().draws
    }

    /// The rows after the status line was drawn two more times: the first one may have been on its way.
    fn redrawn(&self) -> Vec<String> {
        let before = self.draws();
        until("the status line is redrawn", || self.draws() >= before + 2);
        self.screen.lock().unwrap().rows()
    }
}

impl Drop for Session {
    fn drop(&mut self) {
        self.child.kill().ok();
        self.child.wait().ok();
    }
}

fn resize(master: impl AsFd, columns: u16) {
    let size = Winsize { ws_row: 24, ws_col: columns, ws_xpixel: 0, ws_ypixel: 0 };
    tcsetwinsize(master, size).unwrap();
}

/// The status line, which has to be the only one; above it stands the line to try.
fn status(rows: &[String]) -> &str {
    let drawn: Vec<_> = rows.iter().filter(|row| row.contains("requests ")).collect();
    assert_eq!(drawn.len(), 1, "{rows:#?}");
    assert_eq!(rows.last(), Some(drawn[0]), "{rows:#?}");
    let to_try = |row: &String| row.starts_with("  curl http://localhost:");
    assert!(rows.iter().any(to_try), "{rows:#?}");
    drawn[0]
}

#[test]
fn the_demo_keeps_one_line_up_to_date_at_every_width() {
    let _turn = USUAL_PORTS.lock();
    let session = Session::start(&["demo", "--access-life", "1h"], 80);
    let whole = |line: &str| {
        line.starts_with("requests 0 · token #1 · refresh in ") && line.ends_with(" · failed 0")
    };
    let line = session.redrawn();
    assert!(whole(status(&line)), "{line:#?}");
    for (columns, is_whole) in [(40, false), (200, true), (24, false), (80, true)] {
        session.resize(columns);
        let rows = session.redrawn();
        let line = status(&rows);
        assert!(line.chars().count() < columns.into(), "{columns}: {rows:#?}");
        assert_eq!(whole(line), is_whole, "{columns}: {rows:#?}");
    }
}

/// A serial console, and a terminal that was just opened.
#[test]
fn a_terminal_that_reports_no_width_has_eighty_columns() {
    let _turn = USUAL_PORTS.lock();
    let session = Session::start(&["demo", "--access-life", "1h"], 0);
    session.screen.lock().unwrap().columns = 80;
    let rows = session.redrawn();
    assert!(status(&rows).ends_with(" · failed 0"), "{rows:#?}");
}

#[test]
fn no_status_line_is_written_where_there_is_no_terminal() {
    let _turn = USUAL_PORTS.lock();
    let mut command = Command::new(binary());
    command.args(["demo", "--for", "3s"]);
    let outcome = Outcome::of(command);
    outcome.expect(0, &["curl http://localhost:", "Requests answered: 0"]);
    assert!(!outcome.result.contains("requests 0"), "{outcome:#?}");
}
