//! A token that the upstream refused, and what becomes of the request that carried it.

use tokio::sync::oneshot;

use super::{Bearer, Generation, Unavailable};

/// A request's report that a token was refused, and the way back to it.
#[derive(Debug)]
pub struct Rejection {
    /// The token that the request carried.
    pub generation: Generation,
    /// Where the request waits.
    pub reply: oneshot::Sender<Verdict>,
}

/// What becomes of a request that the upstream answered with 401.
#[derive(Clone, Debug)]
pub enum Verdict {
    /// Send it once more, with this token.
    Replay(Bearer),
    /// The 401 is the caller's: no other token is to be had, or it was tried too recently.
    Pass,
    /// The token was lost over it.
    Unavailable(Unavailable),
}
