use std::{fmt, sync::Arc, time::Duration};

use aws_sdk_dynamodb::{Client, config::Credentials};
use aws_types::SdkConfig;
use hitbox_backend::{
    BackendResult, BincodeFormat, CacheKeyFormat, Capabilities, Compressor, Format, Operation,
    compression::NoCompression,
};
use hitbox_core::BackendLabel;

use crate::{
    AttributeNames, DynamoDbBackend, ReadConsistency, backend::Inner, client::Connection,
    error::Failure, item, requests::Requests, statistics::Counters, stored_key::LONGEST_NAMESPACE,
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
    client: Option<Client>,
    sdk_config: Option<SdkConfig>,
    endpoint: Option<String>,
    region: Option<String>,
    credentials: Option<Credentials>,
    consistency: ReadConsistency,
    attributes: AttributeNames,
    operation_timeout: Duration,
    attempt_timeout: Duration,
    label: BackendLabel,
    key_format: CacheKeyFormat,
    value_format: Arc<dyn Format>,
    compressor: Arc<dyn Compressor>,
    largest_value: Option<usize>,
}

impl DynamoDbBackendBuilder {
    /// The default of [`operation_timeout`](Self::operation_timeout): 800 ms.
    pub const DEFAULT_OPERATION_TIMEOUT: Duration = Duration::from_millis(800);
    /// The default of [`attempt_timeout`](Self::attempt_timeout): 400 ms.
    pub const DEFAULT_ATTEMPT_TIMEOUT: Duration = Duration::from_millis(400);

    pub(crate) fn new() -> Self {
        Self {
            table: None,
            client: None,
            sdk_config: None,
            endpoint: None,
            region: None,
            credentials: None,
            consistency: ReadConsistency::default(),
            attributes: AttributeNames::default(),
            operation_timeout: Self::DEFAULT_OPERATION_TIMEOUT,
            attempt_timeout: Self::DEFAULT_ATTEMPT_TIMEOUT,
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
    /// timeouts and retries give way to those of the backend.
    pub fn client(mut self, client: Client) -> Self {
        self.client = Some(client);
        self
    }

    /// The configuration that the SDK's clients of this application share, as `aws-config` loads
    /// it from the environment.
    ///
    /// Its timeouts and retries give way to those of the backend. If it has no HTTP client, the
    /// backend brings one, with TLS by rustls.
    pub fn sdk_config(mut self, config: SdkConfig) -> Self {
        self.sdk_config = Some(config);
        self
    }

    /// The URL of a server, `http://` or `https://`. Default: AWS's in the
    /// [`region`](Self::region).
    pub fn endpoint(mut self, url: impl Into<String>) -> Self {
        self.endpoint = Some(url.into());
        self
    }

    /// The AWS region that the table is in, e.g. `eu-central-1`. A server on one's own machine
    /// takes any.
    pub fn region(mut self, region: impl Into<String>) -> Self {
        self.region = Some(region.into());
        self
    }

    /// Credentials that do not change. For those that are renewed, or have a session token, use
    /// [`sdk_config`](Self::sdk_config).
    pub fn credentials(
        mut self,
        access_key_id: impl Into<String>,
        secret_access_key: impl Into<String>,
    ) -> Self {
        self.credentials = Some(Credentials::new(
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

    /// The longest that any call takes, retries included. Default: 800 ms.
    ///
    /// A bulk operation has no longer: what has not come by then fails with
    /// [`Timeout`](hitbox_backend::BackendErrorKind::Timeout) or
    /// [`Throttled`](hitbox_backend::BackendErrorKind::Throttled), key by key. Raise it for bulk
    /// operations of many megabytes.
    pub const fn operation_timeout(mut self, limit: Duration) -> Self {
        self.operation_timeout = limit;
        self
    }

    /// When the read or removal of one key is given up and sent once more: it may be the connection
    /// that hangs. Default: 400 ms. Within [`operation_timeout`](Self::operation_timeout) in any
    /// case.
    ///
    /// Requests for many keys have the whole of the operation's time, and so do writes: the request
    /// that was given up could be applied after a later one.
    pub const fn attempt_timeout(mut self, limit: Duration) -> Self {
        self.attempt_timeout = limit;
        self
    }

    /// The name in source paths, errors and traces. Default: `dynamodb`.
    pub fn label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = label.into();
        self
    }

    /// Puts a name of up to 1,022 bytes before every stored key: `shop::users:v1:id=42`. Keeps
    /// applications apart that share a table. The same as a [`key_format`](Self::key_format) of
    /// [`CacheKeyFormat::namespaced`].
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
        let table = self.table.take().filter(|name| !name.is_empty());
        let table = table.ok_or_else(|| {
            Failure::invalid_configuration("`table` is missing: name the table to keep values in")
        })?;
        self.check_timeouts()?;
        if self.key_format.namespace().len() > LONGEST_NAMESPACE {
            return Err(Failure::invalid_configuration(
                "`key_format` has a namespace over 1,022 bytes: shorten it",
            ));
        }
        let attempt_timeout = self.attempt_timeout.min(self.operation_timeout);
        let connection = self.connection()?;
        let (hasty, patient) = connection.clients(attempt_timeout, self.operation_timeout);
        Ok(DynamoDbBackend::from(Inner {
            requests: Requests {
                hasty,
                patient,
                table,
                attributes: self.attributes,
                consistency: self.consistency,
            },
            operation_timeout: self.operation_timeout,
            label: self.label,
            key_format: self.key_format,
            value_format: self.value_format,
            compressor: self.compressor,
            capabilities,
            counters: Counters::default(),
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

    fn check_timeouts(&self) -> Result<(), Failure> {
        for (name, timeout) in [
            ("operation_timeout", self.operation_timeout),
            ("attempt_timeout", self.attempt_timeout),
        ] {
            if timeout.is_zero() {
                return Err(Failure::invalid_configuration(format!(
                    "`{name}` is zero: no request could be answered in time; raise it"
                )));
            }
        }
        Ok(())
    }

    fn connection(&mut self) -> Result<Connection, Failure> {
        let refuse = |detail: &str| Err(Failure::invalid_configuration(detail));
        let parts = self.endpoint.is_some() || self.region.is_some() || self.credentials.is_some();
        match (self.client.take(), self.sdk_config.take()) {
            (Some(_), Some(_)) => refuse("`client` and `sdk_config` are both set: choose one"),
            (Some(_), None) if parts => refuse(
                "`client` is set, so `endpoint`, `region` and `credentials` go into that client",
            ),
            (None, Some(_)) if parts => refuse(
                "`sdk_config` is set, so `endpoint`, `region` and `credentials` go into that",
            ),
            (Some(client), None) => Ok(Connection::Client(client)),
            (None, Some(config)) if config.credentials_provider().is_none() => {
                refuse("`sdk_config` has no credentials provider: set one")
            }
            (None, Some(config)) if config.region().is_none() => {
                refuse("`sdk_config` has no region: set one")
            }
            (None, Some(config)) => Ok(Connection::SdkConfig(Box::new(config))),
            (None, None) => self.connection_from_parts(),
        }
    }

    fn connection_from_parts(&mut self) -> Result<Connection, Failure> {
        if let Some(defect) = self.endpoint.as_deref().and_then(endpoint_defect) {
            return Err(Failure::invalid_configuration(defect));
        }
        let (Some(region), Some(credentials)) = (self.region.take(), self.credentials.take())
        else {
            return Err(Failure::invalid_configuration(
                "`region` and `credentials` are needed, or `sdk_config`, or `client`",
            ));
        };
        Ok(Connection::Parts {
            endpoint: self.endpoint.take(),
            region,
            credentials,
        })
    }
}

/// Without the URL in it: it may hold a password.
fn endpoint_defect(url: &str) -> Option<&'static str> {
    let Some(rest) = url
        .strip_prefix("http://")
        .or_else(|| url.strip_prefix("https://"))
    else {
        return Some("`endpoint` must begin with http:// or https://");
    };
    let authority = rest.split(['/', '?', '#']).next().unwrap_or_default();
    if authority.is_empty() {
        return Some("`endpoint` names no host");
    }
    if authority.contains('@') {
        return Some("`endpoint` holds a user or password: give them with `credentials`");
    }
    None
}

/// Shows neither credentials nor the endpoint, which may hold some until it is checked.
impl fmt::Debug for DynamoDbBackendBuilder {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbBackendBuilder")
            .field("table", &self.table)
            .field("client", &self.client.is_some())
            .field("sdk_config", &self.sdk_config.is_some())
            .field("endpoint", &self.endpoint.is_some())
            .field("region", &self.region)
            .field("credentials", &self.credentials.is_some())
            .field("read_consistency", &self.consistency)
            .field("attribute_names", &self.attributes)
            .field("operation_timeout", &self.operation_timeout)
            .field("attempt_timeout", &self.attempt_timeout)
            .field("label", &self.label)
            .field("key_format", &self.key_format)
            .field("value_format", &self.value_format)
            .field("compressor", &self.compressor)
            .field("largest_value", &self.largest_value)
            .finish()
    }
}
