//! Where the server is, and who logs in.

use std::sync::Arc;

#[cfg(feature = "sentinel")]
use crate::connection::address::sentinel::Watched;
#[cfg(feature = "tls")]
use crate::connection::tls::Identity;
use crate::{CredentialsProvider, RedisBackendBuilder, RedisBackplaneBuilder};

/// A backend and a backplane are told alike.
macro_rules! setters {
    ($($builder:ty),+) => {$(
        impl $builder {
            /// Where the server is: `redis://[[USER]:PASSWORD@]HOST[:PORT][/DATABASE]`, `rediss://` for TLS
            /// (with the feature `tls`), or `unix:///PATH`.
            pub fn url(mut self, url: impl Into<String>) -> Self {
                self.address.url = Some(url.into());
                self
            }

            /// Where the server is, instead of a URL: a name or an IP address, and a port.
            pub fn host(mut self, host: impl Into<String>, port: u16) -> Self {
                self.address.host = Some((host.into(), port));
                self
            }

            /// The nodes of a cluster to begin with, as URLs; the others are found through them. All must
            /// have the same credentials.
            #[cfg(feature = "cluster")]
            pub fn cluster_nodes<U: Into<String>>(mut self, urls: impl IntoIterator<Item = U>) -> Self {
                self.address.nodes = urls.into_iter().map(Into::into).collect();
                self
            }

            /// The master of this name, wherever it is by the word of sentinels: `redis://[[USER]:PASSWORD@]HOST[:PORT]`
            /// of each, port 26379 if none is given. Give all of them; one that answers is enough.
            ///
            /// User name, password, credentials and database that are set here are the master's. The sentinels' own are
            /// in their URLs. With `rediss://` for all of them (and the feature `tls`), the master is reached over TLS,
            /// too, and its certificate has to be for the host or IP address by which the sentinels name it.
            ///
            /// ```
            /// use hitbox_redis::RedisBackend;
            ///
            /// let cache = RedisBackend::builder()
            ///     .sentinel(
            ///         ["redis://one.internal", "redis://two.internal", "redis://three.internal:26380"],
            ///         "mymaster",
            ///     )
            ///     .password("the master's")
            ///     .build()?;
            /// # Ok::<(), hitbox_backend::BackendError>(())
            /// ```
            #[cfg(feature = "sentinel")]
            pub fn sentinel<U: Into<String>>(
                mut self,
                urls: impl IntoIterator<Item = U>,
                name: impl Into<String>,
            ) -> Self {
                self.address.watched = Some(Watched {
                    urls: urls.into_iter().map(Into::into).collect(),
                    name: name.into(),
                });
                self
            }

            /// The user to log in as, in place of the URL's. Default: the server's default user. Needs a password,
            /// here or in the URL.
            pub fn username(mut self, username: impl Into<String>) -> Self {
                self.address.access.login.username = Some(username.into());
                self
            }

            /// The password to log in with, in place of the URL's.
            pub fn password(mut self, password: impl Into<String>) -> Self {
                self.address.access.login.password = Some(password.into());
                self
            }

            /// Who gives the credentials for each connection, instead of a user name and a password: for those that
            /// change while the backend lives. The same provider is asked for each node of a cluster.
            pub fn credentials(mut self, provider: impl CredentialsProvider) -> Self {
                self.address.access.credentials = Some(Arc::new(provider));
                self
            }

            /// The database to use, in place of the URL's. Default: 0.
            pub const fn database(mut self, database: u32) -> Self {
                self.address.access.login.database = Some(database);
                self
            }

            /// The certificate authorities to trust with TLS, as PEM, in place of the system's. Only with a URL that
            /// asks for TLS.
            #[cfg(feature = "tls")]
            pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
                self.address.access.certificates.root = Some(pem.into());
                self
            }

            /// The certificate to prove who this client is, for a server that asks for one: a chain as PEM, the
            /// client's own certificate first, and its private key as PEM, not encrypted. Only with a URL that asks
            /// for TLS.
            ///
            /// They are read once. For those that are replaced before they end, build another backend.
            #[cfg(feature = "tls")]
            pub fn client_certificate(
                mut self,
                chain: impl Into<Vec<u8>>,
                key: impl Into<Vec<u8>>,
            ) -> Self {
                self.address.access.certificates.client = Some(Identity {
                    chain: chain.into(),
                    key: key.into(),
                });
                self
            }
        }
    )+};
}

setters!(RedisBackendBuilder, RedisBackplaneBuilder);
