use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use hitbox_core::{BackendLabel, BoxContext, CacheKey, CacheValue, Raw, clock::Moment};

use crate::{
    Attempt, Backend, BackendResult, Capabilities, DeleteStatus, ReadAttempt, ReadOutcome,
    WriteAttempt, note_outcome_at,
};

/// A map behind a lock: the least that is a [`Backend`]. For tests; it keeps objects as they are, and never evicts.
pub struct MemoryBackend {
    entries: Mutex<HashMap<CacheKey, CacheValue<Raw>>>,
    label: BackendLabel,
    capabilities: Capabilities,
}

impl MemoryBackend {
    /// An empty backend.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Mutex::default(),
            label: BackendLabel::new_static("memory"),
            capabilities: Capabilities {
                keeps_bytes: false,
                keeps_metadata: true,
                ..Capabilities::default()
            },
        }
    }

    /// The same backend under another name than `memory`.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = label.into();
        self
    }

    /// The same backend as one that [keeps bytes](Capabilities::keeps_bytes), and the objects beside them.
    #[must_use]
    pub fn keeping_bytes(mut self) -> Self {
        self.capabilities.keeps_bytes = true;
        self
    }

    fn find(&self, key: &CacheKey, moment: &Moment) -> Option<CacheValue<Raw>> {
        let found = self.entries().get(key).cloned();
        found.filter(|value| !value.is_expired_at(moment))
    }

    fn store(&self, key: &CacheKey, value: CacheValue<Raw>) {
        let value = if self.capabilities.keeps_bytes {
            value
        } else {
            value.map(Raw::without_bytes)
        };
        self.entries().insert(key.clone(), value);
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<CacheKey, CacheValue<Raw>>> {
        // No code that holds the lock can leave the map half-changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        Ok(self.find(key, &Moment::default()))
    }

    fn try_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &mut BoxContext,
        moment: &Moment,
    ) -> ReadAttempt<'a> {
        let outcome = Ok(self.find(key, moment));
        note_outcome_at(context, &outcome, || self.label(), moment);
        Attempt::Ready(outcome)
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.store(key, value);
        Ok(())
    }

    fn try_write<'a>(&'a self, key: &'a CacheKey, value: CacheValue<Raw>) -> WriteAttempt<'a> {
        self.store(key, value);
        Attempt::Ready(Ok(()))
    }

    fn is_non_blocking(&self) -> bool {
        true
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        let removed = self.entries().remove(key);
        Ok(DeleteStatus::from(
            &removed.filter(|value| !value.is_expired()),
        ))
    }

    fn label(&self) -> BackendLabel {
        self.label.clone()
    }

    fn capabilities(&self) -> Capabilities {
        self.capabilities.clone()
    }
}

impl Default for MemoryBackend {
    fn default() -> Self {
        Self::new()
    }
}

impl fmt::Debug for MemoryBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("MemoryBackend")
            .field("label", &self.label.as_str())
            .field("entries", &self.entries().len())
            .finish()
    }
}
