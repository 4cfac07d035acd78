//! What is done with all that is stored.

use hitbox_backend::{BackendResult, Operation};
use hitbox_core::clock;

use super::SledBackend;
use crate::{error, offload, store::Store};

impl SledBackend {
    /// What the files take on disk, in bytes.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable) if the file system does not say.
    pub async fn size_on_disk(&self) -> BackendResult<u64> {
        self.maintain(Store::size_on_disk).await
    }

    /// Writes everything to disk: what was written before this call survives a crash after it has
    /// returned.
    ///
    /// # Errors
    ///
    /// [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable) if the disk cannot be written;
    /// [`Internal`](hitbox_backend::BackendErrorKind::Internal) for a failure of sled.
    pub async fn flush(&self) -> BackendResult<()> {
        self.maintain(Store::flush).await
    }

    /// Deletes every entry that has expired by now, without waiting for the next sweep. Returns how
    /// many it deleted.
    ///
    /// # Errors
    ///
    /// The same as [`flush`](Self::flush).
    pub async fn sweep_now(&self) -> BackendResult<u64> {
        // Asked for here: a test may have moved the clock of its own thread.
        let now = clock::now();
        self.maintain(move |store| store.sweep(now, || true)).await
    }

    /// Removes every entry in this backend's namespace (without one: every entry) that was there
    /// before the call. Returns how many were removed.
    ///
    /// # Errors
    ///
    /// The same as [`flush`](Self::flush).
    pub async fn clear(&self) -> BackendResult<u64> {
        let namespace = self.inner.codec.key_format().namespace().to_owned();
        self.maintain(move |store| store.clear(namespace.as_bytes()))
            .await
    }

    /// Flushes, and drops this clone off the async threads. If it was the last one, the directory
    /// is free again when this returns.
    ///
    /// # Errors
    ///
    /// The same as [`flush`](Self::flush); the clone is gone even so.
    pub async fn close(self) -> BackendResult<()> {
        let label = self.inner.codec.label().clone();
        let closing = {
            let label = label.clone();
            move || {
                let flushed = self.inner.store.flush();
                drop(self);
                flushed.map_err(|cause| error::from_sled(cause, Operation::Maintain, &label))
            }
        };
        offload::run(closing, Operation::Maintain, &label).await?
    }

    async fn maintain<T: Send + 'static>(
        &self,
        work: impl FnOnce(&Store) -> sled::Result<T> + Send + 'static,
    ) -> BackendResult<T> {
        self.inner
            .off_thread(Operation::Maintain, move |inner| {
                work(&inner.store).map_err(|cause| inner.failure(cause, Operation::Maintain))
            })
            .await?
    }
}
