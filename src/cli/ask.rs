//! A question to the admin listener of a running sidecar.

use std::time::Duration;

use bytes::Bytes;
use http::{Method, Request, StatusCode, header};
use http_body_util::{BodyExt, Empty, Limited};
use hyper::client::conn::http1::handshake;
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::{TcpStream, UnixStream};
use tokio_util::either::Either;

use crate::config::error::Errors;
use crate::config::{Contact, Listen, Source};
use crate::guard::{self, CALLER_KEY};
use crate::net::listen::Address;

use super::style::complain;
use super::{ConfigFile, Exit, block_on};

/// Longest time for an answer: it comes from memory, but for an exchange, which may take a minute.
const LIMIT: Duration = Duration::from_secs(75);

/// Longest time for a probe's answer.
const PROBE_LIMIT: Duration = Duration::from_secs(3);

/// Largest answer that is read.
const MAX_ANSWER: usize = 1 << 20;

/// Why there is no answer.
#[derive(Debug, thiserror::Error)]
pub(super) enum AskError {
    /// Nobody listens there.
    #[error(
        "no sidecar answers at {address}: {reason}; is it running? `--admin` names another address"
    )]
    Silent {
        /// The admin address that was tried last.
        address: String,
        /// What the system says.
        reason: String,
    },
    /// Somebody listens there, and says nothing.
    #[error(
        "the sidecar at {0} does not answer in time: it may hang, look at its process and its log"
    )]
    Late(String),
    /// What listens there speaks something else.
    #[error("something else than a sidecar listens at {0}: correct listen.admin or --admin")]
    Stranger(String),
    /// It does not admit this program.
    #[error("the sidecar at {address} refuses: {words}")]
    Refused {
        /// The admin address.
        address: String,
        /// What it says, and what to do.
        words: String,
    },
    /// The system chose the port, and only the log knows it.
    #[error("listen.admin has port 0: use --admin with the address that the log of run names")]
    AnyPort,
    /// The configuration names no admin address.
    #[error("listen.admin is empty, so that a running sidecar cannot be asked")]
    NoAddress,
    /// The configuration cannot be read at all.
    #[error(transparent)]
    Configuration(#[from] Errors),
    /// The system gives no runtime.
    #[error("cannot ask: {0}")]
    Runtime(#[from] std::io::Error),
}

impl AskError {
    /// Says it, and how the command ends.
    pub(super) fn told(self) -> Exit {
        let exit = match self {
            Self::Configuration(_) => Exit::Misconfigured,
            _ => Exit::Failed,
        };
        complain(self);
        exit
    }
}

/// Which sidecar to ask.
#[derive(Debug, clap::Args)]
pub(super) struct Whom {
    #[command(flatten)]
    file: ConfigFile,
    /// Admin address of the sidecar; without it, that of the configuration.
    #[arg(long, value_name = "ADDRESS", conflicts_with = "config", value_parser = address)]
    admin: Option<Address>,
}

impl Whom {
    /// Asks it. A configuration that could not be used any more says all the same where the sidecar is:
    /// it runs on when its files are gone, and then its state is wanted most.
    pub(super) fn ask(&self, method: Method, path: &str) -> Result<(StatusCode, Bytes), AskError> {
        let target = self.target()?;
        let source = self.file.source();
        if self.admin.is_none()
            && !source.is_empty()
            && let Err(errors) = source.load()
        {
            let asked: Vec<_> = target.admin.iter().map(ToString::to_string).collect();
            complain(format_args!(
                "{errors}\nAsking whichever sidecar runs at {}.",
                asked.join(", ")
            ));
        }
        block_on(ask(&target.admin, target.demands.as_ref(), method, path, LIMIT))
    }

    /// What it is configured by.
    pub(super) fn source(&self) -> Source {
        self.file.source()
    }

    /// Asks a probe's question, without a word about the configuration.
    pub(super) fn probe(&self, probe: Probe) -> Result<(StatusCode, String), AskError> {
        let target = self.target()?;
        block_on(target.probe(probe))
    }

    /// Where it is, to be asked again and again.
    pub(super) fn target(&self) -> Result<Target, AskError> {
        Ok(match &self.admin {
            Some(address) => {
                Target { admin: vec![address.clone()], health: Vec::new(), demands: None }
            }
            None => Target::of(&self.file.source())?,
        })
    }
}

/// A sidecar that can be asked.
#[derive(Debug)]
pub(super) struct Target {
    admin: Vec<Address>,
    health: Vec<Address>,
    demands: Option<guard::Config>,
}

/// A question with a word for an answer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Probe {
    /// Can requests be served?
    Ready,
    /// Is the start over?
    Started,
    /// Does every loop turn?
    Live,
}

impl Probe {
    fn path(self) -> &'static str {
        match self {
            Self::Ready => "/readyz",
            Self::Started => "/startupz",
            Self::Live => "/livez",
        }
    }
}

impl Target {
    /// The sidecar that runs with this configuration, if one does.
    pub(super) fn of(source: &Source) -> Result<Self, AskError> {
        let Contact { listen: Listen { admin, health, .. }, guard } = source.contact()?;
        Ok(Self { admin, health, demands: Some(guard) })
    }

    /// Whatever listens at one address.
    pub(super) fn at(&self, address: &Address) -> Self {
        let admin = vec![address.clone()];
        Self { admin, health: Vec::new(), demands: self.demands.clone() }
    }

    /// Asks it what it tells everybody who may ask.
    pub(super) fn get(&self, path: &str) -> Result<(StatusCode, Bytes), AskError> {
        block_on(ask(&self.admin, self.demands.as_ref(), Method::GET, path, PROBE_LIMIT))
    }

    /// Asks a probe's question: at the admin listener, which tells reasons, else at that for health.
    pub(super) async fn probe(&self, probe: Probe) -> Result<(StatusCode, String), AskError> {
        let addresses = if self.admin.is_empty() { &self.health } else { &self.admin };
        let demands = self.demands.as_ref();
        let (status, content) =
            ask(addresses, demands, Method::GET, probe.path(), PROBE_LIMIT).await?;
        Ok((status, String::from_utf8_lossy(&content).trim_end().to_owned()))
    }
}

/// An address as people write it: `localhost` and the beginning of a URL are fine.
fn address(text: &str) -> Result<Address, &'static str> {
    let plain = text.strip_prefix("http://").unwrap_or(text).trim_end_matches('/');
    let numbers = match plain.strip_prefix("localhost:") {
        Some(port) => format!("127.0.0.1:{port}"),
        None => plain.to_owned(),
    };
    numbers.parse().map_err(|_| {
        "expected the address of the admin listener, such as \"127.0.0.1:9181\" or \
         \"unix:/run/webwork-sidecar/admin.sock\""
    })
}

async fn ask(
    addresses: &[Address],
    demands: Option<&guard::Config>,
    method: Method,
    path: &str,
    limit: Duration,
) -> Result<(StatusCode, Bytes), AskError> {
    let (mut last, mut late) = (AskError::NoAddress, None);
    for address in addresses {
        if matches!(address, Address::Tcp(address) if address.port() == 0) {
            return Err(AskError::AnyPort);
        }
        let asked = at(address, method.clone(), path, demands);
        let reason = match tokio::time::timeout(limit, asked).await {
            Ok(Ok((StatusCode::FORBIDDEN, content))) => {
                let (address, words) = (address.to_string(), words(&content));
                return Err(AskError::Refused { address, words });
            }
            Ok(Ok(answer)) => return Ok(answer),
            Ok(Err(error)) if error.is::<hyper::Error>() => {
                return Err(AskError::Stranger(address.to_string()));
            }
            Ok(Err(error)) => error.to_string(),
            Err(_) => {
                late = Some(AskError::Late(address.to_string()));
                continue;
            }
        };
        last = AskError::Silent { address: address.to_string(), reason };
    }
    // One that hangs is not one that has ended.
    Err(late.unwrap_or(last))
}

/// Message of an answer that is not what was asked for.
pub(super) fn message(content: &[u8]) -> String {
    let answer = serde_json::from_slice::<Value>(content).unwrap_or_default();
    answer["message"].as_str().unwrap_or_default().to_owned()
}

/// Code of an answer that is a sidecar's own.
pub(super) fn error_code(content: &[u8]) -> Option<String> {
    let answer = serde_json::from_slice::<Value>(content).unwrap_or_default();
    answer["error"]["code"].as_str().map(str::to_owned)
}

/// Message and hint of an answer that is not what was asked for.
pub(super) fn words(content: &[u8]) -> String {
    let answer = serde_json::from_slice::<Value>(content).unwrap_or_default();
    let told = |part: &Value| part.as_str().unwrap_or_default().to_owned();
    format!("{} {}", told(&answer["message"]), told(&answer["error"]["hint"]))
}

type Error = Box<dyn std::error::Error + Send + Sync>;

async fn at(
    address: &Address,
    method: Method,
    path: &str,
    demands: Option<&guard::Config>,
) -> Result<(StatusCode, Bytes), Error> {
    let mut request = Request::builder().method(method).uri(path);
    if let Some(key) = demands.and_then(|guard| guard.caller_key.as_ref()) {
        request = request.header(CALLER_KEY, key.expose());
    }
    if let Some(field) = demands.and_then(|guard| guard.required_field.as_ref()) {
        request = request.header(field, "1");
    }
    match address {
        Address::Tcp(address) => {
            let request = request.header(header::HOST, format!("localhost:{}", address.port()));
            let stream = TcpStream::connect(address).await?;
            exchange(Either::Left(stream), request.body(Empty::new())?).await
        }
        Address::Unix(path) => {
            let request = request.header(header::HOST, "localhost");
            let stream = UnixStream::connect(path).await?;
            exchange(Either::Right(stream), request.body(Empty::new())?).await
        }
    }
}

async fn exchange(
    // No type parameter, so that there is one copy of HTTP for both in the program.
    stream: Either<TcpStream, UnixStream>,
    request: Request<Empty<Bytes>>,
) -> Result<(StatusCode, Bytes), Error> {
    let (mut line, driver) = handshake(TokioIo::new(stream)).await?;
    // Its errors come back through the request that it breaks.
    tokio::spawn(async move { driver.await.ok() });
    let response = line.send_request(request).await?;
    let status = response.status();
    let content = Limited::new(response.into_body(), MAX_ANSWER).collect().await?;
    Ok((status, content.to_bytes()))
}
