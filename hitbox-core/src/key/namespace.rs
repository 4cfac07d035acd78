use std::{fmt, sync::Arc};

use super::escape::{KeyParseError, escape_into, unescape};

/// What keeps the keys of one application or tenant apart from those of others in one store.
///
/// A key [in a namespace](super::CacheKey::in_namespace) is another key: it shares its entry with none
/// outside of it, and with none of another namespace.
///
/// In a composition the namespace of its second layer counts, and its first layer is handed keys in that. One
/// that only the first layer has keeps nothing apart.
///
/// ```
/// use hitbox_core::{CacheKey, Namespace};
///
/// let tenant = Namespace::new("tenant-a");
/// let key = CacheKey::new("users", 1, []);
/// assert_eq!(key.in_namespace(&tenant).as_text(), "tenant-a::users:v1");
/// assert_ne!(key.in_namespace(&tenant), key);
/// ```
#[derive(Clone, PartialEq, Eq, Hash)]
pub struct Namespace {
    /// The name with its separators escaped and `::` behind it, which no key has within; for a namespace
    /// within a namespace, that one's first. Empty for none.
    text: Option<Arc<str>>,
}

impl Namespace {
    /// No namespace: keys are as they are.
    pub const NONE: Self = Self { text: None };

    /// The namespace of this name, of any content. That of the empty name is [`NONE`](Self::NONE).
    #[must_use]
    pub fn new(name: &str) -> Self {
        if name.is_empty() {
            return Self::NONE;
        }
        let mut text = String::with_capacity(name.len() + 2);
        escape_into(&mut text, name);
        text.push_str("::");
        Self {
            text: Some(text.into()),
        }
    }

    /// This namespace for keys in a store where the other ones, of any name, hold keys as they are: a
    /// name of its own kind, so that it is none of theirs.
    #[must_use]
    pub fn beside(&self) -> Self {
        match &self.text {
            None => Self::NONE,
            Some(text) => Self {
                text: Some(["::", text].concat().into()),
            },
        }
    }

    /// Whether there is none.
    #[must_use]
    pub const fn is_none(&self) -> bool {
        self.text.is_none()
    }

    /// What the text form of a key in it begins with: `tenant-a::`. Empty if there is none.
    #[must_use]
    pub fn as_text(&self) -> &str {
        self.text.as_deref().unwrap_or_default()
    }

    /// The namespace at the beginning of a key's text, and the rest. It is to be looked at whether the text is
    /// canonical.
    pub(super) fn split(text: &str) -> (Self, &str) {
        // A key without a namespace has no two colons in a row, but one with an empty prefix begins with
        // one: the last two of three colons are not the separator.
        let mut end = 0;
        while let Some(at) = text[end..].find("::") {
            end += at + 2;
        }
        let (namespace, rest) = text.split_at(end);
        let text = (!namespace.is_empty()).then(|| namespace.into());
        (Self { text }, rest)
    }
}

impl Namespace {
    /// Whether the names are escaped as they are to be.
    pub(super) fn is_canonical(&self) -> Result<bool, KeyParseError> {
        let Some(names) = self.as_text().strip_suffix("::") else {
            return Ok(true);
        };
        for name in names.split("::") {
            let mut escaped = String::with_capacity(name.len());
            escape_into(&mut escaped, &unescape(name)?);
            if escaped != name {
                return Ok(false);
            }
        }
        Ok(true)
    }
}

impl Default for Namespace {
    fn default() -> Self {
        Self::NONE
    }
}

impl fmt::Debug for Namespace {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Namespace({:?})", self.as_text())
    }
}
