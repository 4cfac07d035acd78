use std::hash::BuildHasher;

use hitbox_core::{CacheKey, CacheKeyHash};

use super::setting::Setting;

/// As many as any setting has.
const COUNT: usize = 4;

/// How many shards a composition keeps its records in.
const SHARDS: u64 = 16;

/// The keys of histories.
///
/// What a composition forgets, it forgets shard by shard, and which keys share a shard is decided by
/// a seed of the process. A history whose composition forgets can be repeated only if its keys are
/// chosen by their shards. Finding those takes a while, so it is done once.
pub(super) struct Keys {
    of_one_shard: Vec<CacheKey>,
    of_different_shards: Vec<CacheKey>,
}

impl Keys {
    pub(super) fn new() -> Self {
        let in_shard = |shard: u64| {
            let numbers = (0_u64..).map(|number| CacheKey::from_pair("key", number.to_string()));
            numbers.filter(move |key| shard_of(key) == shard)
        };
        Self {
            of_one_shard: in_shard(0).take(COUNT).collect(),
            of_different_shards: (0..SHARDS)
                .take(COUNT)
                .filter_map(|shard| in_shard(shard).next())
                .collect(),
        }
    }

    pub(super) fn of(&self, setting: &Setting) -> Vec<CacheKey> {
        let keys = match setting.forgets_by_shard() {
            true => &self.of_one_shard,
            false => &self.of_different_shards,
        };
        keys.iter().take(setting.keys).cloned().collect()
    }
}

/// As a composition has it.
fn shard_of(key: &CacheKey) -> u64 {
    (CacheKeyHash.hash_one(key) >> 32) % SHARDS
}
