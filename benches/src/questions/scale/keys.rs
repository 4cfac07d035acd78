//! How long does a hit take among so many keys?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, Compose};
use hitbox_core::{CacheContext, CacheKey, DisabledOffload};
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{self, Body, Size, Text},
    floor::{RawMoka, raw_moka},
    keys::{self, Order},
    questions::arrangement::moka,
    runtime,
};

pub(super) const SIZE: Size = Size(64);

/// No more are read than this: as many as any CPU's caches do not hold.
const READ: usize = 1 << 20;

/// Writes the same body under keys 0 up to `count`.
pub(super) fn fill(runtime: &Runtime, cache: &impl Backend, count: usize) -> Result<(), Failure> {
    let body = Arc::new(Text::new(0, SIZE));
    let expiry = bodies::expiry();
    runtime.block_on(async {
        for index in 0..count {
            cache
                .set(&keys::key(index), bodies::value(&body, expiry))
                .await?;
        }
        Ok(())
    })
}

/// The same for a floor.
pub(super) fn fill_raw(runtime: &Runtime, cache: &RawMoka, count: usize) -> Result<(), Failure> {
    let body = Text::new(0, SIZE);
    runtime.block_on(async {
        for index in 0..count {
            let text = keys::key(index).as_text().into();
            cache.insert(text, bodies::encoded(&body)?).await;
        }
        Ok(())
    })
}

/// Keys that are read, spread evenly over all there are.
fn spread(count: usize) -> Vec<CacheKey> {
    let read = count.min(READ);
    (0..read)
        .map(|index| keys::key(index * (count / read)))
        .collect()
}

fn raw_hits(runtime: &Rc<Runtime>, count: usize) -> Result<Runner, Failure> {
    let cache = raw_moka(room(count));
    fill_raw(runtime, &cache, count)?;
    let keys: Vec<Arc<str>> = spread(count)
        .iter()
        .map(|key| key.as_text().into())
        .collect();
    let mut order = Order::even(keys.len());
    Ok(Runner::repeating(runtime, async move || {
        let found = cache.get(&keys[order.advance()]).await;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    }))
}

/// Enough that nothing is evicted.
pub(super) fn room(count: usize) -> u64 {
    2 * count as u64
}

fn in_moka(power: u32) -> [Case; 2] {
    let count = 10_usize.pow(power);
    let alone = Case::contest(
        format!("scale_keys/moka alone/10^{power} keys"),
        move || {
            let runtime = runtime()?;
            let cache = moka(room(count))?;
            fill(&runtime, &cache, count)?;
            let ours = hits(&runtime, cache, count);
            Ok(Contest::between(ours, raw_hits(&runtime, count)?))
        },
    );
    let composed = Case::contest(
        format!("scale_keys/sequential/10^{power} keys"),
        move || {
            let runtime = runtime()?;
            // L2 is not asked: it stays empty, for the sake of memory.
            let l1 = moka(room(count))?;
            fill(&runtime, &l1, count)?;
            let cache = l1.compose(moka(1)?, DisabledOffload);
            let ours = hits(&runtime, cache, count);
            Ok(Contest::between(ours, raw_hits(&runtime, count)?))
        },
    );
    [alone, composed]
}

fn hits(runtime: &Rc<Runtime>, cache: impl Backend + 'static, count: usize) -> Runner {
    let keys = spread(count);
    let mut order = Order::even(keys.len());
    Runner::repeating(runtime, async move || {
        let mut context = CacheContext::default().boxed();
        let found = cache
            .get::<Text>(&keys[order.advance()], &mut context)
            .await?;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    })
}

#[cfg(feature = "sled")]
fn in_sled(power: u32) -> Case {
    use crate::questions::sled::{Opened, Raw};

    let count = 10_usize.pow(power);
    Case::contest(format!("scale_keys/sled/10^{power} keys"), move || {
        let runtime = runtime()?;
        let opened = Opened::new()?;
        fill(&runtime, opened.cache(), count)?;
        let raw = Raw::new()?;
        raw.fill::<Text>(count, SIZE)?;
        let ours = opened.reads::<Text>(&runtime, spread(count));
        Ok(Contest::between(ours, raw.reads::<Text>(&spread(count))))
    })
}

/// Powers of ten.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for power in 3..=7 {
        cases.extend(in_moka(power));
    }
    #[cfg(feature = "sled")]
    cases.extend((3..=7).map(in_sled));
    let quick = |case: Case| {
        let small = case.name().contains("10^3 ") || case.name().contains("10^5 ");
        let case = case.counts(Counts::Nothing);
        if small { case.quick() } else { case }
    };
    cases.into_iter().map(quick).collect()
}
