//! Where the server is and how to log in, from the settings to the client.

#[cfg(feature = "cluster")]
use std::mem;

use redis::{
    Client, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo, io::tcp::TcpSettings,
};

#[cfg(feature = "cluster")]
use crate::{cluster::Cluster, slots::NodeAddress};
use crate::{
    exchange::Target,
    link::{Link, LinkSettings},
};

/// Says who is connected, in `CLIENT LIST`.
const CLIENT_NAME: (&str, &str) = (env!("CARGO_PKG_NAME"), env!("CARGO_PKG_VERSION"));

/// What the builder was told. Never shown as it is: the URLs and the password are secrets.
#[derive(Clone, Default)]
pub(crate) struct Address {
    pub(crate) url: Option<String>,
    pub(crate) host: Option<(String, u16)>,
    #[cfg(feature = "cluster")]
    pub(crate) nodes: Vec<String>,
    pub(crate) login: Login,
    #[cfg(feature = "tls")]
    pub(crate) root_certificate: Option<Vec<u8>>,
}

/// Completes or overrides what a URL says.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<u32>,
}

const UNUSABLE_URL: &str = "the URL cannot be used: write redis://HOST:PORT/DATABASE, rediss:// (TLS) or \
     unix:///PATH; in a user name or password, percent-encode characters such as `@`, `/`, `#` and \
     `%`, or give them by `username` and `password`";

impl Address {
    /// What is at this address, and the address in words, without credentials. An error says what is
    /// wrong with which setting, without showing it.
    pub(crate) fn target(&self, settings: LinkSettings) -> Result<(Target, String), &'static str> {
        if self.login.username.is_some() && self.login.password.is_none() && self.url.is_none() {
            return Err("`username` is given without `password`: give both, or neither");
        }
        #[cfg(feature = "cluster")]
        if !self.nodes.is_empty() {
            return self.cluster(settings);
        }
        let info = match (&self.url, &self.host) {
            (Some(url), None) => self.connection_info(url)?,
            (None, Some((host, port))) => (host.as_str(), *port)
                .into_connection_info()
                .map_err(|_| "`host` cannot be used: give a name or an IP address")
                .map(|info| self.login.complete(info))?,
            (Some(_), Some(_)) => return Err("`url` and `host` are both given: give one of them"),
            (None, None) => return Err("`url` is missing: say where the server is"),
        };
        let shown = info.addr().to_string();
        let client = self.client(info)?;
        Ok((Target::Server(Link::new(client, settings).into()), shown))
    }

    fn connection_info(&self, url: &str) -> Result<ConnectionInfo, &'static str> {
        let wants_tls = url.starts_with("rediss:") || url.starts_with("valkeys:");
        if wants_tls && cfg!(not(feature = "tls")) {
            return Err("the URL asks for TLS: turn on the feature `tls` of hitbox-redis");
        }
        let info = url.into_connection_info().map_err(|_| UNUSABLE_URL)?;
        Ok(self.login.complete(info))
    }

    fn client(&self, info: ConnectionInfo) -> Result<Client, &'static str> {
        #[cfg(feature = "tls")]
        if let redis::ConnectionAddr::TcpTls { .. } = info.addr() {
            return crate::tls::client(info, self.root_certificate.as_ref());
        }
        Client::open(info).map_err(|_| UNUSABLE_URL)
    }

    #[cfg(feature = "cluster")]
    fn cluster(&self, settings: LinkSettings) -> Result<(Target, String), &'static str> {
        if self.url.is_some() || self.host.is_some() {
            return Err("`cluster_nodes` is given besides `url` or `host`: give one of them");
        }
        let nodes = self
            .nodes
            .iter()
            .map(|url| self.connection_info(url))
            .collect::<Result<Vec<_>, _>>()?;
        let first = &nodes[0];
        if nodes.iter().any(|node| !is_same_login(node, first)) {
            return Err(
                "`cluster_nodes` differ: all must be redis:// or all rediss://, with the same \
                 user name, password and database",
            );
        }
        let seeds = nodes
            .iter()
            .map(|node| NodeAddress::of(node.addr()))
            .collect::<Option<Vec<_>>>()
            .ok_or("`cluster_nodes` cannot be Unix sockets: give redis:// or rediss:// URLs")?;
        let shown: Vec<_> = nodes.iter().map(|node| node.addr().to_string()).collect();
        // Holds the certificates, too, if there are any.
        let login = self.client(first.clone())?.get_connection_info().clone();
        let cluster = Cluster::new(seeds, login, settings);
        Ok((Target::Cluster(cluster), shown.join(",")))
    }
}

/// Whether two nodes are logged in to in the same way.
#[cfg(feature = "cluster")]
fn is_same_login(one: &ConnectionInfo, two: &ConnectionInfo) -> bool {
    let same_transport = mem::discriminant(one.addr()) == mem::discriminant(two.addr());
    let (one, two) = (one.redis_settings(), two.redis_settings());
    same_transport
        && one.username() == two.username()
        && one.password() == two.password()
        && one.db() == two.db()
}

impl Login {
    fn complete(&self, info: ConnectionInfo) -> ConnectionInfo {
        let (name, version) = CLIENT_NAME;
        let mut settings: RedisConnectionInfo =
            info.redis_settings().clone().set_lib_name(name, version);
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database {
            settings = settings.set_db(database.into());
        }
        info.set_redis_settings(settings)
            .set_tcp_settings(tcp_settings())
    }
}

/// Commands are small and somebody waits for each: they are not to be held back to be sent together.
fn tcp_settings() -> TcpSettings {
    TcpSettings::default().set_nodelay(true)
}
