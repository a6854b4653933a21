//! Serving what is seldom asked: the admin listener, and the end of a sign-in.
//!
//! Their services are behind a pointer, so that all of them share one copy of what serves a connection, with hyper
//! in it. The proxy has one of its own.

use std::io;
use std::pin::Pin;

use axum::body::Body;
use http::{Request, Response};

use super::{Content, Terms, serve};
use crate::account::Account;
use crate::net::listen::Socket;

type Page = Pin<Box<dyn Future<Output = Response<Body>>>>;
type Pages = Box<dyn Fn(Request<Content>, Option<Account>) -> Page>;

/// [`serve`] for pages.
///
/// # Errors
///
/// A socket that the runtime does not take.
pub async fn serve_pages<S, F>(sockets: Vec<Socket>, terms: Terms, service: S) -> io::Result<()>
where
    S: Fn(Request<Content>, Option<Account>) -> F + 'static,
    F: Future<Output = Response<Body>> + 'static,
{
    let pages: Pages = Box::new(move |request, account| Box::pin(service(request, account)));
    serve(sockets, terms, pages).await
}
