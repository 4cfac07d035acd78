use std::thread;

use hitbox_backend::in_process::Capacity;
use quick_cache::{Options, OptionsBuilder};

/// What part of a shard is for entries that have been asked for again. `quick_cache` refuses an entry that is
/// heavier than that.
const HOT: f64 = 0.97;

/// A shard of fewer entries evicts too much while others have room; one of so many, about two in a hundred of a
/// working set that just fits.
const LEAST_ENTRIES: u64 = 512;

/// A shard of fewer bytes refuses entries that are not unusual.
const LEAST_BYTES: u64 = 4 << 20;

/// What an entry is taken to weigh until there are some: for how many evicted keys `quick_cache` remembers.
const USUAL_WEIGHT: u64 = 1 << 10;

/// The weight that a shard of this capacity takes in one entry, as `quick_cache` reckons it.
#[expect(
    clippy::cast_possible_truncation,
    clippy::cast_precision_loss,
    clippy::cast_sign_loss,
    reason = "as quick_cache does: it decides what it takes"
)]
fn taken_by(capacity: u64) -> u64 {
    (capacity as f64 * HOT) as u64
}

/// A shard that takes an entry of this weight, hardly larger than it must be.
pub(crate) const fn that_takes(weight: u64) -> u64 {
    weight.saturating_add(weight / 32).saturating_add(2)
}

/// The heaviest entry that a cache of so many bytes takes, on every machine: that of its smallest shard.
pub(crate) fn heaviest_entry(max_bytes: u64, largest: u64) -> u64 {
    taken_by(max_bytes.min(least_bytes(largest)))
}

/// Of the largest entries, a shard has room for some: what is left over in it is lost.
fn least_bytes(largest: u64) -> u64 {
    LEAST_BYTES.max(that_takes(largest).saturating_mul(8))
}

/// Shards for four times as many threads as run at a time, if there is enough for each.
pub(crate) fn options(capacity: Capacity, largest: u64) -> Options {
    let wanted = thread::available_parallelism().map_or(1, usize::from) as u64 * 4;
    let (entries, least) = match capacity {
        Capacity::Entries(max_entries) => (max_entries, LEAST_ENTRIES),
        Capacity::Bytes(max_bytes) => (max_bytes / USUAL_WEIGHT, least_bytes(largest)),
    };
    let shards = at_most(wanted.min(capacity.bound() / least));
    let mut options = OptionsBuilder::new();
    options
        .shards(usize::try_from(shards).unwrap_or(1))
        .hot_allocation(HOT)
        .estimated_items_capacity(usize::try_from(entries).unwrap_or(usize::MAX))
        // A multiple: `quick_cache` rounds each shard's part up.
        .weight_capacity(capacity.bound() / shards * shards);
    options.build().expect("both capacities are set")
}

/// The greatest power of two that is no more than this: of which `quick_cache` makes no other number.
fn at_most(shards: u64) -> u64 {
    1 << shards.max(1).ilog2()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_shard_takes_what_it_is_made_for() {
        for weight in (0..100_000).chain([1 << 20, 1 << 25, u64::from(u32::MAX)]) {
            let capacity = that_takes(weight);
            assert!(taken_by(capacity) >= weight, "{weight}");
            assert!(capacity <= weight + weight / 32 + 2, "{weight}");
        }
        assert_eq!(that_takes(u64::MAX), u64::MAX);
    }

    #[test]
    fn what_is_taken_does_not_depend_on_the_machine() {
        assert_eq!(heaviest_entry(1_000, 0), 970);
        assert_eq!(heaviest_entry(1 << 40, 0), taken_by(4 << 20));
        assert!(heaviest_entry(1 << 40, 10 << 20) >= 10 << 20);
    }

    #[test]
    fn shards_are_a_power_of_two() {
        for (shards, expected) in [(0, 1), (1, 1), (3, 2), (4, 4), (255, 128)] {
            assert_eq!(at_most(shards), expected);
        }
    }
}
