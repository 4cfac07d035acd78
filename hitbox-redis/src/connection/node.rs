/// Host and port of a server.
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub(crate) struct NodeAddress {
    pub(crate) host: String,
    pub(crate) port: u16,
}

#[cfg(feature = "cluster")]
impl NodeAddress {
    /// `None` for a Unix socket.
    pub(crate) fn of(address: &redis::ConnectionAddr) -> Option<Self> {
        use redis::ConnectionAddr;

        let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = address
        else {
            return None;
        };
        Some(Self {
            host: host.clone(),
            port: *port,
        })
    }
}
