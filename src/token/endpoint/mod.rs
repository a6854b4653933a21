//! One exchange with the token endpoint: connect, send, understand.

mod reply;
mod request;
