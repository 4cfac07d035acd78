use std::{fmt, sync::Arc};

use async_trait::async_trait;
use futures::future::join_all;
use hitbox_backend::{
    Backend, BackendResult, Begun, CacheKeyFormat, Capabilities, Compressor, Condition,
    Conditional, DeleteStatus, Format, Operation, ReadOutcome, Rejection, coherence::Announces,
    tags::SharedTags,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

use crate::{Statistics, inner::Inner, tags::RedisTags};

/// A cache in a Redis or Valkey server.
///
/// Made by [`RedisBackend::builder`]. Clones share one connection, which is opened on first use by
/// whichever of them is used first. It must be used within a tokio runtime with its timer and I/O
/// enabled.
///
/// # Errors
///
/// - [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable): the server cannot be reached, the connection
///   broke twice, or the server takes no writes for now, as a read-only replica. While there is no connection,
///   calls fail at once, and [are definite](hitbox_backend::BackendError::is_definite). With
///   [`repeated`](hitbox_backend::BackendError::repeated), the change is made, and its first attempt in doubt.
/// - [`Timeout`](hitbox_backend::BackendErrorKind::Timeout): no answer within the deadlines.
/// - [`Denied`](hitbox_backend::BackendErrorKind::Denied): wrong or missing credentials, or missing permission.
/// - [`Full`](hitbox_backend::BackendErrorKind::Full): the server is out of memory and may not evict.
/// - [`Throttled`](hitbox_backend::BackendErrorKind::Throttled): the server is loading its data, is otherwise busy,
///   or has no room for more clients.
/// - [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge): a payload over
///   [`largest_value`](crate::RedisBackendBuilder::largest_value), or over what the server takes. The key is then
///   absent; if it could not be removed, that error is returned instead. And any call for a key that is
///   itself longer than the server takes: nothing can be stored under it.
/// - [`InvalidConfiguration`](hitbox_backend::BackendErrorKind::InvalidConfiguration): no tokio runtime, or one without
///   timer or I/O; a database that the server does not have; a server that does not know the commands.
///
/// An error shows the address, without credentials, and what the server says to a login. What it says to a
/// command on a key is not shown, since it may quote the value.
///
/// *Cancel safety*: a future dropped at any await leaves a key with its old value or the new one.
/// Once its command has been handed to the connection, it is carried out all the same; before that,
/// it is never sent. The same goes for a call that returned an error of kind `Unavailable` or
/// `Timeout`. As long as the connection stays up, later commands are carried out after earlier ones;
/// what a broken or silent one still held may take effect after commands on its successor.
#[derive(Clone)]
pub struct RedisBackend {
    inner: Arc<Inner>,
}

impl From<Inner> for RedisBackend {
    fn from(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl RedisBackend {
    /// What has happened since the backend was built. Does no I/O.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            connections_opened: self.inner.exchange.connections_opened(),
            clock_skew_millis: self.inner.exchange.settings.clocks.ahead(),
            rejections: Arc::clone(self.inner.codec.rejections()),
        }
    }

    /// Asks the server for a sign of life.
    ///
    /// # Errors
    ///
    /// As listed for [`RedisBackend`].
    pub async fn ping(&self) -> BackendResult<()> {
        self.ping_as(Operation::Maintain).await
    }

    /// A connection, for a caller who gives the backend up without one.
    pub(crate) async fn open(&self) -> BackendResult<()> {
        let opening = &self.inner.exchange.settings.opening;
        opening.begin();
        self.ping_as(Operation::Open).await?;
        opening.end();
        Ok(())
    }

    async fn ping_as(&self, operation: Operation) -> BackendResult<()> {
        let pinged = self.inner.exchange.ping().await;
        pinged.map_err(|failure| self.inner.error(failure, operation))
    }
}

#[async_trait]
impl Backend for RedisBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.inner.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.inner.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key).await
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        self.inner.read_many(keys).await
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        self.inner.write_many(entries).await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        self.inner.remove_many(keys).await
    }

    async fn begin_load(&self, key: &CacheKey) -> BackendResult<Begun> {
        self.inner.begin_load(key).await
    }

    async fn write_if(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        condition: Condition,
    ) -> BackendResult<Conditional> {
        self.inner.write_if(key, value, &condition).await
    }

    async fn write_many_if(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>, Condition)>,
    ) -> Vec<BackendResult<Conditional>> {
        // They go together on the way to the server.
        let fills = entries
            .iter()
            .map(|(key, value, condition)| self.inner.write_if(key, value.clone(), condition));
        join_all(fills).await
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

    fn announces(&self) -> Option<Announces> {
        self.inner.exchange.announces()
    }

    fn shared_tags(&self) -> Option<SharedTags> {
        let announcer = Arc::clone(self.inner.exchange.announcer()?);
        let inner = Arc::clone(&self.inner);
        Some(SharedTags {
            store: Arc::new(RedisTags { inner, announcer }),
            hearing: None,
        })
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.inner.codec.reject(key, rejection);
    }
}

/// Shows settings and counts: no credentials, no keys, no values.
impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend")
            .field("label", &self.inner.codec.label().as_str())
            .field("address", &self.inner.address)
            .field("key_format", self.inner.codec.key_format())
            .field("value_format", &self.inner.codec.value_format())
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
