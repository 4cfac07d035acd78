mod escape;
mod hash;
mod namespace;
mod part;
mod text;
mod writer;

use std::{
    fmt,
    hash::{BuildHasher, Hash, Hasher, RandomState},
    str::FromStr,
    sync::{Arc, LazyLock},
};

pub use escape::KeyParseError;
pub use hash::{CacheKeyHash, CarriedHash};
pub use namespace::Namespace;
pub use part::KeyPart;
use text::Parsed;
pub use writer::KeyWriter;

/// What a value is stored under: a prefix, a version and an ordered list of [parts](KeyPart).
///
/// The prefix keeps unrelated values apart; raise the version when the stored type changes.
/// Cloning costs one reference count. The hash is computed once, with a seed drawn per process, and unequal keys
/// differ in it. All that a key takes is its text form and the hash.
///
/// # Text form
///
/// [`as_text`](Self::as_text) is what byte stores use as their key, e.g. `users:v1:id=42&lang=en`:
/// prefix, version and parts, separated by colons; parts separated by `&`, a part's value behind
/// `=`. Whatever could be mistaken for a separator, and control characters, space and `%`, is
/// percent-encoded (`%` and two upper-case hexadecimal digits per byte, as in RFC 3986). A key
/// without parts ends after its version. A [namespace](Self::in_namespace) stands in front, with `::`
/// behind it: `tenant-a::users:v1:id=42`. Two different keys never share a text form, and
/// [`parse`](Self::parse) turns it back.
///
/// ```
/// use hitbox_core::CacheKey;
///
/// let key = CacheKey::from_slice(&[("q", Some("a=b&c")), ("page", None)]);
/// assert_eq!(key.as_text(), ":v0:q=a%3Db%26c&page");
/// ```
#[derive(Clone)]
pub struct CacheKey {
    /// All that the key is: two keys are equal if their texts are.
    text: Arc<str>,
    hash: u64,
}

/// Drawn per process, so that nobody outside can choose keys that collide.
static SEED: LazyLock<RandomState> = LazyLock::new(RandomState::new);

impl CacheKey {
    /// A key from its prefix, version and parts.
    pub fn new(
        prefix: impl AsRef<str>,
        version: u32,
        parts: impl IntoIterator<Item = KeyPart>,
    ) -> Self {
        let mut writer = KeyWriter::new(prefix.as_ref(), version);
        for part in parts {
            writer.part(part.name(), part.value());
        }
        writer.into()
    }

    fn of_text(text: &str) -> Self {
        Self {
            hash: SEED.hash_one(text),
            text: text.into(),
        }
    }

    /// This key in a namespace, which is another key. If it is in one already, that is within this one.
    ///
    /// Takes about as long as making a key; without a namespace as long as a clone.
    #[must_use]
    pub fn in_namespace(&self, namespace: &Namespace) -> Self {
        if namespace.is_none() {
            return self.clone();
        }
        Self::of_text(&[namespace.as_text(), &self.text].concat())
    }

    /// A key with one part, an empty prefix and version 0.
    pub fn from_pair(name: impl AsRef<str>, value: impl AsRef<str>) -> Self {
        Self::new("", 0, [KeyPart::new(name, Some(value))])
    }

    /// A key with these parts, an empty prefix and version 0.
    #[must_use]
    pub fn from_slice(parts: &[(&str, Option<&str>)]) -> Self {
        let parts = parts.iter().map(|(name, value)| KeyPart::new(name, *value));
        Self::new("", 0, parts)
    }

    /// The key that has this text form.
    ///
    /// # Errors
    ///
    /// [`KeyParseError`] for a text that [`as_text`](Self::as_text) never returns.
    pub fn parse(text: &str) -> Result<Self, KeyParseError> {
        let parsed = text::parse(text)?;
        let key = Self::new(parsed.prefix, parsed.version, parsed.parts);
        let key = key.in_namespace(&parsed.namespace);
        // One comparison rejects every other spelling: needless or lower-case escapes, `v01`, `v+1`.
        if key.as_text() == text && parsed.namespace.is_canonical()? {
            Ok(key)
        } else {
            Err(KeyParseError::NotCanonical)
        }
    }

    /// The namespace that it is in. It is read from the text form, as are prefix, version and parts.
    #[must_use]
    pub fn namespace(&self) -> Namespace {
        self.parsed().namespace
    }

    /// The prefix.
    #[must_use]
    pub fn prefix(&self) -> String {
        self.parsed().prefix
    }

    /// The version.
    #[must_use]
    pub fn version(&self) -> u32 {
        self.parsed().version
    }

    /// The parts, in order.
    #[must_use]
    pub fn parts(&self) -> Vec<KeyPart> {
        self.parsed().parts
    }

    fn parsed(&self) -> Parsed {
        // What it was written by can be read.
        text::parse(&self.text).unwrap_or_default()
    }

    /// The text form, which all clones share.
    #[inline]
    #[must_use]
    pub fn as_text(&self) -> &str {
        &self.text
    }

    /// The memory that this key takes, in bytes.
    #[must_use]
    pub fn weight(&self) -> usize {
        const COUNTS: usize = 2 * size_of::<usize>();
        size_of::<Self>() + COUNTS + self.text.len()
    }
}

/// [`CacheKey::parse`].
impl FromStr for CacheKey {
    type Err = KeyParseError;

    fn from_str(text: &str) -> Result<Self, KeyParseError> {
        Self::parse(text)
    }
}

/// The key that was written.
impl From<KeyWriter> for CacheKey {
    fn from(writer: KeyWriter) -> Self {
        Self::of_text(writer.as_text())
    }
}

impl PartialEq for CacheKey {
    #[inline]
    fn eq(&self, other: &Self) -> bool {
        self.hash == other.hash && (Arc::ptr_eq(&self.text, &other.text) || self.text == other.text)
    }
}

impl Eq for CacheKey {}

impl Hash for CacheKey {
    #[inline]
    fn hash<H: Hasher>(&self, state: &mut H) {
        state.write_u64(self.hash);
    }
}

impl fmt::Display for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_text())
    }
}

impl fmt::Debug for CacheKey {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "CacheKey({:?})", self.as_text())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn equal_keys_are_equal_however_they_were_made() {
        let one = CacheKey::new("users", 1, [KeyPart::new("id", Some("42"))]);
        let two: CacheKey = "users:v1:id=42".parse().unwrap();
        assert_eq!(one, two);
        assert_eq!(one, one.clone());
        let hash = |key: &CacheKey| RandomState::hash_one(&SEED, key);
        assert_eq!(hash(&one), hash(&two));
        assert_eq!(CacheKeyHash.hash_one(&one), one.hash);
        assert_ne!(CacheKeyHash.hash_one("one"), CacheKeyHash.hash_one("two"));
        assert_eq!(format!("{two:?}"), "CacheKey(\"users:v1:id=42\")");
    }

    #[test]
    fn each_component_tells_keys_apart() {
        let base = CacheKey::new("p", 1, [KeyPart::new("a", Some("b"))]);
        let others = [
            CacheKey::new("q", 1, [KeyPart::new("a", Some("b"))]),
            CacheKey::new("p", 2, [KeyPart::new("a", Some("b"))]),
            CacheKey::new("p", 1, [KeyPart::new("a", Some(""))]),
            CacheKey::new("p", 1, [KeyPart::new("a", None::<&str>)]),
            CacheKey::new("p", 1, []),
            base.in_namespace(&Namespace::new("n")),
            base.in_namespace(&Namespace::new("m")),
            base.in_namespace(&Namespace::new("n"))
                .in_namespace(&Namespace::new("m")),
        ];
        for other in others {
            assert_ne!(base, other);
            assert_ne!(base.as_text(), other.as_text());
        }
    }

    #[test]
    fn all_clones_share_the_text_form() {
        let key = CacheKey::from_pair("id", "42");
        let clone = key.clone();
        assert!(std::ptr::eq(key.as_text(), clone.as_text()));
    }

    #[test]
    fn weight_grows_with_what_the_key_holds() {
        let long = "x".repeat(3_000);
        assert!(CacheKey::from_pair("id", long).weight() > 3_000);
        assert!(CacheKey::from_pair("id", "42").weight() < 80);
    }
}
