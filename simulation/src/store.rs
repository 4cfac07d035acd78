//! What a layer keeps values in.

use std::{
    collections::HashMap,
    path::Path,
    sync::{Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use futures::FutureExt;
use hitbox_backend::{
    Backend, BackendError, BackendErrorKind, BackendResult, Capabilities, CompositionLayer,
    DeleteStatus, Operation, ReadOutcome,
};
use hitbox_core::{CacheKey, CacheValue, Raw};
use hitbox_moka::MokaBackend;
use hitbox_sled::SledBackend;
use tempfile::TempDir;

use super::{place::Place, setting::StoreKind};

/// More than any history has keys.
const MOKA_ENTRIES: u64 = 1_000;

pub(super) struct Store(Mutex<Content>);

/// What a map keeps of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Keeps {
    /// The object alone, as a first layer in process does.
    Objects,
    /// Bytes alone, which it has to be given: it makes none.
    Bytes,
}

enum Content {
    /// Also returns what has expired, so that nobody but the composition filters that.
    Memory(Keeps, HashMap<CacheKey, CacheValue<Raw>>),
    Moka(MokaBackend),
    /// `None` only while it is being opened again, and after that has failed. It is closed before
    /// its directory goes.
    Sled(Option<SledBackend>, TempDir),
}

impl Store {
    fn lock(&self) -> MutexGuard<'_, Content> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn read(&self, key: &CacheKey) -> ReadOutcome {
        match &*self.lock() {
            Content::Memory(_, entries) => Ok(entries.get(key).cloned()),
            Content::Moka(backend) => at_once(backend.read(key), Operation::Read),
            Content::Sled(backend, _) => at_once(open(backend)?.read(key), Operation::Read),
        }
    }

    pub(super) fn write(&self, key: &CacheKey, value: CacheValue<Raw>) -> BackendResult<()> {
        match &mut *self.lock() {
            Content::Memory(keeps, entries) => {
                entries.insert(key.clone(), keeps.of(value)?);
                Ok(())
            }
            Content::Moka(backend) => at_once(backend.write(key, value), Operation::Write),
            Content::Sled(backend, _) => {
                at_once(open(backend)?.write(key, value), Operation::Write)
            }
        }
    }

    pub(super) fn remove(&self, key: &CacheKey) -> BackendResult<DeleteStatus> {
        match &mut *self.lock() {
            Content::Memory(_, entries) => {
                let removed = entries.remove(key);
                let live = removed.filter(|value| !value.is_expired());
                Ok(DeleteStatus::from(&live))
            }
            Content::Moka(backend) => at_once(backend.remove(key), Operation::Remove),
            Content::Sled(backend, _) => at_once(open(backend)?.remove(key), Operation::Remove),
        }
    }

    pub(super) fn capabilities(&self) -> Capabilities {
        let mut capabilities = Capabilities::default();
        capabilities.keeps_bytes = match &*self.lock() {
            Content::Memory(Keeps::Objects, _) | Content::Moka(_) => false,
            Content::Memory(Keeps::Bytes, _) | Content::Sled(..) => true,
        };
        capabilities.keeps_metadata = true;
        capabilities
    }

    /// What is in memory is lost, what is on disk is opened again.
    pub(super) fn restart(&self) -> BackendResult<()> {
        match &mut *self.lock() {
            Content::Memory(_, entries) => entries.clear(),
            Content::Moka(backend) => *backend = new_moka()?,
            Content::Sled(backend, directory) => {
                // The directory is free only when the former one is gone.
                drop(backend.take());
                *backend = Some(reopen_sled(directory.path())?);
            }
        }
        Ok(())
    }
}

impl Keeps {
    fn of(self, value: CacheValue<Raw>) -> BackendResult<CacheValue<Raw>> {
        match (self, value.data().encoded().cloned()) {
            (Self::Objects, _) => Ok(value.map(Raw::without_bytes)),
            (Self::Bytes, Some(bytes)) => Ok(value.map(|_| Raw::from(bytes))),
            (Self::Bytes, None) => {
                let kind = BackendErrorKind::NotStorable;
                Err(BackendError::new(kind, Operation::Write, "store".into()))
            }
        }
    }
}

/// None of the stores ever waits: values are small.
fn at_once<T>(
    operation: impl Future<Output = BackendResult<T>>,
    what: Operation,
) -> BackendResult<T> {
    operation
        .now_or_never()
        .unwrap_or_else(|| Err(broken(what, "it was to be done at once")))
}

fn open(backend: &Option<SledBackend>) -> BackendResult<&SledBackend> {
    backend
        .as_ref()
        .ok_or_else(|| broken(Operation::Open, "it could not be opened again"))
}

fn broken(operation: Operation, detail: &str) -> BackendError {
    BackendError::new(BackendErrorKind::Internal, operation, "store".into()).with_detail(detail)
}

fn new_moka() -> BackendResult<MokaBackend> {
    MokaBackend::builder().max_entries(MOKA_ENTRIES).build()
}

fn open_sled(path: &Path) -> BackendResult<SledBackend> {
    SledBackend::builder()
        .path(path)
        // Nothing that runs beside the history, by a clock of its own.
        .flush_every(None)
        .sweep_every(None)
        .cache_capacity(1 << 20)
        .build()
}

/// Until it works: when the last handle is dropped, threads of sled's own may still hold the files for
/// a moment.
fn reopen_sled(path: &Path) -> BackendResult<SledBackend> {
    const PATIENCE: Duration = Duration::from_secs(10);
    let began = Instant::now();
    loop {
        match open_sled(path) {
            Err(error)
                if error.kind() == BackendErrorKind::Unavailable && began.elapsed() < PATIENCE =>
            {
                thread::sleep(Duration::from_millis(1));
            }
            outcome => return outcome,
        }
    }
}

/// An empty store for this place.
pub(super) fn open_store(kind: StoreKind, place: Place) -> Result<Store, xtask::Failure> {
    let keeps = match place.inner.unwrap_or(place.outer) {
        CompositionLayer::L1 => Keeps::Objects,
        CompositionLayer::L2 => Keeps::Bytes,
    };
    let content = match kind {
        StoreKind::Memory => Content::Memory(keeps, HashMap::new()),
        StoreKind::Moka => Content::Moka(new_moka()?),
        StoreKind::Sled => {
            let directory = tempfile::tempdir()?;
            Content::Sled(Some(open_sled(directory.path())?), directory)
        }
    };
    Ok(Store(Mutex::new(content)))
}
