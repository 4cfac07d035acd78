//! The directory a backend lives in.
//!
//! ```text
//! path/lock                       held, as long as the backend is open
//! path/data/                      sled's files
//! path/values/                    the files of long values
//! path/data.corrupt-<millis>/     what was set aside last
//! path/data.probe/                whether sled can open anything at all
//! path/data.rebuilt/              a rebuild that is being written
//! path/data.replaced/             what a rebuild is taking the place of
//! ```
//!
//! A rebuild leaves the long values where they are. sled has a lock of its own, but lets go of it between one attempt to open and the next, when the
//! files are moved. And everything stays below `path`: its parent may not be writable, and `path`
//! may be a mount point, which cannot be renamed.

use std::{
    fs::{self, File, TryLockError},
    io,
    path::{Path, PathBuf},
    thread,
    time::{Duration, Instant},
};

use chrono::{DateTime, Utc};
use hitbox_backend::{BackendError, BackendResult};
use hitbox_core::BackendLabel;

use crate::error;

/// How long to wait for a lock that somebody else holds.
pub(crate) const LOCK_PATIENCE: Duration = Duration::from_secs(1);
pub(crate) const LOCK_PAUSE: Duration = Duration::from_millis(2);

const SET_ASIDE_PREFIX: &str = "data.corrupt-";

/// A directory that this process holds until the value is dropped.
#[derive(Debug)]
pub(crate) struct Directory {
    path: PathBuf,
    // Locked; the system unlocks it when the file is closed, by whatever end of the process.
    _lock: File,
}

impl Directory {
    /// Makes the directory if it is not there, and takes its lock.
    pub(crate) fn lock(path: &Path, label: &BackendLabel) -> BackendResult<Self> {
        let unusable = |cause| unusable(cause, path, label);
        fs::create_dir_all(path).map_err(unusable)?;
        let lock = File::options()
            .create(true)
            .truncate(false)
            .read(true)
            .write(true)
            .open(path.join("lock"))
            .map_err(unusable)?;
        match lock_when_released(&lock) {
            Ok(()) => {}
            Err(TryLockError::WouldBlock) => return Err(error::locked(label, path)),
            Err(TryLockError::Error(cause)) => return Err(unusable(cause)),
        }
        let directory = Self {
            path: path.to_owned(),
            _lock: lock,
        };
        directory.finish_interrupted_rebuild().map_err(unusable)?;
        Ok(directory)
    }

    pub(crate) fn path(&self) -> &Path {
        &self.path
    }

    pub(crate) fn data(&self) -> PathBuf {
        self.path.join("data")
    }

    pub(crate) fn values(&self) -> PathBuf {
        self.path.join("values")
    }

    pub(crate) fn probe(&self) -> PathBuf {
        self.path.join("data.probe")
    }

    pub(crate) fn rebuilt(&self) -> PathBuf {
        self.path.join("data.rebuilt")
    }

    fn replaced(&self) -> PathBuf {
        self.path.join("data.replaced")
    }

    /// Moves all files of the store out of the way, and returns where they are now. What was set
    /// aside before is deleted: the disk never holds more than one such copy.
    pub(crate) fn set_aside(&self, now: DateTime<Utc>) -> io::Result<PathBuf> {
        for entry in fs::read_dir(&self.path)? {
            let entry = entry?;
            if entry
                .file_name()
                .to_string_lossy()
                .starts_with(SET_ASIDE_PREFIX)
            {
                fs::remove_dir_all(entry.path())?;
            }
        }
        let millis = now.timestamp_millis();
        let target = self.path.join(format!("{SET_ASIDE_PREFIX}{millis}"));
        fs::rename(self.data(), &target)?;
        // After a crash between the two no slot names the long values: they are deleted at open.
        match fs::rename(self.values(), target.join("values")) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
            Ok(()) | Err(_) => Ok(target),
        }
    }

    /// Puts the rebuilt files in the place of the old ones. Neither may be open.
    pub(crate) fn swap_in_rebuilt(&self) -> io::Result<()> {
        fs::rename(self.data(), self.replaced())?;
        fs::rename(self.rebuilt(), self.data())?;
        fs::remove_dir_all(self.replaced())
    }

    /// Puts right what a crash during a rebuild left: the replaced files are whole, and the rebuilt
    /// ones are only if they have taken their place.
    fn finish_interrupted_rebuild(&self) -> io::Result<()> {
        if !self.data().exists() && self.replaced().exists() {
            fs::rename(self.replaced(), self.data())?;
        }
        for left in [self.rebuilt(), self.replaced(), self.probe()] {
            remove_if_there(&left)?;
        }
        Ok(())
    }
}

/// A process that this one is starting holds what is open here until it runs its program: a lock
/// that has been given up is held for a moment more.
fn lock_when_released(lock: &File) -> Result<(), TryLockError> {
    let begun = Instant::now();
    loop {
        match lock.try_lock() {
            Err(TryLockError::WouldBlock) if begun.elapsed() < LOCK_PATIENCE => {
                thread::sleep(LOCK_PAUSE);
            }
            outcome => return outcome,
        }
    }
}

pub(crate) fn remove_if_there(directory: &Path) -> io::Result<()> {
    match fs::remove_dir_all(directory) {
        Err(error) if error.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

pub(crate) fn unusable(cause: io::Error, path: &Path, label: &BackendLabel) -> BackendError {
    let detail = format!(
        "`path` {}: the directory cannot be created or written; choose one that this process may \
         write to",
        path.display()
    );
    BackendError::invalid_configuration(label.clone(), detail).with_source(cause)
}
