//! Get-or-load: a hit, a miss whose load is ready at once, and many who wait for one load.

use std::{
    alloc::System,
    future::pending,
    rc::Rc,
    sync::{
        Arc,
        atomic::{AtomicUsize, Ordering},
    },
};

use hitbox_benches::{
    Case, Contest, Counts, Failure, Runner, Unit,
    bodies::{Size, Text},
    keys,
    questions::{
        loads::herd::{Herd, WAITERS, herds, of_watch},
        scale::memory::{bytes, of_watchers},
    },
    runtime,
    sampling::Sample,
};
use stats_alloc::StatsAlloc;
use tokio::{runtime::Runtime, sync::Notify};

use super::{Build, in_process, name, quick};
use crate::subjects::{
    body, cached, foyer,
    loading::{Emptied, Loading},
    multi_tier, ours, over_hot, raw,
};

const SIZE: Size = Size::ONE_KB;

/// What a load comes to: an object of its own.
fn load(index: usize) -> impl Future<Output = Text> + Send + 'static {
    async move { body(index, SIZE) }
}

/// Calls for hot keys, all of which are there.
fn hits<L: Loading>(runtime: &Rc<Runtime>, _: Size) -> Result<Runner, Failure> {
    let cache = L::open(runtime)?;
    let keys: Vec<_> = (0..keys::HOT).map(L::key).collect();
    runtime.block_on(async {
        for (index, key) in keys.iter().enumerate() {
            cache.get(key, load(index)).await?;
        }
        cache.settle().await;
        Ok::<_, Failure>(())
    })?;
    Ok(over_hot(runtime, keys, async move |key: &L::Key| {
        cache.get(key, pending()).await
    }))
}

/// Calls for keys none of which is there.
fn misses<L: Emptied>(runtime: &Rc<Runtime>, _: Size) -> Result<Runner, Failure> {
    let cache = L::open(runtime)?;
    let keys: Vec<_> = (0..keys::HOT).map(L::key).collect();
    let (emptied, emptying, runtime) = (cache.clone(), Rc::clone(runtime), Rc::clone(runtime));
    let runner = Runner::new(move |times| {
        runtime.block_on(async {
            for (index, key) in keys.iter().enumerate().take(usize::try_from(times)?) {
                cache.get(key, load(index)).await?;
            }
            cache.settle().await;
            Ok(())
        })
    });
    Ok(runner.prepared(keys::HOT as u64, move || emptying.block_on(emptied.empty())))
}

/// A key for each round. That one load was made for all is checked.
fn herd<L: Loading>(runtime: &Rc<Runtime>, _: Size) -> Result<Runner, Failure> {
    let cache = L::open(runtime)?;
    let gate = Arc::new(Notify::new());
    let loads = Arc::new(AtomicUsize::new(0));
    let (opened, counted) = (Arc::clone(&gate), Arc::clone(&loads));
    let gather = move |round| {
        let (cache, gate, loads) = (cache.clone(), Arc::clone(&gate), Arc::clone(&loads));
        async move {
            let key = L::key(round as usize);
            Herd::waiting(|| {
                let (cache, key) = (cache.clone(), key.clone());
                let (gate, loads) = (Arc::clone(&gate), Arc::clone(&loads));
                let load = async move {
                    loads.fetch_add(1, Ordering::Relaxed);
                    gate.notified().await;
                    body(0, SIZE)
                };
                async move { cache.get(&key, load).await }
            })
            .await
        }
    };
    let release = move |_| {
        let (gate, loads) = (Arc::clone(&opened), Arc::clone(&counted));
        async move {
            if loads.swap(0, Ordering::Relaxed) != 1 {
                return Err("not all wait for one load".into());
            }
            gate.notify_one();
            Ok(())
        }
    };
    Ok(herds(runtime, gather, release))
}

/// What each of many takes who wait for a load that another call has begun.
fn waiters_of<L: Loading>(
    allocator: &'static StatsAlloc<System>,
    runtime: &Rc<Runtime>,
) -> Result<f64, Failure> {
    let cache = L::open(runtime)?;
    let key = L::key(0);
    // What is there once a load has begun, for however many.
    let first = runtime.spawn({
        let (cache, key) = (cache.clone(), key.clone());
        async move { cache.get(&key, pending()).await }
    });
    runtime.block_on(async {
        for _ in 0..10 {
            tokio::task::yield_now().await;
        }
    });
    let all = bytes(allocator, || {
        Ok(runtime.block_on(Herd::waiting(|| {
            let (cache, key) = (cache.clone(), key.clone());
            async move { cache.get(&key, pending()).await }
        })))
    })?;
    first.abort();
    Ok(all / WAITERS as f64)
}

/// The function with cached's attribute is not among these nor among the misses: what it keeps is the same for all cases, and is
/// never emptied.
const HITS: [(&str, Build); 5] = [
    ("moka, get_with", hits::<raw::GetWith>),
    ("foyer, get_or_fetch", hits::<foyer::GetOrFetch>),
    (
        "multi-tier-cache, get_or_compute_typed",
        hits::<multi_tier::GetOrCompute>,
    ),
    ("cached, get_or_set_with", hits::<cached::GetOrSet>),
    ("this checkout, moka", hits::<ours::OverMoka>),
];

const MISSES: [(&str, Build); 5] = [
    ("moka, get_with", misses::<raw::GetWith>),
    ("foyer, get_or_fetch", misses::<foyer::GetOrFetch>),
    (
        "multi-tier-cache, get_or_compute_typed",
        misses::<multi_tier::GetOrCompute>,
    ),
    ("cached, get_or_set_with", misses::<cached::GetOrSet>),
    ("this checkout, moka", misses::<ours::OverMoka>),
];

/// `get_or_set_with` of cached is not among these: each who misses loads.
const HERDS: [(&str, Build); 5] = [
    ("moka, get_with", herd::<raw::GetWith>),
    ("foyer, get_or_fetch", herd::<foyer::GetOrFetch>),
    (
        "multi-tier-cache, get_or_compute_typed",
        herd::<multi_tier::GetOrCompute>,
    ),
    ("cached, by_key", herd::<cached::ByKey>),
    ("this checkout, moka", herd::<ours::OverMoka>),
];

type Weigh = fn(&'static StatsAlloc<System>, &Rc<Runtime>) -> Result<f64, Failure>;

const WAITING: [(&str, Weigh); 5] = [
    ("moka, get_with", waiters_of::<raw::GetWith>),
    ("foyer, get_or_fetch", waiters_of::<foyer::GetOrFetch>),
    (
        "multi-tier-cache, get_or_compute_typed",
        waiters_of::<multi_tier::GetOrCompute>,
    ),
    ("cached, by_key", waiters_of::<cached::ByKey>),
    ("this checkout, moka", waiters_of::<ours::OverMoka>),
];

fn herd_case((subject, build): (&str, Build)) -> Case {
    let name = name("10,000 wait for one load", SIZE, subject);
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        Ok(Contest::between(
            build(&runtime, SIZE)?,
            of_watch(&runtime)?,
        ))
    });
    quick(case.counts(Counts::Nothing), SIZE)
}

pub(crate) fn cases() -> Vec<Case> {
    let hits = HITS.map(|(subject, build)| {
        in_process(
            "get or load, hit",
            SIZE,
            subject,
            build,
            hits::<raw::ByHand>,
        )
    });
    let misses = MISSES.map(|(subject, build)| {
        let floor = misses::<raw::ByHand>;
        in_process("get or load, miss", SIZE, subject, build, floor)
    });
    let herds = HERDS.map(herd_case);
    hits.into_iter().chain(misses).chain(herds).collect()
}

/// What each of 10,000 takes who wait for one load.
pub(crate) fn waiters(allocator: &'static StatsAlloc<System>) -> [Case; 5] {
    WAITING.map(|(subject, weigh)| {
        let name = name("one of 10,000 who wait for one load", SIZE, subject);
        let case = Case::measured(name, Unit::Bytes, move |_| {
            // Each on a runtime of its own, with which all tasks go that were given up.
            let ours = {
                let runtime = runtime()?;
                weigh(allocator, &runtime)?
            };
            let floor = {
                let runtime = runtime()?;
                of_watchers(allocator, &runtime)?
            };
            let floor = Some(floor);
            Ok(vec![Sample { ours, floor }])
        });
        quick(case, SIZE)
    })
}
