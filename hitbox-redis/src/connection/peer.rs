use redis::ConnectionInfo;

/// Where a server is and how to log in there.
#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) info: ConnectionInfo,
    #[cfg(feature = "tls")]
    pub(crate) tls: Option<tokio_rustls::TlsConnector>,
}

impl Peer {
    /// The address, without credentials.
    pub(crate) fn shown(&self) -> String {
        self.info.addr().to_string()
    }
}
