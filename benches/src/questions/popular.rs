//! A million keys, some of them popular, and a cache for a tenth of them: hits and misses.

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{CacheBackend, Compose};
use hitbox_core::{CacheContext, DisabledOffload};
use tokio::runtime::Runtime;

use super::arrangement::{fill, fill_raw, hits, moka};
use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{self, Body, Size, Text},
    floor::raw_moka,
    keys::{self, Order},
    runtime,
};

const KEYS: usize = 1_000_000;
const CACHED: u64 = 100_000;
const READS: usize = 1 << 20;

/// A read, and on a miss a write of what has been loaded, as a service would do.
fn alone<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = moka(CACHED)?;
    let keys = keys::keys(KEYS);
    let mut order = Order::zipf(KEYS, READS);
    let body = T::new(0, size);
    let expiry = bodies::expiry();
    let runner = Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        let mut context = CacheContext::default().boxed();
        match cache.get_with::<T>(key, &mut context).await? {
            Some(found) => drop(std::hint::black_box(found)),
            None => {
                let loaded = Arc::new(body.clone());
                cache.set(key, bodies::value(&loaded, expiry)).await?;
            }
        }
        Ok(())
    });
    warmed_up(runner)
}

fn alone_raw<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = raw_moka(CACHED);
    let keys = keys::texts(KEYS);
    let mut order = Order::zipf(KEYS, READS);
    let body = T::new(0, size);
    let runner = Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        match cache.get(key).await {
            Some(found) => drop(std::hint::black_box(found)),
            None => {
                let loaded = body.clone();
                cache
                    .insert(Arc::clone(key), bodies::encoded(&loaded)?)
                    .await;
            }
        }
        Ok(())
    });
    warmed_up(runner)
}

/// L1 holds a tenth of what L2 holds; what L1 misses is refilled.
fn composed<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let room = KEYS as u64 * 2;
    let cache = moka(CACHED)?.compose(moka(room)?, DisabledOffload);
    let keys = keys::keys(KEYS);
    fill::<T>(runtime, &cache, KEYS, size)?;
    let order = Order::zipf(KEYS, READS);
    warmed_up(hits::<T>(runtime, cache, keys, order))
}

fn composed_raw<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let (l1, l2) = (raw_moka(CACHED), raw_moka(KEYS as u64 * 2));
    let keys = keys::texts(KEYS);
    fill_raw::<T>(runtime, &l2, KEYS, size)?;
    let mut order = Order::zipf(KEYS, READS);
    let runner = Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        let found = match l1.get(key).await {
            Some(found) => found,
            None => {
                let found = l2.get(key).await.ok_or("a miss")?;
                l1.insert(Arc::clone(key), found.clone()).await;
                found
            }
        };
        std::hint::black_box(&found);
        Ok(())
    });
    warmed_up(runner)
}

/// The runner, once the cache holds what is popular.
fn warmed_up(mut runner: Runner) -> Result<Runner, Failure> {
    runner.run(READS as u64)?;
    Ok(runner)
}

/// Without a target: how many of the reads hit is up to moka.
pub(super) fn cases() -> Vec<Case> {
    let name =
        |what, size| format!("hit/{what}/{size} String/{KEYS} keys by Zipf, a cache of 10 %");
    let mut cases = Vec::new();
    for size in [Size(64), Size::ONE_KB] {
        let alone = Case::contest(name("moka alone, a miss is written", size), move || {
            let runtime = runtime()?;
            let ours = alone::<Text>(&runtime, size)?;
            Ok(Contest::between(ours, alone_raw::<Text>(&runtime, size)?))
        });
        let composed = Case::contest(name("sequential, L1 of 10 %, refilled", size), move || {
            let runtime = runtime()?;
            let ours = composed::<Text>(&runtime, size)?;
            Ok(Contest::between(
                ours,
                composed_raw::<Text>(&runtime, size)?,
            ))
        });
        cases.extend([
            alone.counts(Counts::Nothing),
            composed.counts(Counts::Nothing),
        ]);
    }
    cases
}
