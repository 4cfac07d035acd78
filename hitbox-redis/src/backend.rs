use std::{fmt, sync::Arc};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus,
    Format, Operation, ReadOutcome, Rejection, Rejections, stored_form,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use redis::Value;

use crate::{
    RedisBackendBuilder, Statistics,
    batch::Change,
    commands::{self, KeyCommand},
    encoder::Encoder,
    error::Failure,
    exchange::Exchange,
};

/// A cache in a Redis or Valkey server.
///
/// Made by [`RedisBackend::builder`]. Clones share one connection, which is opened on first use by
/// whichever of them is used first. It must be used within a tokio runtime with its timer and I/O
/// enabled.
///
/// # Errors
///
/// - [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable): the server cannot be reached, or the connection
///   broke twice. While there is no connection, calls fail at once.
/// - [`Timeout`](hitbox_backend::BackendErrorKind::Timeout): no answer within the deadlines.
/// - [`Denied`](hitbox_backend::BackendErrorKind::Denied): wrong or missing credentials, missing permission, or a
///   write to a read-only replica.
/// - [`Full`](hitbox_backend::BackendErrorKind::Full): the server is out of memory and may not evict.
/// - [`Throttled`](hitbox_backend::BackendErrorKind::Throttled): the server is loading its data or is otherwise busy.
/// - [`TooLarge`](hitbox_backend::BackendErrorKind::TooLarge): a payload over
///   [`largest_value`](RedisBackendBuilder::largest_value). The key is then absent; if it could not
///   be removed, that error is returned instead.
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

pub(crate) struct Inner {
    pub(crate) exchange: Exchange,
    /// Where the server is, without credentials.
    pub(crate) address: String,
    pub(crate) label: BackendLabel,
    pub(crate) key_format: CacheKeyFormat,
    pub(crate) value_format: Arc<dyn Format>,
    pub(crate) encoder: Encoder,
    pub(crate) rejections: Arc<Rejections>,
}

impl From<Inner> for RedisBackend {
    fn from(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

impl RedisBackend {
    /// A builder with the default settings.
    pub fn builder() -> RedisBackendBuilder {
        RedisBackendBuilder::new()
    }

    /// What has happened since the backend was built. Does no I/O.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            connections_opened: self.inner.exchange.connections_opened(),
            rejections: Arc::clone(&self.inner.rejections),
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

    pub(crate) async fn ping_as(&self, operation: Operation) -> BackendResult<()> {
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
        let inner = &*self.inner;
        let stored_key = inner.key_format.encode(key);
        let PreparedWrite { change, outcome } = inner.prepare(&stored_key, value).await;
        let reply = inner.exchange.change(&stored_key, change).await;
        inner.written(reply, outcome)
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let inner = &*self.inner;
        let stored_key = inner.key_format.encode(key);
        let change = commands::unlink(&stored_key);
        inner.removed(inner.exchange.change(&stored_key, change).await)
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
        self.inner.encoder.compressor()
    }

    fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.largest_value = Some(self.inner.encoder.largest_value());
        // Beyond a restart of this process; beyond one of the server if that is set up to.
        capabilities.persistent = true;
        capabilities.shared = true;
        capabilities
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.inner.reject(key, rejection);
    }
}

/// A write as one command, and what it amounts to if the server carries it out.
struct PreparedWrite {
    change: Change,
    outcome: BackendResult<()>,
}

impl Inner {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let stored_key = self.key_format.encode(key);
        let reply = self.exchange.value(stored_key).await;
        self.accept(key, reply)
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        if keys.is_empty() {
            return Vec::new();
        }
        let stored_keys = keys
            .iter()
            .map(|key| self.key_format.encode(key).into_owned());
        let replies = self.exchange.values(stored_keys.collect()).await;
        keys.iter()
            .zip(replies)
            .map(|(key, reply)| self.accept(key, reply))
            .collect()
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let mut outcomes = Vec::with_capacity(entries.len());
        let mut commands = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.key_format.encode(&key).into_owned();
            let PreparedWrite { change, outcome } = self.prepare(&key, value).await;
            let command = change.command;
            commands.push(KeyCommand { key, command });
            outcomes.push(outcome);
        }
        let replies = self.exchange.replies(commands).await;
        replies
            .into_iter()
            .zip(outcomes)
            .map(|(reply, outcome)| self.written(reply, outcome))
            .collect()
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let commands = keys.iter().map(|key| {
            let key = self.key_format.encode(key).into_owned();
            let command = commands::unlink(&key).command;
            KeyCommand { key, command }
        });
        let replies = self.exchange.replies(commands.collect()).await;
        replies
            .into_iter()
            .map(|reply| self.removed(reply))
            .collect()
    }

    async fn prepare(&self, key: &str, value: CacheValue<Raw>) -> PreparedWrite {
        let removal = |outcome| PreparedWrite {
            change: commands::unlink(key),
            outcome,
        };
        if value.is_expired() {
            return removal(Ok(()));
        }
        let expire = value.expire().map(|expire| expire.timestamp_millis());
        match self.encoder.encode(value).await {
            Ok(stored) => PreparedWrite {
                change: commands::set(key, &stored, expire),
                outcome: Ok(()),
            },
            // The value that was there must not pose as the one that is refused.
            Err(refusal) => removal(Err(refusal.into_error(&self.label))),
        }
    }

    fn written(
        &self,
        reply: Result<Value, Failure>,
        outcome: BackendResult<()>,
    ) -> BackendResult<()> {
        match reply {
            Ok(_) => outcome,
            Err(failure) => Err(self.error(failure, Operation::Write)),
        }
    }

    fn removed(&self, reply: Result<Value, Failure>) -> BackendResult<DeleteStatus> {
        reply
            .and_then(|reply| commands::unlinked(&reply))
            .map_err(|failure| self.error(failure, Operation::Remove))
    }

    fn accept(&self, key: &CacheKey, reply: Result<Value, Failure>) -> ReadOutcome {
        let found = match reply.and_then(commands::found) {
            Err(failure) if failure.is_wrong_type() => {
                self.reject(key, Rejection::Foreign);
                return Ok(None);
            }
            found => found.map_err(|failure| self.error(failure, Operation::Read))?,
        };
        let Some(stored) = found else {
            return Ok(None);
        };
        match stored_form::decode_owned(stored) {
            // The server's clock need not agree with this one.
            Ok(value) => Ok(Some(value).filter(|value| !value.is_expired())),
            Err(rejection) => {
                self.reject(key, rejection);
                Ok(None)
            }
        }
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.rejections.note(&self.label, key, rejection);
    }

    fn error(&self, failure: Failure, operation: Operation) -> BackendError {
        failure.into_error(operation, &self.label)
    }
}

/// Shows settings and counts: no credentials, no keys, no values.
impl fmt::Debug for RedisBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("RedisBackend")
            .field("label", &self.inner.label.as_str())
            .field("address", &self.inner.address)
            .field("key_format", &self.inner.key_format)
            .field("value_format", &self.inner.value_format)
            .field("statistics", &self.statistics())
            .finish_non_exhaustive()
    }
}
