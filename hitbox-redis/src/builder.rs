use std::{fmt, sync::Arc, time::Duration};

use hitbox_backend::{
    BackendResult, BincodeFormat, CacheKeyFormat, Compressor, Format, compression::NoCompression,
    stored_form,
};
use hitbox_core::BackendLabel;

use crate::{
    RedisBackend, address::Address, backend::Inner, clock::Clocks, connection::Limits,
    encoder::Encoder, error::invalid_configuration, exchange::Exchange, incoming::Bounds,
    link::LinkSettings,
};

/// Redis does not store longer strings unless it is told to.
const LONGEST_STRING: usize = 512 << 20;

const SHORTEST_LIMIT: Duration = Duration::from_millis(1);
const LONGEST_LIMIT: Duration = Duration::from_secs(24 * 60 * 60);

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
    attempt_timeout: Option<Duration>,
    deadline: Duration,
}

impl RedisBackend {
    /// A builder with the default settings.
    pub fn builder() -> RedisBackendBuilder {
        RedisBackendBuilder::new()
    }
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
            attempt_timeout: None,
            deadline: Self::DEFAULT_DEADLINE,
        }
    }

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

    /// The user to log in as, in place of the URL's. Default: the server's default user. Needs a password,
    /// here or in the URL.
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

    /// The certificate authorities to trust with TLS, as PEM, in place of the system's. Only with a URL that
    /// asks for TLS.
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
    /// [`CacheKeyFormat::namespaced`]. An empty name is no namespace. Default: none.
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
    /// [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge). At most 512 MiB less the 48 bytes
    /// of the stored form's header. Default: 64 MiB (typed access does not decode more than that).
    ///
    /// What is stored by others and is longer, and longer than 64 MiB, is a miss: of such a string only the
    /// beginning is kept as it is read.
    ///
    /// While a large value is on its way, the other commands of this backend wait behind it.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = bytes;
        self
    }

    /// How long one attempt to open a connection may take, the look-up of the name and the login
    /// included. Default: five eighths of the
    /// [`deadline`](Self::deadline), which is half a second by default.
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// How long one attempt may take, from its sending to its reply. Default: five eighths of the
    /// [`deadline`](Self::deadline), which is half a second by default.
    pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// How long any call may take in all: waiting for a connection, the reply, and the second
    /// attempt on a connection that broke. Bulk calls too. Default: 0.8 seconds.
    ///
    /// This and the other limits are at least a millisecond and at most a day. They are measured by
    /// the timer of the tokio runtime that a call is made on. A runtime whose clock is paused
    /// (`#[tokio::test(start_paused = true)]`) skips to the next timer while it waits for a server, so
    /// every call there ends with [`Timeout`](hitbox_backend::BackendErrorKind::Timeout): pause the
    /// clock only where there is no server.
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
            .map_err(|detail| invalid_configuration(&self.label, &detail))?;
        let settings = LinkSettings {
            limits: self.limits(),
            label: self.label.clone(),
            opened: Arc::default(),
            opening: Arc::default(),
            home: Arc::default(),
            learned: Arc::default(),
            clocks: Arc::new(Clocks::new()),
        };
        let (target, address) = self
            .address
            .target(settings.clone())
            .map_err(|detail| invalid_configuration(&self.label, detail))?;
        Ok(RedisBackend::from(Inner {
            exchange: Exchange {
                target,
                deadline: self.deadline,
                settings,
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
    /// credentials, what is listed for [`RedisBackend`]. It is not tried again, and nothing of it is logged
    /// but at DEBUG.
    pub async fn connect(self) -> BackendResult<RedisBackend> {
        let backend = self.build()?;
        backend.open().await?;
        Ok(backend)
    }

    fn limits(&self) -> Limits {
        let default = self.deadline / 8 * 5;
        Limits {
            connect: self.connect_timeout.unwrap_or(default),
            attempt: self.attempt_timeout.unwrap_or(default),
            bounds: Bounds {
                string: self.largest_value.max(Self::DEFAULT_LARGEST_VALUE)
                    + stored_form::HEADER_LENGTH,
                reply: self.deadline,
            },
        }
    }

    fn check(&self) -> Result<(), String> {
        if self.largest_value == 0 {
            return Err("`largest_value` is 0: nothing could be stored; raise it".to_owned());
        }
        if self.largest_value > LONGEST_STRING - stored_form::HEADER_LENGTH {
            return Err(format!(
                "`largest_value` is {}: Redis's own limit is {LONGEST_STRING} bytes, {} of which are \
                 the header's; lower it",
                self.largest_value,
                stored_form::HEADER_LENGTH
            ));
        }
        check_span("deadline", self.deadline)?;
        let limits = [
            ("connect_timeout", self.connect_timeout),
            ("attempt_timeout", self.attempt_timeout),
        ];
        for (setting, limit) in limits {
            let Some(limit) = limit else { continue };
            check_span(setting, limit)?;
            // Else it would not be a limit at all.
            if limit >= self.deadline {
                return Err(format!(
                    "`{setting}` is {limit:?}, and `deadline` is {:?}: lower the one, or raise the \
                     other",
                    self.deadline
                ));
            }
        }
        Ok(())
    }
}

/// Timers count in milliseconds, and nobody waits for longer than a day.
fn check_span(setting: &str, limit: Duration) -> Result<(), String> {
    if limit < SHORTEST_LIMIT {
        return Err(format!(
            "`{setting}` is {limit:?}: no call could succeed; give {SHORTEST_LIMIT:?} or more"
        ));
    }
    if limit > LONGEST_LIMIT {
        return Err(format!(
            "`{setting}` is {limit:?}: that is no limit; give a day or less"
        ));
    }
    Ok(())
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
            .field("attempt_timeout", &self.attempt_timeout)
            .field("deadline", &self.deadline)
            .finish_non_exhaustive()
    }
}
