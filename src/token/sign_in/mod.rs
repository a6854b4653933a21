//! A person signs in: the authorization code grant (RFC 6749 §4.1) with PKCE (RFC 7636).
//!
//! ```text
//! Desk::begin   the state directory can take a grant ─▶ Pending ─▶ its URL, for a browser
//! Pending       what the browser brought back ─▶ Proof, or why it is none
//! Desk::finish  lock ─▶ rehearse ─▶ exchange ─▶ store ─▶ unlock
//! ```
//!
//! `login` and the admin listener do the same with it. Neither talks to the refresher of a running
//! sidecar: the grant reaches it through the state directory, as that of another process does, so
//! that both ways are one. The lock is held over the exchange, so that nothing that another process
//! has on the wire can be stored over a sign-in.

mod deposit;
mod desk;
mod error;
mod pending;
mod redirection;
mod refusal;
mod returned;
mod told;

#[cfg(test)]
mod tests;

pub use desk::{Departure, Desk};
pub use error::{PageError, SignInError};
pub use pending::Pending;
pub use redirection::Redirection;
pub use returned::Proof;
pub use told::Told;
