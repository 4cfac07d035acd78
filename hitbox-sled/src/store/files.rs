//! The files of entries that are too long for the tree.
//!
//! A file holds the key and the stored form of one entry, and is never changed. Its number is never
//! used again while the directory is open; and should a slot ever name the file of another key, the
//! key in it shows that.
//!
//! sled keeps its last writes in memory for a while. A process that is killed meanwhile leaves slots of
//! entries that had been replaced or removed. So the file of such an entry gives up its name at once:
//! the slot that comes back names no file, and the next open drops it.

use std::{
    collections::{BTreeSet, HashMap},
    ffi::OsStr,
    fs::{self, File},
    io::{self, Read, Write},
    path::{Path, PathBuf},
    sync::{
        Mutex, MutexGuard, PoisonError,
        atomic::{AtomicU64, Ordering},
    },
};

use bytes::Bytes;

use crate::store::slot::FileRef;

/// Directories with millions of files are slow on some file systems.
const DIRECTORIES: u64 = 64;

/// What the second name of a file adds to its first.
const RETIRED: &str = "gone";

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
    /// Files that no slot names any more, under their second names. Deleting a large one takes
    /// milliseconds, which is not for the thread of whoever replaced or removed the entry.
    retired: Vec<FileRef>,
    retired_bytes: u64,
    /// Files whose content may not be on disk yet.
    unsynced: BTreeSet<u64>,
}

/// What was found at open, less the files that were claimed.
#[derive(Debug, Default)]
pub(crate) struct Unclaimed {
    /// The length of each file, by its number.
    files: HashMap<u64, u64>,
    /// What no slot can name: files that were retired, and what is no file.
    others: Vec<PathBuf>,
}

impl Files {
    /// The files below `root`, which need not be there. The second is to be given to
    /// [`delete_unclaimed`](Self::delete_unclaimed) once every slot has had its chance.
    pub(crate) fn scan(root: &Path) -> io::Result<(Self, Unclaimed)> {
        let mut found = Unclaimed::default();
        let mut last = 0;
        make_way_for_directory(root);
        for directory in entries(root)? {
            let directory = directory?.path();
            if directory.file_name().is_some_and(is_name_of_directory) {
                make_way_for_directory(&directory);
            }
            for entry in entries(&directory)? {
                let entry = entry?;
                let Some((id, is_retired)) = parse_name(&entry.file_name().to_string_lossy())
                else {
                    continue;
                };
                last = id.max(last);
                let metadata = entry.metadata()?;
                if metadata.is_file() && !is_retired {
                    found.files.insert(id, metadata.len());
                } else {
                    found.others.push(entry.path());
                }
            }
        }
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
        // The slot may come back once more, should the process be killed soon.
        self.next
            .fetch_max(file.id.saturating_add(1), Ordering::Relaxed);
        if unclaimed.files.get(&file.id) != Some(&file.length) {
            return false;
        }
        unclaimed.files.remove(&file.id);
        self.on_disk.fetch_add(file.on_disk(), Ordering::Relaxed);
        true
    }

    /// Deletes what no slot names. What cannot be deleted stays, and does no harm.
    pub(crate) fn delete_unclaimed(&self, unclaimed: Unclaimed) {
        let files = unclaimed.files.into_keys().map(|id| self.path(id));
        let mut left = 0_u64;
        let mut first = None;
        for path in files.chain(unclaimed.others) {
            if let Err(cause) = delete_whatever_it_is(&path) {
                left += 1;
                first.get_or_insert((path, cause));
            }
        }
        if let Some((path, cause)) = first {
            tracing::warn!(
                left,
                path = %path.display(),
                %cause,
                "what stands among the files of long values and belongs to no entry could not be \
                 deleted"
            );
        }
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
            self.delete_at(&path, file);
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

    /// To be called when no slot names `file` any more, also on a thread that must not wait long.
    pub(crate) fn retire(&self, file: FileRef) {
        self.state().unsynced.remove(&file.id);
        if fs::rename(self.path(file.id), self.retired_path(file.id)).is_err() {
            // It is gone already, or there is no room for another name.
            self.delete_at(&self.path(file.id), file);
            return;
        }
        let mut state = self.state();
        state.retired.push(file);
        state.retired_bytes += file.on_disk();
    }

    /// What has been retired so far, to be [deleted](Self::delete_retired).
    pub(crate) fn take_retired(&self) -> Vec<FileRef> {
        let mut state = self.state();
        state.retired_bytes = 0;
        std::mem::take(&mut state.retired)
    }

    /// What the retired files take on disk.
    pub(crate) fn retired_bytes(&self) -> u64 {
        self.state().retired_bytes
    }

    pub(crate) fn delete_retired(&self, retired: Vec<FileRef>) {
        for file in retired {
            self.delete_at(&self.retired_path(file.id), file);
        }
    }

    fn delete_at(&self, path: &Path, file: FileRef) {
        if let Err(cause) = delete(path) {
            // It goes at the next open; until then it counts.
            tracing::warn!(%cause, "a file of an entry that is gone could not be deleted");
            return;
        }
        self.on_disk.fetch_sub(file.on_disk(), Ordering::Relaxed);
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
            .join(directory_name(id))
            .join(format!("{id:016x}"))
    }

    fn retired_path(&self, id: u64) -> PathBuf {
        self.path(id).with_extension(RETIRED)
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

/// Deletes what is no directory, for one to be made there.
fn make_way_for_directory(path: &Path) {
    if path.is_dir() || path.symlink_metadata().is_err() {
        return;
    }
    let outcome = fs::remove_file(path);
    tracing::warn!(
        path = %path.display(),
        is_gone = outcome.is_ok(),
        "what stood where files of long values belong is no directory"
    );
}

fn delete_whatever_it_is(path: &Path) -> io::Result<()> {
    match delete(path) {
        // Only an empty one: whatever is in it, nobody knows whose it is.
        Err(_) if path.is_dir() => fs::remove_dir(path),
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

fn is_name_of_directory(name: &OsStr) -> bool {
    (0..DIRECTORIES).any(|number| *name == *directory_name(number))
}

fn directory_name(id: u64) -> String {
    format!("{:02x}", id % DIRECTORIES)
}

/// The number of a file, and whether this is its second name.
fn parse_name(name: &str) -> Option<(u64, bool)> {
    let (number, is_retired) = match name.split_once('.') {
        None => (name, false),
        Some((number, RETIRED)) => (number, true),
        Some(_) => return None,
    };
    let id = (number.len() == 16).then(|| u64::from_str_radix(number, 16).ok());
    Some((id.flatten()?, is_retired))
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
    fn retired_files_count_until_they_are_deleted_and_orphans_are_there_until_the_next_scan() {
        let directory = tempfile::tempdir().unwrap();
        let (files, _) = Files::scan(directory.path()).unwrap();
        let [one, two, three] = [1, 2, 3].map(|n| written(&files, &[n; 5_000]));
        assert_eq!(files.on_disk(), 3 * one.on_disk());
        files.retire(one);
        let found = files.read(one, b"key").unwrap_err();
        assert_eq!(found.kind(), io::ErrorKind::NotFound);
        assert_eq!(files.on_disk(), 3 * one.on_disk());
        files.sync().unwrap();
        files.delete_retired(files.take_retired());
        assert_eq!(files.on_disk(), 2 * one.on_disk());

        let (again, mut unclaimed) = Files::scan(directory.path()).unwrap();
        assert!(again.claim(two, &mut unclaimed));
        assert!(!again.claim(two, &mut unclaimed), "claimed twice");
        assert!(!again.claim(FileRef { length: 1, ..three }, &mut unclaimed));
        again.delete_unclaimed(unclaimed);
        assert!(again.read(three, b"key").is_err());
        assert!(again.read(two, b"key").is_ok());
        assert_eq!(again.on_disk(), two.on_disk());
        assert!(written(&again, b"new").id > three.id);
    }

    /// As after a kill.
    #[test]
    fn what_was_retired_is_nobodys_at_the_next_scan_and_its_number_is_not_used_again() {
        let directory = tempfile::tempdir().unwrap();
        let (files, _) = Files::scan(directory.path()).unwrap();
        let [_, last] = [1, 2].map(|n| written(&files, &[n; 5_000]));
        files.retire(last);

        let (again, mut unclaimed) = Files::scan(directory.path()).unwrap();
        assert!(!again.claim(last, &mut unclaimed));
        again.delete_unclaimed(unclaimed);
        assert!(!again.retired_path(last.id).exists());

        // The slot has come back a second time, and nothing else says that the number was in use.
        let (again, mut unclaimed) = Files::scan(directory.path()).unwrap();
        assert!(!again.claim(last, &mut unclaimed));
        assert!(written(&again, b"new").id > last.id);
    }

    #[test]
    fn a_file_that_cannot_have_another_name_is_deleted_at_once() {
        let directory = tempfile::tempdir().unwrap();
        let (files, _) = Files::scan(directory.path()).unwrap();
        let file = written(&files, &[1; 5_000]);
        fs::create_dir(files.retired_path(file.id)).unwrap();
        files.retire(file);
        assert!(!files.path(file.id).exists());
        assert_eq!(files.on_disk(), 0);
        assert_eq!(files.retired_bytes(), 0);
    }
}
