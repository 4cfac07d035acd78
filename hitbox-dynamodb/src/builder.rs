use std::{fmt, time::Duration};

use aws_sdk_dynamodb::{Client, config::Credentials};
use aws_types::SdkConfig;
use hitbox_backend::{
    BackendError, BackendResult, CacheKeyFormat, Capabilities, Compressor, Format, Operation,
    StoreSettings, byte_store::Codec,
};
use hitbox_core::BackendLabel;

use crate::{
    AttributeNames, DynamoDbBackend, ReadConsistency,
    connection::{client::Limits, link::Link, source::Source},
    error::failure::Failure,
    inner::Inner,
    requests::{Requests, item, stored_key::LONGEST_NAMESPACE},
    settings,
    statistics::Counters,
};

/// The label of a backend that is given none.
const DEFAULT_LABEL: &str = "dynamodb";

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
    settings: StoreSettings,
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
            settings: StoreSettings::new(),
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

    /// The settings that all adapters have, in place of those that were made so far. Each also has a
    /// setter here.
    pub fn settings(mut self, settings: StoreSettings) -> Self {
        self.settings = settings;
        self
    }

    /// The name in source paths, errors and traces. Default: `dynamodb`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.settings = self.settings.label(label);
        self
    }

    /// The namespace of all keys, of up to 1,022 bytes: see [`StoreSettings::namespace`]. Default: none.
    pub fn namespace(mut self, name: &str) -> Self {
        self.settings = self.settings.namespace(name);
        self
    }

    /// How keys become stored keys: see [`StoreSettings::key_format`]. A namespace has up to 1,022 bytes.
    ///
    /// A stored key of more than 2,048 bytes, the most that DynamoDB takes, is replaced by its
    /// digest (BLAKE3, behind the namespace and `%blake3:`). The key in full is stored in the item
    /// and checked on every read, and takes its length from the room for the value.
    pub fn key_format(mut self, key_format: CacheKeyFormat) -> Self {
        self.settings = self.settings.key_format(key_format);
        self
    }

    /// The format that typed access encodes values in: see [`StoreSettings::value_format`]. Default:
    /// bincode.
    pub fn value_format(mut self, format: impl Format + 'static) -> Self {
        self.settings = self.settings.value_format(format);
        self
    }

    /// What payloads are compressed with: see [`StoreSettings::compressor`]. Default: nothing.
    pub fn compressor(mut self, compressor: impl Compressor + 'static) -> Self {
        self.settings = self.settings.compressor(compressor);
        self
    }

    /// The largest payload to store, in bytes: see [`StoreSettings::largest_value`]. Default, and most: what
    /// fits into an item of 400 KB beside its names and a key of 2,048 bytes, about 407,000 bytes.
    pub const fn largest_value(mut self, bytes: usize) -> Self {
        self.settings.largest_value = Some(bytes);
        self
    }

    /// The largest payload to decode, in bytes: see [`StoreSettings::largest_decoded`]. Default: 64 MiB.
    pub const fn largest_decoded(mut self, bytes: usize) -> Self {
        self.settings.largest_decoded = bytes;
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
        let codec = self.codec()?;
        let label = codec.label().clone();
        self.checked(codec)
            .map_err(|failure| failure.into_error(Operation::Open, &label))
    }

    fn checked(mut self, codec: Codec) -> Result<DynamoDbBackend, Failure> {
        let table = self.table.take().ok_or_else(|| {
            Failure::invalid_configuration("`table` is missing: name the table to keep values in")
        })?;
        settings::table(&table).map_err(Failure::invalid_configuration)?;
        let limits = self.limits().map_err(Failure::invalid_configuration)?;
        if codec.key_format().namespace().len() > LONGEST_NAMESPACE {
            return Err(Failure::invalid_configuration(
                "`key_format` has a namespace over 1,022 bytes: shorten it",
            ));
        }
        let connection = self.source.connection()?;
        let place = format!("table `{table}`{}", connection.server());
        let clients = connection.clients(limits, codec.label());
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
            codec,
        }))
    }

    fn codec(&self) -> BackendResult<Codec> {
        let label = || self.settings.label_or(DEFAULT_LABEL);
        if let Some(defect) = self.attributes.defect() {
            return Err(BackendError::invalid_configuration(label(), defect));
        }
        let most = item::largest_payload(&self.attributes);
        let set = self.settings.largest_value;
        if let Some(largest_value) = set.filter(|largest_value| *largest_value > most) {
            let detail = format!(
                "`largest_value` is {largest_value}: an item has room for {most} bytes; lower it, \
                 or set a compressor"
            );
            return Err(BackendError::invalid_configuration(label(), detail));
        }
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = Some(most);
        capabilities.persistent = true;
        capabilities.shared = true;
        Codec::new(self.settings.clone(), DEFAULT_LABEL, capabilities)
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
            .field("settings", &self.settings)
            .finish()
    }
}
