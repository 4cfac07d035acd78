use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};

use super::{Store, builder::Weigher};

/// How much an [`InProcess`](super::InProcess) backend holds before it evicts.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Capacity {
    /// This many entries, whatever their size.
    Entries(u64),
    /// This many bytes of memory: keys, values and the bookkeeping per entry, see
    /// [`max_bytes`](super::InProcessBuilder::max_bytes).
    Bytes(u64),
}

/// A weight is kept in 32 bits. A heavier entry is not let in.
const HEAVIEST_ENTRY: u64 = u32::MAX as u64;

impl Capacity {
    /// The weight that all entries may have together.
    #[must_use]
    pub const fn bound(self) -> u64 {
        match self {
            Self::Entries(bound) | Self::Bytes(bound) => bound,
        }
    }

    /// The heaviest entry that is let in, in bytes; `None` if weight does not matter.
    pub(super) fn heaviest_entry<S: Store>(self, largest: u64) -> Option<u64> {
        match self {
            Self::Entries(_) => None,
            Self::Bytes(max_bytes) => {
                Some(S::heaviest_entry(max_bytes, largest).min(HEAVIEST_ENTRY))
            }
        }
    }

    /// What the entry counts as: the memory that it takes, in bytes, or one entry.
    pub(super) fn weight<S: Store>(
        self,
        key: &CacheKey,
        value: &CacheValue<Raw>,
        weighers: &[Weigher],
    ) -> u64 {
        match self {
            Self::Entries(_) => 1,
            Self::Bytes(_) => entry_weight::<S>(key, value, weighers),
        }
    }
}

/// The memory that an entry takes, in bytes.
fn entry_weight<S: Store>(key: &CacheKey, value: &CacheValue<Raw>, weighers: &[Weigher]) -> u64 {
    let own = weighers
        .iter()
        .find_map(|weigher| weigher(key, value.data()));
    let weight = key
        .weight()
        .saturating_add(own.unwrap_or_else(|| value.data().weight()))
        .saturating_add(S::ENTRY_OVERHEAD);
    u64::try_from(weight).unwrap_or(u64::MAX)
}

/// The least that an entry with an uncompressed payload of this length weighs.
pub(super) fn least_weight<S: Store>(payload: usize) -> u64 {
    let empty_key = CacheKey::new("", 0, []);
    let empty_value = CacheValue::loaded(Raw::from(Vec::new()), Stamp::now());
    // Twice: the payload, and the decoded object beside it.
    let payload = u64::try_from(payload).unwrap_or(u64::MAX).saturating_mul(2);
    entry_weight::<S>(&empty_key, &empty_value, &[]).saturating_add(payload)
}
