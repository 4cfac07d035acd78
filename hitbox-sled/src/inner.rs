use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hitbox_backend::{
    BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome, Rejection,
    byte_store::{Codec, Prepared},
};
use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    directory::Directory,
    error,
    store::{Begun, Found, Store, index::EvictionKey, slot},
    sweep::Sweeper,
};

/// What the clones of a backend share.
//
// In the order in which they are to be dropped: the sweeper uses the store, and the directory may
// be opened by others only after the store is closed.
pub(crate) struct Inner {
    pub(crate) _sweeper: Sweeper,
    pub(crate) store: Arc<Store>,
    pub(crate) codec: Codec,
    pub(crate) set_aside: Option<PathBuf>,
    pub(crate) directory: Directory,
}

impl Inner {
    /// What is stored under `key`.
    pub(crate) fn find(&self, key: &CacheKey) -> BackendResult<Option<Found>> {
        let found = self.store.find(self.codec.stored_key(key).as_bytes());
        self.readable(key, found)
    }

    /// The bytes that were found under `key`.
    fn load(&self, key: &CacheKey, found: Found) -> BackendResult<Option<Bytes>> {
        let stored_key = self.codec.stored_key(key);
        let loaded = self.store.load(stored_key.as_bytes(), found);
        self.readable(key, loaded)
    }

    /// The value that was found under `key`, expired or not.
    pub(crate) fn decode(&self, key: &CacheKey, found: Found) -> ReadOutcome {
        let stored = self.load(key, found)?;
        Ok(stored.and_then(|stored| self.codec.decode(key, stored)))
    }

    fn readable<T>(
        &self,
        key: &CacheKey,
        found: sled::Result<Option<T>>,
    ) -> BackendResult<Option<T>> {
        match found {
            Ok(found) => Ok(found),
            Err(cause) if error::is_damage(&cause) => {
                self.codec.reject(key, Rejection::Checksum);
                Ok(None)
            }
            Err(cause) => Err(self.failure(cause, Operation::Read)),
        }
    }

    /// Begins a write or a remove of `key` that is handed over to another thread.
    pub(crate) fn begin(&self, key: &CacheKey) -> Begun {
        self.store.begin(self.codec.stored_key(key).as_bytes())
    }

    /// Does nothing if it began when `begun` says and a change of the key that began later has been
    /// made.
    pub(crate) fn write(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
        now: DateTime<Utc>,
        begun: Option<&Begun>,
    ) -> BackendResult<()> {
        let stored_key = self.codec.stored_key(key);
        let prepared = self.codec.prepare_at(value, now);
        match prepared.checked(|stored| self.fits(stored_key.as_bytes(), stored)) {
            Prepared::Put { stored, .. } => self
                .store
                .put(
                    stored_key.as_bytes(),
                    EvictionKey::from(value),
                    &stored,
                    now,
                    begun,
                )
                .map_err(|cause| self.failure(cause, Operation::Write)),
            Prepared::Clear { outcome } => {
                self.remove(key, Operation::Write, now, begun).and(outcome)
            }
        }
    }

    fn fits(&self, stored_key: &[u8], stored: &Bytes) -> BackendResult<()> {
        let bound = self.store.max_bytes();
        if slot::cost_of(stored_key, stored.len()) <= bound {
            return Ok(());
        }
        let refused = self
            .codec
            .error(BackendErrorKind::TooLarge, Operation::Write);
        Err(refused.with_detail(format!(
            "key and payload together are over the bound of {bound} bytes"
        )))
    }

    /// The same holds as for a [write](Self::write).
    pub(crate) fn remove(
        &self,
        key: &CacheKey,
        operation: Operation,
        now: DateTime<Utc>,
        begun: Option<&Begun>,
    ) -> BackendResult<DeleteStatus> {
        let removed = self
            .store
            .remove(self.codec.stored_key(key).as_bytes(), begun)
            .map_err(|cause| self.failure(cause, operation))?;
        let live = removed.filter(|eviction| !eviction.is_expired(now));
        Ok(DeleteStatus::from(&live))
    }

    pub(crate) fn failure(&self, cause: sled::Error, operation: Operation) -> BackendError {
        error::from_sled(cause, operation, self.codec.label())
    }
}
