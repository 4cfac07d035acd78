use std::sync::Arc;

use redis::ConnectionAddr;

use crate::CredentialsProvider;

/// A server, and how to log in there.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) address: ConnectionAddr,
    pub(crate) credentials: Option<Arc<dyn CredentialsProvider>>,
    pub(crate) database: i64,
    pub(crate) role: Role,
    /// The key by which others say that they announce what they change, for one that does not.
    pub(crate) others: Option<Arc<str>>,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsConnector>,
}

/// What a server has to be.
#[cfg_attr(
    not(feature = "sentinel"),
    expect(dead_code, reason = "nobody else tells masters from others")
)]
#[derive(Clone, Copy, PartialEq, Eq)]
pub(crate) enum Role {
    /// Whatever it is, if it has data.
    Any,
    Master,
    Sentinel,
}

impl Peer {
    /// The same at another address.
    #[cfg(any(feature = "cluster", feature = "sentinel"))]
    pub(crate) fn at(&self, host: String, port: u16) -> Self {
        let address = if let ConnectionAddr::TcpTls { .. } = self.address {
            ConnectionAddr::TcpTls {
                host,
                port,
                insecure: false,
                tls_params: None,
            }
        } else {
            ConnectionAddr::Tcp(host, port)
        };
        Self {
            address,
            ..self.clone()
        }
    }
}
