use std::hash::BuildHasher;

use hitbox_core::{CacheKey, CacheKeyHash};

use super::{cached::SPACE, setting::Setting};

/// As many as any setting has.
const COUNT: usize = 4;

/// How many shards a composition keeps its records in.
const SHARDS: u64 = 16;

/// How many a cache keeps its flights in: a multiple, so keys of one are of one there.
const FLIGHT_SHARDS: u64 = 64;

/// The keys of histories.
///
/// What a composition forgets, it forgets shard by shard, and which keys share a shard is decided by
/// a seed of the process. A history whose composition forgets can be repeated only if its keys are
/// chosen by their shards. Finding those takes a while, so it is done once.
pub(super) struct Keys {
    of_one_shard: Vec<CacheKey>,
    of_different_shards: Vec<CacheKey>,
    /// The same of the keyspace of caches, by their ids.
    ids_of_one_shard: Vec<(u64, CacheKey)>,
    ids_of_different_shards: Vec<(u64, CacheKey)>,
}

impl Keys {
    pub(super) fn new() -> Self {
        let in_shard = |shard: u64| {
            let numbers = (0_u64..).map(|number| CacheKey::from_pair("key", number.to_string()));
            numbers.filter(move |key| shard_of(key, SHARDS) == shard)
        };
        let ids_in_shard = |shard: u64| {
            let ids = (0_u64..).map(|id| (id, CacheKey::from(SPACE.key(id))));
            ids.filter(move |(_, key)| shard_of(key, FLIGHT_SHARDS) == shard)
        };
        Self {
            ids_of_one_shard: ids_in_shard(0).take(COUNT).collect(),
            ids_of_different_shards: (0..FLIGHT_SHARDS)
                .take(COUNT)
                .filter_map(|shard| ids_in_shard(shard).next())
                .collect(),
            of_one_shard: in_shard(0).take(COUNT).collect(),
            of_different_shards: (0..SHARDS)
                .take(COUNT)
                .filter_map(|shard| in_shard(shard).next())
                .collect(),
        }
    }

    /// Of caches, each with its id.
    pub(super) fn of_space(&self, setting: &Setting) -> Vec<(u64, CacheKey)> {
        let ids = match setting.forgets_by_shard() {
            true => &self.ids_of_one_shard,
            false => &self.ids_of_different_shards,
        };
        ids.iter().take(setting.keys).cloned().collect()
    }

    pub(super) fn of(&self, setting: &Setting) -> Vec<CacheKey> {
        let keys = match setting.forgets_by_shard() {
            true => &self.of_one_shard,
            false => &self.of_different_shards,
        };
        keys.iter().take(setting.keys).cloned().collect()
    }
}

/// As a composition, or the table of flights, has it.
fn shard_of(key: &CacheKey, shards: u64) -> u64 {
    (CacheKeyHash.hash_one(key) >> 32) % shards
}
