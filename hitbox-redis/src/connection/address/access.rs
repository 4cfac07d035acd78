//! How to log in, and over what.

use std::sync::Arc;

#[cfg(feature = "tls")]
use redis::ConnectionAddr;
use redis::{ConnectionInfo, RedisConnectionInfo};
#[cfg(feature = "tls")]
use tokio_rustls::TlsConnector;

#[cfg(feature = "tls")]
use crate::connection::tls::Certificates;
use crate::{
    Credentials, CredentialsProvider,
    connection::{
        address::url::parse_url,
        peer::{Peer, Role},
    },
};

#[cfg(feature = "tls")]
const INSECURE: &str = "the URL asks for TLS without a check of the certificate: leave `#insecure` out, and give \
     `root_certificate` where the certificate is not from a public authority";

/// The server would take whoever it is for its default user.
pub(super) const NO_PASSWORD: &str = "a user name is given without `password`: give both (a URL's are redis://USER:PASSWORD@HOST), or \
     neither";

const TWO_CREDENTIALS: &str = "`credentials` is given besides a user name or password in the URL, or by `username` and `password`: give \
     one of them";

/// What the builder was told of it. Never shown: these are secrets.
#[derive(Clone, Default)]
pub(crate) struct Access {
    pub(crate) login: Login,
    pub(crate) credentials: Option<Arc<dyn CredentialsProvider>>,
    /// See [`Peer::others`].
    pub(crate) others: Option<Arc<str>>,
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

impl Access {
    pub(super) fn check(&self) -> Result<(), &'static str> {
        self.login.check()?;
        if self.credentials.is_some() && self.login.is_given() {
            return Err(TWO_CREDENTIALS);
        }
        Ok(())
    }

    pub(super) fn connection_info(&self, url: &str) -> Result<ConnectionInfo, &'static str> {
        self.login.complete(parse_url(url)?)
    }

    pub(super) fn peer(&self, info: &ConnectionInfo) -> Result<Peer, &'static str> {
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
            role: Role::Any,
            others: self.others.clone(),
            #[cfg(feature = "tls")]
            tls: self.tls(info.addr())?,
        })
    }

    #[cfg(feature = "tls")]
    fn tls(&self, address: &ConnectionAddr) -> Result<Option<TlsConnector>, &'static str> {
        let tls = self.tls_if_wanted(address)?;
        if tls.is_none() {
            self.certificates.check_unused()?;
        }
        Ok(tls)
    }

    #[cfg(feature = "tls")]
    pub(super) fn tls_if_wanted(
        &self,
        address: &ConnectionAddr,
    ) -> Result<Option<TlsConnector>, &'static str> {
        let ConnectionAddr::TcpTls { insecure, .. } = address else {
            return Ok(None);
        };
        if *insecure {
            return Err(INSECURE);
        }
        Ok(Some(self.certificates.connector()?))
    }
}

/// The simple case of a provider.
pub(super) fn fixed(username: Option<&str>, password: &str) -> Arc<dyn CredentialsProvider> {
    Arc::new(match username {
        Some(username) => Credentials::new(username, password),
        None => Credentials::of_default_user(password),
    })
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

    pub(super) fn complete(&self, info: ConnectionInfo) -> Result<ConnectionInfo, &'static str> {
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
