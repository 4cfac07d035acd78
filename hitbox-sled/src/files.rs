//! The files of entries that are too long for the tree.
//!
//! A file holds the key and the stored form of one entry, and is never changed. Its number is never
//! used again while the directory is open; and should a slot ever name the file of another key, the
//! key in it shows that.

use std::{
    collections::{BTreeSet, HashMap},
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::slot::FileRef;

/// Directories with millions of files are slow on some file systems.
const DIRECTORIES: u64 = 64;

/// So many files are not synced one by one if the system knows another way.
const MANY: usize = 32;

#[derive(Debug)]
pub(crate) struct Files {
    root: PathBuf,
    next: AtomicU64,
    on_disk: AtomicU64,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    /// Files that no slot names any more. After a crash sled may show what it held before, so they
    /// are deleted only once it has written its log.
    retired: Vec<FileRef>,
    retired_bytes: u64,
    /// Files whose content may not be on disk yet.
    unsynced: BTreeSet<u64>,
}

/// The files that were found at open, less those that were claimed.
pub(crate) type Unclaimed = HashMap<u64, u64>;

impl Files {
    /// The files below `root`, which need not be there. The second is to be given to
    /// [`delete_unclaimed`](Self::delete_unclaimed) once every slot has had its chance.
    pub(crate) fn scan(root: &Path) -> io::Result<(Self, Unclaimed)> {
        let mut found = Unclaimed::new();
        for directory in entries(root)? {
            for file in entries(&directory?.path())? {
                let file = file?;
                let Some(id) = parse_name(&file.file_name().to_string_lossy()) else {
                    continue;
                };
                found.insert(id, file.metadata()?.len());
            }
        }
        let last = found.keys().max().copied().unwrap_or(0);
        let files = Self {
            root: root.to_owned(),
            next: AtomicU64::new(last.saturating_add(1)),
            on_disk: AtomicU64::new(0),
            state: Mutex::default(),
        };
        Ok((files, found))
    }

    /// Whether `file` is among what was found, whole. Each file belongs to one slot.
    pub(crate) fn claim(&self, file: FileRef, unclaimed: &mut Unclaimed) -> bool {
        if unclaimed.get(&file.id) != Some(&file.length) {
            return false;
        }
        unclaimed.remove(&file.id);
        self.on_disk.fetch_add(file.on_disk(), Ordering::Relaxed);
        true
    }

    pub(crate) fn delete_unclaimed(&self, unclaimed: Unclaimed) -> io::Result<()> {
        for id in unclaimed.into_keys() {
            delete(&self.path(id))?;
        }
        Ok(())
    }

    /// What all files take on disk.
    pub(crate) fn on_disk(&self) -> u64 {
        self.on_disk.load(Ordering::Relaxed)
    }

    /// A file to be [written](Self::write). It counts from here on: what is counted is never less than
    /// what is on disk.
    pub(crate) fn reserve(&self, key: &[u8], stored: &[u8]) -> FileRef {
        let file = FileRef {
            id: self.next.fetch_add(1, Ordering::Relaxed),
            length: (key.len() + stored.len()) as u64,
        };
        self.on_disk.fetch_add(file.on_disk(), Ordering::Relaxed);
        file
    }

    /// Writes a reserved file, or gives the reservation back.
    pub(crate) fn write(&self, file: FileRef, key: &[u8], stored: &[u8]) -> io::Result<()> {
        let path = self.path(file.id);
        let written = create(&path).and_then(|mut created| {
            created.write_all(key)?;
            created.write_all(stored)
        });
        if written.is_err() {
            // What is there of it would take up room that something else needs.
            self.delete(vec![file]);
        } else {
            self.state().unsynced.insert(file.id);
        }
        written
    }

    /// The stored form in `file`.
    ///
    /// # Errors
    ///
    /// `InvalidData` if it is not that of `key`, or not as long as it was.
    pub(crate) fn read(&self, file: FileRef, key: &[u8]) -> io::Result<Bytes> {
        let mut opened = File::open(self.path(file.id))?;
        // Asked for before that much is allocated: a slot may say anything.
        let mut sound = opened.metadata()?.len() == file.length;
        let mut content = Vec::new();
        if sound {
            content.reserve_exact(usize::try_from(file.length).unwrap_or(0));
            opened.read_to_end(&mut content)?;
            sound = content.starts_with(key);
        }
        if !sound {
            return Err(io::Error::from(io::ErrorKind::InvalidData));
        }
        Ok(Bytes::from(content).slice(key.len()..))
    }

    /// Whether the key in `file` begins with `prefix`.
    pub(crate) fn has_prefix(&self, file: FileRef, prefix: &[u8]) -> io::Result<bool> {
        let mut beginning = Vec::with_capacity(prefix.len());
        File::open(self.path(file.id))?
            .take(prefix.len() as u64)
            .read_to_end(&mut beginning)?;
        Ok(beginning == prefix)
    }

    /// To be called when no slot names `file` any more.
    pub(crate) fn retire(&self, file: FileRef) {
        let mut state = self.state();
        state.unsynced.remove(&file.id);
        state.retired.push(file);
        state.retired_bytes += file.on_disk();
    }

    /// What has been retired so far: to be [deleted](Self::delete) once sled's log is on disk.
    pub(crate) fn take_retired(&self) -> Vec<FileRef> {
        let mut state = self.state();
        state.retired_bytes = 0;
        std::mem::take(&mut state.retired)
    }

    /// What the retired files take on disk.
    pub(crate) fn retired_bytes(&self) -> u64 {
        self.state().retired_bytes
    }

    pub(crate) fn delete(&self, retired: Vec<FileRef>) {
        for file in retired {
            if let Err(cause) = delete(&self.path(file.id)) {
                // It goes at the next open; until then it counts.
                tracing::warn!(%cause, "a file of an entry that is gone could not be deleted");
                continue;
            }
            self.on_disk.fetch_sub(file.on_disk(), Ordering::Relaxed);
        }
    }

    /// Writes to disk what the system holds of the files.
    pub(crate) fn sync(&self) -> io::Result<()> {
        let unsynced = self.state().unsynced.clone();
        // One by one takes milliseconds each.
        if unsynced.len() <= MANY || !sync_file_system(&self.root)? {
            self.sync_each(&unsynced)?;
        }
        // Only now: what an error has kept from the disk is for the next call.
        self.state().unsynced.retain(|id| !unsynced.contains(id));
        Ok(())
    }

    fn sync_each(&self, unsynced: &BTreeSet<u64>) -> io::Result<()> {
        let mut directories = BTreeSet::new();
        for id in unsynced {
            let path = self.path(*id);
            match File::open(&path) {
                Ok(opened) => opened.sync_all()?,
                // Retired and deleted since.
                Err(cause) if cause.kind() == io::ErrorKind::NotFound => continue,
                Err(cause) => return Err(cause),
            }
            directories.extend(path.parent().map(Path::to_owned));
            directories.insert(self.root.clone());
        }
        directories.iter().try_for_each(|path| sync_directory(path))
    }

    fn path(&self, id: u64) -> PathBuf {
        self.root
            .join(format!("{:02x}", id % DIRECTORIES))
            .join(format!("{id:016x}"))
    }

    fn state(&self) -> MutexGuard<'_, State> {
        // Each change of it is one call that does not panic half-way.
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn create(path: &Path) -> io::Result<File> {
    match File::create_new(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => {
            if let Some(directory) = path.parent() {
                fs::create_dir_all(directory)?;
            }
            File::create_new(path)
        }
        outcome => outcome,
    }
}

fn delete(path: &Path) -> io::Result<()> {
    match fs::remove_file(path) {
        Err(cause) if cause.kind() == io::ErrorKind::NotFound => Ok(()),
        outcome => outcome,
    }
}

/// What is in a directory; nothing if there is none.
fn entries(directory: &Path) -> io::Result<Vec<io::Result<fs::DirEntry>>> {
    match fs::read_dir(directory) {
        Ok(entries) => Ok(entries.collect()),
        Err(cause) if is_no_directory(&cause) => Ok(Vec::new()),
        Err(cause) => Err(cause),
    }
}

fn is_no_directory(cause: &io::Error) -> bool {
    matches!(
        cause.kind(),
        io::ErrorKind::NotFound | io::ErrorKind::NotADirectory
    )
}

fn parse_name(name: &str) -> Option<u64> {
    (name.len() == 16)
        .then(|| u64::from_str_radix(name, 16).ok())
        .flatten()
}

/// Whether the system writes to disk whatever it holds of this file system.
#[cfg(target_os = "linux")]
fn sync_file_system(root: &Path) -> io::Result<bool> {
    rustix::fs::syncfs(File::open(root)?)?;
    Ok(true)
}

#[cfg(not(target_os = "linux"))]
fn sync_file_system(_root: &Path) -> io::Result<bool> {
    Ok(false)
}

/// Names of new files are on disk when their directory is.
#[cfg(unix)]
fn sync_directory(directory: &Path) -> io::Result<()> {
    File::open(directory)?.sync_all()
}

#[cfg(not(unix))]
fn sync_directory(_directory: &Path) -> io::Result<()> {
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn written(files: &Files, stored: &[u8]) -> FileRef {
        let file = files.reserve(b"key", stored);
        files.write(file, b"key", stored).unwrap();
        file
    }

    #[test]
    fn a_file_gives_its_value_to_its_own_key_only() {
        let directory = tempfile::tempdir().unwrap();
        let (files, _) = Files::scan(directory.path()).unwrap();
        let file = written(&files, b"value");
        assert_eq!(files.read(file, b"key").unwrap(), b"value"[..]);
        let kind = |file, key: &[u8]| files.read(file, key).unwrap_err().kind();
        assert_eq!(kind(file, b"other"), io::ErrorKind::InvalidData);
        let length = 1 << 40;
        assert_eq!(
            kind(FileRef { length, ..file }, b"key"),
            io::ErrorKind::InvalidData
        );
        assert_eq!(
            kind(FileRef { id: 99, ..file }, b"key"),
            io::ErrorKind::NotFound
        );
    }

    #[test]
    fn files_are_there_until_they_are_deleted_and_orphans_until_the_next_scan() {
        let directory = tempfile::tempdir().unwrap();
        let (files, _) = Files::scan(directory.path()).unwrap();
        let [one, two, three] = [1, 2, 3].map(|n| written(&files, &[n; 5_000]));
        assert_eq!(files.on_disk(), 3 * one.on_disk());
        files.retire(one);
        assert!(files.read(one, b"key").is_ok());
        files.sync().unwrap();
        files.delete(files.take_retired());
        assert!(files.read(one, b"key").is_err());
        assert_eq!(files.on_disk(), 2 * one.on_disk());

        let (again, mut unclaimed) = Files::scan(directory.path()).unwrap();
        assert!(again.claim(two, &mut unclaimed));
        assert!(!again.claim(two, &mut unclaimed), "claimed twice");
        assert!(!again.claim(FileRef { length: 1, ..three }, &mut unclaimed));
        again.delete_unclaimed(unclaimed).unwrap();
        assert!(again.read(three, b"key").is_err());
        assert!(again.read(two, b"key").is_ok());
        assert_eq!(again.on_disk(), two.on_disk());
        assert!(written(&again, b"new").id > three.id);
    }
}
