//! The redirection endpoint on this host, for as long as one sign-in waits: RFC 8252 §7.3 and §8.3.

use std::cell::RefCell;
use std::rc::Rc;
use std::time::Duration;

use axum::body::Body;
use bytes::Bytes;
use http::request::Parts;
use http::{Method, Request, Response, StatusCode};
use http_body_util::Full;
use tokio::sync::mpsc;

use crate::answer::Answer;
use crate::guard::{self, Door, Guard, Pages};
use crate::net::drain;
use crate::net::listen::{Address, BindError, Listeners, Permissions, Socket};
use crate::net::serve::{self, Content, Limit, Terms, serve_pages};
use crate::telemetry::Meter;
use crate::token::sign_in::{Pending, Proof, Redirection, SignInError};

use super::super::proof::Failure;
use super::super::style::complain;
use super::page::page;

/// Sockets at the redirection endpoint.
#[derive(Debug)]
pub(super) struct Callback {
    sockets: Vec<Socket>,
    guard: Guard,
    path: String,
}

/// How long the browser may take to fetch its page.
const LAST_PAGE: Duration = Duration::from_secs(1);

impl Callback {
    /// Binds its addresses; of `localhost` one is enough.
    ///
    /// # Errors
    ///
    /// What to do instead, where somebody else is there.
    pub(super) fn bind(at: &Redirection) -> Result<Self, Failure> {
        let mut sockets = Vec::new();
        let mut bound = Vec::new();
        for address in &at.addresses {
            match Listeners::bind(&Address::Tcp(*address), 1, &Permissions::default()) {
                Ok(listeners) => {
                    sockets.extend(listeners.sockets);
                    bound.push(*address);
                }
                Err(error) if error.is_missing_address() && at.addresses.len() > 1 => {}
                Err(error) => return Err(elsewhere(at, &error).into()),
            }
        }
        let rules = guard::Config {
            methods: vec![Method::GET],
            paths: vec!["/".to_owned()],
            callback: Some(guard::Callback {
                authority: at.authority.clone(),
                path: at.path.clone(),
            }),
            ..guard::Config::default()
        };
        let guard = Guard::new(&rules, Door::Tcp(&bound), Pages::Own)?;
        Ok(Self { sockets, guard, path: at.path.clone() })
    }

    /// Waits for the answer to this sign-in. What does not belong to it changes nothing.
    pub(super) async fn answer(self, pending: Pending) -> Result<Proof, Failure> {
        let (drainer, drain) = drain::channel();
        let config = serve::Config::default();
        let terms =
            Terms { limit: Limit::new(&config), config, drain, counters: Meter::default().core() };
        let (tell, mut told) = mpsc::channel(1);
        let visitors = Rc::new(Visitors {
            guard: self.guard,
            path: self.path,
            pending: RefCell::new(Some(pending)),
            tell,
        });
        let service = move |request: Request<Content>, _| {
            let page = visitors.receive(&request.into_parts().0);
            async move { page.map(Body::new) }
        };
        let mut serving = tokio::task::spawn_local(serve_pages(self.sockets, terms, service));
        let answer = tokio::select! {
            answer = told.recv() => answer,
            ended = &mut serving => return Err(match ended? {
                Ok(()) => "the listener ended".into(),
                Err(error) => error.into(),
            }),
        };
        drainer.drain(LAST_PAGE);
        serving.await??;
        Ok(answer.ok_or(SignInError::Unknown)??)
    }
}

/// Whoever comes while the sign-in waits, and after.
struct Visitors {
    guard: Guard,
    path: String,
    /// Gone with its answer.
    pending: RefCell<Option<Pending>>,
    tell: mpsc::Sender<Result<Proof, SignInError>>,
}

impl Visitors {
    fn receive(&self, head: &Parts) -> Response<Full<Bytes>> {
        if let Err(refusal) = self.guard.admit(head, None) {
            return Answer::from(refusal).into_response().map(Full::from);
        }
        if head.uri.path() != self.path {
            return page(StatusCode::NOT_FOUND, "There is nothing here.");
        }
        let mut pending = self.pending.borrow_mut();
        let Some(waiting) = pending.as_ref() else {
            return page(StatusCode::OK, OVER);
        };
        let answer = waiting.returned(head.uri.query().unwrap_or_default());
        let (status, sentence) = match &answer {
            Ok(_) => (StatusCode::OK, ARRIVED.to_owned()),
            Err(error) if error.is_final() => (StatusCode::OK, format!("Not signed in: {error}.")),
            Err(error) => {
                complain(format_args!("ignored what came back to the browser: {error}"));
                return page(StatusCode::FORBIDDEN, &format!("Not signed in: {error}."));
            }
        };
        *pending = None;
        // There is room for the one answer.
        self.tell.try_send(answer).ok();
        page(status, &sentence)
    }
}

const ARRIVED: &str = "The answer has arrived. How the sign-in ends is told in the terminal, and this page can \
    be closed.";

const OVER: &str =
    "This sign-in is over: its answer was here before. How it ended is told in the terminal.";

fn elsewhere(at: &Redirection, error: &BindError) -> String {
    match error {
        BindError::InUse(_) => format!(
            "{origin} is taken, probably by the running sidecar: sign in there, at {origin}/ in a browser; \
             or stop what listens there",
            origin = at.origin
        ),
        error => format!("{error}; `--paste` needs no listener"),
    }
}
