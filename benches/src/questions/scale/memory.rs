//! How much memory does an entry take, and how much of a disk?

use std::{
    alloc::System,
    future::{Future, pending},
    pin::Pin,
    sync::Arc,
    time::Duration,
};

use async_trait::async_trait;
use hitbox::{Cache, Key};
use hitbox_backend::{Backend, BackendResult, CacheBackend, Compose, DeleteStatus, ReadOutcome};
use hitbox_core::{
    BackendLabel, CacheKey, CacheValue, DisabledOffload, Encoded, Encoding, FormatId, KeyPart, Raw,
    Stamp,
};
use hitbox_moka::MokaBackend;
use stats_alloc::{Region, StatsAlloc};
use tokio::{runtime::Runtime, sync::watch, task::JoinSet};

use super::keys::{SIZE, room};
use crate::{
    Case, Failure, Unit,
    bodies::{self, Body, Size, Text},
    floor::{TypedMoka, raw_moka},
    keys,
    questions::{
        arrangement::{fill, fill_raw, hit, moka},
        loads::herd::{Herd, WAITERS},
    },
    runtime,
    sampling::Sample,
};

/// What is asked of the allocator, and not given back, while `fill` fills something.
///
/// # Errors
///
/// What `fill` returns.
pub fn bytes<Filled>(
    allocator: &'static StatsAlloc<System>,
    fill: impl FnOnce() -> Result<Filled, Failure>,
) -> Result<f64, Failure> {
    let region = Region::new(allocator);
    let filled = fill()?;
    let change = region.change();
    drop(filled);
    // What is freed or shrunk that was there before shows as negative.
    let asked = change.bytes_allocated as f64 - change.bytes_deallocated as f64;
    Ok(asked)
}

fn in_memory(allocator: &'static StatsAlloc<System>, power: u32) -> Case {
    let count = 10_usize.pow(power);
    let name = format!("scale_memory/moka, body of {SIZE}/10^{power} keys");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let ours = bytes(allocator, || {
            let cache = moka(room(count))?;
            fill::<Text>(&runtime, &cache, count, SIZE)?;
            cache.run_pending_tasks();
            Ok(cache)
        })?;
        let floor = bytes(allocator, || {
            let cache = raw_moka(room(count));
            fill_raw::<Text>(&runtime, &cache, count, SIZE)?;
            runtime.block_on(cache.run_pending_tasks());
            Ok(cache)
        })?;
        let each = |bytes: f64| bytes / count as f64;
        Ok(vec![Sample {
            ours: each(ours),
            floor: Some(each(floor)),
        }])
    });
    if power <= 5 { case.quick() } else { case }
}

/// Where an object is kept.
#[derive(Clone, Copy)]
enum Place {
    Alone,
    /// Copied there by a read of another layer.
    InL1,
    /// Written to both layers.
    WrittenToL1,
}

/// A store of bytes that has the same value under every key.
struct Template(CacheValue<Encoded>);

impl Template {
    fn of(body: &impl Body) -> Result<Self, Failure> {
        let encoding = Encoding {
            format: FormatId::BINCODE,
            ..Encoding::OPAQUE
        };
        let encoded = Encoded::new(bodies::encoded(body)?, encoding);
        let value = CacheValue::from_parts(encoded, bodies::expiry(), None, Stamp::now());
        Ok(Self(value))
    }
}

#[async_trait]
impl Backend for Template {
    async fn read(&self, _: &CacheKey) -> ReadOutcome {
        Ok(Some(self.0.clone().map(Raw::from)))
    }

    async fn write(&self, _: &CacheKey, _: CacheValue<Raw>) -> BackendResult<()> {
        Ok(())
    }

    async fn remove(&self, _: &CacheKey) -> BackendResult<DeleteStatus> {
        Ok(DeleteStatus::Missing)
    }

    fn label(&self) -> BackendLabel {
        BackendLabel::new_static("template")
    }
}

/// A key with a text of 26 bytes.
fn short_key(index: usize) -> CacheKey {
    let id = format!("{index:014}");
    CacheKey::new("users", 1, [KeyPart::new("id", Some(id))])
}

/// Objects of that many keys, filled in there.
async fn fill_place(
    cache: &MokaBackend,
    place: Place,
    count: usize,
    size: Size,
) -> Result<Box<dyn Backend>, Failure> {
    let l2 = Template::of(&Text::new(0, size))?;
    let kept: Box<dyn Backend> = match place {
        Place::Alone => Box::new(cache.clone()),
        Place::InL1 | Place::WrittenToL1 => Box::new(cache.clone().compose(l2, DisabledOffload)),
    };
    for (id, index) in (0..).zip(0..count) {
        match place {
            Place::Alone | Place::WrittenToL1 => {
                // As long as it has to be, like what is decoded.
                let body = Arc::new(Text::new(id, size).clone());
                let value = bodies::value(&body, bodies::expiry());
                kept.set(&short_key(index), value).await?;
            }
            Place::InL1 => {}
        }
        hit::<Text>(&kept, &short_key(index)).await?;
    }
    cache.run_pending_tasks();
    Ok(kept)
}

/// Objects, each of which has been read by its type, beside those of a cache that knows it.
fn objects(allocator: &'static StatsAlloc<System>, place: Place, power: u32, size: Size) -> Case {
    let count = 10_usize.pow(power);
    let what = match place {
        Place::Alone => "alone",
        Place::InL1 => "as L1",
        Place::WrittenToL1 => "as L1, written",
    };
    let name = format!("scale_memory/objects in moka, {what}, body of {size}/10^{power} keys");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let ours = bytes(allocator, || {
            let cache = moka(room(count))?;
            runtime.block_on(fill_place(&cache, place, count, size))
        })?;
        let floor = bytes(allocator, || {
            let cache = TypedMoka::<Text>::new(room(count));
            for (id, index) in (0..).zip(0..count) {
                let text = short_key(index).as_text().to_owned();
                cache.insert(text, Arc::new(Text::new(id, size).clone()));
            }
            cache.run_pending_tasks();
            Ok(cache)
        })?;
        let each = |bytes: f64| bytes / count as f64;
        Ok(vec![Sample {
            ours: each(ours),
            floor: Some(each(floor)),
        }])
    });
    if size.0 <= 1 << 10 && power <= 5 {
        case.quick()
    } else {
        case
    }
}

/// What each of many keys takes whose load is under way: the task of the caller and that of the load among it.
fn loads_under_way(allocator: &'static StatsAlloc<System>) -> Case {
    const KEYS: usize = 100_000;
    let name = "scale_memory/loads under way, a waiter each/10^5 keys";
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let cache = Cache::builder(moka(room(KEYS))?)
            .ttl(Duration::from_secs(3_600))
            .max_loads(KEYS)
            .build()?;
        let keys = keys::keys(KEYS).into_iter();
        let keys: Vec<Key<Text>> = keys.map(Key::untyped).collect();
        let asking = |wait: fn(Cache, Key<Text>) -> BoxFuture| {
            bytes(allocator, || {
                let mut tasks = JoinSet::new();
                runtime.block_on(async {
                    for key in &keys {
                        tasks.spawn(wait(cache.clone(), key.clone()));
                        tokio::task::yield_now().await;
                    }
                    for _ in &keys {
                        tokio::task::yield_now().await;
                    }
                });
                Ok(tasks)
            })
        };
        // The floor: tasks that do nothing but wait.
        let floor = asking(|_, _| Box::pin(pending()))?;
        let_go(&runtime, KEYS);
        let ours = asking(|cache, key| {
            Box::pin(async move {
                let asked = cache.get_or_load(key, pending::<Text>).await;
                drop(asked);
            })
        })?;
        if cache.statistics().loads != KEYS as u64 {
            return Err("not every key was loaded".into());
        }
        let each = |bytes: f64| bytes / KEYS as f64;
        Ok(vec![Sample {
            ours: each(ours),
            floor: Some(each(floor)),
        }])
    });
    case.quick()
}

/// Lets so many tasks that were given up be dropped: the runtime does that when it is their turn.
fn let_go(runtime: &Runtime, tasks: usize) {
    runtime.block_on(async {
        for _ in 0..tasks {
            tokio::task::yield_now().await;
        }
    });
}

type BoxFuture = Pin<Box<dyn Future<Output = ()> + Send>>;

/// What each takes of many who wait for one load. The floor: of a watch channel.
fn waiters(allocator: &'static StatsAlloc<System>) -> Case {
    let name = format!("scale_memory/waiters for one load, against a watch channel/{WAITERS}");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let cache = Cache::builder(moka(1_000)?)
            .ttl(Duration::from_secs(3_600))
            .build()?;
        let key = Key::<Text>::untyped(keys::key(0));
        // What is there once a load has begun, for however many.
        let first = runtime.spawn({
            let (cache, key) = (cache.clone(), key.clone());
            async move { cache.get_or_load(key, pending::<Text>).await }
        });
        runtime.block_on(async {
            while cache.loads().is_empty() {
                tokio::task::yield_now().await;
            }
        });
        let ours = bytes(allocator, || {
            Ok(runtime.block_on(Herd::waiting(|| {
                let (cache, key) = (cache.clone(), key.clone());
                async move {
                    let asked = cache.get_or_load(key, pending::<Text>).await;
                    drop(asked);
                    Ok(())
                }
            })))
        })?;
        first.abort();
        let_go(&runtime, WAITERS);
        Ok(vec![Sample {
            ours: ours / WAITERS as f64,
            floor: Some(of_watchers(allocator, &runtime)?),
        }])
    });
    case.quick()
}

/// What each of as many receivers of a watch channel takes.
///
/// # Errors
///
/// None.
pub fn of_watchers(
    allocator: &'static StatsAlloc<System>,
    runtime: &Runtime,
) -> Result<f64, Failure> {
    let (sender, _) = watch::channel(None::<Arc<Text>>);
    let all = bytes(allocator, || {
        Ok(runtime.block_on(Herd::waiting(|| {
            let mut receiver = sender.subscribe();
            async move {
                drop(receiver.wait_for(Option::is_some).await?.clone());
                Ok(())
            }
        })))
    })?;
    Ok(all / WAITERS as f64)
}

/// What sled's files take for an entry, beside what its bound counts it as.
#[cfg(feature = "sled")]
fn on_disk(power: u32) -> Case {
    use crate::questions::sled::Opened;

    let count = 10_usize.pow(power);
    let name =
        format!("scale_memory/sled, on disk, against live bytes, body of {SIZE}/10^{power} keys");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let opened = Opened::new()?;
        fill::<Text>(&runtime, opened.cache(), count, SIZE)?;
        let size = runtime.block_on(async {
            opened.cache().flush().await?;
            opened.cache().size_on_disk().await
        })?;
        let each = |bytes: u64| bytes as f64 / count as f64;
        Ok(vec![Sample {
            ours: each(size),
            floor: Some(each(opened.cache().statistics().bytes)),
        }])
    });
    if power <= 5 { case.quick() } else { case }
}

/// Powers of ten. `allocator` is the one that the program runs with.
#[must_use]
pub fn cases(allocator: &'static StatsAlloc<System>) -> Vec<Case> {
    let in_memory = (3..=7).map(|power| in_memory(allocator, power));
    #[cfg(feature = "sled")]
    let in_memory = in_memory.chain((3..=6).map(on_disk));
    let places = [Place::Alone, Place::InL1, Place::WrittenToL1].into_iter();
    let objects = places.flat_map(|place| {
        let usual = Size::USUAL.map(|size| objects(allocator, place, 5, size));
        // What does not grow with the entries shows as less of each.
        let many = objects(allocator, place, 6, SIZE);
        usual.into_iter().chain([many])
    });
    let loads = [loads_under_way(allocator), waiters(allocator)];
    in_memory.chain(objects).chain(loads).collect()
}
