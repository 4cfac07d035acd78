//! The partition key that a cache key is stored under.

use hitbox_backend::CacheKeyFormat;
use hitbox_core::CacheKey;

/// DynamoDB's limit on a partition key, in bytes.
pub(crate) const LONGEST_PARTITION_KEY: usize = 2_048;

/// Stands before the digest of a key that is too long. No key's text form holds it: there, a `%` is
/// followed by two upper-case hexadecimal digits.
const DIGEST_MARKER: &str = "%blake3:";

/// What a namespace may take of a partition key, in bytes: the digest has to fit behind it.
pub(crate) const LONGEST_NAMESPACE: usize = 1_024;

#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct StoredKey {
    partition: String,
    full: Option<String>,
}

impl StoredKey {
    /// A key that is too long is stored under its digest. The namespace stays legible even so:
    /// access rules may go by how a partition key begins.
    pub(crate) fn new(format: &CacheKeyFormat, key: &CacheKey) -> Self {
        let full = format.encode(key).into_owned();
        if full.len() <= LONGEST_PARTITION_KEY {
            return Self {
                partition: full,
                full: None,
            };
        }
        let digest = blake3::hash(full.as_bytes()).to_hex();
        Self {
            partition: format!("{}{DIGEST_MARKER}{digest}", format.namespace()),
            full: Some(full),
        }
    }

    /// What the partition key attribute holds.
    pub(crate) fn partition(&self) -> &str {
        &self.partition
    }

    /// The key in full, if the partition key is only its digest.
    pub(crate) fn full(&self) -> Option<&str> {
        self.full.as_deref()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn key(length: usize) -> CacheKey {
        let text_around_the_value = CacheKey::from_pair("k", "").as_text().len();
        CacheKey::from_pair("k", "x".repeat(length - text_around_the_value))
    }

    #[test]
    fn a_key_at_the_limit_is_stored_as_it_is_and_one_above_under_its_digest() {
        let at = StoredKey::new(&CacheKeyFormat::TEXT, &key(LONGEST_PARTITION_KEY));
        assert_eq!(at.partition(), key(LONGEST_PARTITION_KEY).as_text());
        assert_eq!(at.full(), None);

        let above = StoredKey::new(&CacheKeyFormat::TEXT, &key(LONGEST_PARTITION_KEY + 1));
        assert!(above.partition().starts_with("%blake3:"));
        assert_eq!(above.full(), Some(key(LONGEST_PARTITION_KEY + 1).as_text()));
    }

    #[test]
    fn a_digest_is_no_key_and_stays_in_its_namespace() {
        let format = CacheKeyFormat::namespaced(&"n".repeat(LONGEST_NAMESPACE - 2));
        assert_eq!(format.namespace().len(), LONGEST_NAMESPACE);
        let stored = StoredKey::new(&format, &key(3_000));
        assert!(stored.partition().len() <= LONGEST_PARTITION_KEY);
        let behind = stored.partition().strip_prefix(format.namespace()).unwrap();
        assert!(CacheKey::parse(behind).is_err());
    }

    #[test]
    fn long_keys_with_a_common_prefix_differ() {
        let stored = |end: &str| {
            let key = CacheKey::from_pair("k", format!("{}{end}", "x".repeat(3_000)));
            StoredKey::new(&CacheKeyFormat::TEXT, &key)
        };
        assert_ne!(stored("a").partition(), stored("b").partition());
    }
}
