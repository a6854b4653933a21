//! A caller that sends bytes and reads whatever comes.

use std::io::{ErrorKind, Read, Write};
use std::net::{Shutdown, SocketAddr, TcpStream};

use super::verdict::is_refusal;
use super::{PATIENCE, Seen, Spelt};

/// How the bytes are sent.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Manner {
    /// In one piece.
    AtOnce,
    /// Byte by byte.
    Dribbling,
}

/// When to stop reading.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Until {
    /// So many answers are there.
    Answers(usize),
    /// The sidecar hangs up; or so many answers are there and the last of them is none that ends a
    /// connection, so that waiting would be in vain.
    End(usize),
}

/// How the conversation went.
#[derive(Debug)]
pub(crate) struct Heard {
    pub(crate) bytes: Vec<u8>,
    pub(crate) answers: Vec<Seen>,
    pub(crate) end: End,
}

/// What became of the connection.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum End {
    Closed,
    Reset,
    /// We hung up.
    StillOpen,
}

/// Sends, and reads until enough has come. An end of the connection while sending is no failure: an
/// answer may be on its way all the same.
pub(crate) fn talk(address: SocketAddr, what: &Spelt, manner: Manner, until: Until) -> Heard {
    let stream = TcpStream::connect(address).expect("the sidecar accepts");
    stream.set_nodelay(true).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    std::thread::scope(|scope| {
        scope.spawn(|| send(&stream, what, manner));
        let heard = hear(&stream, until, |_| what.bytes.starts_with(b"HEAD "));
        // Ends the sender, too, if nobody takes what it sends.
        stream.shutdown(Shutdown::Both).ok();
        heard
    })
}

fn send(mut stream: &TcpStream, what: &Spelt, manner: Manner) {
    let piece = match manner {
        Manner::AtOnce => what.bytes.len().max(1),
        Manner::Dribbling => 1,
    };
    let sent = what.bytes.chunks(piece).try_for_each(|piece| stream.write_all(piece));
    if sent.is_ok() && what.is_final {
        stream.shutdown(Shutdown::Write).ok();
    }
}

/// Reads from a connection until enough has come.
pub(crate) fn hear(
    mut stream: &TcpStream,
    until: Until,
    is_bodiless: impl Fn(usize) -> bool,
) -> Heard {
    let mut bytes = Vec::new();
    let mut piece = vec![0; 64 << 10];
    let end = loop {
        if is_enough(&Seen::all(&bytes, &is_bodiless), until) {
            break End::StillOpen;
        }
        match stream.read(&mut piece) {
            Ok(0) => break End::Closed,
            Ok(read) => bytes.extend_from_slice(&piece[..read]),
            Err(error) if error.kind() == ErrorKind::Interrupted => {}
            Err(error) if error.kind() == ErrorKind::ConnectionReset => break End::Reset,
            // Nothing has come for so long that nothing will.
            Err(_) => break End::StillOpen,
        }
    };
    let answers = Seen::all(&bytes, is_bodiless);
    Heard { bytes, answers, end }
}

fn is_enough(answers: &[Seen], until: Until) -> bool {
    let whole = answers.iter().all(Seen::is_whole);
    match until {
        Until::Answers(count) => answers.len() >= count && whole,
        Until::End(count) => {
            let ends = answers.last().is_none_or(|answer| is_refusal(answer.status));
            answers.len() >= count && whole && !ends
        }
    }
}
