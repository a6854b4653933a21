//! The control thread: refresher, admin listener and reload.

use std::io;
use std::sync::Arc;
use std::time::Duration;

use axum::body::Body;
use http::{Method, Request, Response};
use tokio::task::{JoinSet, LocalSet};
use tower_service::Service;

use crate::admin::sign_in::SignIns;
use crate::admin::{self, Sources};
use crate::clock;
use crate::config::Config;
use crate::guard::{self, Pages};
use crate::net::drain::{Drain, Drainer};
use crate::net::serve::{Content, Limit, Terms, serve_pages};
use crate::proxy::core::Gate;
use crate::telemetry::Meter;
use crate::telemetry::history::History;
use crate::telemetry::panics::Defect;
use crate::telemetry::pulse::Pulse;
use crate::token::refresher::Refresher;

use super::StartError;
use super::doors::Doors;
use super::gates::{gates, open_gate};
use super::reload::Reload;

/// What the control thread does.
pub(super) struct Control {
    pub(super) refresher: Refresher,
    pub(super) pulse: Pulse,
    pub(super) reload: Reload,
    pub(super) history: History,
    pub(super) meter: Meter,
    pub(super) admin: Admin,
    pub(super) drain: Drain,
    pub(super) end: Drain,
    /// Ends the admin listener, which goes last: as long as something is finished, it can be asked.
    pub(super) last: Drainer,
}

impl Control {
    /// Works until the admin listener is told to end and the refresher has finished.
    ///
    /// # Errors
    ///
    /// The system gives no runtime or does not take a socket.
    pub(super) fn run(self) -> io::Result<()> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build()?;
        let local = LocalSet::new();
        local.block_on(&runtime, async {
            tokio::task::spawn_local(self.reload.watch());
            tokio::task::spawn_local(self.history.keep(self.meter, clock::wall));
            let refresher = tokio::spawn(self.refresher.run(self.drain, self.end, self.pulse));
            let sign_ins = Arc::clone(&self.admin.sign_ins);
            let last = self.last;
            let finishing = tokio::task::spawn_local(async move {
                refresher.await.ok();
                sign_ins.are_finished().await;
                last.drain(LAST_ANSWERS);
            });
            let served = self.admin.serve().await;
            // Whatever ends the admin listener, an exchange on the wire is finished first.
            finishing.await.ok();
            served
        })
    }
}

/// The sockets, pages and guards of the admin listener, and of those for health and for metrics alone.
pub(super) struct Admin {
    doors: Vec<(Gate, axum::Router, Terms)>,
    sign_ins: Arc<SignIns>,
}

impl Admin {
    pub(super) fn new(
        config: &Config,
        listeners: &mut Doors,
        sources: &Sources,
        connections: usize,
        drain: Drain,
    ) -> Result<Self, StartError> {
        let rules = guard::Config {
            methods: vec![Method::GET, Method::HEAD, Method::POST],
            paths: vec!["/".to_owned()],
            rules: Vec::new(),
            origins: Vec::new(),
            callback: sources.sign_ins.callback(),
            ..config.guard.clone()
        };
        let terms = Terms {
            limit: Limit::of(connections, "admin"),
            config: config.caller.clone(),
            drain,
            // Probes are no traffic: they are counted where nobody adds them up.
            counters: Meter::default().core(),
        };
        let guarded = gates(&rules, &mut listeners.admin, Pages::Own, None)?.into_iter();
        let guarded = guarded.map(|gate| (gate, admin::router(sources.clone()), terms.clone()));
        let open = [
            ("health", open_gate(&mut listeners.health), admin::health_router(sources.clone())),
            ("metrics", open_gate(&mut listeners.metrics), admin::metrics_router(sources.clone())),
        ];
        let open = open.into_iter().filter_map(|(name, gate, router)| {
            // A limit for each: a caller that fills it locks nobody out of the other listeners.
            let own = Terms { limit: Limit::of(connections, name), ..terms.clone() };
            Some((gate?, router, own))
        });
        let doors = guarded.chain(open).collect();
        Ok(Self { doors, sign_ins: Arc::clone(&sources.sign_ins) })
    }

    async fn serve(self) -> io::Result<()> {
        let mut doors = JoinSet::new();
        for (Gate { sockets, admission }, router, terms) in self.doors {
            let page = move |request: Request<Content>, account| {
                let (head, content) = request.into_parts();
                let verdict = admission(&head, account);
                let router = router.clone();
                async move {
                    match verdict {
                        // No origin is allowed here, so that no preflight is admitted.
                        Ok(_) => page(router, Request::from_parts(head, Body::new(content))).await,
                        Err(answer) => answer.into_response().map(Body::from),
                    }
                }
            };
            doors.spawn_local(serve_pages(sockets, terms, page));
        }
        while let Some(ended) = doors.join_next().await {
            ended.map_err(Defect::from)??;
        }
        Ok(())
    }
}

/// The router never fails; its error type has no value.
async fn page(mut router: axum::Router, request: Request<Body>) -> Response<Body> {
    match Service::call(&mut router, request).await {
        Ok(response) => response,
        Err(never) => match never {},
    }
}

/// How long the admin listener may take to end: its answers come from memory.
const LAST_ANSWERS: Duration = Duration::from_secs(1);
