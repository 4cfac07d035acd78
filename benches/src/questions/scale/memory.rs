//! How much memory does an entry take, and how much of a disk?

use std::alloc::System;

use stats_alloc::{Region, StatsAlloc};

use super::keys::{SIZE, room};
use crate::{
    Case, Failure, Unit,
    bodies::Text,
    floor::raw_moka,
    questions::arrangement::{fill, fill_raw, moka},
    runtime,
    sampling::Sample,
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

fn in_memory(allocator: &'static StatsAlloc<System>, power: u32) -> Case {
    let count = 10_usize.pow(power);
    let name = format!("scale_memory/moka, body of {SIZE}/10^{power} keys");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let ours = bytes(allocator, || {
            let cache = moka(room(count))?;
            fill::<Text>(&runtime, &cache, count, SIZE)?;
            cache.run_pending_tasks();
            Ok(cache)
        })?;
        let floor = bytes(allocator, || {
            let cache = raw_moka(room(count));
            fill_raw::<Text>(&runtime, &cache, count, SIZE)?;
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

/// What sled's files take for an entry, beside what its bound counts it as.
#[cfg(feature = "sled")]
fn on_disk(power: u32) -> Case {
    use crate::questions::sled::Opened;

    let count = 10_usize.pow(power);
    let name =
        format!("scale_memory/sled, on disk, against live bytes, body of {SIZE}/10^{power} keys");
    let case = Case::measured(name, Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let opened = Opened::new()?;
        fill::<Text>(&runtime, opened.cache(), count, SIZE)?;
        let size = runtime.block_on(async {
            opened.cache().flush().await?;
            opened.cache().size_on_disk().await
        })?;
        let each = |bytes: u64| bytes as f64 / count as f64;
        Ok(vec![Sample {
            ours: each(size),
            floor: Some(each(opened.cache().statistics().bytes)),
        }])
    });
    if power <= 5 { case.quick() } else { case }
}

/// Powers of ten. `allocator` is the one that the program runs with.
#[must_use]
pub fn cases(allocator: &'static StatsAlloc<System>) -> Vec<Case> {
    let in_memory = (3..=7).map(|power| in_memory(allocator, power));
    #[cfg(feature = "sled")]
    let in_memory = in_memory.chain((3..=6).map(on_disk));
    in_memory.collect()
}
