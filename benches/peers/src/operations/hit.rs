//! A hit in process, beside F: a get of `moka::future::Cache<Arc<str>, Bytes>`.

use hitbox_benches::{Case, bodies::Size};

use super::{Build, in_process};
use crate::subjects::{
    cached, foyer, hitbox_0_2,
    multi_tier::{self, Returns},
    ours, raw,
};

const SUBJECTS: [(&str, Build); 16] = [
    ("moka::sync, bytes", raw::sync_hits),
    ("moka::future, decoded", raw::decoded_hits),
    ("quick_cache, objects", raw::quick_cache_hits),
    ("foyer, memory", foyer::hits),
    ("foyer, memory over a disk", foyer::hybrid_hits),
    ("cached, sharded LRU with TTL", cached::hits),
    ("multi-tier-cache, first tier, bytes", |runtime, size| {
        multi_tier::hits(runtime, size, Returns::Bytes)
    }),
    ("multi-tier-cache, first tier, typed", |runtime, size| {
        multi_tier::hits(runtime, size, Returns::Object)
    }),
    ("hitbox 0.2, moka, bincode", hitbox_0_2::hits),
    ("hitbox 0.2, moka, JSON", hitbox_0_2::json_hits),
    ("hitbox 0.2, composed, bincode", hitbox_0_2::composed_hits),
    ("hitbox 0.2, composed, JSON", hitbox_0_2::composed_json_hits),
    ("this checkout, moka", ours::hits),
    ("this checkout, composed", ours::composed_hits),
    ("this checkout, quick_cache", ours::quick_cache_hits),
    (
        "this checkout, quick_cache over moka",
        ours::quick_cache_over_moka_hits,
    ),
];

pub(crate) fn cases() -> Vec<Case> {
    let of_size = |size| {
        SUBJECTS.map(|(subject, build)| {
            in_process("hit in process", size, subject, build, raw::future_hits)
        })
    };
    Size::USUAL.into_iter().flat_map(of_size).collect()
}
