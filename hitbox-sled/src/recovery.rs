//! Opening sled's files, whatever state they are in.

use std::{
    fs, io,
    panic::{self, AssertUnwindSafe},
    path::{Path, PathBuf},
    sync::Arc,
    thread,
    time::{Duration, Instant},
};

use hitbox_backend::{BackendError, BackendResult, Operation};
use hitbox_core::{BackendLabel, clock};

use crate::{
    directory::{self, Directory, LOCK_PATIENCE, LOCK_PAUSE},
    error,
    store::{Store, files::Files, most_on_disk},
};

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

impl Opened {
    const fn as_it_was(store: Store) -> Self {
        Self {
            store,
            set_aside: None,
        }
    }
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
    let noticed_by = match attempt(|| open_and_rebuild(directory, settings), directory, label) {
        Ok(store) => return Ok(Opened::as_it_was(store)),
        Err(Failure::Failed(error)) => return Err(error),
        Err(Failure::Damaged(noticed_by)) => noticed_by,
    };
    // sled panics for want of threads or memory, too. So the files are damaged only if sled opens
    // others and then still not these.
    probe(directory, settings, label)?;
    match attempt(|| open_and_rebuild(directory, settings), directory, label) {
        Ok(store) => return Ok(Opened::as_it_was(store)),
        Err(Failure::Failed(error)) => return Err(error),
        Err(Failure::Damaged(_)) => {}
    }
    let set_aside = directory
        .set_aside(clock::now())
        .map_err(|cause| directory::unusable(cause, directory.path(), label))?;
    tracing::warn!(
        backend = %label,
        set_aside = %set_aside.display(),
        noticed_by,
        "the database was damaged and has been set aside; the cache starts empty"
    );
    match attempt(|| open_and_rebuild(directory, settings), directory, label) {
        Ok(store) => Ok(Opened {
            store,
            set_aside: Some(set_aside),
        }),
        Err(Failure::Failed(error)) => Err(error),
        Err(Failure::Damaged(noticed_by)) => Err(error::unusable_sled(label, noticed_by)),
    }
}

/// Whether sled can open a fresh database with these settings.
fn probe(
    directory: &Directory,
    settings: &OpenSettings,
    label: &BackendLabel,
) -> BackendResult<()> {
    let probe = directory.probe();
    let opened = attempt(|| open_database(&probe, settings), directory, label).map(drop);
    // Whatever is left of it goes at the next open.
    let _left_for_later = directory::remove_if_there(&probe);
    match opened {
        Ok(()) => Ok(()),
        Err(Failure::Failed(error)) => Err(error),
        Err(Failure::Damaged(noticed_by)) => Err(error::unusable_sled(label, noticed_by)),
    }
}

fn attempt<T>(
    opening: impl FnOnce() -> sled::Result<T>,
    directory: &Directory,
    label: &BackendLabel,
) -> Result<T, Failure> {
    // sled asserts what it reads in more places than it checks it. Unwind safe: what the closure
    // makes is lost with the panic, and the files are not used again.
    match panic::catch_unwind(AssertUnwindSafe(opening)) {
        Ok(Ok(opened)) => Ok(opened),
        Ok(Err(cause)) if error::is_damage(&cause) => {
            Err(Failure::Damaged("an error that sled returned"))
        }
        Ok(Err(sled::Error::Io(cause))) if is_held(&cause) => Err(Failure::Failed(
            error::not_let_go(label, directory.path()).with_source(cause),
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
    let store = open_files(directory, settings)?;
    let limit = settings
        .rebuild_above
        .unwrap_or(most_on_disk(settings.max_bytes));
    if store.size_on_disk()? > limit || has_blobs(directory) {
        return rebuild(store, directory, settings);
    }
    Ok(store)
}

/// Whether sled has files that it forgets to delete: an earlier version left them to it.
fn has_blobs(directory: &Directory) -> bool {
    fs::read_dir(directory.data().join("blobs")).is_ok_and(|mut blobs| blobs.next().is_some())
}

/// Copies the live entries of `store` into fresh files of sled's, which take the place of the old
/// ones. Long values stay in the files that they are in.
///
/// Only while nobody else uses the store: sled's files cannot be replaced under an open database,
/// and holding every caller up for the copy would be a stall of seconds.
fn rebuild(store: Store, directory: &Directory, settings: &OpenSettings) -> sled::Result<Store> {
    let rebuilt = open_store(&directory.rebuilt(), store.files(), settings)?;
    store.copy_live_to(&rebuilt, clock::now())?;
    // Both closed before their files move: sled opens further files by path.
    drop(store);
    drop(rebuilt);
    directory.swap_in_rebuilt()?;
    open_files(directory, settings)
}

fn open_files(directory: &Directory, settings: &OpenSettings) -> sled::Result<Store> {
    let (files, unclaimed) = Files::scan(&directory.values())?;
    let store = open_store(&directory.data(), Arc::new(files), settings)?;
    store.reconcile(unclaimed, clock::now())?;
    Ok(store)
}

fn open_store(path: &Path, files: Arc<Files>, settings: &OpenSettings) -> sled::Result<Store> {
    let database = open_database(path, settings)?;
    Store::new(database, path, files, settings.max_bytes)
}

fn open_database(path: &Path, settings: &OpenSettings) -> sled::Result<sled::Db> {
    let flush_every = settings
        .flush_every
        .map(|every| u64::try_from(every.as_millis()).unwrap_or(u64::MAX).max(1));
    let config = sled::Config::new()
        .path(path)
        .cache_capacity(settings.cache_capacity)
        .flush_every_ms(flush_every);
    open_when_released(&config)
}

/// Waits for sled's own lock, once ours is held. Dropping a database does not end the work that it
/// gave to sled's thread pool, and such work keeps the locked file open: usually for less than a
/// millisecond, longer on a busy machine.
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

#[cfg(test)]
mod tests {
    use hitbox_backend::BackendErrorKind;

    use super::*;

    fn settings(cache_capacity: u64) -> OpenSettings {
        OpenSettings {
            cache_capacity,
            flush_every: None,
            max_bytes: 1 << 20,
            rebuild_above: None,
        }
    }

    /// sled panics for many reasons that are not the files': want of threads or memory, or as here
    /// a setting that it does not like.
    #[test]
    fn a_panic_that_a_fresh_database_shares_sets_nothing_aside() {
        let path = tempfile::tempdir().unwrap();
        let label = BackendLabel::new_static("sled");
        let directory = Directory::lock(path.path(), &label).unwrap();
        let opened = open(&directory, &settings(1 << 20), &label).unwrap();
        opened.store.inject(b"key", b"value");
        opened.store.flush().unwrap();
        drop(opened);

        let Err(refused) = open(&directory, &settings(1), &label) else {
            panic!("opened");
        };
        assert_eq!(refused.kind(), BackendErrorKind::Unavailable);
        assert!(refused.to_string().contains("threads"), "{refused}");
        assert!(!directory.probe().exists());

        let opened = open(&directory, &settings(1 << 20), &label).unwrap();
        assert_eq!(opened.set_aside, None);
    }
}
