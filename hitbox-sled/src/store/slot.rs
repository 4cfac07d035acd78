//! What stands under a key in the tree of values, and what it counts.
//!
//! sled keeps sixteen entries a page whatever their size, rewrites a page for each ten changes, and
//! moves a page above an eighth of a megabyte to a file that it often forgets. So only what is short
//! stands in the tree; a longer value, or one under a long key, stands in a file of its own.

use std::{
    borrow::Cow,
    hash::{DefaultHasher, Hasher},
};

use hitbox_backend::{Rejection, stored_form::Header};

use crate::store::index::EvictionKey;

/// The most that key and stored form together may take in the tree.
const LONGEST_INLINE: usize = 4096;

/// Longer keys stand in the tree as their beginning and a hash.
const LONGEST_TREE_KEY: usize = 512;

/// How much of a long key stands in the tree. Then comes [`LONG_KEY`] and the hash.
const KEPT_OF_LONG_KEY: usize = LONGEST_TREE_KEY - 17;

/// Not a byte of any text, so no short key looks like a long one.
const LONG_KEY: u8 = 0xff;

/// Differs from what a stored form begins with.
const IN_FILE: [u8; 4] = [0x89, b'H', b'F', 1];

/// What an entry takes on disk besides its bytes: headers, and its share of pages that are not full
/// or not yet rewritten.
const PER_ENTRY: u64 = 512;

/// The unit of room that file systems give to files.
const BLOCK: u64 = 4096;

/// What a file takes besides its bytes.
const PER_FILE: u64 = 512;

/// A file with the key and the stored form of an entry.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct FileRef {
    pub(crate) id: u64,
    pub(crate) length: u64,
}

impl FileRef {
    const LENGTH: usize = IN_FILE.len() + 16 + EvictionKey::LENGTH;

    /// What the file takes on disk.
    pub(crate) fn on_disk(self) -> u64 {
        self.length
            .checked_next_multiple_of(BLOCK)
            .and_then(|blocks| blocks.checked_add(PER_FILE))
            .unwrap_or(u64::MAX)
    }

    /// What stands in the tree for it.
    pub(crate) fn slot(self, eviction: EvictionKey) -> Vec<u8> {
        let (id, length) = (self.id.to_be_bytes(), self.length.to_be_bytes());
        [&IN_FILE[..], &id, &length, eviction.as_bytes()].concat()
    }

    fn parse(slot: &[u8]) -> Option<(Self, EvictionKey)> {
        let rest = slot.strip_prefix(&IN_FILE)?;
        let (id, rest) = rest.split_first_chunk()?;
        let (length, rest) = rest.split_first_chunk()?;
        let eviction = EvictionKey::from_bytes(rest.try_into().ok()?);
        let file = Self {
            id: u64::from_be_bytes(*id),
            length: u64::from_be_bytes(*length),
        };
        Some((file, eviction))
    }
}

/// The file that a slot stands for, if it does.
pub(crate) fn file_in(slot: &[u8]) -> Option<FileRef> {
    FileRef::parse(slot).map(|(file, _)| file)
}

/// When the entry of a slot is to leave.
pub(crate) fn eviction_key_in(slot: &[u8]) -> Result<EvictionKey, Rejection> {
    match FileRef::parse(slot) {
        Some((_, eviction)) => Ok(eviction),
        None => Header::parse(slot).map(EvictionKey::from),
    }
}

/// Whether an entry stands in the tree as it is.
pub(crate) const fn is_inline(key: &[u8], stored_length: usize) -> bool {
    key.len() <= LONGEST_TREE_KEY && key.len() + stored_length <= LONGEST_INLINE
}

/// What stands in the tree for this key: another for every other, but for chance hits among long
/// ones, which the key in the file tells apart.
pub(crate) fn tree_key(key: &[u8]) -> Cow<'_, [u8]> {
    if key.len() <= LONGEST_TREE_KEY {
        return Cow::Borrowed(key);
    }
    let half = |seed: u8| {
        let mut hasher = DefaultHasher::new();
        hasher.write_u8(seed);
        hasher.write(key);
        hasher.finish().to_be_bytes()
    };
    Cow::Owned([&key[..KEPT_OF_LONG_KEY], &[LONG_KEY], &half(0), &half(1)].concat())
}

/// What the tree keys of all keys with this prefix begin with, and whether all that do belong to it.
pub(crate) fn tree_prefix(prefix: &[u8]) -> (&[u8], bool) {
    match prefix.get(..KEPT_OF_LONG_KEY) {
        Some(kept) if kept.len() < prefix.len() => (kept, false),
        Some(_) | None => (prefix, true),
    }
}

/// What an entry counts towards the bound: what it takes on disk in the mean, not more than half of
/// what it takes at worst.
pub(crate) fn cost(tree_key: &[u8], slot: &[u8]) -> u64 {
    let file = file_in(slot).map_or(0, FileRef::on_disk);
    inline_cost(tree_key.len(), slot.len()).saturating_add(file)
}

/// [`cost`] of an entry that is not stored yet.
pub(crate) fn cost_of(key: &[u8], stored_length: usize) -> u64 {
    if is_inline(key, stored_length) {
        return inline_cost(key.len(), stored_length);
    }
    let file = FileRef {
        id: 0,
        length: (key.len() as u64).saturating_add(stored_length as u64),
    };
    let tree_key = key.len().min(LONGEST_TREE_KEY);
    inline_cost(tree_key, FileRef::LENGTH).saturating_add(file.on_disk())
}

fn inline_cost(key: usize, slot: usize) -> u64 {
    let bytes = (slot + 2 * key + EvictionKey::LENGTH) as u64;
    PER_ENTRY + bytes + bytes / 2
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn long_keys_stay_apart_and_keep_their_prefix() {
        let long = |last: u8| [&[b'k'; 2_000][..], &[last]].concat();
        let (one, two) = (long(b'1'), long(b'2'));
        assert_ne!(tree_key(&one), tree_key(&two));
        assert_eq!(tree_key(&one).len(), LONGEST_TREE_KEY);
        for prefix in [&one[..10], &one[..1_000]] {
            let (kept, exact) = tree_prefix(prefix);
            assert!(tree_key(&one).starts_with(kept));
            assert_eq!(exact, prefix.len() == 10);
        }
        assert_eq!(*tree_key(b"short"), *b"short");
        assert_eq!(tree_prefix(b""), (&b""[..], true));
    }

    #[test]
    fn a_slot_of_a_file_is_read_as_it_was_written() {
        let file = FileRef { id: 7, length: 9 };
        let eviction = EvictionKey::from_bytes([3; 16]);
        let slot = file.slot(eviction);
        assert_eq!(slot.len(), FileRef::LENGTH);
        assert_eq!(file_in(&slot), Some(file));
        assert_eq!(eviction_key_in(&slot), Ok(eviction));
        assert_eq!(file_in(&slot[1..]), None);
        assert_eq!(file_in(&slot[..slot.len() - 1]), None);
        assert_eq!(eviction_key_in(b"junk"), Err(Rejection::Foreign));
    }

    #[test]
    fn what_is_about_to_be_stored_counts_what_it_counts_once_it_is() {
        let eviction = EvictionKey::from_bytes([3; 16]);
        for (key, length) in [(10, 100), (10, 5_000), (3_000, 100)] {
            let key = vec![b'k'; key];
            let slot = if is_inline(&key, length) {
                vec![0; length]
            } else {
                let length = (key.len() + length) as u64;
                FileRef { id: 1, length }.slot(eviction)
            };
            assert_eq!(cost(&tree_key(&key), &slot), cost_of(&key, length));
        }
    }
}
