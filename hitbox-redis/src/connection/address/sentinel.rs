//! The settings of a master that sentinels watch.

use std::{mem, sync::Arc};

use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo};

use crate::{
    connection::{
        Limits,
        address::{
            access::{Access, NO_PASSWORD, fixed},
            url::{check_address, parse_url},
        },
        peer::{Peer, Role},
        place::Place,
    },
    sentinel::Sentinels,
};

/// Where sentinels listen if a URL does not say.
const PORT: u16 = 26_379;

/// What the builder was told of sentinels. The URLs may hold their passwords.
#[derive(Clone)]
pub(crate) struct Watched {
    pub(crate) urls: Vec<String>,
    pub(crate) name: String,
}

const NO_SENTINELS: &str = "`sentinel` is given without the URL of one";
const UNUSABLE_NAME: &str =
    "the master's name in `sentinel` cannot be used: give the one in `sentinel monitor NAME ..`";
const MIXED: &str = "the URLs in `sentinel` differ: all must be redis:// or all rediss://";
const SOCKETS: &str =
    "the URLs in `sentinel` cannot be Unix sockets: give redis:// or rediss:// URLs";
const DATABASE: &str =
    "a URL in `sentinel` has a database, which sentinels do not: give the master's by `database`";

impl Watched {
    pub(super) fn place(&self, access: &Access, limits: Limits) -> Result<Place, &'static str> {
        let is_unusable = |part: char| part.is_whitespace() || part.is_control();
        if self.name.is_empty() || self.name.contains(is_unusable) {
            return Err(UNUSABLE_NAME);
        }
        let sentinels = self.urls.iter().map(|url| sentinel(access, url));
        let sentinels = sentinels.collect::<Result<Vec<_>, _>>()?;
        let first = sentinels.first().ok_or(NO_SENTINELS)?;
        let transport = mem::discriminant(&first.address);
        let is_other = |peer: &Peer| mem::discriminant(&peer.address) != transport;
        if sentinels.iter().any(is_other) {
            return Err(MIXED);
        }
        let mut master = access.peer(&somewhere(access, first)?)?;
        master.role = Role::Master;
        let sentinels = Sentinels::new(self.name.clone(), sentinels, master, limits);
        Ok(Place::Master(Arc::new(sentinels)))
    }
}

/// How to log in to the master, wherever it is: by TLS if the sentinels are reached so.
fn somewhere(access: &Access, sentinel: &Peer) -> Result<ConnectionInfo, &'static str> {
    let address = sentinel.at(String::new(), 0).address;
    let info = address.into_connection_info().map_err(|_| UNUSABLE_NAME)?;
    access.login.complete(info)
}

fn sentinel(access: &Access, url: &str) -> Result<Peer, &'static str> {
    let info = parse_url(url)?;
    let has_port = redis::parse_redis_url(url).is_some_and(|url| url.port().is_some());
    let port = |given: u16| if has_port { given } else { PORT };
    let address = if let ConnectionAddr::Tcp(host, given) = info.addr() {
        ConnectionAddr::Tcp(host.clone(), port(*given))
    } else if let ConnectionAddr::TcpTls {
        host,
        port: given,
        insecure,
        tls_params,
    } = info.addr()
    {
        ConnectionAddr::TcpTls {
            host: host.clone(),
            port: port(*given),
            insecure: *insecure,
            tls_params: tls_params.clone(),
        }
    } else {
        return Err(SOCKETS);
    };
    check_address(&address)?;
    let settings = info.redis_settings();
    if settings.db() != 0 {
        return Err(DATABASE);
    }
    let credentials = match (settings.username(), settings.password()) {
        (Some(_), None) => return Err(NO_PASSWORD),
        (username, password) => password.map(|password| fixed(username, password)),
    };
    #[cfg(not(feature = "tls"))]
    let _has_no_certificates = access;
    Ok(Peer {
        #[cfg(feature = "tls")]
        tls: access.tls_if_wanted(&address)?,
        address,
        credentials,
        database: 0,
        role: Role::Sentinel,
        others: None,
    })
}
