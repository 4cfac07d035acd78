//! How long does a hit take among so many keys?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, Compose};
use hitbox_core::{CacheKey, DisabledOffload};
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{Size, Text},
    floor::raw_moka,
    keys::{self, Order},
    questions::arrangement::{fill, fill_raw, hits, hits_of_raw, moka},
    runtime,
};

pub(super) const SIZE: Size = Size(64);

/// No more are read than this: as many as any CPU's caches do not hold.
const READ: usize = 1 << 20;

/// Keys that are read, spread evenly over all there are.
fn spread(count: usize) -> Vec<CacheKey> {
    let read = count.min(READ);
    (0..read)
        .map(|index| keys::key(index * (count / read)))
        .collect()
}

fn raw_hits(runtime: &Rc<Runtime>, count: usize) -> Result<Runner, Failure> {
    let cache = raw_moka(room(count));
    fill_raw::<Text>(runtime, &cache, count, SIZE)?;
    let keys = spread(count);
    let texts: Vec<Arc<str>> = keys.iter().map(|key| key.as_text().into()).collect();
    let order = Order::even(texts.len());
    Ok(hits_of_raw(runtime, cache, texts, order))
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
            fill::<Text>(&runtime, &cache, count, SIZE)?;
            let ours = typed_hits(&runtime, cache, count);
            Ok(Contest::between(ours, raw_hits(&runtime, count)?))
        },
    );
    let composed = Case::contest(
        format!("scale_keys/sequential/10^{power} keys"),
        move || {
            let runtime = runtime()?;
            // L2 is not asked: it stays empty, for the sake of memory.
            let l1 = moka(room(count))?;
            fill::<Text>(&runtime, &l1, count, SIZE)?;
            let cache = l1.compose(moka(1)?, DisabledOffload);
            let ours = typed_hits(&runtime, cache, count);
            Ok(Contest::between(ours, raw_hits(&runtime, count)?))
        },
    );
    [alone, composed]
}

fn typed_hits(runtime: &Rc<Runtime>, cache: impl Backend + 'static, count: usize) -> Runner {
    let keys = spread(count);
    let order = Order::even(keys.len());
    hits::<Text>(runtime, cache, keys, order)
}

#[cfg(feature = "sled")]
fn in_sled(power: u32) -> Case {
    use crate::questions::sled::{Opened, Raw};

    let count = 10_usize.pow(power);
    Case::contest(format!("scale_keys/sled/10^{power} keys"), move || {
        let runtime = runtime()?;
        let opened = Opened::new()?;
        fill::<Text>(&runtime, opened.cache(), count, SIZE)?;
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
        cases.extend(in_moka(power).map(|case| match power {
            // The instructions of these two tell what times do not: that a hit does no more among more
            // keys, and only waits longer for memory.
            3 | 5 => case.quick(),
            _ => case.counts(Counts::Nothing),
        }));
    }
    #[cfg(feature = "sled")]
    // Writing 10^7 entries twice takes minutes.
    cases.extend((3..=6).map(|power| {
        let case = in_sled(power).counts(Counts::Nothing);
        match power {
            3 | 5 => case.quick(),
            _ => case,
        }
    }));
    cases
}
