//! No message that two parsers could read in two ways is passed on, in either direction.

mod requests;
mod responses;
