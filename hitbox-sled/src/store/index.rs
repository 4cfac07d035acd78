use chrono::{DateTime, Utc};
use hitbox_backend::stored_form::Header;
use hitbox_core::{CacheValue, Stamp};

/// What sorts behind every expiry: an entry that never expires.
const NEVER: u64 = u64::MAX;

/// The place of an entry in the order of eviction: expiry in milliseconds and `created` in
/// microseconds, both big-endian.
///
/// Its byte order is the order in which entries leave: what expires first, and among those that
/// never expire the oldest.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EvictionKey([u8; EvictionKey::LENGTH]);

impl EvictionKey {
    pub(crate) const LENGTH: usize = 16;

    fn new(expire: Option<DateTime<Utc>>, created: Stamp) -> Self {
        let expire = expire.map_or(NEVER, expiry_millis);
        let both = (u128::from(expire) << 64) | u128::from(created.as_micros());
        Self(both.to_be_bytes())
    }

    pub(crate) const fn from_bytes(bytes: [u8; Self::LENGTH]) -> Self {
        Self(bytes)
    }

    pub(crate) const fn as_bytes(&self) -> &[u8; Self::LENGTH] {
        &self.0
    }

    /// The index key of the entry under `tree_key`.
    pub(crate) fn index_key(self, tree_key: &[u8]) -> Vec<u8> {
        [&self.0, tree_key].concat()
    }

    pub(crate) fn is_expired(self, now: DateTime<Utc>) -> bool {
        self.0[..] < first_live_at(now)[..]
    }
}

impl From<Header> for EvictionKey {
    fn from(header: Header) -> Self {
        Self::new(header.expire, header.created)
    }
}

impl<T> From<&CacheValue<T>> for EvictionKey {
    fn from(value: &CacheValue<T>) -> Self {
        Self::new(value.expire(), value.created())
    }
}

/// Where the index keys begin whose entries have not expired at `now`.
pub(crate) fn first_live_at(now: DateTime<Utc>) -> [u8; 8] {
    // At the expiry instant an entry is expired, so the first live one expires a millisecond later.
    expiry_millis(now).saturating_add(1).to_be_bytes()
}

/// The tree key within an index key; `None` for bytes that are no index key.
pub(crate) fn tree_key_in(index_key: &[u8]) -> Option<&[u8]> {
    index_key.get(EvictionKey::LENGTH..)
}

fn expiry_millis(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn at(millis: i64) -> DateTime<Utc> {
        DateTime::from_timestamp_millis(millis).unwrap()
    }

    fn eviction_key(expire: Option<i64>, created: u64) -> EvictionKey {
        EvictionKey::new(expire.map(at), Stamp::from_micros(created))
    }

    #[test]
    fn byte_order_is_the_order_of_leaving() {
        let ordered = [
            eviction_key(Some(-5), 9),
            eviction_key(Some(255), 2),
            eviction_key(Some(256), 1),
            eviction_key(Some(256), 2),
            eviction_key(None, 0),
            eviction_key(None, 1),
        ];
        let keys = ordered.map(|key| key.index_key(b"k"));
        assert!(keys.is_sorted());
        assert_eq!(tree_key_in(&keys[0]), Some(&b"k"[..]));
        assert_eq!(tree_key_in(b"short"), None);
    }

    #[test]
    fn an_entry_is_expired_at_its_expiry_and_not_a_millisecond_before() {
        let key = eviction_key(Some(1_000), u64::MAX);
        let index_key = key.index_key(b"\xff");
        for (millis, expired) in [(999, false), (1_000, true)] {
            assert_eq!(index_key[..] < first_live_at(at(millis))[..], expired);
            assert_eq!(key.is_expired(at(millis)), expired);
        }
        assert!(!eviction_key(None, 0).is_expired(at(i64::from(u32::MAX))));
    }
}
