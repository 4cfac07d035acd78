//! multi-tier-cache: two tiers, of bytes. What is typed is JSON, its default; a hit is decoded.

use std::{any::Any, rc::Rc, sync::Arc, time::Duration};

use hitbox_benches::{
    Failure, Runner,
    bodies::{Size, Text},
    keys,
    questions::concurrent::in_tasks,
};
use multi_tier_cache::{
    CacheBackend, CacheManager, CacheSerializer, CacheStrategy, CacheSystemBuilder, L2CacheBackend,
    MokaCache, MokaCacheConfig, RedisCache, TierConfig,
};
use tokio::runtime::Runtime;

use super::{
    ENTRIES, body,
    loading::{Emptied, Loading},
    over_hot,
};

const LIFE: Duration = Duration::from_secs(3_600);

/// What a hit is returned as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Returns {
    Bytes,
    Object,
}

fn moka() -> Result<Arc<MokaCache>, Failure> {
    let config = MokaCacheConfig {
        max_capacity: ENTRIES,
        ..MokaCacheConfig::default()
    };
    Ok(Arc::new(MokaCache::new(config)?))
}

/// Nothing is copied from the second tier to the first.
fn composed(
    runtime: &Runtime,
    second: Arc<dyn L2CacheBackend>,
) -> Result<Arc<CacheManager>, Failure> {
    let builder = CacheSystemBuilder::new()
        .with_tier(moka()?, TierConfig::as_l1())
        .with_tier(second, TierConfig::as_l2().with_promotion(false));
    let system = runtime.block_on(builder.build())?;
    Ok(Arc::clone(system.cache_manager()))
}

async fn read(cache: &CacheManager, key: &str, returns: Returns) -> Result<(), Failure> {
    match returns {
        Returns::Bytes => {
            std::hint::black_box(&cache.get(key).await?.ok_or("a miss")?);
        }
        Returns::Object => {
            let found = cache.get_typed::<Text>(key).await?;
            std::hint::black_box(&found.ok_or("a miss")?);
        }
    }
    Ok(())
}

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size, returns: Returns) -> Result<Runner, Failure> {
    let cache = composed(runtime, moka()?)?;
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        let encoded = CacheSerializer::default().serialize(&body(index, size))?;
        let life = CacheStrategy::Custom(LIFE);
        runtime.block_on(cache.set_with_strategy(key, encoded, life))?;
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        read(&cache, key, returns).await
    }))
}

/// The first tier by itself, with so many entries: bytes.
pub(crate) fn filled(
    runtime: &Runtime,
    entries: usize,
    size: Size,
) -> Result<Box<dyn Any>, Failure> {
    let config = MokaCacheConfig {
        max_capacity: 2 * entries as u64,
        ..MokaCacheConfig::default()
    };
    let cache = MokaCache::new(config)?;
    for index in 0..entries {
        let encoded = CacheSerializer::default().serialize(&body(index, size))?;
        runtime.block_on(cache.set_with_ttl(&keys::joined(index), encoded, LIFE))?;
    }
    Ok(Box::new(cache))
}

pub(crate) fn sets(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = composed(runtime, moka()?)?;
    let (serializer, body) = (CacheSerializer::default(), body(0, size));
    Ok(over_hot(
        runtime,
        keys::texts(keys::HOT),
        async move |key: &Arc<str>| {
            let encoded = serializer.serialize(&body)?;
            let life = CacheStrategy::Custom(LIFE);
            cache.set_with_strategy(key, encoded, life).await?;
            Ok(())
        },
    ))
}

pub(crate) fn redis_reads(
    runtime: &Rc<Runtime>,
    url: &str,
    names: Vec<String>,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let redis = Arc::new(runtime.block_on(RedisCache::with_url(url))?);
    for (index, name) in names.iter().enumerate() {
        let encoded = CacheSerializer::default().serialize(&body(index, size))?;
        runtime.block_on(redis.set_with_ttl(name, encoded, LIFE))?;
    }
    let shared = Arc::new((composed(runtime, redis)?, names));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, names) = &*shared;
            read(cache, &names[index % names.len()], Returns::Object).await
        }
    }))
}

pub(crate) fn redis_sets(
    runtime: &Rc<Runtime>,
    url: &str,
    names: Vec<String>,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let redis = Arc::new(runtime.block_on(RedisCache::with_url(url))?);
    let cache = composed(runtime, redis)?;
    let (serializer, body) = (CacheSerializer::default(), body(0, size));
    let shared = Arc::new((cache, names, serializer, body));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, names, serializer, body) = &*shared;
            let encoded = serializer.serialize(body)?;
            let life = CacheStrategy::Custom(LIFE);
            let name = &names[index % names.len()];
            cache.set_with_strategy(name, encoded, life).await?;
            Ok(())
        }
    }))
}

/// `get_or_compute_typed` of a manager with moka alone.
#[derive(Clone)]
pub(crate) struct GetOrCompute(Arc<CacheManager>);

impl Loading for GetOrCompute {
    type Key = Arc<str>;

    fn open(runtime: &Runtime) -> Result<Self, Failure> {
        let builder = CacheSystemBuilder::new().with_tier(moka()?, TierConfig::as_l1());
        let system = runtime.block_on(builder.build())?;
        Ok(Self(Arc::clone(system.cache_manager())))
    }

    fn key(index: usize) -> Arc<str> {
        keys::text(index)
    }

    async fn get(
        &self,
        key: &Arc<str>,
        load: impl Future<Output = Text> + Send + 'static,
    ) -> Result<(), Failure> {
        let life = CacheStrategy::Custom(LIFE);
        let compute = || async { Ok(load.await) };
        let value = self.0.get_or_compute_typed(key, life, compute).await?;
        std::hint::black_box(&value);
        Ok(())
    }
}

impl Emptied for GetOrCompute {
    async fn empty(&self) -> Result<(), Failure> {
        for key in keys::texts(keys::HOT) {
            self.0.invalidate(&key).await?;
        }
        Ok(())
    }
}
