use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use crate::held::Held;

/// How much a [`MokaBackend`](crate::MokaBackend) holds before it evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// This many entries, whatever their size.
    Entries(u64),
    /// This many bytes of memory: keys, payloads, decoded objects (estimated by their encoded
    /// size) and the bookkeeping per entry.
    Bytes(u64),
}

/// What an entry takes beside what its key and its value say they weigh: moka's node and queues,
/// its share of the hash table, reference counts, the decoded object's own frame.
///
/// About 330 bytes are asked of the allocator for it, in a dozen small pieces; glibc's rounding and
/// headers make that 500 of resident memory. `cargo test -p hitbox-moka --test allocator -- --nocapture`
/// prints both, and fails when the first has moved.
const ENTRY_OVERHEAD: usize = 500;

/// moka keeps an entry's weight in 32 bits. A heavier entry would be taken for one of 4 GiB, so
/// none is let in.
const HEAVIEST_ENTRY: u64 = u32::MAX as u64;

impl Capacity {
    /// The heaviest entry that is let in, in bytes; `None` if weight does not matter.
    pub(crate) fn heaviest_entry(self) -> Option<u64> {
        match self {
            Self::Entries(_) => None,
            Self::Bytes(max_bytes) => Some(max_bytes.min(HEAVIEST_ENTRY)),
        }
    }
}

/// The memory that an entry takes, in bytes.
pub(crate) fn entry_weight(key: &CacheKey, value: &CacheValue<Raw>) -> u64 {
    let weight = key
        .weight()
        .saturating_add(value.data().weight())
        .saturating_add(ENTRY_OVERHEAD);
    u64::try_from(weight).unwrap_or(u64::MAX)
}

/// [`entry_weight`] as moka wants it.
pub(crate) fn moka_weight(key: &CacheKey, held: &Held) -> u32 {
    u32::try_from(entry_weight(key, &held.value)).unwrap_or(u32::MAX)
}

/// The least that an entry with an uncompressed payload of this length weighs.
pub(crate) fn least_weight(payload: usize) -> u64 {
    let empty_key = CacheKey::new("", 0, []);
    let empty_value = CacheValue::loaded(Raw::from(Vec::new()), Stamp::now());
    // Twice: the payload, and the decoded object beside it.
    let payload = u64::try_from(payload).unwrap_or(u64::MAX).saturating_mul(2);
    entry_weight(&empty_key, &empty_value).saturating_add(payload)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_entry_weighs_its_key_its_value_and_the_overhead() {
        let key = CacheKey::from_pair("id", "x".repeat(500));
        let value = CacheValue::loaded(Raw::from(vec![0; 1_000]), Stamp::now());
        let parts = key.weight() + value.data().weight() + ENTRY_OVERHEAD;
        assert_eq!(entry_weight(&key, &value), parts as u64);
        let held = crate::held::Lives::new().hold(value);
        assert_eq!(u64::from(moka_weight(&key, &held)), parts as u64);
    }

    #[test]
    fn the_least_weight_is_that_of_the_smallest_key() {
        let key = CacheKey::new("", 0, []);
        let value = CacheValue::loaded(Raw::from(vec![0; 77]), Stamp::now());
        assert_eq!(least_weight(77), entry_weight(&key, &value));
        assert_eq!(least_weight(usize::MAX), u64::MAX);
    }

    #[test]
    fn no_entry_is_let_in_that_moka_cannot_weigh() {
        let heaviest = |max_bytes| Capacity::Bytes(max_bytes).heaviest_entry();
        assert_eq!(heaviest(1 << 20), Some(1 << 20));
        assert_eq!(heaviest(1 << 40), Some(u64::from(u32::MAX)));
        assert_eq!(Capacity::Entries(1).heaviest_entry(), None);
    }
}
