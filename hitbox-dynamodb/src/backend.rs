use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus, Format,
    Operation, ReadOutcome, Rejection,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

use crate::{inner::Inner, requests::attempts::Attempts, statistics::Statistics, table};

/// A cache in a DynamoDB table.
///
/// Made by [`DynamoDbBackend::builder`]. Clones share one client, and so its connections.
///
/// Every call ends within the
/// [`deadline`](crate::DynamoDbBackendBuilder::deadline), whatever the service does. It must be made within
/// a tokio runtime with I/O and time enabled. One backend may be used in several: each has
/// connections of its own, and the end of one costs the others nothing.
///
/// # Errors
///
/// Beside those that every backend has ([`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge)
/// for a value over the limit), an operation fails with
///
/// - [`Timeout`](hitbox_backend::BackendErrorKind::Timeout) or
///   [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable) if the service does not answer,
///   cannot be reached or fails, or if there are no credentials;
/// - [`Throttled`](hitbox_backend::BackendErrorKind::Throttled) if the table or the account is over
///   its throughput;
/// - [`Denied`](hitbox_backend::BackendErrorKind::Denied) if the credentials are not accepted, or
///   do not permit it;
/// - [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) if there is no
///   such table, its key schema does not fit, or DynamoDB finds a request invalid for another reason;
///   [`verify_table`](Self::verify_table) says what is wrong. And if there is no tokio runtime.
///
/// A write or removal that had to be sent again, because it is not known what became of the first
/// attempt, is no success even if the second attempt is: the first may still be applied, after a
/// newer change of the key. The error is that of the first attempt, and its
/// [`repeated`](hitbox_backend::BackendError::repeated) says what the second has made. Typed access
/// and compositions understand it.
///
/// Each says which table on which server it was. Credentials and values are in none of them.
///
/// # Cancel safety
///
/// A future dropped at any await leaves each key with its old value or the new one. A request that
/// has been sent may take effect after that.
#[derive(Clone)]
pub struct DynamoDbBackend {
    inner: Arc<Inner>,
}

impl From<Inner> for DynamoDbBackend {
    fn from(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl DynamoDbBackend {
    /// How long [`create_table_if_missing`](Self::create_table_if_missing) waits for the table: one
    /// minute.
    pub const TABLE_TIMEOUT: Duration = Duration::from_secs(60);

    /// What has happened since the backend was built. Does no I/O.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        let link = &self.inner.link;
        Statistics {
            retries: link.counters.retries(),
            connections_opened: link.connections.opened(),
            clock_skew_millis: link.connections.clock_skew().millis(),
            rejections: Arc::clone(self.inner.codec.rejections()),
        }
    }

    /// Checks that the table is there and that its key schema fits. Asks the service once, or a
    /// few times if it has to.
    ///
    /// A table on which DynamoDB does not delete expired items, or deletes by another attribute, is
    /// fit for use, but grows: that is traced at WARN. So is a server that does not tell, or may not.
    ///
    /// # Errors
    ///
    /// - [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) if the
    ///   table is not there, or if its key is not one partition key of type S with the expected
    ///   name; the message says which, and what to do.
    /// - [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration) if the
    ///   table is archived, or the key that it is encrypted with cannot be used.
    /// - [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable) if the table is being
    ///   created or deleted.
    /// - Those of any other operation.
    pub async fn verify_table(&self) -> BackendResult<()> {
        let inner = &*self.inner;
        let verified = table::verify(&inner.requests, inner.codec.label(), inner.attempts());
        verified
            .await
            .map_err(|failure| inner.error(failure, Operation::Open))
    }

    /// Makes the table ready for use: creates it if it is not there (on demand, paid per request),
    /// waits until it is active, checks its key schema, and has DynamoDB delete expired items.
    ///
    /// May be called by several processes at once, and on every start. Takes up to
    /// [`TABLE_TIMEOUT`](Self::TABLE_TIMEOUT); a new table usually takes some seconds. What may pass
    /// (throttling, too many tables being made at a time) is waited for as long. Where no service is
    /// reached, it fails like any other operation.
    ///
    /// Where the server knows no TTL, or does not permit to ask for it, the table is used without:
    /// it grows, and that is traced at WARN.
    ///
    /// # Errors
    ///
    /// Those of [`verify_table`](Self::verify_table), and `InvalidConfiguration` if DynamoDB
    /// already deletes the table's items by another attribute.
    ///
    /// # Cancel safety
    ///
    /// Dropped halfway, it leaves a table that the next call completes.
    pub async fn create_table_if_missing(&self) -> BackendResult<()> {
        let inner = &*self.inner;
        let attempts = Attempts::within(Self::TABLE_TIMEOUT, &inner.link).until_deadline();
        table::create_if_missing(&inner.requests, inner.codec.label(), attempts)
            .await
            .map_err(|failure| inner.error(failure, Operation::Open))
    }
}

#[async_trait]
impl Backend for DynamoDbBackend {
    /// One GetItem.
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }

    /// One PutItem. A DeleteItem instead, for a value that has expired or is refused.
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.inner.write(key, value).await
    }

    /// One DeleteItem, and another for an expired item that is still there. If it had to be sent
    /// again because its reply was lost, the error says so, and the item may be reported missing
    /// though it was deleted.
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }

    /// One BatchGetItem for 100 keys, several at a time. One that is refused for one of its keys is
    /// taken apart until the others are read: two requests a key at the most.
    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.inner.read_many(keys).await
    }

    /// One BatchWriteItem for 25 entries, several at a time. One that is refused for one of its
    /// entries is taken apart until the others are written: two requests an entry at the most.
    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.inner.write_many(entries).await
    }

    /// One DeleteItem per key, several at a time: a BatchWriteItem costs as much and does not tell
    /// what it found.
    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.inner.remove_many(keys).await
    }

    fn label(&self) -> BackendLabel {
        self.inner.codec.label().clone()
    }

    fn value_format(&self) -> &dyn Format {
        self.inner.codec.value_format()
    }

    fn key_format(&self) -> &CacheKeyFormat {
        self.inner.codec.key_format()
    }

    fn compressor(&self) -> &dyn Compressor {
        self.inner.codec.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.codec.capabilities().clone()
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.inner.codec.reject(key, rejection);
    }
}

/// Shows where it reads and writes, nothing of credentials or content.
impl fmt::Debug for DynamoDbBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbBackend")
            .field("label", self.inner.codec.label())
            .field("table", &self.inner.requests.table)
            .field("statistics", &self.statistics())
            .finish()
    }
}
