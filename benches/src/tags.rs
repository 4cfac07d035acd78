//! What 100,000 values with tags cost while 1,000 tags a second are invalidated elsewhere.

use std::{
    alloc::System,
    hint::black_box,
    io::{self, Write},
    time::{Duration, Instant},
};

use hitbox::{Backend, BackendExt, Cache, Compose, Key, Keyspace, Loaded};
use hitbox_backend::{
    DisabledOffload,
    coherence::{Coherence, LocalBackplane},
    tags::{Severity, TagStore},
};
use hitbox_moka::MokaBackend;
use stats_alloc::{Region, StatsAlloc};
use tokio::runtime::Builder;

use crate::{Failure, questions::arrangement::moka as moka_of};

const NUMBERS: Keyspace<u64, u64> = Keyspace::new("numbers", 1);
const VALUES: u64 = 100_000;
const A_SECOND: u64 = 1_000;

type Allocator = &'static StatsAlloc<System>;

fn cache(backend: impl Backend + 'static) -> Result<Cache, Failure> {
    let cache = Cache::builder(backend).ttl(Duration::from_secs(3_600));
    Ok(cache.build()?)
}

fn moka() -> Result<MokaBackend, Failure> {
    moka_of(2 * VALUES)
}

async fn fill(cache: &Cache, tags: u64) -> Result<(), Failure> {
    for id in 0..VALUES {
        let tags = (0..tags).map(|tag| format!("value:{id}:{tag}"));
        let value = Loaded::new(id).tags(tags);
        cache.insert(NUMBERS.key(id), value).await?;
    }
    Ok(())
}

/// Nanoseconds and allocations of a hit: the least of some rounds, of few keys, so that memory is not what is measured.
async fn hit(cache: &Cache, allocator: Allocator) -> Result<(f64, usize), Failure> {
    let keys: Vec<Key<u64>> = (0..256).map(|id| NUMBERS.key(id)).collect();
    let mut least = f64::MAX;
    let mut allocations = 0;
    for _ in 0..20 {
        let region = Region::new(allocator);
        let began = Instant::now();
        for _ in 0..20 {
            for key in &keys {
                let value = cache.get_or_load(key.clone(), || async { u64::MAX }).await;
                if *black_box(value?) == u64::MAX {
                    return Err("it was no hit".into());
                }
            }
        }
        let taken = began.elapsed().as_nanos() as f64 / (20 * keys.len()) as f64;
        allocations = region.change().allocations;
        least = least.min(taken);
    }
    Ok((least, allocations / (20 * keys.len())))
}

/// Prints what they cost.
///
/// # Errors
///
/// If something that was stored is no hit.
pub fn answer(allocator: Allocator) -> Result<(), Failure> {
    let mut runtime = Builder::new_multi_thread();
    let runtime = runtime.enable_all().worker_threads(2).build()?;
    runtime.block_on(async {
        let mut out = io::stdout().lock();
        for tags in [0, 1, 3] {
            let cache = cache(moka()?.fenced())?;
            fill(&cache, tags).await?;
            let (before, allocations) = hit(&cache, allocator).await?;
            cache.remove_tagged("another").await?;
            let (after, more) = hit(&cache, allocator).await?;
            writeln!(
                out,
                "{tags} tags: {before:.0} ns a hit, {after:.0} ns if something has been invalidated since; {allocations} and {more} \
                 allocations"
            )?;
        }
        table(&mut out, allocator).await?;
        fleet(&mut out, allocator).await
    })
}

async fn table(out: &mut impl Write, allocator: Allocator) -> Result<(), Failure> {
    let cache = cache(moka()?.fenced())?;
    let region = Region::new(allocator);
    for tag in 0..VALUES {
        cache.remove_tagged(format!("value:{tag}")).await?;
    }
    let change = region.change();
    let bytes = change.bytes_allocated - change.bytes_deallocated;
    let counted: usize = (0..VALUES)
        .map(|tag| 160 + format!("value:{tag}").len())
        .sum();
    writeln!(
        out,
        "{VALUES} tags known to be invalidated: {bytes} bytes of the allocator, counted as {counted}"
    )?;
    Ok(())
}

async fn fleet(out: &mut impl Write, allocator: Allocator) -> Result<(), Failure> {
    let plane = LocalBackplane::new();
    let l2 = plane.announcing(moka()?);
    let within = Coherence::within(Duration::from_millis(250));
    let composed = moka()?.compose(l2, DisabledOffload);
    let composed = composed.coherent(plane.clone(), within)?;
    let cache = cache(composed)?;
    tokio::time::sleep(Duration::from_millis(500)).await;
    let before = allocator.stats();
    fill(&cache, 1).await?;
    for id in 0..VALUES {
        cache.get(NUMBERS.key(id)).await?.ok_or("it was no hit")?;
    }
    let after = allocator.stats();
    let held = (after.bytes_allocated - before.bytes_allocated) as f64
        - (after.bytes_deallocated - before.bytes_deallocated) as f64;
    writeln!(
        out,
        "{VALUES} values with a tag, in L1 and L2: {:.0} bytes each",
        held / VALUES as f64
    )?;
    // Another process invalidates tags that no value has, as fast as is asked for.
    let invalidating = tokio::spawn({
        let store = plane.clone();
        async move {
            let mut ticks = tokio::time::interval(Duration::from_millis(1));
            for number in 0_u64.. {
                ticks.tick().await;
                let tag = format!("other:{number}");
                store.invalidate("", Some(&tag), Severity::Hard).await?;
            }
            Ok::<_, hitbox_backend::BackendError>(())
        }
    });
    let began = Instant::now();
    let (mut hits, mut least) = (0_u64, f64::MAX);
    while began.elapsed() < Duration::from_secs(10) {
        let (taken, allocations) = hit(&cache, allocator).await?;
        if allocations > 0 {
            return Err("a hit has allocated".into());
        }
        least = least.min(taken);
        hits += 20 * 20 * 256;
    }
    invalidating.abort();
    writeln!(
        out,
        "10 s, {A_SECOND} invalidations a second: {hits} hits, {least:.0} ns each, {} requests to the store of tags",
        plane.tags_asked_for()
    )?;
    Ok(())
}
