//! How many reads hit, in caches that take the same memory: which cache to take.
//!
//! The reads are the same in each run. What a cache makes of them differs by some tenths of a percent, since
//! the seed of the hashes of keys is drawn for each process.

use std::{
    alloc::System,
    io::{self, Write},
    sync::Arc,
};

use hitbox_backend::{Backend, CacheBackend};
use hitbox_core::CacheKey;
use moka::sync::Cache;
use stats_alloc::{Region, StatsAlloc};
use tokio::runtime::Runtime;

use crate::{
    Failure,
    bodies::{self, Body, Size, Text},
    keys::{self, Order},
    questions::arrangement::{moka, quick_cache},
};

/// What each cache may take, entries and all, by the count of the allocator.
const MEMORY: usize = 16 << 20;

/// So many reads warm the cache up, and as many are counted.
const READS: usize = 1 << 19;

/// Keys of the popular kind. None of the caches holds as many.
const KEYS: usize = 200_000;

/// Numbers of keys, in the order in which they are read.
type Trace = Vec<usize>;

/// A cache, and what a read does with it: whether it hit. On a miss it writes.
type Read = Box<dyn FnMut(usize) -> Result<bool, Failure>>;

/// Makes a cache for so many entries of this size.
type Make = fn(&'static Runtime, usize, Size) -> Result<Read, Failure>;

const CACHES: [(&str, Make); 3] = [
    ("typed moka", typed_moka),
    ("hitbox-moka", |runtime, entries, size| {
        let cache = moka(entries as u64)?;
        let maintained = cache.clone();
        Ok(adapter(runtime, cache, size, move || {
            maintained.run_pending_tasks();
        }))
    }),
    ("hitbox-quick-cache", |runtime, entries, size| {
        Ok(adapter(runtime, quick_cache(entries as u64)?, size, || {}))
    }),
];

/// moka does its work after some reads and writes or some time. Here, for the same result each time, after this many reads.
const MAINTAINED_EVERY: usize = 64;

/// `moka::sync::Cache` of objects, as a service would use it that has no hitbox.
fn typed_moka(_: &'static Runtime, entries: usize, size: Size) -> Result<Read, Failure> {
    let cache: Cache<Arc<str>, Arc<Text>> = Cache::new(entries as u64);
    let mut reads = 0_usize;
    Ok(Box::new(move |index| {
        let key = keys::joined(index);
        let hit = cache.get(key.as_str()).is_some();
        if !hit {
            cache.insert(key.into(), Arc::new(Text::new(index as u64, size)));
        }
        reads += 1;
        if reads.is_multiple_of(MAINTAINED_EVERY) {
            cache.run_pending_tasks();
        }
        Ok(hit)
    }))
}

fn adapter(
    runtime: &'static Runtime,
    cache: impl Backend + 'static,
    size: Size,
    maintain: impl Fn() + 'static,
) -> Read {
    let expiry = bodies::expiry();
    let mut reads = 0_usize;
    Box::new(move |index| {
        let key: CacheKey = keys::key(index);
        let hit = runtime.block_on(async {
            if cache.get::<Text>(&key).await?.is_some() {
                return Ok(true);
            }
            let body = Arc::new(Text::new(index as u64, size));
            cache.set(&key, bodies::value(&body, expiry)).await?;
            Ok::<_, Failure>(false)
        })?;
        reads += 1;
        if reads.is_multiple_of(MAINTAINED_EVERY) {
            maintain();
        }
        Ok(hit)
    })
}

/// Entries of this size that the cache holds in [`MEMORY`], once it has evicted some.
fn room(
    allocator: &'static StatsAlloc<System>,
    runtime: &'static Runtime,
    make: Make,
    size: Size,
) -> Result<usize, Failure> {
    let mut entries = MEMORY / (size.0 + 500);
    for _ in 0..4 {
        let region = Region::new(allocator);
        let mut read = make(runtime, entries, size)?;
        for index in 0..4 * entries {
            read(index)?;
        }
        let change = region.change();
        let bytes = change
            .bytes_allocated
            .saturating_sub(change.bytes_deallocated);
        entries = entries * MEMORY / bytes.max(1);
    }
    Ok(entries)
}

fn zipf() -> Trace {
    let mut order = Order::zipf(KEYS, 2 * READS);
    (0..2 * READS).map(|_| order.advance()).collect()
}

/// The traces, for a cache that holds about so many entries.
fn traces(entries: usize) -> [(&'static str, Trace); 4] {
    let looping = |keys: usize| (0..2 * READS).map(move |read| read % keys).collect();
    let scanned = |(read, popular): (usize, usize)| {
        // Keys that are read once and never again, one in three.
        if read.is_multiple_of(3) {
            KEYS + read
        } else {
            popular
        }
    };
    [
        ("Zipf 1.0", zipf()),
        ("loop over 0.9 of moka's entries", looping(entries * 9 / 10)),
        ("loop over 1.5 of moka's entries", looping(entries * 3 / 2)),
        (
            "Zipf 1.0, every third read of a scan",
            zipf().into_iter().enumerate().map(scanned).collect(),
        ),
    ]
}

/// In percent.
fn ratio(read: &mut Read, trace: &[usize]) -> Result<f64, Failure> {
    let (warming, counted) = trace.split_at(READS);
    for index in warming {
        read(*index)?;
    }
    let mut hits = 0_usize;
    for index in counted {
        hits += usize::from(read(*index)?);
    }
    Ok(100.0 * hits as f64 / READS as f64)
}

/// Prints the table. `allocator` is the one that the program runs with.
///
/// # Errors
///
/// What the caches return.
pub fn answer(allocator: &'static StatsAlloc<System>) -> Result<(), Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread().build()?;
    // One for the whole program.
    let runtime: &'static Runtime = Box::leak(Box::new(runtime));
    let mut output = io::stdout().lock();
    for size in [Size(64), Size::ONE_KB] {
        let rooms = CACHES.map(|(_, make)| room(allocator, runtime, make, size));
        let mut entries = Vec::new();
        for room in rooms {
            entries.push(room?);
        }
        let names = CACHES.map(|(name, _)| name).join(" | ");
        writeln!(
            output,
            "\n| bodies of {size}, {} MB | {names} |",
            MEMORY >> 20
        )?;
        writeln!(output, "|---|---|---|---|")?;
        let held: Vec<_> = entries.iter().map(ToString::to_string).collect();
        writeln!(output, "| entries that it holds | {} |", held.join(" | "))?;
        for (what, trace) in traces(entries[0]) {
            let mut ratios = Vec::new();
            for ((_, make), entries) in CACHES.into_iter().zip(&entries) {
                let ratio = ratio(&mut make(runtime, *entries, size)?, &trace)?;
                ratios.push(format!("{ratio:.1} %"));
            }
            writeln!(output, "| {what} | {} |", ratios.join(" | "))?;
            output.flush()?;
        }
    }
    Ok(())
}
