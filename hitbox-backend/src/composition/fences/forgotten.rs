//! Which keys something is said of that are not on record: a Bloom filter. Of those whose pending repairs were given
//! up, a layer's fence; of those that were expired, the newest expiry.

use fastbloom::BloomFilter;
use hitbox_core::{CacheKey, CacheKeyHash};

/// How many keys a filter is made for, for each idle key that the shard remembers.
const TIMES_THE_RECORD: usize = 16;

/// One in a thousand other keys is taken for a forgotten one when the filter holds what it is made for. That makes
/// 14.4 bits for each of those.
const FALSE_POSITIVES: f64 = 0.001;

/// Keys of one shard that are not on record any more, though something is said of them.
pub(super) struct Forgotten {
    /// Made when the first one is forgotten.
    filter: Option<BloomFilter<CacheKeyHash>>,
    made_for: usize,
}

impl Forgotten {
    /// Nothing is forgotten. `record` is how many idle keys the shard remembers.
    pub(super) const fn new(record: usize) -> Self {
        Self {
            filter: None,
            made_for: record.saturating_mul(TIMES_THE_RECORD),
        }
    }

    pub(super) fn insert(&mut self, key: &CacheKey) {
        let filter = self.filter.get_or_insert_with(|| {
            BloomFilter::with_false_pos(FALSE_POSITIVES)
                .hasher(CacheKeyHash)
                .expected_items(self.made_for)
        });
        filter.insert(key);
    }

    /// Whether the key may be forgotten. `false`: it is not.
    pub(super) fn may_contain(&self, key: &CacheKey) -> bool {
        let filter = self.filter.as_ref();
        filter.is_some_and(|filter| filter.contains(key))
    }

    /// Nothing is forgotten any more.
    pub(super) fn clear(&mut self) {
        self.filter = None;
    }
}

#[cfg(test)]
mod tests {
    #![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

    use std::hash::BuildHasher;

    use super::*;

    const RECORD: usize = 1_024;

    /// Keys of one shard.
    fn keys(name: &'static str, keys: usize) -> impl Iterator<Item = CacheKey> {
        let all = (0..).map(move |number: usize| CacheKey::from_pair(name, number.to_string()));
        let of_one_shard = |key: &CacheKey| (CacheKeyHash.hash_one(key) >> 32).is_multiple_of(16);
        all.filter(of_one_shard).take(keys)
    }

    fn with(forgotten: usize) -> Forgotten {
        let mut filter = Forgotten::new(RECORD);
        keys("forgotten", forgotten).for_each(|key| filter.insert(&key));
        filter
    }

    /// How many of 50,000 other keys are taken for forgotten ones.
    fn taken_for_forgotten(filter: &Forgotten) -> usize {
        keys("other", 50_000)
            .filter(|key| filter.may_contain(key))
            .count()
    }

    #[test]
    fn what_is_forgotten_is_found_and_what_is_not_is_rarely_taken_for_it() {
        let full = TIMES_THE_RECORD * RECORD;
        let mut filter = with(full);
        assert!(keys("forgotten", full).all(|key| filter.may_contain(&key)));
        let taken = taken_for_forgotten(&filter);
        assert!((20..100).contains(&taken), "{taken} of 50,000");
        filter.clear();
        assert_eq!(taken_for_forgotten(&filter), 0);
        assert!(taken_for_forgotten(&with(RECORD)) <= 1);
    }

    #[test]
    fn a_filter_fills_up() {
        let filter = with(16 * TIMES_THE_RECORD * RECORD);
        assert!(taken_for_forgotten(&filter) > 49_500);
    }

    #[test]
    fn it_takes_two_bytes_for_a_key_that_it_is_made_for() {
        assert!(Forgotten::new(RECORD).filter.is_none());
        let bits = with(1).filter.unwrap().num_bits();
        assert!(bits <= 16 * TIMES_THE_RECORD * RECORD, "{bits}");
    }
}
