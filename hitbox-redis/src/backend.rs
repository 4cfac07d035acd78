use std::{fmt, sync::Arc};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus,
    Format, Operation, ReadOutcome, Rejection, Rejections, Repeated, stored_form,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

use crate::{
    Statistics,
    commands::{self, Keyed},
    encoder::Encoder,
    error::{Cause, Failure, Reply},
    exchange::Exchange,
    request::Change,
};

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
    /// What has happened since the backend was built. Does no I/O.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        Statistics {
            connections_opened: self.inner.exchange.connections_opened(),
            clock_skew_millis: self.inner.exchange.settings.clocks.ahead(),
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
        let inner = &*self.inner;
        let stored_key = inner.key_format.encode(key);
        let PreparedWrite { change, outcome } = inner.prepare(&stored_key, value).await;
        let reply = inner.exchange.change(&stored_key, change).await;
        let reply = inner.without_what_was(reply, &stored_key).await;
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
        let mut stored_keys = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let key = self.key_format.encode(&key).into_owned();
            let PreparedWrite { change, outcome } = self.prepare(&key, value).await;
            commands.push(Keyed {
                key: key.clone(),
                command: change,
            });
            stored_keys.push(key);
            outcomes.push(outcome);
        }
        let replies = self.exchange.changes(commands).await;
        let mut written = Vec::with_capacity(replies.len());
        for ((reply, key), outcome) in replies.into_iter().zip(stored_keys).zip(outcomes) {
            let reply = self.without_what_was(reply, &key).await;
            written.push(self.written(reply, outcome));
        }
        written
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let commands = keys.iter().map(|key| {
            let key = self.key_format.encode(key).into_owned();
            let command = commands::unlink(&key);
            Keyed { key, command }
        });
        let replies = self.exchange.changes(commands.collect()).await;
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
        let settings = &self.exchange.settings;
        let expire = value.expire().map(|expire| expire.timestamp_millis());
        let expire = expire.map(|millis| settings.clocks.at_server(millis));
        match self
            .encoder
            .encode(value, settings.learned.too_long())
            .await
        {
            Ok(stored) => PreparedWrite {
                change: commands::set(key, &stored, expire),
                outcome: Ok(()),
            },
            // The value that was there must not pose as the one that is refused.
            Err(refusal) => removal(Err(refusal.into_error(&self.label))),
        }
    }

    /// A value that the server has just found too long must not leave an older one posing as it.
    async fn without_what_was(&self, reply: Reply, key: &str) -> Reply {
        let is_too_long = matches!(
            &reply,
            Err(Failure {
                cause: Cause::TooLong { .. },
                ..
            })
        );
        if !is_too_long {
            return reply;
        }
        match self.exchange.change(key, commands::unlink(key)).await {
            Err(Failure {
                cause: Cause::Repeated { last, .. },
                ..
            }) => last.and(reply),
            removed => removed.and(reply),
        }
    }

    fn written(&self, reply: Reply, outcome: BackendResult<()>) -> BackendResult<()> {
        let failure = match reply {
            Ok(_) => return outcome,
            Err(failure) => failure,
        };
        let is_done = matches!(&failure.cause, Cause::Repeated { last, .. } if last.is_ok());
        let failed = self.error(failure, Operation::Write);
        if is_done {
            // What is refused is not stored by a removal that comes in late, either.
            outcome.and(Err(failed.made_by_repeat(Repeated::Write)))
        } else {
            Err(failed)
        }
    }

    fn removed(&self, reply: Reply) -> BackendResult<DeleteStatus> {
        let status = reply.and_then(|reply| commands::unlinked(&reply));
        let failure = match status {
            Ok(status) => return Ok(status),
            Err(failure) => failure,
        };
        let status = if let Cause::Repeated { last, .. } = &failure.cause {
            let unlinked = (**last).as_ref().map(commands::unlinked);
            unlinked.ok().and_then(Result::ok)
        } else {
            None
        };
        let failed = self.error(failure, Operation::Remove);
        Err(match status {
            Some(status) => failed.made_by_repeat(Repeated::Remove(status)),
            None => failed,
        })
    }

    fn accept(&self, key: &CacheKey, reply: Reply) -> ReadOutcome {
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
