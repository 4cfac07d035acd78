use std::ptr;

use crate::settings::Overrides;

/// What all keys of a keyspace share.
#[derive(Debug)]
pub(crate) struct Space {
    pub(super) name: &'static str,
    pub(super) version: u32,
    /// Of name and version, made by the compiler for a constant.
    pub(super) hash: u64,
    pub(super) settings: Overrides,
}

impl Space {
    pub(super) const fn new(name: &'static str, version: u32) -> Self {
        Self {
            name,
            version,
            hash: hash(name, version),
            settings: Overrides::NONE,
        }
    }

    /// Whether they make the same keys.
    #[inline]
    pub(super) fn is(&self, other: &Self) -> bool {
        // The compiler may make several copies of a constant.
        ptr::eq(self, other) || self.is_like(other)
    }

    fn is_like(&self, other: &Self) -> bool {
        // Which mostly have one name in common.
        let is_name = ptr::eq(self.name, other.name) || self.name == other.name;
        is_name && self.version == other.version
    }
}

/// FNV-1a.
const fn hash(name: &str, version: u32) -> u64 {
    const BASIS: u64 = 0xcbf2_9ce4_8422_2325;
    let mut hash = with(BASIS, version as u64);
    let mut rest = name.as_bytes();
    while let [byte, behind @ ..] = rest {
        hash = with(hash, *byte as u64);
        rest = behind;
    }
    hash
}

const fn with(hash: u64, word: u64) -> u64 {
    const PRIME: u64 = 0x0100_0000_01b3;
    (hash ^ word).wrapping_mul(PRIME)
}
