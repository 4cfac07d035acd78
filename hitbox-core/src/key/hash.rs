use std::hash::{BuildHasher, Hasher};

/// Hashes a [`CacheKey`](crate::CacheKey) to the hash it carries, for maps with such keys.
///
/// That hash is as good as the standard library's (SipHash with a seed drawn per process), so
/// hashing it once more would only take time.
///
/// ```
/// use std::collections::HashMap;
/// use hitbox_core::{CacheKey, CacheKeyHash};
///
/// let mut map = HashMap::with_hasher(CacheKeyHash);
/// map.insert(CacheKey::from_pair("id", "42"), "a value");
/// assert!(map.contains_key(&CacheKey::from_pair("id", "42")));
/// ```
#[derive(Clone, Copy, Debug, Default)]
pub struct CacheKeyHash;

impl BuildHasher for CacheKeyHash {
    type Hasher = CarriedHash;

    #[inline]
    fn build_hasher(&self) -> CarriedHash {
        CarriedHash(0)
    }
}

/// What [`CacheKeyHash`] builds.
#[derive(Clone, Debug)]
pub struct CarriedHash(u64);

impl Hasher for CarriedHash {
    #[inline]
    fn write_u64(&mut self, hash: u64) {
        self.0 = hash;
    }

    /// For anything but a key, which writes one number: byte by byte, as FNV-1a does.
    fn write(&mut self, bytes: &[u8]) {
        for byte in bytes {
            self.0 = (self.0 ^ u64::from(*byte)).wrapping_mul(0x0100_0000_01b3);
        }
    }

    #[inline]
    fn finish(&self) -> u64 {
        self.0
    }
}
