use std::{
    collections::HashMap,
    fmt,
    sync::{Mutex, MutexGuard, PoisonError},
};

use async_trait::async_trait;
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};

use crate::{Backend, BackendResult, DeleteStatus, ReadOutcome};

/// A map behind a lock: the least that is a [`Backend`]. For tests; it never evicts.
pub struct MemoryBackend {
    entries: Mutex<HashMap<CacheKey, CacheValue<Raw>>>,
    label: BackendLabel,
}

impl MemoryBackend {
    /// An empty backend.
    #[must_use]
    pub fn new() -> Self {
        Self {
            entries: Mutex::default(),
            label: BackendLabel::new_static("memory"),
        }
    }

    /// The same backend under another name than `memory`.
    #[must_use]
    pub fn with_label(mut self, label: impl Into<BackendLabel>) -> Self {
        self.label = label.into();
        self
    }

    fn entries(&self) -> MutexGuard<'_, HashMap<CacheKey, CacheValue<Raw>>> {
        // No code that holds the lock can leave the map half-changed.
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[async_trait]
impl Backend for MemoryBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        let found = self.entries().get(key).cloned();
        Ok(found.filter(|value| !value.is_expired()))
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.entries().insert(key.clone(), value);
        Ok(())
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
