//! Opening sled's files, whatever state they are in.

use std::{
    io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use hitbox_backend::{BackendError, BackendResult, Operation};
use hitbox_core::{BackendLabel, clock};

use crate::{
    directory::{self, Directory},
    error, rebuild,
    store::Store,
};

/// How long to wait for sled's own lock, once ours is held.
//
// Dropping a database does not end the work that it gave to sled's thread pool, and such work keeps
// the locked file open: usually for less than a millisecond, longer on a busy machine.
const LOCK_PATIENCE: Duration = Duration::from_secs(2);
const LOCK_PAUSE: Duration = Duration::from_millis(2);

/// What the files are opened with.
#[derive(Clone, Debug)]
pub(crate) struct OpenSettings {
    pub(crate) cache_capacity: u64,
    pub(crate) flush_every: Option<Duration>,
    pub(crate) max_bytes: u64,
    pub(crate) rebuild_above: Option<u64>,
}

/// A store that has been opened.
pub(crate) struct Opened {
    pub(crate) store: Store,
    /// Where the files are that could not be used.
    pub(crate) set_aside: Option<PathBuf>,
}

enum Failure {
    /// The files are damaged; the text says how that was noticed.
    Damaged(&'static str),
    Failed(BackendError),
}

/// Opens the store in `directory`. Damaged files are set aside and the store begins anew: a cache
/// that is empty is better than a service that does not start.
pub(crate) fn open(
    directory: &Directory,
    settings: &OpenSettings,
    label: &BackendLabel,
) -> BackendResult<Opened> {
    let noticed_by = match attempt(directory, settings, label) {
        Ok(store) => {
            return Ok(Opened {
                store,
                set_aside: None,
            });
        }
        Err(Failure::Failed(error)) => return Err(error),
        Err(Failure::Damaged(noticed_by)) => noticed_by,
    };
    let set_aside = directory
        .set_aside(clock::now())
        .map_err(|cause| directory::unusable(cause, directory.path(), label))?;
    tracing::warn!(
        backend = %label,
        set_aside = %set_aside.display(),
        noticed_by,
        "the database was damaged and has been set aside; the cache starts empty"
    );
    match attempt(directory, settings, label) {
        Ok(store) => Ok(Opened {
            store,
            set_aside: Some(set_aside),
        }),
        Err(Failure::Failed(error)) => Err(error),
        Err(Failure::Damaged(noticed_by)) => Err(error::unusable_disk(label, noticed_by)),
    }
}

fn attempt(
    directory: &Directory,
    settings: &OpenSettings,
    label: &BackendLabel,
) -> Result<Store, Failure> {
    let opening = || open_and_rebuild(directory, settings);
    // sled asserts what it reads in more places than it checks it. Unwind safe: what the closure
    // makes is lost with the panic, and the files are not used again.
    match panic::catch_unwind(AssertUnwindSafe(opening)) {
        Ok(Ok(store)) => Ok(store),
        Ok(Err(cause)) if error::is_damage(&cause) => {
            Err(Failure::Damaged("an error that sled returned"))
        }
        Ok(Err(sled::Error::Io(cause))) if is_held(&cause) => Err(Failure::Failed(
            error::locked(label, directory.path()).with_source(cause),
        )),
        Ok(Err(cause)) => Err(Failure::Failed(error::from_sled(
            cause,
            Operation::Open,
            label,
        ))),
        Err(_panic) => Err(Failure::Damaged("a panic in sled")),
    }
}

fn open_and_rebuild(directory: &Directory, settings: &OpenSettings) -> sled::Result<Store> {
    let store = open_files(&directory.data(), settings)?;
    match settings.rebuild_above {
        Some(limit) if store.size_on_disk()? > limit => {
            rebuild::rebuild(store, directory, settings)
        }
        Some(_) | None => Ok(store),
    }
}

pub(crate) fn open_files(path: &Path, settings: &OpenSettings) -> sled::Result<Store> {
    let flush_every = settings
        .flush_every
        .map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1));
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(settings.cache_capacity)
        .flush_every_ms(flush_every);
    let database = open_when_released(&config)?;
    let store = Store::new(database, settings.max_bytes)?;
    store.reconcile(clock::now())?;
    Ok(store)
}

fn open_when_released(config: &sled::Config) -> sled::Result<sled::Db> {
    let begun = Instant::now();
    loop {
        match config.open() {
            Err(sled::Error::Io(cause)) if is_held(&cause) && begun.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

/// Whether sled says that another handle holds its files. The system's own errors are never of this
/// kind.
fn is_held(cause: &io::Error) -> bool {
    cause.kind() == io::ErrorKind::Other
}
