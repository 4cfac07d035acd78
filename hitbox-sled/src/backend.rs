use std::{fmt, path::Path, sync::Arc};

use async_trait::async_trait;
use hitbox_backend::{
    Backend, BackendError, BackendResult, CacheKeyFormat, Capabilities, Compressor, DeleteStatus,
    Format, Operation, ReadOutcome, Reading, Rejection, note_outcome, note_outcome_at,
};
use hitbox_core::{
    BackendLabel, BoxContext, CacheKey, CacheValue, Raw,
    clock::{self, Moment},
};

use crate::{
    builder::SledBackendBuilder,
    error,
    inner::Inner,
    offload,
    statistics::Statistics,
    store::{Found, Store},
};

/// Values longer than this are read and checked off the async threads. Handing over may cost more
/// than that from what the system holds in memory.
const INLINE_READ: u64 = 128 << 10;

/// Values longer than this, with their keys, are written off the async threads: most of them have a
/// file of their own, and making one waits for the disk.
const INLINE_WRITE: usize = 3 << 10;

/// Bulk operations on more keys than this are done off the async threads.
const INLINE_KEYS: usize = 32;

/// A cache on local disk.
///
/// Made by [`SledBackend::builder`]. Clones share one open directory, which is closed when the last
/// is dropped.
///
/// Expired entries are never returned. A thread of the backend's own deletes them, in the order of
/// their expiry; one whose key was rewritten meanwhile with a later expiry stays.
///
/// If the disk fails while something is written (it is full, say), every operation from then on
/// fails with [`Unavailable`](hitbox_backend::BackendErrorKind::Unavailable), and the directory cannot be opened
/// again by this process: sled does not recover from it.
///
/// *Cancel safety*: a future dropped at any await leaves a key with its old value or the new one.
/// Work that has been handed to the blocking pool is completed all the same.
#[derive(Clone)]
pub struct SledBackend {
    inner: Arc<Inner>,
}

impl SledBackend {
    /// A builder with the default settings.
    pub fn builder() -> SledBackendBuilder {
        SledBackendBuilder::new()
    }

    /// What is stored and what has happened since the backend was opened. Does no I/O.
    #[must_use]
    pub fn statistics(&self) -> Statistics {
        self.inner.store.gauges().snapshot(&self.inner.rejections)
    }

    /// Where sled's former files are, if they were damaged when this backend was opened: they have
    /// been set aside, and the cache started empty.
    ///
    /// They are kept for whoever wants to look into it, until the next time files are set aside.
    #[must_use]
    pub fn recovered_from(&self) -> Option<&Path> {
        self.inner.set_aside.as_deref()
    }

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
        let namespace = self.inner.key_format.namespace().to_owned();
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
        let label = self.inner.label.clone();
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
        self.off_thread(Operation::Maintain, move |inner| {
            work(&inner.store).map_err(|cause| inner.failure(cause, Operation::Maintain))
        })
        .await?
    }

    async fn off_thread<T: Send + 'static>(
        &self,
        operation: Operation,
        work: impl FnOnce(&Inner) -> T + Send + 'static,
    ) -> BackendResult<T> {
        let inner = Arc::clone(&self.inner);
        offload::run(move || work(&inner), operation, &self.inner.label).await
    }

    /// [`read`](Backend::read) as far as it is done in place.
    fn read_in_place(&self, key: &CacheKey, moment: &Moment) -> InPlace {
        let found = match self.inner.find(key) {
            Ok(Some(found)) => found,
            Ok(None) => return InPlace::Done(Ok(None)),
            Err(error) => return InPlace::Done(Err(error)),
        };
        if found.length() > INLINE_READ {
            return InPlace::Found(found);
        }
        let decoded = self.inner.decode(key, found);
        InPlace::Done(decoded.map(|value| value.filter(|value| !value.is_expired_at(moment))))
    }

    /// Reads, checks and decodes what was found under `key`, off the async threads.
    async fn decode_off_thread(&self, key: &CacheKey, found: Found) -> ReadOutcome {
        let key = key.clone();
        let decoded = self
            .off_thread(Operation::Read, move |inner| inner.decode(&key, found))
            .await?;
        Ok(decoded?.and_then(live))
    }

    /// `work` on many keys off the async threads: one outcome per key, also if the work is lost.
    async fn bulk<I: Send + 'static, T: Send + 'static>(
        &self,
        items: Vec<I>,
        operation: Operation,
        work: impl Fn(&Inner, I) -> BackendResult<T> + Send + 'static,
    ) -> Vec<BackendResult<T>> {
        let count = items.len();
        let all = move |inner: &Inner| items.into_iter().map(|item| work(inner, item)).collect();
        match self.off_thread(operation, all).await {
            Ok(outcomes) => outcomes,
            Err(lost) => (0..count)
                .map(|_| {
                    Err(
                        BackendError::new(lost.kind(), operation, self.inner.label.clone())
                            .with_detail("the bulk operation was lost"),
                    )
                })
                .collect(),
        }
    }
}

#[async_trait]
impl Backend for SledBackend {
    async fn read(&self, key: &CacheKey) -> ReadOutcome {
        match self.read_in_place(key, &Moment::default()) {
            InPlace::Done(outcome) => outcome,
            InPlace::Found(found) => self.decode_off_thread(key, found).await,
        }
    }

    fn begin_read<'a>(
        &'a self,
        key: &'a CacheKey,
        context: &'a mut BoxContext,
        moment: &Moment,
    ) -> Reading<'a> {
        // The disk may take longer than what another layer has just answered lives on.
        if moment.has_been_read() {
            return Reading::NotBegun;
        }
        match self.read_in_place(key, moment) {
            InPlace::Done(outcome) => {
                note_outcome_at(context, &outcome, || self.label(), moment);
                Reading::Answered(outcome)
            }
            InPlace::Found(found) => Reading::Begun(Box::pin(async move {
                let outcome = self.decode_off_thread(key, found).await;
                note_outcome(context, &outcome, || self.label());
                outcome
            })),
        }
    }

    async fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        let now = clock::now();
        if key.as_text().len() + value.data().payload().len() <= INLINE_WRITE {
            return self.inner.write(key, &value, now);
        }
        let key = key.clone();
        self.off_thread(Operation::Write, move |inner| {
            inner.write(&key, &value, now)
        })
        .await?
    }

    async fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        self.inner.remove(key, Operation::Remove, clock::now())
    }

    async fn read_many(&self, keys: &[CacheKey]) -> Vec<ReadOutcome> {
        if keys.len() <= INLINE_KEYS {
            let mut outcomes = Vec::with_capacity(keys.len());
            for key in keys {
                outcomes.push(match self.read_in_place(key, &Moment::default()) {
                    InPlace::Done(outcome) => outcome,
                    InPlace::Found(found) => self.decode_off_thread(key, found).await,
                });
            }
            return outcomes;
        }
        let mut outcomes = self
            .bulk(keys.to_vec(), Operation::Read, |inner, key| {
                match inner.find(&key)? {
                    Some(found) => inner.decode(&key, found),
                    None => Ok(None),
                }
            })
            .await;
        for outcome in outcomes.iter_mut().flatten() {
            *outcome = outcome.take().and_then(live);
        }
        outcomes
    }

    async fn write_many(
        &self,
        entries: Vec<(CacheKey, CacheValue<Raw>)>,
    ) -> Vec<BackendResult<()>> {
        if entries.len() <= INLINE_KEYS {
            let mut outcomes = Vec::with_capacity(entries.len());
            for (key, value) in entries {
                outcomes.push(self.write(&key, value).await);
            }
            return outcomes;
        }
        let now = clock::now();
        self.bulk(entries, Operation::Write, move |inner, (key, value)| {
            inner.write(&key, &value, now)
        })
        .await
    }

    async fn remove_many(&self, keys: &[CacheKey]) -> Vec<BackendResult<DeleteStatus>> {
        let now = clock::now();
        let remove = move |inner: &Inner, key: &CacheKey| inner.remove(key, Operation::Remove, now);
        if keys.len() <= INLINE_KEYS {
            return keys.iter().map(|key| remove(&self.inner, key)).collect();
        }
        self.bulk(keys.to_vec(), Operation::Remove, move |inner, key| {
            remove(inner, &key)
        })
        .await
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
        &*self.inner.compressor
    }

    fn capabilities(&self) -> Capabilities {
        self.inner.capabilities.clone()
    }

    fn reject(&self, key: &CacheKey, rejection: Rejection) {
        self.inner.reject(key, rejection);
    }
}

/// How far a read has got in place.
enum InPlace {
    Done(ReadOutcome),
    /// What is stored is too long to be read here.
    Found(Found),
}

fn live(value: CacheValue<Raw>) -> Option<CacheValue<Raw>> {
    (!value.is_expired()).then_some(value)
}

impl From<Inner> for SledBackend {
    fn from(inner: Inner) -> Self {
        Self {
            inner: Arc::new(inner),
        }
    }
}

/// Shows where it lives and how much it holds, nothing of the content.
impl fmt::Debug for SledBackend {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("SledBackend")
            .field("label", &self.inner.label)
            .field("path", &self.inner.directory.path())
            .field("statistics", &self.statistics())
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::time::Duration;

    use chrono::TimeDelta;
    use hitbox_backend::{BackendErrorKind, conformance::Subject};
    use hitbox_core::{CacheStatus, Stamp, clock::VirtualTime};

    use super::*;

    /// Here and not with the rest of the suite: only the crate itself can reach the stored bytes of
    /// an open backend.
    #[tokio::test(flavor = "multi_thread")]
    async fn damaged_stored_bytes_conform() {
        let directory = tempfile::tempdir().unwrap();
        let backend = SledBackend::builder()
            .path(directory.path())
            .build()
            .unwrap();
        let store = Arc::clone(&backend.inner.store);
        Subject::new(Arc::new(backend))
            .corrupt_with(move |key, bytes| {
                store.inject(key.as_text().as_bytes(), &bytes);
                async {}
            })
            .only("corruption::")
            .assert_conforms()
            .await;
    }

    /// Whether the read was done at once, and what came of it.
    async fn begin(backend: &SledBackend, key: &CacheKey) -> (bool, ReadOutcome, BoxContext) {
        let mut context = BoxContext::default();
        let (at_once, outcome) = match backend.begin_read(key, &mut context, &Moment::default()) {
            Reading::Answered(outcome) => (true, outcome),
            Reading::Begun(rest) => (false, rest.await),
            Reading::NotBegun => panic!("not begun"),
        };
        (at_once, outcome, context)
    }

    #[tokio::test]
    async fn reads_are_begun_in_place_and_answered_there_if_the_value_is_not_large() {
        let directory = tempfile::tempdir().unwrap();
        let backend = SledBackend::builder()
            .path(directory.path())
            .build()
            .unwrap();
        let clock = VirtualTime::start(clock::now());
        let key = CacheKey::from_pair("key", "k");
        for length in [100, INLINE_READ as usize] {
            let expire = clock.now() + TimeDelta::seconds(1);
            let value =
                CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now()).expires_at(expire);
            backend.write(&key, value.clone()).await.unwrap();
            let (at_once, outcome, context) = begin(&backend, &key).await;
            assert_eq!(at_once, length < INLINE_READ as usize);
            assert_eq!(outcome.unwrap(), Some(value));
            assert_eq!(context.status(), CacheStatus::Hit);
            assert_eq!(context.source().to_string(), "sled");

            clock.advance(TimeDelta::seconds(1));
            let (_, outcome, context) = begin(&backend, &key).await;
            assert_eq!(outcome.unwrap(), None);
            assert_eq!(context.status(), CacheStatus::Miss);
        }
    }

    /// Its values may have expired by the time that the disk has answered.
    #[tokio::test]
    async fn no_read_is_begun_under_a_moment_that_has_passed() {
        let directory = tempfile::tempdir().unwrap();
        let backend = SledBackend::builder()
            .path(directory.path())
            .build()
            .unwrap();
        let key = CacheKey::from_pair("key", "k");
        let expire = clock::now() + TimeDelta::hours(1);
        let value = CacheValue::loaded(Raw::from(vec![1; 100]), Stamp::now()).expires_at(expire);
        let moment = Moment::default();
        assert!(!value.is_expired_at(&moment));
        backend.write(&key, value).await.unwrap();
        let mut context = BoxContext::default();
        let reading = backend.begin_read(&key, &mut context, &moment);
        assert!(matches!(reading, Reading::NotBegun), "{reading:?}");
    }

    #[tokio::test]
    async fn stored_bytes_that_are_no_stored_form_are_a_counted_miss() {
        let directory = tempfile::tempdir().unwrap();
        let backend = SledBackend::builder()
            .path(directory.path())
            .build()
            .unwrap();
        let key = CacheKey::from_pair("key", "k");
        let value = CacheValue::loaded(Raw::from(vec![1; 100]), Stamp::now());
        backend.write(&key, value.clone()).await.unwrap();
        backend
            .inner
            .store
            .inject(key.as_text().as_bytes(), b"junk");
        assert_eq!(backend.read(&key).await.unwrap(), None);
        assert_eq!(backend.statistics().rejections.count(Rejection::Foreign), 1);
        assert_eq!(backend.remove(&key).await.unwrap(), DeleteStatus::Missing);
        backend.write(&key, value.clone()).await.unwrap();
        assert_eq!(backend.read(&key).await.unwrap(), Some(value));
    }

    #[tokio::test]
    async fn a_disk_that_fails_hangs_nobody() {
        let directory = tempfile::tempdir().unwrap();
        let builder = SledBackend::builder().path(directory.path());
        let backend = builder.clone().build().unwrap();
        let key = CacheKey::from_pair("key", "k");
        let value = |length| CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now());
        backend.write(&key, value(10)).await.unwrap();
        // Where sled puts large pages.
        std::fs::remove_dir_all(directory.path().join("data/blobs")).unwrap();
        assert!(backend.inner.store.insert_blob().is_err());

        let afterwards = async {
            for length in [10, 100_000] {
                let written = backend.write(&key, value(length)).await.unwrap_err();
                assert_eq!(written.kind(), BackendErrorKind::Unavailable);
            }
            let read = backend.read(&key).await.unwrap_err();
            assert_eq!(read.kind(), BackendErrorKind::Unavailable);
            assert!(backend.flush().await.is_err());
            assert!(backend.sweep_now().await.is_err());
            assert!(backend.close().await.is_err());
        };
        tokio::time::timeout(Duration::from_secs(20), afterwards)
            .await
            .unwrap();
        let reopened = builder.build().unwrap_err();
        assert_eq!(reopened.kind(), BackendErrorKind::Unavailable);
    }

    /// The disk is full for a long value, and sled has room still.
    #[tokio::test]
    async fn a_long_value_that_cannot_be_written_fails_alone() {
        let directory = tempfile::tempdir().unwrap();
        let backend = SledBackend::builder()
            .path(directory.path())
            .build()
            .unwrap();
        let key = CacheKey::from_pair("key", "k");
        let value = |length| CacheValue::loaded(Raw::from(vec![1; length]), Stamp::now());
        let short = value(10);
        backend.write(&key, short.clone()).await.unwrap();
        std::fs::write(directory.path().join("values"), "no directory").unwrap();
        let failed = backend.write(&key, value(100_000)).await.unwrap_err();
        assert_eq!(failed.kind(), BackendErrorKind::Unavailable);
        assert_eq!(backend.read(&key).await.unwrap(), Some(short));
        std::fs::remove_file(directory.path().join("values")).unwrap();
        let long = value(100_000);
        backend.write(&key, long.clone()).await.unwrap();
        assert_eq!(backend.read(&key).await.unwrap(), Some(long));
    }
}
