use std::borrow::Cow;

use hitbox_core::CacheKey;

/// How a byte store turns a [`CacheKey`] into the key it stores under.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheKeyFormat {
    /// Ends in `::`, which no canonical text form contains.
    namespace: Option<Box<str>>,
}

impl CacheKeyFormat {
    /// The canonical text form, as it is.
    pub const TEXT: Self = Self { namespace: None };

    /// The canonical text form behind a namespace: `app::users:v1:id=42`. Keeps applications apart
    /// that share one store. Separators within the name are escaped as in a key's prefix, so two
    /// namespaces never share a key.
    #[must_use]
    pub fn namespaced(name: &str) -> Self {
        let as_prefix = CacheKey::new(name, 0, []);
        let text = as_prefix.as_text();
        let escaped = text.strip_suffix(":v0").unwrap_or(text);
        Self {
            namespace: Some(format!("{escaped}::").into_boxed_str()),
        }
    }

    /// The stored key. Borrows from `key` where nothing is added.
    #[must_use]
    pub fn encode<'k>(&self, key: &'k CacheKey) -> Cow<'k, str> {
        match &self.namespace {
            None => Cow::Borrowed(key.as_text()),
            Some(namespace) => Cow::Owned([namespace, key.as_text()].concat()),
        }
    }

    /// What every stored key begins with.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_deref().unwrap_or_default()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn namespaces_do_not_overlap() {
        let key = CacheKey::new("users", 1, []);
        let stored = |name| CacheKeyFormat::namespaced(name).encode(&key).into_owned();
        assert_eq!(stored("app"), "app::users:v1");
        assert_eq!(stored("a::b"), "a%3A%3Ab::users:v1");
        assert_eq!(CacheKeyFormat::default().encode(&key), "users:v1");
        assert_eq!(CacheKeyFormat::namespaced("app").namespace(), "app::");
    }
}
