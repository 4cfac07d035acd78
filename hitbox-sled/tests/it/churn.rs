//! Values that come and go, and what they take on disk meanwhile.

use std::{
    fs,
    ops::RangeInclusive,
    path::Path,
    sync::atomic::{AtomicUsize, Ordering},
    thread,
};

use futures::executor::block_on;
use hitbox_backend::Backend;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use hitbox_sled::SledBackend;

/// What everything below `path` takes on disk, whole blocks and what the directories take included.
pub(crate) fn on_disk(path: &Path) -> u64 {
    use std::os::unix::fs::MetadataExt;
    let Ok(entries) = fs::read_dir(path) else {
        return 0;
    };
    entries
        .filter_map(|entry| {
            let entry = entry.ok()?;
            // A file may go while this looks.
            let blocks = entry.metadata().ok()?.blocks() * 512;
            Some(if entry.file_type().ok()?.is_dir() {
                blocks + on_disk(&entry.path())
            } else {
                blocks
            })
        })
        .sum()
}

/// Writes, overwrites and removes values of these lengths until so many bytes have been written.
#[derive(Clone, Debug)]
pub(crate) struct Churn {
    pub(crate) lengths: RangeInclusive<usize>,
    pub(crate) key_length: usize,
    pub(crate) megabytes: usize,
    pub(crate) writers: usize,
    pub(crate) max_bytes: u64,
}

impl Churn {
    pub(crate) const fn of(
        lengths: RangeInclusive<usize>,
        megabytes: usize,
        max_bytes: u64,
    ) -> Self {
        Self {
            max_bytes,
            lengths,
            key_length: 0,
            megabytes,
            writers: 1,
        }
    }

    fn key(&self, number: usize) -> CacheKey {
        CacheKey::from_pair("key", format!("{number:0width$}", width = self.key_length))
    }

    /// Returns the most that was on disk meanwhile.
    pub(crate) fn run(&self, backend: &SledBackend, path: &Path, seed: u64) -> u64 {
        let written = AtomicUsize::new(0);
        thread::scope(|scope| {
            let writers = (0..self.writers as u64).map(|writer| {
                let random = fastrand::Rng::with_seed(seed.wrapping_add(writer));
                let written = &written;
                scope.spawn(move || self.write(backend, path, written, random))
            });
            let writers: Vec<_> = writers.collect();
            let most = writers.into_iter().map(|writer| writer.join().unwrap());
            most.max().unwrap()
        })
    }

    fn write(
        &self,
        backend: &SledBackend,
        path: &Path,
        written: &AtomicUsize,
        mut random: fastrand::Rng,
    ) -> u64 {
        let mean = (self.lengths.start() + self.lengths.end()) / 2 + self.key_length;
        let keys = 2 * self.max_bytes as usize / mean;
        let total = self.megabytes << 20;
        let mut most = 0;
        let mut due = 0;
        loop {
            let length = random.usize(self.lengths.clone());
            let so_far = written.fetch_add(length + self.key_length, Ordering::Relaxed);
            if so_far >= total {
                return most;
            }
            if so_far >= due {
                most = most.max(on_disk(path));
                due = so_far + total / 50;
            }
            let key = self.key(random.usize(..keys));
            if random.u8(..20) == 0 {
                block_on(backend.remove(&key)).unwrap();
            }
            let value = CacheValue::loaded(Raw::from(vec![7; length]), Stamp::now());
            block_on(backend.write(&key, value)).unwrap();
        }
    }
}
