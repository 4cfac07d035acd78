//! Typed reads of many keys at a time, some of which L1 holds.

use std::{rc::Rc, sync::Arc};

use bytes::Bytes;
use hitbox_backend::{Backend, CacheBackend};
use hitbox_core::CacheKey;
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use super::arrangement::fill_raw;
use crate::{
    Failure, Runner,
    bodies::{self, Body, Size},
    floor::raw_moka,
    keys,
};

/// Keys of one read: no more than one BatchGetItem takes.
pub(super) const MANY: usize = 100;

/// How many of them L1 holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum InL1 {
    None,
    Half,
    All,
}

impl InL1 {
    pub(super) const EACH: [Self; 3] = [Self::None, Self::Half, Self::All];

    pub(super) const fn name(self) -> &'static str {
        match self {
            Self::None => "none in L1",
            Self::Half => "half in L1",
            Self::All => "all in L1",
        }
    }

    /// Those it holds are the first.
    pub(super) const fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Half => MANY / 2,
            Self::All => MANY,
        }
    }
}

/// Reads of all keys at once from `cache`, of which `l1` is the first layer. Before each, that is made
/// to hold what it is to hold.
pub(super) fn reads<T: Body>(
    runtime: &Rc<Runtime>,
    cache: impl Backend + 'static,
    l1: MokaBackend,
    held: InL1,
    size: Size,
) -> Runner {
    let keys: Rc<[CacheKey]> = keys::keys(MANY).into();
    let copied = Rc::clone(&keys);
    let bodies = (0..)
        .take(held.count())
        .map(|id| Arc::new(T::new(id, size)));
    let bodies: Vec<_> = bodies.collect();
    let runner = Runner::repeating(runtime, async move || {
        for outcome in cache.get_many::<T>(&keys).await {
            std::hint::black_box(&outcome?.ok_or("a miss")?);
        }
        Ok(())
    });
    let runtime = Rc::clone(runtime);
    runner.prepared(1, move || {
        runtime.block_on(async {
            l1.clear();
            l1.run_pending_tasks();
            for (key, body) in copied.iter().zip(&bodies) {
                l1.set(key, bodies::value(body, bodies::expiry())).await?;
            }
            l1.run_pending_tasks();
            Ok(())
        })
    })
}

/// All that the parts have to do for that: moka's get of each key, `fetch` of those that it does not hold, and of
/// each of these moka's insert, and decoding.
pub(super) fn parts<T: Body>(
    runtime: &Rc<Runtime>,
    held: InL1,
    size: Size,
    fetch: impl AsyncFn() -> Result<Vec<Bytes>, Failure> + 'static,
) -> Result<Runner, Failure> {
    let encoded = bodies::encoded(&T::new(0, size))?;
    let (l1, keys) = (raw_moka(10_000), keys::texts(MANY));
    let (emptied, filled) = (l1.clone(), keys.clone());
    let runner = Runner::repeating(runtime, async move || {
        let mut missing = Vec::with_capacity(MANY);
        for key in &keys {
            match l1.get(key).await {
                Some(found) => _ = std::hint::black_box(bodies::decoded::<T>(&found)?),
                None => missing.push(key),
            }
        }
        let fetched = fetch().await?;
        if (missing.len(), fetched.len()) != (MANY - held.count(), missing.len()) {
            return Err("a miss".into());
        }
        for (key, value) in missing.into_iter().zip(fetched) {
            l1.insert(Arc::clone(key), value.clone()).await;
            std::hint::black_box(&bodies::decoded::<T>(&value)?);
        }
        Ok(())
    });
    let runtime = Rc::clone(runtime);
    Ok(runner.prepared(1, move || {
        emptied.invalidate_all();
        runtime.block_on(async {
            emptied.run_pending_tasks().await;
            for key in &filled[..held.count()] {
                emptied.insert(Arc::clone(key), encoded.clone()).await;
            }
            emptied.run_pending_tasks().await;
        });
        Ok(())
    }))
}

/// As many raw reads of moka, where there is nothing to ask a server for.
pub(super) fn raw_gets<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = raw_moka(10_000);
    fill_raw::<T>(runtime, &cache, MANY, size)?;
    let keys = keys::texts(MANY);
    let runner = Runner::repeating(runtime, async move || {
        for key in &keys {
            std::hint::black_box(&cache.get(key).await.ok_or("a miss")?);
        }
        Ok(())
    });
    Ok(runner.prepared(1, || Ok(())))
}
