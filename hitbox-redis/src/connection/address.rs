//! Where the server is and how to log in, from the settings to the client.

#[cfg(feature = "cluster")]
use std::mem;
use std::{net::Ipv6Addr, sync::Arc};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};
#[cfg(feature = "tls")]
use tokio_rustls::TlsConnector;

#[cfg(feature = "cluster")]
use crate::cluster::{Cluster, slots::NodeAddress};
#[cfg(feature = "tls")]
use crate::connection::tls::Certificates;
use crate::{
    Credentials, CredentialsProvider,
    commands::exchange::Target,
    connection::{
        link::{End, Link, LinkSettings},
        peer::Peer,
    },
};

/// What the builder was told. Never shown as it is: the URLs and the password are secrets.
#[derive(Clone, Default)]
pub(crate) struct Address {
    pub(crate) url: Option<String>,
    pub(crate) host: Option<(String, u16)>,
    #[cfg(feature = "cluster")]
    pub(crate) nodes: Vec<String>,
    pub(crate) login: Login,
    pub(crate) credentials: Option<Arc<dyn CredentialsProvider>>,
    #[cfg(feature = "tls")]
    pub(crate) certificates: Certificates,
}

/// Completes or overrides what a URL says.
#[derive(Clone, Default)]
pub(crate) struct Login {
    pub(crate) username: Option<String>,
    pub(crate) password: Option<String>,
    pub(crate) database: Option<u32>,
}

const UNUSABLE_URL: &str = "`url` cannot be used: write redis://HOST:PORT/DATABASE, rediss:// (TLS) or \
     unix:///PATH; in a user name or password, percent-encode characters such as `@`, `/`, `#` and \
     `%`, or give them by `username` and `password`";

const UNCLEAN_URL: &str = "`url` has a line end or another control character in it, or a space around it, which would \
     be dropped in silence: take it out, percent-encode it, or give the password by `password`";

const UNUSED_OPTION: &str = "`url` has something after `?` or `#` that is not used: give the database as \
     redis://HOST:PORT/DATABASE or by `database`; unix:///PATH takes `db`, `user` and `pass`, each once";

const UNUSABLE_DATABASE: &str =
    "the database in `url` cannot be used: give a number from 0 to 4294967295";

#[cfg(feature = "tls")]
const INSECURE: &str = "the URL asks for TLS without a check of the certificate: leave `#insecure` out, and give \
     `root_certificate` where the certificate is not from a public authority";

/// The server would take whoever it is for its default user.
const NO_PASSWORD: &str = "a user name is given without `password`: give both (a URL's are redis://USER:PASSWORD@HOST), or \
     neither";

const TWO_CREDENTIALS: &str = "`credentials` is given besides a user name or password in the URL, or by `username` and `password`: give \
     one of them";

impl Address {
    /// What is at this address, and the address in words, without credentials. An error says what is
    /// wrong with which setting, without showing it.
    pub(crate) fn target(&self, settings: LinkSettings) -> Result<(Target, String), &'static str> {
        self.login.check()?;
        if self.credentials.is_some() && self.login.is_given() {
            return Err(TWO_CREDENTIALS);
        }
        #[cfg(feature = "cluster")]
        if !self.nodes.is_empty() {
            return self.cluster(settings);
        }
        let info = match (&self.url, &self.host) {
            (Some(url), None) => self.connection_info(url)?,
            (None, Some((host, port))) => (host.as_str(), *port)
                .into_connection_info()
                .map_err(|_| UNUSABLE_HOST)
                .and_then(|info| self.login.complete(info))?,
            (Some(_), Some(_)) => return Err("`url` and `host` are both given: give one of them"),
            (None, None) => return Err("`url` is missing: say where the server is"),
        };
        check_address(info.addr())?;
        let shown = info.addr().to_string();
        let link = Link::new(self.peer(&info)?, End::Address, settings);
        Ok((Target::Server(link.into()), shown))
    }

    fn connection_info(&self, url: &str) -> Result<ConnectionInfo, &'static str> {
        let wants_tls = url.starts_with("rediss:") || url.starts_with("valkeys:");
        if wants_tls && cfg!(not(feature = "tls")) {
            return Err("the URL asks for TLS: turn on the feature `tls` of hitbox-redis");
        }
        if url.trim() != url || url.contains(char::is_control) {
            return Err(if url.trim().is_empty() {
                UNUSABLE_URL
            } else {
                UNCLEAN_URL
            });
        }
        let info = url.into_connection_info().map_err(|_| UNUSABLE_URL)?;
        check_options(url)?;
        if u32::try_from(info.redis_settings().db()).is_err() {
            return Err(UNUSABLE_DATABASE);
        }
        self.login.complete(info)
    }

    fn peer(&self, info: &ConnectionInfo) -> Result<Peer, &'static str> {
        let settings = info.redis_settings();
        let credentials = match (&self.credentials, settings.password()) {
            (Some(_), Some(_)) => return Err(TWO_CREDENTIALS),
            (Some(provider), None) => Some(Arc::clone(provider)),
            (None, password) => password.map(|password| fixed(settings.username(), password)),
        };
        Ok(Peer {
            address: info.addr().clone(),
            credentials,
            database: settings.db(),
            #[cfg(feature = "tls")]
            tls: self.tls(info.addr())?,
        })
    }

    #[cfg(feature = "tls")]
    fn tls(&self, address: &ConnectionAddr) -> Result<Option<TlsConnector>, &'static str> {
        let ConnectionAddr::TcpTls { insecure, .. } = address else {
            self.certificates.check_unused()?;
            return Ok(None);
        };
        if *insecure {
            return Err(INSECURE);
        }
        Ok(Some(self.certificates.connector()?))
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
        nodes
            .iter()
            .try_for_each(|node| check_address(node.addr()))?;
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
        let cluster = Cluster::new(seeds, self.peer(first)?, settings);
        Ok((Target::Cluster(cluster), shown.join(",")))
    }
}

fn fixed(username: Option<&str>, password: &str) -> Arc<dyn CredentialsProvider> {
    Arc::new(match username {
        Some(username) => Credentials::new(username, password),
        None => Credentials::of_default_user(password),
    })
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

const UNUSABLE_HOST: &str = "the host cannot be used: give a name or an IP address without brackets, and a \
     port over 0 apart from it, by `url` or `host`";

/// The client ignores the options that it does not know.
fn check_options(url: &str) -> Result<(), &'static str> {
    let parsed = redis::parse_redis_url(url).ok_or(UNUSABLE_URL)?;
    let is_socket = parsed.scheme().ends_with("unix");
    let mut given: Vec<_> = parsed.query_pairs().map(|(name, _)| name).collect();
    let are_known = given
        .iter()
        .all(|name| is_socket && ["db", "user", "pass"].contains(&&**name));
    let count = given.len();
    given.sort_unstable();
    given.dedup();
    // What a fragment says of TLS is looked at with the certificate.
    let is_of_tls = ["rediss", "valkeys"].contains(&parsed.scheme());
    let has_fragment = parsed.fragment().is_some() && !is_of_tls;
    if !are_known || given.len() < count || has_fragment {
        return Err(UNUSED_OPTION);
    }
    Ok(())
}

/// A name with a space or a control character in it is nobody's, and would be shown in errors. So would one
/// that comes with a port or a user.
fn check_address(address: &ConnectionAddr) -> Result<(), &'static str> {
    let (ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. }) = address
    else {
        return Ok(());
    };
    // In a URL, what is percent-encoded in a host stays so.
    let is_unusable =
        |part: char| part.is_whitespace() || part.is_control() || "%@/?#[]".contains(part);
    let is_name = !host.contains(':') || host.parse::<Ipv6Addr>().is_ok();
    if host.is_empty() || host.contains(is_unusable) || !is_name || *port == 0 {
        return Err(UNUSABLE_HOST);
    }
    Ok(())
}

impl Login {
    fn check(&self) -> Result<(), &'static str> {
        if self.username.as_ref().is_some_and(String::is_empty) {
            return Err("`username` is empty: leave it out, or give one");
        }
        if self.password.as_ref().is_some_and(String::is_empty) {
            return Err("`password` is empty: leave it out, or give one");
        }
        Ok(())
    }

    const fn is_given(&self) -> bool {
        self.username.is_some() || self.password.is_some()
    }

    fn complete(&self, info: ConnectionInfo) -> Result<ConnectionInfo, &'static str> {
        let mut settings: RedisConnectionInfo = info.redis_settings().clone();
        if let Some(username) = &self.username {
            settings = settings.set_username(username);
        }
        if let Some(password) = &self.password {
            settings = settings.set_password(password);
        }
        if let Some(database) = self.database {
            settings = settings.set_db(database.into());
        }
        if settings.username().is_some() && settings.password().is_none() {
            return Err(NO_PASSWORD);
        }
        Ok(info.set_redis_settings(settings))
    }
}
