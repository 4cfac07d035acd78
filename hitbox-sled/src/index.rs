use chrono::{DateTime, Utc};
use hitbox_backend::stored_form::Header;
use hitbox_core::{CacheValue, Stamp};

/// The bytes of an index key that stand before the stored key.
pub(crate) const PREFIX_LENGTH: usize = 16;

/// What sorts behind every expiry: an entry that never expires.
const NEVER: u64 = u64::MAX;

/// When an entry is to leave, if it must.
#[derive(Clone, Copy, Debug)]
pub(crate) struct Departure {
    expire: Option<DateTime<Utc>>,
    created: Stamp,
}

impl Departure {
    /// The index key of an entry: expiry in milliseconds, `created` in microseconds, both
    /// big-endian, and the stored key.
    ///
    /// Its byte order is the order in which entries leave: what expires first, and among those
    /// that never expire the oldest.
    pub(crate) fn index_key(self, stored_key: &[u8]) -> Vec<u8> {
        let expire = self.expire.map_or(NEVER, expiry_millis);
        let mut index_key = Vec::with_capacity(PREFIX_LENGTH + stored_key.len());
        index_key.extend_from_slice(&expire.to_be_bytes());
        index_key.extend_from_slice(&self.created.as_micros().to_be_bytes());
        index_key.extend_from_slice(stored_key);
        index_key
    }

    pub(crate) fn is_due(self, now: DateTime<Utc>) -> bool {
        self.expire.is_some_and(|expire| expire <= now)
    }
}

impl From<Header> for Departure {
    fn from(header: Header) -> Self {
        Self {
            expire: header.expire,
            created: header.created,
        }
    }
}

impl<T> From<&CacheValue<T>> for Departure {
    fn from(value: &CacheValue<T>) -> Self {
        Self {
            expire: value.expire(),
            created: value.created(),
        }
    }
}

/// Where the index keys begin whose entries have not expired at `now`.
pub(crate) fn first_live_at(now: DateTime<Utc>) -> [u8; 8] {
    // At the expiry instant an entry is expired, so the first live one expires a millisecond later.
    expiry_millis(now).saturating_add(1).to_be_bytes()
}

/// The stored key within an index key; `None` for bytes that are no index key.
pub(crate) fn stored_key(index_key: &[u8]) -> Option<&[u8]> {
    index_key.get(PREFIX_LENGTH..)
}

fn expiry_millis(time: DateTime<Utc>) -> u64 {
    u64::try_from(time.timestamp_millis()).unwrap_or(0)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn departure(expire: Option<i64>, created: u64) -> Departure {
        Departure {
            expire: expire.map(|millis| DateTime::from_timestamp_millis(millis).unwrap()),
            created: Stamp::from_micros(created),
        }
    }

    #[test]
    fn byte_order_is_the_order_of_leaving() {
        let ordered = [
            departure(Some(-5), 9),
            departure(Some(255), 2),
            departure(Some(256), 1),
            departure(Some(256), 2),
            departure(None, 0),
            departure(None, 1),
        ];
        let keys = ordered.map(|departure| departure.index_key(b"k"));
        assert!(keys.is_sorted());
        assert_eq!(stored_key(&keys[0]), Some(&b"k"[..]));
        assert_eq!(stored_key(b"short"), None);
    }

    #[test]
    fn an_entry_is_due_at_its_expiry_and_not_a_millisecond_before() {
        let entry = departure(Some(1_000), u64::MAX).index_key(b"\xff");
        let at = |millis| first_live_at(DateTime::from_timestamp_millis(millis).unwrap());
        assert!(entry.as_slice() >= &at(999)[..]);
        assert!(entry.as_slice() < &at(1_000)[..]);
    }
}
