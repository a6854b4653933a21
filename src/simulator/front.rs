//! The way of every request: observation, faults, router, clock skew.

use std::net::IpAddr;
use std::sync::Arc;

use axum::Router;
use axum::body::Body;
use axum::http::header::{AUTHORIZATION, DATE, HeaderName, HeaderValue};
use axum::http::{HeaderMap, Request, Response, StatusCode};
use axum::routing::any;
use hyper::body::Incoming;
use hyper::service::Service;
use hyper_util::service::TowerToHyperService;

use crate::clock;
use crate::simulator::faults::{Target, When};
use crate::simulator::journal::{Violation, ViolationKind};
use crate::simulator::laravel::{self, Wants};
use crate::simulator::world::World;
use crate::simulator::{api, authorization_server, control};

/// Fields that belong between a caller and its proxy; the API must not see them.
const FOREIGN: [&str; 8] = [
    "cookie",
    "forwarded",
    "proxy-authorization",
    "x-forwarded-for",
    "x-forwarded-host",
    "x-forwarded-proto",
    "x-http-method-override",
    "x-real-ip",
];

/// The address of the peer, for the throttle of the token endpoint.
#[derive(Clone, Copy, Debug)]
pub(super) struct Peer(pub(super) IpAddr);

/// The order to end the connection with no answer. A handler gives it as a marked response, because a
/// router cannot fail.
#[derive(Clone, Copy, Debug, thiserror::Error)]
#[error("the connection is cut by a planned fault")]
pub(super) struct Cut;

impl Cut {
    /// The marked response; none of it is ever sent.
    pub(super) fn into_response() -> Response<Body> {
        let mut response = Response::new(Body::empty());
        response.extensions_mut().insert(Self);
        response
    }
}

/// What answers requests; cheap to clone.
#[derive(Clone, Debug)]
pub(super) struct Front {
    world: Arc<World>,
    router: TowerToHyperService<Router>,
}

impl Front {
    pub(super) fn new(world: Arc<World>) -> Self {
        let router = Router::new()
            .merge(authorization_server::routes())
            .merge(api::routes())
            .merge(control::routes())
            .fallback(any(|fields: HeaderMap| async move {
                laravel::error(StatusCode::NOT_FOUND, Wants::of(&fields))
            }))
            .with_state(Arc::clone(&world));
        Self { world, router: TowerToHyperService::new(router) }
    }

    /// Answers one request, or orders the cut of its connection.
    pub(super) async fn answer(
        &self,
        peer: IpAddr,
        mut request: Request<Incoming>,
    ) -> Result<Response<Body>, Cut> {
        request.extensions_mut().insert(Peer(peer));
        let mut response = if request.uri().path().starts_with("/api/") {
            self.answer_api(request).await
        } else {
            self.route(request).await
        };
        if response.extensions().get::<Cut>().is_some() {
            return Err(Cut);
        }
        self.date(response.headers_mut());
        Ok(response)
    }

    /// The token endpoint meets its faults itself, because it records what they hid.
    async fn answer_api(&self, request: Request<Incoming>) -> Response<Body> {
        self.observe(&request);
        let response = match self.world.faults.next(Target::Api) {
            None => self.route(request).await,
            Some(fault) => {
                let asked = request.headers().clone();
                match fault.when {
                    When::Before => match fault.strike(&asked).await {
                        Some(response) => response,
                        None => self.route(request).await,
                    },
                    When::After => {
                        let response = self.route(request).await;
                        fault.strike(&asked).await.unwrap_or(response)
                    }
                }
            }
        };
        let cut = response.extensions().get::<Cut>().is_some();
        let status = if cut { 0 } else { response.status().as_u16() };
        self.world.journal.lock().count(status);
        response
    }

    async fn route(&self, request: Request<Incoming>) -> Response<Body> {
        match self.router.call(request).await {
            Ok(response) => response,
            Err(impossible) => match impossible {},
        }
    }

    /// Writes down what a well-behaved client never sends.
    fn observe(&self, request: &Request<Incoming>) {
        let accuse = |kind| {
            let path = request.uri().path().to_owned();
            let violation = Violation { at: clock::now().wall(), kind, path };
            self.world.journal.lock().accuse(violation);
        };
        let fields = request.headers();
        let authorizations = fields.get_all(AUTHORIZATION).iter().count();
        if authorizations > 1 {
            accuse(ViolationKind::SeveralAuthorizations);
        }
        let in_query = request.uri().query().is_some_and(|query| {
            query.split('&').any(|parameter| parameter.starts_with("access_token="))
        });
        let in_list = fields.get(AUTHORIZATION).is_some_and(|it| it.as_bytes().contains(&b','));
        if in_list || (in_query && authorizations > 0) {
            accuse(ViolationKind::TwoTokens);
        }
        for name in FOREIGN.map(HeaderName::from_static) {
            if fields.contains_key(&name) {
                accuse(ViolationKind::ForeignField(name.as_str().to_owned()));
            }
        }
    }

    /// A wrong clock shows in `Date` (RFC 9110 §6.6.1); without a skew the server writes the truth.
    fn date(&self, fields: &mut HeaderMap) {
        let skew = self.world.faults.date_skew();
        if skew == 0 {
            return;
        }
        let shifted = clock::now().wall().checked_add(jiff::SignedDuration::from_secs(skew));
        let Ok(shifted) = shifted else { return };
        let text = shifted.strftime("%a, %d %b %Y %H:%M:%S GMT").to_string();
        if let Ok(value) = HeaderValue::try_from(text) {
            fields.insert(DATE, value);
        }
    }
}
