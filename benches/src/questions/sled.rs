//! What does a typed read of a local disk cost, while what is read is in sled's memory?

use std::rc::Rc;

use hitbox_core::CacheKey;
use hitbox_sled::{SledBackend, SledBackendBuilder};
use sled::Tree;
use tempfile::TempDir;
use tokio::runtime::Runtime;

use super::arrangement::{fill, hit};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{self, Binary, Body, Size, Text},
    keys::{self, Order},
    runtime,
};

/// A cache in a directory of its own, which goes with it.
pub(super) struct Opened {
    // In the order in which they are to be dropped.
    cache: SledBackend,
    _directory: TempDir,
}

impl Opened {
    pub(super) fn new() -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        Ok(Self {
            // Nothing is to be evicted.
            cache: SledBackend::builder()
                .path(directory.path())
                .max_bytes(16 << 30)
                .build()?,
            _directory: directory,
        })
    }

    pub(super) const fn cache(&self) -> &SledBackend {
        &self.cache
    }

    /// Typed reads of these keys, all of them hits.
    pub(super) fn reads<T: Body>(self, runtime: &Rc<Runtime>, keys: Vec<CacheKey>) -> Runner {
        let mut order = Order::even(keys.len());
        Runner::repeating(runtime, async move || {
            // All of it, not the cache alone: the directory is to stay for as long.
            let opened = &self;
            hit::<T>(&opened.cache, &keys[order.advance()]).await
        })
    }
}

/// The same for sled alone, with the adapter's settings.
pub(super) struct Raw {
    // The adapter keeps its entries in a tree with a name, too.
    tree: Tree,
    _database: sled::Db,
    _directory: TempDir,
}

impl Raw {
    pub(super) fn new() -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let database = sled::Config::new()
            .path(directory.path())
            .cache_capacity(SledBackendBuilder::DEFAULT_CACHE_CAPACITY)
            .open()?;
        Ok(Self {
            tree: database.open_tree("values")?,
            _database: database,
            _directory: directory,
        })
    }

    /// Writes a body of this size under keys 0 up to `count`.
    pub(super) fn fill<T: Body>(&self, count: usize, size: Size) -> Result<(), Failure> {
        for (id, index) in (0..).zip(0..count) {
            let encoded = bodies::encoded(&T::new(id, size))?;
            let text = keys::text(index);
            self.tree.insert(text.as_bytes(), &*encoded)?;
        }
        Ok(())
    }

    /// Reads and decodes what is under these keys.
    pub(super) fn reads<T: Body>(self, keys: &[CacheKey]) -> Runner {
        let mut order = Order::even(keys.len());
        let keys: Vec<_> = keys.iter().map(|key| key.as_text().to_owned()).collect();
        Runner::new(move |times| {
            let opened = &self;
            for _ in 0..times {
                let stored = opened.tree.get(keys[order.advance()].as_bytes())?;
                let body: T = bodies::decoded(&stored.ok_or("a miss")?)?;
                std::hint::black_box(&body);
            }
            Ok(())
        })
    }
}

/// Reads of so many keys with bodies of this size, beside reads of sled alone.
///
/// # Errors
///
/// If one of them cannot be opened or filled.
pub fn contest<T: Body>(
    runtime: &Rc<Runtime>,
    count: usize,
    size: Size,
) -> Result<Contest, Failure> {
    let keys = keys::keys(count);
    let opened = Opened::new()?;
    fill::<T>(runtime, opened.cache(), count, size)?;
    let raw = Raw::new()?;
    raw.fill::<T>(count, size)?;
    let floor = raw.reads::<T>(&keys);
    Ok(Contest::between(opened.reads::<T>(runtime, keys), floor))
}

fn case<T: Body>(size: Size) -> Case {
    let name = format!("sled/typed read/{size} {}", T::NAME);
    let case = Case::contest(name, move || contest::<T>(&runtime()?, keys::HOT, size));
    case.target(Target::at_most(1.3))
}

/// Every size and type of body.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        cases.push(case::<Text>(size).quick_at(size));
        cases.push(case::<Binary>(size));
    }
    cases
}
