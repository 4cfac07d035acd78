//! How much memory does an entry take?

use std::alloc::System;

use stats_alloc::{Region, StatsAlloc};

use super::keys::{SIZE, fill, fill_raw, room};
use crate::{
    Case, Failure, Unit, floor::raw_moka, questions::arrangement::moka, runtime, sampling::Sample,
};

/// What is asked of the allocator, and not given back, while `fill` fills something.
fn bytes<Filled>(
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

fn case(allocator: &'static StatsAlloc<System>, power: u32) -> Case {
    let count = 10_usize.pow(power);
    let name = format!("scale_memory/moka, body of {SIZE}/10^{power} keys");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let ours = bytes(allocator, || {
            let cache = moka(room(count))?;
            fill(&runtime, &cache, count)?;
            cache.run_pending_tasks();
            Ok(cache)
        })?;
        let floor = bytes(allocator, || {
            let cache = raw_moka(room(count));
            fill_raw(&runtime, &cache, count)?;
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

/// Powers of ten. `allocator` is the one that the program runs with.
#[must_use]
pub fn cases(allocator: &'static StatsAlloc<System>) -> Vec<Case> {
    (3..=7).map(|power| case(allocator, power)).collect()
}
