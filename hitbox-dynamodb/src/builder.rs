use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, config::Credentials};
use aws_types::SdkConfig;
use hitbox_backend::{
    BackendResult, BincodeFormat, CacheKeyFormat, Capabilities, Compressor, Format, Operation,
    compression::NoCompression,
};
use hitbox_core::BackendLabel;

use crate::{
    AttributeNames, DynamoDbBackend, ReadConsistency, backend::Inner, client::Limits,
    failure::Failure, item, link::Link, requests::Requests, settings, source::Source,
    statistics::Counters, stored_key::LONGEST_NAMESPACE,
};

/// The settings of a [`DynamoDbBackend`].
///
/// [`table`](Self::table) must be given, and how to get there: one of
///
/// - [`sdk_config`](Self::sdk_config), as the `aws-config` crate loads it,
/// - [`client`](Self::client), ready made,
/// - [`region`](Self::region) and [`credentials`](Self::credentials), and for another server than
///   AWS's, [`endpoint`](Self::endpoint).
///
/// ```
/// use hitbox_dynamodb::DynamoDbBackend;
///
/// let cache = DynamoDbBackend::builder()
///     .table("cache")
///     .endpoint("http://localhost:8000")
///     .region("eu-central-1")
///     .credentials("an id", "a secret")
///     .build()?;
/// # Ok::<(), hitbox_backend::BackendError>(())
/// ```
#[derive(Clone)]
#[must_use = "settings do nothing until `build` is called"]
pub struct DynamoDbBackendBuilder {
    table: Option<String>,
    source: Source,
    consistency: ReadConsistency,
    attributes: AttributeNames,
    deadline: Duration,
    attempt_timeout: Option<Duration>,
    connect_timeout: Option<Duration>,
    max_connections: usize,
    label: BackendLabel,
    key_format: CacheKeyFormat,
    value_format: Arc<dyn Format>,
    compressor: Arc<dyn Compressor>,
    largest_value: Option<usize>,
}

impl DynamoDbBackend {
    /// A builder with the default settings.
    pub fn builder() -> DynamoDbBackendBuilder {
        DynamoDbBackendBuilder::new()
    }
}

impl DynamoDbBackendBuilder {
    /// The default of [`deadline`](Self::deadline): 800 ms.
    pub const DEFAULT_DEADLINE: Duration = Duration::from_millis(800);
    /// The default of [`attempt_timeout`](Self::attempt_timeout): 400 ms.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);
    /// The default of [`max_connections`](Self::max_connections): 64.
    pub const DEFAULT_MAX_CONNECTIONS: usize = 64;

    pub(crate) fn new() -> Self {
        Self {
            table: None,
            source: Source::default(),
            consistency: ReadConsistency::default(),
            attributes: AttributeNames::default(),
            deadline: Self::DEFAULT_DEADLINE,
            attempt_timeout: None,
            connect_timeout: None,
            max_connections: Self::DEFAULT_MAX_CONNECTIONS,
            label: BackendLabel::new_static("dynamodb"),
            key_format: CacheKeyFormat::TEXT,
            value_format: Arc::new(BincodeFormat),
            compressor: Arc::new(NoCompression),
            largest_value: None,
        }
    }

    /// The name or the ARN of the table.
    pub fn table(mut self, name: impl Into<String>) -> Self {
        self.table = Some(name.into());
        self
    }

    /// A client to go by. Its HTTP client, endpoint, credentials and interceptors are used; its
    /// timeouts, retries and cache of credentials give way to those of the backend.
    ///
    /// If it has no HTTP client, the backend brings one. One that it has keeps its connections as it
    /// was told to: [`max_connections`](Self::max_connections) then bounds requests, connections
    /// that died together are found dead one by one, and of several runtimes each needs a backend of
    /// its own.
    pub fn client(mut self, client: Client) -> Self {
        self.source.client = Some(client);
        self
    }

    /// The configuration that the SDK's clients of this application share, as `aws-config` loads
    /// it from the environment.
    ///
    /// Its timeouts, retries and cache of credentials give way to those of the backend. If it has no
    /// HTTP client, the backend brings one, with TLS by rustls; for one that it has, see
    /// [`client`](Self::client).
    ///
    /// Credentials are loaded apart from the calls that need them, however long their provider
    /// takes; they are renewed five minutes before they expire, and soon after the service has
    /// refused them.
    pub fn sdk_config(mut self, config: SdkConfig) -> Self {
        self.source.sdk_config = Some(config);
        self
    }

    /// The URL of a server, `http://` or `https://`. Default: AWS's in the
    /// [`region`](Self::region).
    ///
    /// A server that is not on this machine is reached through the proxy that the environment
    /// variables `HTTP_PROXY`, `HTTPS_PROXY`, `ALL_PROXY` and `NO_PROXY` name, if they do.
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.source.endpoint = Some(url.into());
        self
    }

    /// The AWS region that the table is in, e.g. `eu-central-1`. A server on one's own machine
    /// takes any.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.source.region = Some(region.into());
        self
    }

    /// Credentials that do not change. For those that are renewed, or have a session token, use
    /// [`sdk_config`](Self::sdk_config).
    pub fn credentials(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
    ) -> Self {
        self.source.credentials = Some(Credentials::new(
            access_key_id,
            secret_access_key,
            None,
            None,
            "static",
        ));
        self
    }

    /// How fresh the answer to a read is. Default: [`ReadConsistency::Strong`].
    pub const fn read_consistency(mut self, consistency: ReadConsistency) -> Self {
        self.consistency = consistency;
        self
    }

    /// What the attributes of an item are called. See [`AttributeNames`] for the defaults.
    pub fn attribute_names(mut self, names: AttributeNames) -> Self {
        self.attributes = names;
        self
    }

    /// The longest that any call takes: waiting for a connection, and retries, included. Default:
    /// 800 ms.
    ///
    /// A bulk operation has no longer: what has not come by then fails with
    /// [`Timeout`](hitbox_backend::BackendErrorKind::Timeout) or
    /// [`Throttled`](hitbox_backend::BackendErrorKind::Throttled), key by key. Raise it for bulk
    /// operations of many megabytes.
    ///
    /// The time is that of tokio's clock. In a test in which that stands still
    /// (`start_paused = true`) it jumps whenever nothing but the network is waited for, so calls fail
    /// with `Timeout`: leave it running there.
    pub const fn deadline(mut self, limit: Duration) -> Self {
        self.deadline = limit;
        self
    }

    /// When the read or removal of one key is given up and sent once more: it may be the connection
    /// that hangs. No more than the [`deadline`](Self::deadline). Default: 400 ms, or the deadline
    /// if that is shorter.
    ///
    /// Requests for many keys have the whole of the call's time, and so do writes: the request that
    /// was given up could be applied after a later one.
    pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = Some(limit);
        self
    }

    /// How long it may take to open a connection, TLS included. No more than the
    /// [`deadline`](Self::deadline). Default: the [`attempt_timeout`](Self::attempt_timeout).
    pub const fn connect_timeout(mut self, limit: Duration) -> Self {
        self.connect_timeout = Some(limit);
        self
    }

    /// How many connections there are at most, for each tokio runtime that uses the backend, and so
    /// how many requests are under way at a time. Default: 64. Calls that find none free wait within
    /// their [`deadline`](Self::deadline). A connection that has nothing to do is closed after a
    /// minute.
    pub const fn max_connections(mut self, most: usize) -> Self {
        self.max_connections = most;
        self
    }

    /// The name in source paths, errors and traces. Default: `dynamodb`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = label.into();
        self
    }

    /// Puts a name of up to 1,022 bytes before every stored key: `shop::users:v1:id=42`. Keeps
    /// applications apart that share a table. The same as a [`key_format`](Self::key_format) of
    /// [`CacheKeyFormat::namespaced`]. An empty name is no namespace. Default: none.
    pub fn namespace(self, name: &str) -> Self {
        self.key_format(CacheKeyFormat::namespaced(name))
    }

    /// How keys become stored keys, e.g. with a namespace of up to 1,022 bytes. Default: the
    /// canonical text form.
    ///
    /// A stored key of more than 2,048 bytes, the most that DynamoDB takes, is replaced by its
    /// digest (BLAKE3, behind the namespace and `%blake3:`). The key in full is stored in the item
    /// and checked on every read, and takes its length from the room for the value.
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
    /// [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge). Default, and most: what fits into
    /// an item of 400 KB beside its names and a key of 2,048 bytes, about 407,000 bytes.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.largest_value = Some(bytes);
        self
    }

    /// The backend. Does no I/O: [`DynamoDbBackend::verify_table`] tells whether the table is
    /// there.
    ///
    /// # Errors
    ///
    /// [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration), naming the
    /// setting, for settings that are missing, contradict each other or cannot work.
    pub fn build(self) -> BackendResult<DynamoDbBackend> {
        let label = self.label.clone();
        self.checked()
            .map_err(|failure| failure.into_error(Operation::Open, &label))
    }

    fn checked(mut self) -> Result<DynamoDbBackend, Failure> {
        let capabilities = self.capabilities()?;
        let table = self.table.take().ok_or_else(|| {
            Failure::invalid_configuration("`table` is missing: name the table to keep values in")
        })?;
        settings::table(&table).map_err(Failure::invalid_configuration)?;
        let limits = self.limits().map_err(Failure::invalid_configuration)?;
        if self.key_format.namespace().len() > LONGEST_NAMESPACE {
            return Err(Failure::invalid_configuration(
                "`key_format` has a namespace over 1,022 bytes: shorten it",
            ));
        }
        let connection = self.source.connection()?;
        let place = format!("table `{table}`{}", connection.server());
        let clients = connection.clients(limits, &self.label);
        Ok(DynamoDbBackend::from(Inner {
            requests: Requests {
                per_attempt: clients.per_attempt,
                full_timeout: clients.full_timeout,
                table,
                attributes: self.attributes,
                consistency: self.consistency,
            },
            link: Link {
                connections: clients.connections,
                credentials: clients.credentials,
                counters: Counters::default(),
            },
            place,
            deadline: limits.deadline,
            label: self.label,
            key_format: self.key_format,
            value_format: self.value_format,
            compressor: self.compressor,
            capabilities,
        }))
    }

    fn capabilities(&self) -> Result<Capabilities, Failure> {
        if let Some(defect) = self.attributes.defect() {
            return Err(Failure::invalid_configuration(defect));
        }
        let most = item::largest_payload(&self.attributes);
        let largest_value = self.largest_value.unwrap_or(most);
        if largest_value == 0 {
            return Err(Failure::invalid_configuration(
                "`largest_value` is 0: nothing could be stored; raise it",
            ));
        }
        if largest_value > most {
            return Err(Failure::invalid_configuration(format!(
                "`largest_value` is {largest_value}: an item has room for {most} bytes; lower it, \
                 or set a compressor"
            )));
        }
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = Some(largest_value);
        capabilities.persistent = true;
        capabilities.shared = true;
        Ok(capabilities)
    }

    fn limits(&self) -> Result<Limits, String> {
        let deadline = self.deadline;
        settings::duration("deadline", deadline)?;
        let attempt = self.attempt_timeout;
        let attempt = attempt.unwrap_or(Self::DEFAULT_ATTEMPT_TIMEOUT.min(deadline));
        settings::within_deadline("attempt_timeout", attempt, deadline)?;
        let connect = self.connect_timeout.unwrap_or(attempt);
        settings::within_deadline("connect_timeout", connect, deadline)?;
        settings::max_connections(self.max_connections)?;
        Ok(Limits {
            deadline,
            attempt,
            connect,
            connections: self.max_connections,
        })
    }
}

/// Shows neither credentials nor the endpoint, which may hold some until it is checked.
impl fmt::Debug for DynamoDbBackendBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbBackendBuilder")
            .field("table", &self.table)
            .field("client", &self.source.client.is_some())
            .field("sdk_config", &self.source.sdk_config.is_some())
            .field("endpoint", &self.source.endpoint.is_some())
            .field("region", &self.source.region)
            .field("credentials", &self.source.credentials.is_some())
            .field("read_consistency", &self.consistency)
            .field("attribute_names", &self.attributes)
            .field("deadline", &self.deadline)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("connect_timeout", &self.connect_timeout)
            .field("max_connections", &self.max_connections)
            .field("label", &self.label)
            .field("key_format", &self.key_format)
            .field("value_format", &self.value_format)
            .field("compressor", &self.compressor)
            .field("largest_value", &self.largest_value)
            .finish()
    }
}
