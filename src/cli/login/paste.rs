//! The address at which the browser ended, from the terminal or from standard input.

use std::io::{BufRead, IsTerminal};
use std::time::Duration;

use tokio::sync::mpsc;

use crate::token::sign_in::{Pending, Proof};

use super::super::proof::Failure;
use super::super::style::complain;

/// A terminal gives a pasted text line by line, all at once: after this pause it is whole.
const PAUSE: Duration = Duration::from_millis(300);

/// Reads until there is an answer. A person may try again; a file says what it says.
pub(super) async fn answer(pending: &Pending) -> Result<Proof, Failure> {
    let terminal = std::io::stdin().is_terminal();
    let mut lines = lines()?;
    loop {
        let text = text(&mut lines, terminal).await;
        let ended = text.is_none();
        match pending.pasted(text.as_deref().unwrap_or_default()) {
            Ok(proof) => return Ok(proof),
            Err(error) if terminal && !ended && !error.is_final() => {
                complain(format_args!("{error}"));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// The next text, without the blank lines around it; none at the end.
async fn text(lines: &mut mpsc::Receiver<String>, terminal: bool) -> Option<String> {
    let mut text = String::new();
    while text.is_empty() {
        text = lines.recv().await?.trim().to_owned();
    }
    loop {
        let next = match terminal {
            true => tokio::time::timeout(PAUSE, lines.recv()).await.ok().flatten(),
            false => lines.recv().await,
        };
        match next {
            Some(line) if !line.trim().is_empty() => text.push_str(line.trim()),
            _ => return Some(text),
        }
    }
}

/// Lines of standard input, from a thread that waits for them in our place.
fn lines() -> std::io::Result<mpsc::Receiver<String>> {
    let (tell, told) = mpsc::channel(64);
    std::thread::Builder::new().name("input".into()).spawn(move || {
        for line in std::io::stdin().lock().lines() {
            let Ok(line) = line else { return };
            if tell.blocking_send(line).is_err() {
                return;
            }
        }
    })?;
    Ok(told)
}
