//! cached: its store in process with a lifetime and a bound, where a hit returns a clone of what was
//! stored (here an `Arc`), and its store in Redis, where a hit is decoded.

use std::{any::Any, rc::Rc, sync::Arc, time::Duration};

use cached::{AsyncRedisCache, ConcurrentCachedAsync, ShardedLruTtlCache};
use hitbox_benches::{
    Failure, Runner,
    bodies::{Size, Text},
    keys,
    questions::concurrent::in_tasks,
};
use tokio::runtime::Runtime;

use super::{ENTRIES, body, over_hot};

const LIFE: Duration = Duration::from_secs(3_600);

pub(crate) fn hits(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = ShardedLruTtlCache::new(usize::try_from(ENTRIES)?, LIFE);
    let keys = keys::texts(keys::HOT);
    for (index, key) in keys.iter().enumerate() {
        cache.set(Arc::clone(key), Arc::new(body(index, size)));
    }
    Ok(over_hot(runtime, keys, async move |key: &Arc<str>| {
        std::hint::black_box(&cache.get(key).ok_or("a miss")?);
        Ok(())
    }))
}

/// The store in process, with so many entries.
pub(crate) fn filled(_: &Runtime, entries: usize, size: Size) -> Result<Box<dyn Any>, Failure> {
    let cache = ShardedLruTtlCache::new(2 * entries, LIFE);
    for index in 0..entries {
        cache.set(keys::text(index), Arc::new(body(index, size).clone()));
    }
    Ok(Box::new(cache))
}

pub(crate) fn redis_reads(
    runtime: &Rc<Runtime>,
    url: &str,
    names: Vec<String>,
    tasks: usize,
    size: Size,
) -> Result<Runner, Failure> {
    let builder = AsyncRedisCache::<String, Text>::builder("cached:")
        .ttl(LIFE)
        .connection_string(url);
    let cache = runtime.block_on(builder.build())?;
    for (index, name) in names.iter().enumerate() {
        runtime.block_on(cache.async_cache_set(name.clone(), body(index, size)))?;
    }
    let shared = Arc::new((cache, names));
    Ok(in_tasks(runtime, tasks, move |index| {
        let shared = Arc::clone(&shared);
        async move {
            let (cache, names) = &*shared;
            let found = cache.async_cache_get(&names[index % names.len()]).await?;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        }
    }))
}
