//! A layer that can be switched off.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering},
};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, DeleteStatus, Operation, ReadOutcome,
};
use hitbox_core::{BackendLabel, CacheKey, CacheValue, Raw};
use hitbox_moka::MokaBackend;

/// moka behind a switch. As with a server, there is no answer without a future.
#[derive(Clone)]
pub(super) struct Switched {
    inner: MokaBackend,
    off: Arc<AtomicBool>,
}

impl Switched {
    pub(super) fn new(inner: MokaBackend) -> Self {
        Self {
            inner,
            off: Arc::default(),
        }
    }

    /// From now on every operation fails.
    pub(super) fn switch_off(&self) {
        self.off.store(true, Ordering::Relaxed);
    }

    fn ask(&self, operation: Operation) -> BackendResult<&MokaBackend> {
        if self.off.load(Ordering::Relaxed) {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::new(kind, operation, self.label()));
        }
        Ok(&self.inner)
    }
}

#[async_trait]
impl Backend for Switched {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        self.ask(Operation::Read)?.read(key).await
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        self.ask(Operation::Write)?.write(key, value).await
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.ask(Operation::Remove)?.remove(key).await
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("switched")
    }
}
