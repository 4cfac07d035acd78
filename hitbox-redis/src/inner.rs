use hitbox_backend::{
    BackendError, BackendResult, DeleteStatus, Operation, ReadOutcome, Rejection, Repeated,
    byte_store::{Codec, Prepared},
};
use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    commands::{
        self, Keyed,
        exchange::{Exchange, Subject},
        request::Change,
    },
    error::{Cause, Failure, Reply},
};

/// What the clones of a backend share.
pub(crate) struct Inner {
    pub(crate) exchange: Exchange,
    /// Where the server is, without credentials.
    pub(crate) address: String,
    pub(crate) codec: Codec,
}

/// A write as one command, and what it amounts to if the server carries it out.
struct PreparedWrite {
    change: Change,
    outcome: BackendResult<()>,
}

impl Inner {
    pub(crate) async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let reply = self.exchange.value(self.codec.stored_key(key)).await;
        self.accept(key, reply)
    }

    pub(crate) async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let stored_key = self.codec.stored_key(key);
        let subject = Subject {
            key,
            stamp: Some(value.created()),
        };
        let PreparedWrite { change, outcome } = self.prepare_write(&stored_key, value).await;
        let reply = self.exchange.change(&stored_key, subject, change).await;
        let reply = self.without_what_was(reply, &stored_key, key).await;
        self.written(reply, outcome)
    }

    pub(crate) async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let stored_key = self.codec.stored_key(key);
        let change = commands::unlink(&stored_key);
        let subject = Subject { key, stamp: None };
        self.removed(self.exchange.change(&stored_key, subject, change).await)
    }

    pub(crate) async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        if keys.is_empty() {
            return Vec::new();
        }
        let stored_keys = keys
            .iter()
            .map(|key| self.codec.stored_key(key).into_owned());
        let replies = self.exchange.values(stored_keys.collect()).await;
        keys.iter()
            .zip(replies)
            .map(|(key, reply)| self.accept(key, reply))
            .collect()
    }

    pub(crate) async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        let mut outcomes = Vec::with_capacity(entries.len());
        let mut commands = Vec::with_capacity(entries.len());
        let mut written_keys = Vec::with_capacity(entries.len());
        for (key, value) in entries {
            let stored_key = self.codec.stored_key(&key).into_owned();
            let stamp = value.created();
            let PreparedWrite { change, outcome } = self.prepare_write(&stored_key, value).await;
            commands.push(Keyed {
                key: stored_key.clone(),
                command: change,
            });
            written_keys.push((stored_key, key, stamp));
            outcomes.push(outcome);
        }
        let subjects = written_keys.iter().map(|(_, key, stamp)| Subject {
            key,
            stamp: Some(*stamp),
        });
        let replies = self.exchange.changes(subjects, commands).await;
        let mut written = Vec::with_capacity(replies.len());
        let replies = replies.into_iter().zip(&written_keys);
        for ((reply, (stored_key, key, _)), outcome) in replies.zip(outcomes) {
            let reply = self.without_what_was(reply, stored_key, key).await;
            written.push(self.written(reply, outcome));
        }
        written
    }

    pub(crate) async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let commands = keys.iter().map(|key| {
            let key = self.codec.stored_key(key).into_owned();
            let command = commands::unlink(&key);
            Keyed { key, command }
        });
        let subjects = keys.iter().map(|key| Subject { key, stamp: None });
        let replies = self.exchange.changes(subjects, commands.collect()).await;
        replies
            .into_iter()
            .map(|reply| self.removed(reply))
            .collect()
    }

    /// What a value comes down to in this server.
    pub(crate) async fn prepare(&self, value: CacheValue<Raw>) -> Prepared {
        let prepared = self.codec.prepare_off_thread(value).await;
        prepared.checked(|stored| self.check_length(stored.len()))
    }

    /// In milliseconds since 1970, by the server's clock.
    pub(crate) fn at_server(&self, millis: i64) -> i64 {
        self.exchange.settings.clocks.at_server(millis)
    }

    async fn prepare_write(&self, key: &str, value: CacheValue<Raw>) -> PreparedWrite {
        match self.prepare(value).await {
            Prepared::Put { stored, expire } => PreparedWrite {
                change: {
                    let expire = expire.map(|expire| self.at_server(expire.timestamp_millis()));
                    commands::set(key, &stored, expire)
                },
                outcome: Ok(()),
            },
            Prepared::Clear { outcome } => PreparedWrite {
                change: commands::unlink(key),
                outcome,
            },
        }
    }

    /// What the server has found too long before is not sent again.
    fn check_length(&self, length: usize) -> BackendResult<()> {
        if length < self.exchange.settings.learned.too_long() {
            return Ok(());
        }
        Err(self.error(Cause::TooLong { length }.into(), Operation::Write))
    }

    /// A value that the server has just found too long must not leave an older one posing as it.
    pub(crate) async fn without_what_was(
        &self,
        reply: Reply,
        stored_key: &str,
        key: &CacheKey,
    ) -> Reply {
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
        let subject = Subject { key, stamp: None };
        let unlink = commands::unlink(stored_key);
        match self.exchange.change(stored_key, subject, unlink).await {
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
        match reply.and_then(commands::found) {
            Ok(found) => Ok(found.and_then(|stored| self.codec.accept(key, stored))),
            Err(failure) if failure.is_wrong_type() => {
                self.codec.reject(key, Rejection::Foreign);
                Ok(None)
            }
            Err(failure) => Err(self.error(failure, Operation::Read)),
        }
    }

    pub(crate) fn error(&self, failure: Failure, operation: Operation) -> BackendError {
        failure.into_error(operation, self.codec.label())
    }
}
