//! What an entry counts as under the capacity.

use hitbox_core::{CacheKey, Raw};

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

/// The memory that a value takes, in bytes: as the user's weigher of its type says, else by an estimate, which
/// looks at the whole object.
pub(super) fn memory_of(key: &CacheKey, value: &Raw, weighers: &[Weigher]) -> usize {
    let own = weighers.iter().find_map(|weigher| weigher(key, value));
    own.unwrap_or_else(|| crate::weight(value))
}

/// The memory that an entry takes, in bytes, of which its value takes so much.
pub(super) fn weight<S: Store>(key: &CacheKey, value: usize) -> u64 {
    let weight = key.weight().saturating_add(value);
    u64::try_from(weight.saturating_add(S::ENTRY_OVERHEAD)).unwrap_or(u64::MAX)
}

/// The least that an entry with an uncompressed payload of this length weighs.
pub(super) fn least_weight<S: Store>(payload: usize) -> u64 {
    let empty_key = CacheKey::new("", 0, []);
    let empty_value = crate::weight(&Raw::from(Vec::new()));
    weight::<S>(&empty_key, empty_value.saturating_add(payload))
}
