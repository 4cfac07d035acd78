use std::{path::PathBuf, sync::Arc};

use bytes::Bytes;
use chrono::{DateTime, Utc};
use hitbox_backend::{
    BackendError, BackendErrorKind, BackendResult, CacheKeyFormat, Capabilities, Compressor,
    DeleteStatus, Format, Operation, ReadOutcome, Rejection, Rejections,
    compression::{CompressionError, NoCompression},
    stored_form,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

use crate::{
    directory::Directory,
    error,
    index::EvictionKey,
    slot,
    store::{Found, Store},
    sweep::Sweeper,
};

/// What the clones of a backend share.
//
// In the order in which they are to be dropped: the sweeper uses the store, and the directory may
// be opened by others only after the store is closed.
pub(crate) struct Inner {
    pub(crate) _sweeper: Sweeper,
    pub(crate) store: Arc<Store>,
    pub(crate) label: BackendLabel,
    pub(crate) key_format: CacheKeyFormat,
    pub(crate) value_format: Arc<dyn Format>,
    pub(crate) compressor: Arc<dyn Compressor>,
    pub(crate) capabilities: Capabilities,
    pub(crate) rejections: Arc<Rejections>,
    pub(crate) set_aside: Option<PathBuf>,
    pub(crate) directory: Directory,
}

impl Inner {
    /// What is stored under `key`.
    pub(crate) fn find(&self, key: &CacheKey) -> BackendResult<Option<Found>> {
        let found = self.store.find(self.key_format.encode(key).as_bytes());
        self.readable(key, found)
    }

    /// The bytes that were found under `key`.
    fn load(&self, key: &CacheKey, found: Found) -> BackendResult<Option<Bytes>> {
        let loaded = self
            .store
            .load(self.key_format.encode(key).as_bytes(), found);
        self.readable(key, loaded)
    }

    /// The value that was found under `key`, expired or not.
    pub(crate) fn decode(&self, key: &CacheKey, found: Found) -> ReadOutcome {
        let stored = self.load(key, found)?;
        Ok(stored.and_then(|stored| self.accept(key, stored_form::decode_owned(stored))))
    }

    fn readable<T>(
        &self,
        key: &CacheKey,
        found: sled::Result<Option<T>>,
    ) -> BackendResult<Option<T>> {
        match found {
            Ok(found) => Ok(found),
            Err(cause) if error::is_damage(&cause) => {
                self.reject(key, Rejection::Checksum);
                Ok(None)
            }
            Err(cause) => Err(self.failure(cause, Operation::Read)),
        }
    }

    fn accept(
        &self,
        key: &CacheKey,
        decoded: Result<CacheValue<Raw>, Rejection>,
    ) -> Option<CacheValue<Raw>> {
        decoded
            .map_err(|rejection| self.reject(key, rejection))
            .ok()
    }

    pub(crate) fn write(
        &self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
        now: DateTime<Utc>,
    ) -> BackendResult<()> {
        if EvictionKey::from(value).is_expired(now) {
            return self.remove(key, Operation::Write, now).map(drop);
        }
        let stored_key = self.key_format.encode(key);
        let stored = match self.encode(stored_key.as_bytes(), value) {
            Ok(stored) => stored,
            Err(refusal) => {
                // The value that was there must not pose as the one that is refused.
                self.remove(key, Operation::Write, now)?;
                return Err(refusal);
            }
        };
        self.store
            .put(
                stored_key.as_bytes(),
                EvictionKey::from(value),
                &stored,
                now,
            )
            .map_err(|cause| self.failure(cause, Operation::Write))
    }

    /// The stored form of `value`, if it is not too large. What is too large is neither compressed
    /// nor copied if its length says so.
    fn encode(&self, stored_key: &[u8], value: &CacheValue<Raw>) -> BackendResult<Bytes> {
        let refuse = |kind| BackendError::new(kind, Operation::Write, self.label.clone());
        let failed = |cause: CompressionError| {
            refuse(BackendErrorKind::Internal)
                .with_detail("the compressor failed")
                .with_source(cause)
        };
        let within = |value: &CacheValue<Raw>, limit: usize| {
            let length = value.data().payload().len();
            if length > limit {
                return Err(refuse(BackendErrorKind::TooLarge).with_detail(format!(
                    "a payload of {length} bytes is over the limit of {limit} bytes"
                )));
            }
            Ok(length)
        };
        let largest = self.capabilities.largest_value.unwrap_or(usize::MAX);
        let longest = stored_form::longest_payload(&*self.compressor, largest);
        within(value, longest)?;
        let value = stored_form::compress(value, &*self.compressor).map_err(failed)?;
        let length = stored_form::HEADER_LENGTH + within(&value, largest)?;
        let bound = self.store.max_bytes();
        if slot::cost_of(stored_key, length) > bound {
            return Err(refuse(BackendErrorKind::TooLarge).with_detail(format!(
                "key and payload together are over the bound of {bound} bytes"
            )));
        }
        stored_form::encode(&value, &NoCompression).map_err(failed)
    }

    pub(crate) fn remove(
        &self,
        key: &CacheKey,
        operation: Operation,
        now: DateTime<Utc>,
    ) -> BackendResult<DeleteStatus> {
        let removed = self
            .store
            .remove(self.key_format.encode(key).as_bytes())
            .map_err(|cause| self.failure(cause, operation))?;
        let live = removed.filter(|eviction| !eviction.is_expired(now));
        Ok(DeleteStatus::from(&live))
    }

    pub(crate) fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.rejections.note(&self.label, key, rejection);
    }

    pub(crate) fn failure(&self, cause: sled::Error, operation: Operation) -> BackendError {
        error::from_sled(cause, operation, &self.label)
    }
}
