//! What does the size of a value cost?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{CacheBackend, Compose};
use hitbox_core::DisabledOffload;
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{self, Body, Size, Text},
    floor::raw_moka,
    keys::{self, Order},
    questions::arrangement::{fill, fill_raw, hits, hits_of_raw, moka},
    runtime,
};

const SIZES: [Size; 6] = [
    Size(64),
    Size(1 << 10),
    Size(16 << 10),
    Size(128 << 10),
    Size(1 << 20),
    Size(8 << 20),
];

/// Few keys: 8 MB of each are in memory several times.
const KEYS: usize = 8;
const ENTRIES: u64 = 1_000;

fn reads(runtime: &Rc<Runtime>, size: Size) -> Result<Contest, Failure> {
    let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
    fill::<Text>(runtime, &cache, KEYS, size)?;
    let raw = raw_moka(ENTRIES);
    fill_raw::<Text>(runtime, &raw, KEYS, size)?;
    let order = Order::even(KEYS);
    let floor = hits_of_raw(runtime, raw, keys::texts(KEYS), order.clone());
    let ours = hits::<Text>(runtime, cache, keys::keys(KEYS), order);
    Ok(Contest::between(ours, floor))
}

fn writes(runtime: &Rc<Runtime>, size: Size) -> Result<Contest, Failure> {
    let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
    let raw = [raw_moka(ENTRIES), raw_moka(ENTRIES)];
    let body = Arc::new(Text::new(0, size));
    let encoded = Arc::clone(&body);
    let (keys, texts) = (keys::keys(KEYS), keys::texts(KEYS));
    let mut order = Order::even(KEYS);
    let mut raw_order = order.clone();
    let ours = Runner::repeating(runtime, async move || {
        let value = bodies::value(&body, bodies::expiry());
        cache.set(&keys[order.advance()], value).await?;
        Ok(())
    });
    let floor = Runner::repeating(runtime, async move || {
        let text = &texts[raw_order.advance()];
        let encoded = bodies::encoded(&*encoded)?;
        for cache in &raw {
            cache.insert(Arc::clone(text), encoded.clone()).await;
        }
        Ok(())
    });
    Ok(Contest::between(ours, floor))
}

#[cfg(feature = "sled")]
fn sled_reads(runtime: &Rc<Runtime>, size: Size) -> Result<Contest, Failure> {
    use crate::questions::sled;

    sled::contest::<Text>(runtime, KEYS, size)
}

type Build = fn(&Rc<Runtime>, Size) -> Result<Contest, Failure>;

/// Sizes, by what is done.
#[must_use]
pub fn cases() -> Vec<Case> {
    let operations: &[(&str, Build)] = &[
        ("sequential hit", reads),
        ("composed set", writes),
        #[cfg(feature = "sled")]
        ("typed read of sled", sled_reads),
    ];
    let mut cases = Vec::new();
    for (what, build) in operations {
        let build = *build;
        for size in SIZES {
            let name = format!("scale_values/{what}/{size}");
            let case = Case::contest(name, move || build(&runtime()?, size));
            cases.push(case.counts(Counts::Nothing).quick());
        }
    }
    cases
}
