//! Do two threads get twice as much done as one?

use std::{
    sync::{
        Arc, Barrier,
        atomic::{AtomicBool, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hitbox::{Cache, Key};
use hitbox_backend::{Backend, Compose};
use hitbox_core::DisabledOffload;
use test_servers::lateness::processor_time;

use super::arrangement::{fill, fill_raw, hit, moka, quick_cache};
use crate::{
    Case, Extent, Failure, Target, Unit,
    bodies::{self, Body, Size, Text},
    floor::{raw_moka, raw_quick_cache},
    keys::{self, Order},
    runtime,
    sampling::{self, Sample},
};

const ENTRIES: u64 = 10_000;
const THREADS: usize = 2;
const LIFE: Duration = Duration::from_secs(3_600);

/// How long threads read before their reads are counted.
const LAP: Duration = Duration::from_millis(20);

/// Reads until it is told to stop, and says how often it has read.
type Reads = Box<dyn FnMut(&AtomicBool) -> Result<u64, Failure>>;

/// Makes, on the thread that is to read, what it reads with.
type Reader = Arc<dyn Fn() -> Result<Reads, Failure> + Send + Sync>;

/// What a lap counts as.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum By {
    /// Reads in a second: less where neighbours take the second core away.
    WallClock,
    /// Reads in a second of the CPU, times the threads: less only where they hold each other up.
    CpuTime,
}

fn typed(cache: impl Backend + 'static) -> Result<Reader, Failure> {
    let cache = Arc::new(cache);
    fill::<Text>(&*runtime()?, &cache, keys::HOT, Size::ONE_KB)?;
    Ok(Arc::new(move || {
        let cache = Arc::clone(&cache);
        let (keys, mut order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
        until_told(async move || hit::<Text>(&cache, &keys[order.advance()]).await)
    }))
}

/// Hits through get-or-load, which are counted.
fn loading(over: impl Backend + 'static) -> Result<Reader, Failure> {
    let over: Arc<dyn Backend> = Arc::new(over);
    fill::<Text>(&*runtime()?, &over, keys::HOT, Size::ONE_KB)?;
    let cache = Cache::builder(over).ttl(LIFE).build()?;
    Ok(Arc::new(move || {
        let cache = cache.clone();
        let keys = keys::keys(keys::HOT).into_iter().map(Key::<Text>::untyped);
        let (keys, mut order) = (keys.collect::<Vec<_>>(), Order::even(keys::HOT));
        until_told(async move || {
            let load = || async { Err::<Text, _>("a miss") };
            let value = cache.get_or_try_load(&keys[order.advance()], load).await?;
            std::hint::black_box(&value);
            Ok(())
        })
    }))
}

fn raw() -> Result<Reader, Failure> {
    let cache = raw_moka(ENTRIES);
    fill_raw::<Text>(&*runtime()?, &cache, keys::HOT, Size::ONE_KB)?;
    Ok(Arc::new(move || {
        let cache = cache.clone();
        let (keys, mut order) = (keys::texts(keys::HOT), Order::even(keys::HOT));
        until_told(async move || {
            let found = cache.get(&keys[order.advance()]).await;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        })
    }))
}

fn raw_quick() -> Result<Reader, Failure> {
    let cache = Arc::new(raw_quick_cache(10_000));
    for (id, key) in (0..).zip(keys::texts(keys::HOT)) {
        cache.insert(key, bodies::encoded(&Text::new(id, Size::ONE_KB))?);
    }
    Ok(Arc::new(move || {
        let cache = Arc::clone(&cache);
        let (keys, mut order) = (keys::texts(keys::HOT), Order::even(keys::HOT));
        until_told(async move || {
            let found = cache.get(&keys[order.advance()]);
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        })
    }))
}

fn until_told(
    mut read: impl AsyncFnMut() -> Result<(), Failure> + 'static,
) -> Result<Reads, Failure> {
    let runtime = runtime()?;
    Ok(Box::new(move |stop| {
        runtime.block_on(async {
            let mut reads = 0;
            while !stop.load(Ordering::Relaxed) {
                read().await?;
                reads += 1;
            }
            Ok(reads)
        })
    }))
}

/// Reads per second of this many threads together.
fn throughput(reader: &Reader, threads: usize, by: By) -> Result<f64, Failure> {
    let stop = Arc::new(AtomicBool::new(false));
    let start = Arc::new(Barrier::new(threads + 1));
    let reading: Vec<_> = (0..threads)
        .map(|_| {
            let (reader, stop) = (Arc::clone(reader), Arc::clone(&stop));
            let start = Arc::clone(&start);
            thread::spawn(move || {
                let made = reader();
                // Also if it failed: the others wait for this one.
                start.wait();
                let mut read = made?;
                let (began, cpu) = (Instant::now(), processor_time());
                let reads = read(&stop)?;
                let took = match by {
                    By::WallClock => began.elapsed(),
                    By::CpuTime => processor_time().saturating_sub(cpu),
                };
                Ok::<_, Failure>(reads as f64 / took.as_secs_f64())
            })
        })
        .collect();
    start.wait();
    thread::sleep(LAP);
    stop.store(true, Ordering::Relaxed);
    let mut sum = 0.0;
    for thread in reading {
        sum += thread.join().map_err(|_| "a reading thread panicked")??;
    }
    Ok(sum)
}

fn laps(reader: &Reader, by: By, extent: Extent) -> Result<Vec<Sample>, Failure> {
    let laps = match extent {
        Extent::Quick => 30,
        Extent::Full => 150,
    };
    let mut samples = Vec::new();
    for lap in 0..laps {
        samples.push(sampling::in_turn(
            lap,
            || throughput(reader, THREADS, by),
            || throughput(reader, 1, by),
        )?);
    }
    Ok(samples)
}

fn case(what: &str, by: By, reader: impl Fn() -> Result<Reader, Failure> + 'static) -> Case {
    let measured_by = match by {
        By::WallClock => "wall clock",
        By::CpuTime => "CPU time",
    };
    let name = format!("threads/{THREADS} against 1, {what}/{measured_by}");
    let case = Case::measured(name, Unit::PerSecond, move |extent| {
        laps(&reader()?, by, extent)
    });
    case.quick()
}

/// Of ours and, for comparison, of moka and `quick_cache` themselves.
#[must_use]
pub fn cases() -> Vec<Case> {
    let composed = || typed(moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload));
    let quick = || typed(quick_cache(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload));
    let loading_quick = || loading(quick_cache(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload));
    let target = Target::at_least(1.85);
    vec![
        case("sequential hit", By::WallClock, composed).target(target),
        case("sequential hit", By::CpuTime, composed).target(target),
        case("raw moka hit", By::WallClock, raw),
        case("raw moka hit", By::CpuTime, raw),
        case("sequential hit, quick_cache+moka", By::WallClock, quick)
            .target(Target::at_least(1.8)),
        case("sequential hit, quick_cache+moka", By::CpuTime, quick).target(Target::at_least(1.8)),
        case(
            "get-or-load hit, quick_cache+moka",
            By::WallClock,
            loading_quick,
        )
        .target(Target::at_least(1.8)),
        case(
            "get-or-load hit, quick_cache+moka",
            By::CpuTime,
            loading_quick,
        )
        .target(Target::at_least(1.8)),
        case("raw quick_cache hit", By::WallClock, raw_quick),
        case("raw quick_cache hit", By::CpuTime, raw_quick),
    ]
}
