//! The line to a caller, beside what HTTP does with it: is there still somebody at the other end, and
//! how to hang up so that the last words are heard.

use std::cell::RefCell;
use std::os::fd::AsFd;
use std::time::Duration;

use rustix::io::Errno;
use rustix::net::{RecvFlags, recv};
use socket2::SockRef;
use tokio::io::{AsyncRead, AsyncReadExt, AsyncWrite, AsyncWriteExt};
use tokio_util::either::Either;

use super::accept::Stream;

/// What the kernel knows of the other end.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Peer {
    /// It may send more.
    Open,
    /// It sends no more. It may wait for its answer, as `nc -N` does, or have ended.
    HalfClosed,
    /// It has reset the connection.
    Gone,
}

/// A line that can be looked at while HTTP neither reads nor writes.
pub(super) trait Line {
    fn peer(&self) -> Peer;

    /// Whether the end of the connection is a reset, whoever ends it and however. A Unix socket knows none.
    fn ends_with_reset(&self, resets: bool);
}

impl Line for RefCell<Stream> {
    fn peer(&self) -> Peer {
        let Ok(stream) = self.try_borrow() else { return Peer::Open };
        let socket = match &*stream {
            Either::Left(tcp) => tcp.as_fd(),
            Either::Right(unix) => unix.as_fd(),
        };
        match recv(socket, &mut [0; 1], RecvFlags::PEEK | RecvFlags::DONTWAIT) {
            Ok((0, _)) => Peer::HalfClosed,
            Ok(_) | Err(Errno::AGAIN | Errno::INTR) => Peer::Open,
            Err(_) => Peer::Gone,
        }
    }

    fn ends_with_reset(&self, resets: bool) {
        if let Ok(stream) = self.try_borrow()
            && let Either::Left(tcp) = &*stream
        {
            // On a connection that is gone it makes no difference.
            SockRef::from(tcp).set_linger(resets.then_some(Duration::ZERO)).ok();
        }
    }
}

/// Hangs up on a caller that is still sending. Closing at once would make the kernel answer what
/// comes in with a reset, and a reset takes back the answer that the caller has not read yet
/// (RFC 9112 §9.6). So the answer's end is told first, and then the caller may finish, within limits.
pub(super) async fn linger<T: AsyncRead + AsyncWrite + Unpin>(mut stream: T) {
    let hearing_out = async {
        stream.shutdown().await?;
        let mut rest = (&mut stream).take(MOST);
        tokio::io::copy(&mut rest, &mut tokio::io::sink()).await
    };
    // However it ends, there is nothing more to say.
    drop(tokio::time::timeout(LONGEST, hearing_out).await);
}

/// How long a caller that was answered may go on sending: it keeps its place meanwhile, and a drain
/// waits for it.
const LONGEST: Duration = Duration::from_secs(1);

/// Bytes that are read for nobody. Most of what a local program sends at once is less, and this costs
/// the core some 20 ms.
const MOST: u64 = 64 << 20;
