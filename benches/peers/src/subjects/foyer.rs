//! foyer's cache in memory, and the one with a disk beneath. A hit returns a handle to the entry, which holds the object.

use std::{any::Any, convert::Infallible, rc::Rc, sync::Arc};

use foyer::{
    BlockEngineConfig, Cache, CacheBuilder, DeviceBuilder, FsDeviceBuilder, HybridCache,
    HybridCacheBuilder,
};
use hitbox_benches::{
    Failure, Runner,
    bodies::{Size, Text},
    keys,
};
use tokio::runtime::Runtime;

use super::{
    ENTRIES, body,
    loading::{Emptied, Loading},
    over_hot,
};

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache: Cache<Arc<str>, Text> = CacheBuilder::new(usize::try_from(ENTRIES)?).build();
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        cache.insert(Arc::clone(key), body(index, size));
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        let entry = cache.get(key).ok_or("a miss")?;
        std::hint::black_box(entry.value());
        Ok(())
    }))
}

/// Its files go with the directory.
struct Hybrid {
    cache: HybridCache<String, Text>,
    _directory: tempfile::TempDir,
}

impl Hybrid {
    /// Its default is to write to disk what is evicted from memory, which is nothing here.
    async fn open(entries: usize) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let device = FsDeviceBuilder::new(directory.path()).with_capacity(1 << 28);
        let builder = HybridCacheBuilder::new().memory(entries).storage();
        let builder = builder.with_engine_config(BlockEngineConfig::new(device.build()?));
        Ok(Self {
            cache: builder.build().await?,
            _directory: directory,
        })
    }
}

/// Hits of its memory.
pub(crate) fn hybrid_hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let hybrid = runtime.block_on(Hybrid::open(usize::try_from(ENTRIES)?))?;
    let keys: Vec<_> = (0..keys::HOT).map(keys::joined).collect();
    runtime.block_on(async {
        for (index, key) in keys.iter().enumerate() {
            hybrid.cache.insert(key.clone(), body(index, size));
        }
    });
    Ok(over_hot(runtime, keys, async move |key: &String| {
        let entry = hybrid.cache.get(key).await?.ok_or("a miss")?;
        std::hint::black_box(entry.value());
        Ok(())
    }))
}

/// The cache in memory, with so many entries.
pub(crate) fn filled(_: &Runtime, entries: usize, size: Size) -> Result<Box<dyn Any>, Failure> {
    let cache: Cache<Arc<str>, Text> = CacheBuilder::new(2 * entries).build();
    for index in 0..entries {
        // As long as it has to be.
        cache.insert(keys::text(index), body(index, size).clone());
    }
    Ok(Box::new(cache))
}

/// `get_or_fetch` of the cache in memory.
#[derive(Clone)]
pub(crate) struct GetOrFetch(Cache<Arc<str>, Text>);

impl Loading for GetOrFetch {
    type Key = Arc<str>;

    fn open(_: &Runtime) -> Result<Self, Failure> {
        Ok(Self(CacheBuilder::new(usize::try_from(ENTRIES)?).build()))
    }

    fn key(index: usize) -> Arc<str> {
        keys::text(index)
    }

    async fn get(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        let fetch = || async { Ok::<_, Infallible>(load.await) };
        let entry = self.0.get_or_fetch(key, fetch).await?;
        std::hint::black_box(entry.value());
        Ok(())
    }
}

impl Emptied for GetOrFetch {
    async fn empty(&self) -> Result<(), Failure> {
        self.0.clear();
        Ok(())
    }
}
