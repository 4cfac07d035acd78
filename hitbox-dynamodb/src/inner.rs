use std::time::Duration;

use bytes::Bytes;
use hitbox_backend::{
    BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome, Repeated,
    byte_store::{Codec, Prepared},
};
use hitbox_core::{CacheKey, CacheValue, Raw, clock};

use crate::{
    connection::link::Link,
    error::failure::Failure,
    requests::{
        Removal, Requests,
        attempts::Attempts,
        item::{self, Item, LARGEST_ITEM},
        stored_key::StoredKey,
    },
};

/// What the clones of a backend share.
pub(crate) struct Inner {
    pub(crate) requests: Requests,
    pub(crate) link: Link,
    /// Which table on which server, for errors.
    pub(crate) place: String,
    pub(crate) deadline: Duration,
    pub(crate) codec: Codec,
}

impl Inner {
    pub(crate) async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let stored_key = self.stored_key(key);
        let found = self
            .attempts()
            .request(|| self.requests.get(&stored_key))
            .await
            .map_err(|failure| self.error(failure, Operation::Read))?;
        Ok(found.and_then(|item| self.accept(key, &stored_key, item)))
    }

    pub(crate) async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let requests = &self.requests;
        let stored_key = self.stored_key(key);
        let mut attempts = self.attempts();
        let made = |()| Repeated::Write;
        let failed = |failure| self.error(failure, Operation::Write);
        match self.prepare(&stored_key, value).await {
            Prepared::Put { stored, expire } => {
                let item = || item::of(&stored_key, &stored, expire, &requests.attributes);
                let put = attempts.change(|&reply| made(reply), || requests.put(item()));
                put.await.map_err(failed)
            }
            Prepared::Clear { outcome: Ok(()) } => {
                let clear = attempts.change(|&reply| made(reply), || requests.delete(&stored_key));
                clear.await.map_err(failed)
            }
            // That the value is refused is what the caller has to know; a deletion that comes late
            // costs a miss.
            Prepared::Clear { outcome: refused } => {
                let cleared = attempts.request(|| requests.delete(&stored_key)).await;
                cleared.map_err(failed).and(refused)
            }
        }
    }

    pub(crate) async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let removed = self
            .remove_stored(&self.stored_key(key), self.attempts())
            .await;
        removed.map_err(|failure| self.error(failure, Operation::Remove))
    }

    pub(crate) fn attempts(&self) -> Attempts<'_> {
        Attempts::within(self.deadline, &self.link)
    }

    pub(crate) fn stored_key(&self, key: &CacheKey) -> StoredKey {
        StoredKey::new(self.codec.key_format(), key)
    }

    /// What writing `value` comes down to.
    pub(crate) async fn prepare(&self, key: &StoredKey, value: CacheValue<Raw>) -> Prepared {
        let prepared = self.codec.prepare_off_thread(value).await;
        prepared.checked(|stored| self.check_size(key, stored))
    }

    fn check_size(&self, key: &StoredKey, stored: &Bytes) -> BackendResult<()> {
        let size = item::size(key, stored.len(), &self.requests.attributes);
        if size <= LARGEST_ITEM {
            return Ok(());
        }
        let refused = self
            .codec
            .error(BackendErrorKind::TooLarge, Operation::Write);
        Err(refused.with_detail(format!(
            "key and payload together take {size} bytes, and an item can have {LARGEST_ITEM}"
        )))
    }

    pub(crate) async fn remove_stored(
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
        let stored = item::stored(item, stored_key, &self.requests.attributes)
            .map_err(|rejection| self.codec.reject(key, rejection))
            .ok()?;
        self.codec.accept(key, stored)
    }

    pub(crate) fn error(&self, failure: Failure, operation: Operation) -> BackendError {
        let failure = failure.at(&self.place);
        failure.into_error(operation, self.codec.label())
    }
}
