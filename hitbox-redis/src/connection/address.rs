//! Where the server is and how to log in, from the settings to the client.

pub(crate) mod access;
#[cfg(feature = "sentinel")]
pub(crate) mod sentinel;
mod url;

#[cfg(feature = "cluster")]
use std::mem;

#[cfg(feature = "cluster")]
use redis::ConnectionInfo;
use redis::IntoConnectionInfo;

#[cfg(feature = "sentinel")]
use crate::connection::address::sentinel::Watched;
#[cfg(feature = "cluster")]
use crate::{cluster::Cluster, connection::node::NodeAddress};
use crate::{
    commands::exchange::Target,
    connection::{
        Limits,
        address::{
            access::Access,
            url::{UNUSABLE_HOST, check_address},
        },
        link::{Link, LinkSettings},
        place::Place,
    },
};

/// What the builder was told. Never shown as it is: the URLs and the password are secrets.
#[derive(Clone, Default)]
pub(crate) struct Address {
    pub(crate) url: Option<String>,
    pub(crate) host: Option<(String, u16)>,
    #[cfg(feature = "cluster")]
    pub(crate) nodes: Vec<String>,
    #[cfg(feature = "sentinel")]
    pub(crate) watched: Option<Watched>,
    pub(crate) access: Access,
}

impl Address {
    /// What is at this address, and the address in words, without credentials. An error says what is
    /// wrong with which setting, without showing it.
    pub(crate) fn target(&self, settings: LinkSettings) -> Result<(Target, String), &'static str> {
        #[cfg(feature = "cluster")]
        if self.has_nodes() && !self.has_sentinels() {
            self.access.check()?;
            return self.cluster(settings);
        }
        let place = self.place(settings.limits)?;
        let shown = place.shown();
        Ok((Target::Server(Link::new(place, settings).into()), shown))
    }

    /// The one server that has both a store and the log of its news.
    pub(crate) fn place_of_log(&self, limits: Limits) -> Result<Place, &'static str> {
        if self.has_nodes() {
            return Err(
                "`cluster_nodes`: a cluster does not take a change and its news as one transaction, so nothing is \
                 announced there, nor heard: give one server by `url`, or a master by `sentinel`",
            );
        }
        self.place(limits)
    }

    /// Where the one server is.
    fn place(&self, limits: Limits) -> Result<Place, &'static str> {
        self.access.check()?;
        #[cfg(not(feature = "sentinel"))]
        let _for_sentinels = limits;
        #[cfg(feature = "sentinel")]
        if let Some(watched) = &self.watched {
            if self.url.is_some() || self.host.is_some() || self.has_nodes() {
                return Err(
                    "`sentinel` is given besides `url`, `host` or `cluster_nodes`: give one of them",
                );
            }
            return watched.place(&self.access, limits);
        }
        let info = match (&self.url, &self.host) {
            (Some(url), None) => self.access.connection_info(url)?,
            (None, Some((host, port))) => (host.as_str(), *port)
                .into_connection_info()
                .map_err(|_| UNUSABLE_HOST)
                .and_then(|info| self.access.login.complete(info))?,
            (Some(_), Some(_)) => return Err("`url` and `host` are both given: give one of them"),
            (None, None) => return Err("`url` is missing: say where the server is"),
        };
        check_address(info.addr())?;
        Ok(Place::Address(self.access.peer(&info)?))
    }

    fn has_nodes(&self) -> bool {
        #[cfg(feature = "cluster")]
        return !self.nodes.is_empty();
        #[cfg(not(feature = "cluster"))]
        false
    }

    #[cfg(feature = "cluster")]
    fn has_sentinels(&self) -> bool {
        #[cfg(feature = "sentinel")]
        return self.watched.is_some();
        #[cfg(not(feature = "sentinel"))]
        false
    }

    #[cfg(feature = "cluster")]
    fn cluster(&self, settings: LinkSettings) -> Result<(Target, String), &'static str> {
        if self.url.is_some() || self.host.is_some() {
            return Err("`cluster_nodes` is given besides `url` or `host`: give one of them");
        }
        let nodes = self
            .nodes
            .iter()
            .map(|url| self.access.connection_info(url))
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
        let cluster = Cluster::new(seeds, self.access.peer(first)?, settings);
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
