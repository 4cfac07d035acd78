//! What an entry counts as under the capacity.

use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{Capacity, Store};

/// What an object takes of memory, in bytes, if it is of the type that this knows.
pub(super) type Weigher = Box<dyn Fn(&CacheKey, &Raw) -> Option<usize> + Send + Sync>;

/// A weight is kept in 32 bits. A heavier entry is not let in.
const HEAVIEST: u64 = u32::MAX as u64;

/// The heaviest entry that is let in, in bytes; `None` if weight does not matter.
pub(super) fn heaviest<S: Store>(capacity: Capacity, largest: u64) -> Option<u64> {
    match capacity {
        Capacity::Entries(_) => None,
        Capacity::Bytes(max_bytes) => Some(S::heaviest_entry(max_bytes, largest).min(HEAVIEST)),
    }
}

/// What the entry counts as: the memory that it takes, in bytes, or one entry.
pub(super) fn weight<S: Store>(
    capacity: Capacity,
    key: &CacheKey,
    value: &CacheValue<Raw>,
    weighers: &[Weigher],
) -> u64 {
    match capacity {
        Capacity::Entries(_) => 1,
        Capacity::Bytes(_) => in_bytes::<S>(key, value, weighers),
    }
}

/// The memory that an entry takes, in bytes.
fn in_bytes<S: Store>(key: &CacheKey, value: &CacheValue<Raw>, weighers: &[Weigher]) -> u64 {
    let own = weighers
        .iter()
        .find_map(|weigher| weigher(key, value.data()));
    let weight = key
        .weight()
        .saturating_add(own.unwrap_or_else(|| crate::weight(value.data())))
        .saturating_add(S::ENTRY_OVERHEAD);
    u64::try_from(weight).unwrap_or(u64::MAX)
}

/// The least that an entry with an uncompressed payload of this length weighs.
pub(super) fn least_weight<S: Store>(payload: usize) -> u64 {
    let empty_key = CacheKey::new("", 0, []);
    let empty_value = CacheValue::loaded(Raw::from(Vec::new()), Stamp::now());
    let payload = u64::try_from(payload).unwrap_or(u64::MAX);
    in_bytes::<S>(&empty_key, &empty_value, &[]).saturating_add(payload)
}
