use std::{
    fmt,
    sync::{Arc, atomic::AtomicU64},
    time::Duration,
};

use hitbox_backend::{
    BackendResult, BincodeFormat, CacheKeyFormat, Compressor, Format, Operation,
    compression::NoCompression, stored_form,
};
use hitbox_core::BackendLabel;

use crate::{
    RedisBackend, address::Address, backend::Inner, connection::Limits, encoder::Encoder,
    error::invalid_configuration, exchange::Exchange, link::LinkSettings,
};

/// Redis does not store longer strings unless it is told to.
const LONGEST_STRING: usize = 512 << 20;

/// The settings of a [`RedisBackend`]. Only where the server is must be given: by
/// [`url`](Self::url), [`host`](Self::host) or, for a cluster, `cluster_nodes`.
///
/// ```
/// use std::time::Duration;
/// use hitbox_redis::RedisBackend;
///
/// let cache = RedisBackend::builder()
///     .url("redis://cache.internal:6379/2")
///     .password("from the secret store")
///     .namespace("shop")
///     .deadline(Duration::from_millis(200))
///     .build()?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build` or `connect` is called"]
pub struct RedisBackendBuilder {
    address: Address,
    label: BackendLabel,
    key_format: CacheKeyFormat,
    value_format: Arc<dyn Format>,
    compressor: Arc<dyn Compressor>,
    largest_value: usize,
    connect_timeout: Option<Duration>,
    response_timeout: Option<Duration>,
    deadline: Duration,
}

impl RedisBackendBuilder {
    /// The default of [`largest_value`](Self::largest_value): 64 MiB.
    pub const DEFAULT_LARGEST_VALUE: usize = 64 << 20;
    /// The default of [`deadline`](Self::deadline): 0.8 seconds.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(800);

    pub(crate) fn new() -> Self {
        Self {
            address: Address::default(),
            label: BackendLabel::new_static("redis"),
            key_format: CacheKeyFormat::TEXT,
            value_format: Arc::new(BincodeFormat),
            compressor: Arc::new(NoCompression),
            largest_value: Self::DEFAULT_LARGEST_VALUE,
            connect_timeout: None,
            response_timeout: None,
            deadline: Self::DEFAULT_DEADLINE,
        }
    }

    /// Where the server is: `redis://[USER[:PASSWORD]@]HOST[:PORT][/DATABASE]`, `rediss://` for TLS
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

    /// The user to log in as, in place of the URL's. Default: the server's default user.
    pub fn username(mut self, username: impl Into<String>) -> Self {
        self.address.login.username = Some(username.into());
        self
    }

    /// The password to log in with, in place of the URL's.
    pub fn password(mut self, password: impl Into<String>) -> Self {
        self.address.login.password = Some(password.into());
        self
    }

    /// The database to use, in place of the URL's. Default: 0.
    pub const fn database(mut self, database: u32) -> Self {
        self.address.login.database = Some(database);
        self
    }

    /// The certificate authorities to trust with TLS, as PEM, in place of the system's.
    #[cfg(feature = "tls")]
    pub fn root_certificate(mut self, pem: impl Into<Vec<u8>>) -> Self {
        self.address.root_certificate = Some(pem.into());
        self
    }

    /// The name in source paths, errors and traces. Default: `redis`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = label.into();
        self
    }

    /// Puts a name before every stored key: `shop::users:v1:id=42`. Keeps applications apart that
    /// share a server. The same as a [`key_format`](Self::key_format) of
    /// [`CacheKeyFormat::namespaced`].
    pub fn namespace(self, name: &str) -> Self {
        self.key_format(CacheKeyFormat::namespaced(name))
    }

    /// How keys become stored keys. Default: the canonical text form.
    pub fn key_format(mut self, key_format: CacheKeyFormat) -> Self {
        self.key_format = key_format;
        self
    }

    /// The format that typed access encodes values in. Default: bincode. Values that were stored in
    /// another format stay readable.
    pub fn value_format(mut self, format: impl Format + 'static) -> Self {
        self.value_format = Arc::new(format);
        self
    }

    /// What payloads are compressed with as they are stored. Default: nothing. Values that were
    /// stored with another compressor stay readable.
    pub fn compressor(mut self, compressor: impl Compressor + 'static) -> Self {
        self.compressor = Arc::new(compressor);
        self
    }

    /// The largest payload to store, in bytes, after compression. A larger one is refused with
    /// [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge). At most 512 MiB less the 40 bytes
    /// of the stored form's header. Default: 64 MiB (typed access does not decode more than that).
    ///
    /// While a large value is on its way, the other commands of this backend wait behind it.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = bytes;
        self
    }

    /// How long opening a connection may take, logging in included. Default: five eighths of the
    /// [`deadline`](Self::deadline), which is half a second by default.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// How long the reply to a command may take. Default: five eighths of the
    /// [`deadline`](Self::deadline), which is half a second by default.
    pub const fn response_timeout(mut self, limit: Duration) -> Self {
        self.response_timeout = Some(limit);
        self
    }

    /// How long any call may take in all: waiting for a connection, the reply, and the second
    /// attempt on a connection that broke. Bulk calls too. Default: 0.8 seconds.
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// The backend. Does no I/O: the connection is opened when it is first used.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) for settings
    /// that cannot work; the message names the setting.
    pub fn build(self) -> BackendResult<RedisBackend> {
        self.check()
            .map_err(|detail| invalid_configuration(&self.label, detail))?;
        let opened = Arc::new(AtomicU64::new(0));
        let settings = LinkSettings {
            limits: self.limits(),
            label: self.label.clone(),
            opened: Arc::clone(&opened),
        };
        let (target, address) = self
            .address
            .target(settings)
            .map_err(|detail| invalid_configuration(&self.label, detail))?;
        Ok(RedisBackend::from(Inner {
            exchange: Exchange {
                target,
                deadline: self.deadline,
                opened,
            },
            address,
            label: self.label,
            key_format: self.key_format,
            value_format: self.value_format,
            encoder: Encoder::new(self.compressor, self.largest_value),
            rejections: Arc::default(),
        }))
    }

    /// [`build`](Self::build), and a connection at once, for those who would rather fail now than at
    /// the first use.
    ///
    /// # Errors
    ///
    /// What [`build`](Self::build) returns, and if the server cannot be reached or refuses the
    /// credentials, what is listed for [`RedisBackend`].
    pub async fn connect(self) -> BackendResult<RedisBackend> {
        let backend = self.build()?;
        backend.ping_as(Operation::Open).await?;
        Ok(backend)
    }

    fn limits(&self) -> Limits {
        let default = self.deadline * 5 / 8;
        Limits {
            connect: self.connect_timeout.unwrap_or(default),
            response: self.response_timeout.unwrap_or(default),
        }
    }

    fn check(&self) -> Result<(), &'static str> {
        if self.largest_value == 0 {
            return Err("`largest_value` is 0: nothing could be stored; raise it");
        }
        if self.largest_value > LONGEST_STRING - stored_form::HEADER_LENGTH {
            return Err(
                "`largest_value` is over 512 MiB less 40 bytes, Redis's own limit: lower it",
            );
        }
        if self.deadline.is_zero() {
            return Err("`deadline` is zero: no call could succeed; raise it");
        }
        let Limits { connect, response } = self.limits();
        if connect.is_zero() || connect >= self.deadline {
            return Err("`connect_timeout` must be more than zero and less than `deadline`");
        }
        // Else it would not be a limit at all.
        if response.is_zero() || response >= self.deadline {
            return Err("`response_timeout` must be more than zero and less than `deadline`");
        }
        Ok(())
    }
}

/// Shows no URL and no credentials.
impl fmt::Debug for RedisBackendBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackendBuilder")
            .field("label", &self.label.as_str())
            .field("key_format", &self.key_format)
            .field("value_format", &self.value_format)
            .field("compressor", &self.compressor)
            .field("largest_value", &self.largest_value)
            .field("connect_timeout", &self.connect_timeout)
            .field("response_timeout", &self.response_timeout)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
