//! What an entry takes of memory, beside one of `moka::sync::Cache<String, Arc<T>>`; and who waits for a load.

use std::{alloc::System, any::Any};

use hitbox_benches::{
    Case, Failure, Unit, bodies::Size, questions::scale::memory::bytes, runtime, sampling::Sample,
};
use stats_alloc::StatsAlloc;
use tokio::runtime::Runtime;

use super::{get_or_load, name, quick};
use crate::subjects::{cached, foyer, hitbox_0_2, multi_tier, ours, raw};

/// A cache with so many entries.
type Fill = fn(&Runtime, usize, Size) -> Result<Box<dyn Any>, Failure>;

const ENTRIES: usize = 100_000;

const SUBJECTS: [(&str, Fill); 7] = [
    ("quick_cache, objects", raw::filled_quick_cache),
    ("foyer, memory", foyer::filled),
    ("cached, sharded LRU with TTL", cached::filled),
    ("multi-tier-cache, first tier", multi_tier::filled),
    ("hitbox 0.2, moka, bincode", hitbox_0_2::filled),
    ("this checkout, moka", ours::filled),
    ("this checkout, quick_cache", ours::filled_quick_cache),
];

fn case(allocator: &'static StatsAlloc<System>, size: Size, subject: &str, fill: Fill) -> Case {
    let case = Case::measured(name("an entry", size, subject), Unit::Bytes, move |_| {
        let runtime = runtime()?;
        let each = |fill: Fill| {
            let bytes = bytes(allocator, || fill(&runtime, ENTRIES, size))?;
            Ok::<_, Failure>(bytes / ENTRIES as f64)
        };
        Ok(vec![Sample {
            ours: each(fill)?,
            floor: Some(each(raw::filled_typed_moka)?),
        }])
    });
    quick(case, size)
}

pub(crate) fn cases(allocator: &'static StatsAlloc<System>) -> Vec<Case> {
    let of_size = |size| SUBJECTS.map(|(subject, fill)| case(allocator, size, subject, fill));
    let entries = Size::USUAL.into_iter().flat_map(of_size);
    entries.chain(get_or_load::waiters(allocator)).collect()
}
