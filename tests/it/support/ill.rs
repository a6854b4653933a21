//! Servers with which no TLS connection comes about.

use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::TcpStream;

use super::{Certificate, soon};

/// What is wrong with a server.
pub(crate) enum Ill {
    /// It shows this certificate.
    Certificate(Certificate),
    /// It answers the ClientHello with this and closes; nothing at all is a cut.
    Says(Vec<u8>),
    /// It never answers.
    Silent,
}

impl Ill {
    /// Fails with one connection. Returns everything that came over it and that it could read.
    pub(crate) async fn fail(&self, mut stream: TcpStream) -> Vec<u8> {
        let mut read = Vec::new();
        match self {
            Self::Certificate(certificate) => {
                if let Ok(mut stream) =
                    certificate.acceptor(&["h2", "http/1.1"]).accept(stream).await
                {
                    // A reset is an end too, here and below.
                    soon(stream.read_to_end(&mut read)).await.ok();
                }
            }
            Self::Says(bytes) => {
                stream.read_buf(&mut read).await.ok();
                stream.write_all(bytes).await.ok();
                stream.shutdown().await.ok();
                soon(stream.read_to_end(&mut read)).await.ok();
            }
            Self::Silent => {
                soon(stream.read_to_end(&mut read)).await.ok();
            }
        }
        read
    }

    /// The authority that signed its certificate, to be trusted.
    pub(crate) fn ca_pem(&self) -> &str {
        match self {
            Self::Certificate(certificate) => certificate.ca_pem(),
            Self::Says(_) | Self::Silent => "",
        }
    }
}

/// Fails unless nothing of HTTP is in what a server read.
pub(crate) fn is_no_request(read: &[u8]) {
    let text = String::from_utf8_lossy(read).to_ascii_lowercase();
    for word in [" http/", "bearer", "authorization", "post ", "get ", "grant_type"] {
        assert!(!text.contains(word), "{word} in {text:?}");
    }
}
