use std::{fmt, sync::Arc, time::Duration};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus,
    Format, Operation, ReadOutcome, Rejection, Repeated,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw, clock};

use crate::{
    attempts::Attempts,
    change::{Change, Room},
    failure::Failure,
    item::{self, Item, LARGEST_ITEM},
    link::Link,
    requests::{Removal, Requests},
    statistics::Statistics,
    stored_key::StoredKey,
    table,
};

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

pub(crate) struct Inner {
    pub(crate) requests: Requests,
    pub(crate) link: Link,
    /// Which table on which server, for errors.
    pub(crate) place: String,
    pub(crate) deadline: Duration,
    pub(crate) label: BackendLabel,
    pub(crate) key_format: CacheKeyFormat,
    pub(crate) value_format: Arc<dyn Format>,
    pub(crate) compressor: Arc<dyn Compressor>,
    pub(crate) capabilities: Capabilities,
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
            clock_skew_seconds: link.connections.clock_skew().seconds(),
            rejections: Arc::clone(&link.counters.rejections),
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
        let verified = table::verify(&inner.requests, &inner.label, inner.attempts());
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
        table::create_if_missing(&inner.requests, &inner.label, attempts)
            .await
            .map_err(|failure| inner.error(failure, Operation::Open))
    }
}

#[async_trait]
impl Backend for DynamoDbBackend {
    /// One GetItem.
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let inner = &*self.inner;
        let stored_key = inner.stored_key(key);
        let found = inner
            .attempts()
            .request(|| inner.requests.get(&stored_key))
            .await
            .map_err(|failure| inner.error(failure, Operation::Read))?;
        Ok(found.and_then(|item| inner.accept(key, &stored_key, item)))
    }

    /// One PutItem. A DeleteItem instead, for a value that has expired or is refused.
    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let inner = &*self.inner;
        let requests = &inner.requests;
        let stored_key = inner.stored_key(key);
        let mut attempts = inner.attempts();
        let made = |()| Repeated::Write;
        let outcome = match inner.change(&stored_key, &value) {
            Ok(Change::Put { stored, expire }) => {
                let item = || item::of(&stored_key, &stored, expire, &requests.attributes);
                attempts
                    .change(|&reply| made(reply), || requests.put(item()))
                    .await
            }
            Ok(Change::Clear { outcome: Ok(()) }) => {
                let clear = || requests.delete(&stored_key);
                attempts.change(|&reply| made(reply), clear).await
            }
            // That the value is refused is what the caller has to know; a deletion that comes late
            // costs a miss.
            Ok(Change::Clear { outcome: refused }) => {
                let cleared = attempts.request(|| requests.delete(&stored_key)).await;
                cleared.and(refused)
            }
            Err(failure) => Err(failure),
        };
        outcome.map_err(|failure| inner.error(failure, Operation::Write))
    }

    /// One DeleteItem, and another for an expired item that is still there. If it had to be sent
    /// again because its reply was lost, the error says so, and the item may be reported missing
    /// though it was deleted.
    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let inner = &*self.inner;
        let removed = inner.remove(&inner.stored_key(key), inner.attempts()).await;
        removed.map_err(|failure| inner.error(failure, Operation::Remove))
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
        self.inner.label.clone()
    }

    fn value_format(&self) -> &dyn Format {
        &*self.inner.value_format
    }

    fn key_format(&self) -> &CacheKeyFormat {
        &self.inner.key_format
    }

    fn compressor(&self) -> &dyn Compressor {
        &*self.inner.compressor
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities.clone()
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.inner.reject(key, rejection);
    }
}

impl Inner {
    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts::within(self.deadline, &self.link)
    }

    pub(crate) fn stored_key(&self, key: &CacheKey) -> StoredKey {
        StoredKey::new(&self.key_format, key)
    }

    /// What writing `value` comes down to.
    pub(crate) fn change(
        &self,
        key: &StoredKey,
        value: &CacheValue<Raw>,
    ) -> Result<Change, Failure> {
        let largest = self.capabilities.largest_value.unwrap_or(LARGEST_ITEM);
        let room = Room {
            key,
            largest_value: largest,
            attributes: &self.requests.attributes,
        };
        Change::of(value, &*self.compressor, &room)
    }

    pub(crate) async fn remove(
        &self,
        key: &StoredKey,
        mut attempts: Attempts<'_>,
    ) -> Result<DeleteStatus, Failure> {
        let now = clock::now();
        let made = |removal: &Removal| Repeated::Remove(removal.status());
        let removal = attempts.change(made, || self.requests.delete_live(key, now));
        let removal = removal.await?;
        match removal {
            Removal::Deleted | Removal::Absent => {}
            // Deleted even so: a process whose clock is behind would still take it for live.
            Removal::Expired => {
                let made = |()| Repeated::Remove(removal.status());
                let delete = || self.requests.delete(key);
                attempts.change(|&reply| made(reply), delete).await?;
            }
        }
        Ok(removal.status())
    }

    /// The value in an item that was found under `key`, if it is live.
    pub(crate) fn accept(
        &self,
        key: &CacheKey,
        stored_key: &StoredKey,
        item: Item,
    ) -> Option<CacheValue<Raw>> {
        item::value(item, stored_key, &self.requests.attributes)
            .map_err(|rejection| self.reject(key, rejection))
            .ok()
            .filter(|value| !value.is_expired())
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        let rejections = &self.link.counters.rejections;
        rejections.note(&self.label, key, rejection);
    }

    pub(crate) fn error(&self, failure: Failure, operation: Operation) -> BackendError {
        failure.at(&self.place).into_error(operation, &self.label)
    }
}

/// Shows where it reads and writes, nothing of credentials or content.
impl fmt::Debug for DynamoDbBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("DynamoDbBackend")
            .field("label", &self.inner.label)
            .field("table", &self.inner.requests.table)
            .field("statistics", &self.statistics())
            .finish()
    }
}
