//! Reads the configuration again when a file that it names changes.

use std::time::Duration;

use tokio::sync::{mpsc, watch};

use crate::admin::configuration::{Configuration, Setting};
use crate::admin::order::Order;
use crate::clock;
use crate::config::{Config, Source, Watched};
use crate::net::login_redirect::LoginPages;
use crate::proxy;
use crate::telemetry;
use crate::token::order::Order as TokenOrder;
use crate::token::source::Credential;

/// Watches the configuration file and the secret files, and passes a changed credential on.
#[derive(Debug)]
pub(super) struct Reload {
    pub(super) source: Source,
    pub(super) watched: Vec<Watched>,
    pub(super) orders: mpsc::Sender<TokenOrder>,
    /// The least important level that is logged.
    pub(super) level: tracing::Level,
    /// What runs, and cannot be changed without a restart.
    pub(super) fixed: Fixed,
    /// For everybody who asks what is in use.
    pub(super) configuration: watch::Sender<Configuration>,
    /// Asks for it although no file has changed.
    pub(super) order: Order,
}

/// The sections of a configuration that are used at the start alone, each in a form that tells a change
/// and no secret.
#[derive(Debug)]
pub(super) struct Fixed(Vec<(&'static str, String)>);

impl Fixed {
    pub(super) fn of(config: &Config) -> Self {
        let token = &config.token;
        // Where people log in belongs to the credential.
        let proxy = proxy::Config { login_pages: LoginPages::default(), ..config.proxy.clone() };
        Self(vec![
            ("[listen]", format!("{:?}", config.listen)),
            ("[upstream]", format!("{:?}", config.upstream)),
            ("[caller]", format!("{:?}", config.caller)),
            ("[guard]", format!("{:?}", config.guard)),
            ("[proxy] or [guard]", format!("{proxy:?}")),
            ("[refresh]", format!("{:?}", token.refresh)),
            ("[state]", format!("{:?} {:?}", token.state_directory, token.second_directory)),
            ("[drain]", format!("{:?}", config.drain)),
            ("log.format", format!("{:?}", config.log.format)),
            ("redirect_uri", redirect_uri(&token.credential).to_owned()),
            ("authorize_url", format!("{:?}", config.proxy.login_pages)),
        ])
    }

    /// Sections that say something else now.
    fn changed(&self, now: &Self) -> Vec<&'static str> {
        let pairs = self.0.iter().zip(&now.0);
        pairs.filter(|(old, new)| old != new).map(|(old, _)| old.0).collect()
    }
}

/// It is the path of a listener and a name of its guard.
fn redirect_uri(credential: &Credential) -> &str {
    match credential {
        Credential::AuthorizationCode(app) => &app.redirect_uri,
        _ => "",
    }
}

/// Of what was read now, what is applied now; of the rest, what was in use before.
fn in_use(before: &[Setting], now: Vec<Setting>) -> Vec<Setting> {
    let applies = |key: &str| key.starts_with("credential.") || key == "log.level";
    let kept = before.iter().filter(|setting| !applies(&setting.key)).cloned();
    kept.chain(now.into_iter().filter(|setting| applies(&setting.key))).collect()
}

/// How often the files are looked at. Looking works everywhere, also where a mounted secret is swapped
/// by a symbolic link and no event tells of it.
const INTERVAL: Duration = Duration::from_secs(1);

impl Reload {
    /// Watches for ever.
    pub(super) async fn watch(mut self) {
        loop {
            tokio::select! {
                () = self.order.ordered() => {
                    tracing::info!("reading the configuration again, as ordered");
                    self.load().await;
                }
                () = tokio::time::sleep(INTERVAL) => {
                    if self.watched.iter().any(Watched::has_changed) {
                        self.load().await;
                    }
                }
            }
        }
    }

    async fn load(&mut self) {
        match self.source.load() {
            Ok(config) => {
                let now = Fixed::of(&config);
                let sections = self.fixed.changed(&now);
                if config.log.level != self.level {
                    tracing::info!(level = %config.log.level, "log.level is another one now");
                    telemetry::log::set_level(config.log.level);
                    self.level = config.log.level;
                }
                if !sections.is_empty() {
                    tracing::warn!(
                        sections = sections.join(", "),
                        "the configuration has changed where it counts after a restart alone: restart \
                         to apply it"
                    );
                }
                // Other files may be named now.
                self.watched = config.watched;
                let order = TokenOrder::Change(Box::new(config.token.credential));
                if self.orders.send(order).await.is_err() {
                    tracing::debug!("the refresher has ended; the change is for the next start");
                }
                // Told after the order: who sees it may rely on it.
                let restart = sections.into_iter().map(str::to_owned).collect();
                self.configuration.send_modify(|seen| {
                    let settings = in_use(&seen.settings, config.settings);
                    *seen =
                        Configuration { restart, ..Configuration::read(clock::wall(), settings) };
                });
            }
            Err(errors) => {
                let watched = std::mem::take(&mut self.watched);
                self.watched = watched.into_iter().map(Watched::looked_at).collect();
                self.configuration.send_modify(|seen| seen.trouble = Some(errors.to_string()));
                tracing::error!(
                    %errors,
                    "a file changed, but the configuration is invalid now: the old one stays in use"
                );
            }
        }
    }
}
