use std::borrow::Cow;

use hitbox_core::{CacheKey, Namespace};

/// How a store turns a [`CacheKey`] into the key it stores under.
///
/// A store that several applications or tenants share keeps them apart by a namespace, which every adapter's
/// builder sets by `namespace(name)`. A composition gives its first layer keys in the namespace of its second
/// one, unless the first has the same: a cache in process that two compositions share keeps their entries
/// apart. So the namespace that counts in a composition is that of its second layer. If the first is not shared, give it the same namespace, which saves making a key for every call.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct CacheKeyFormat {
    namespace: Namespace,
}

impl CacheKeyFormat {
    /// The canonical text form, as it is.
    pub const TEXT: Self = Self {
        namespace: Namespace::NONE,
    };

    /// The canonical text form in a namespace: `app::users:v1:id=42`. Separators within the name are escaped as
    /// in a key's prefix, so two namespaces never share a key. An empty name is no namespace.
    #[must_use]
    pub fn namespaced(name: &str) -> Self {
        Self {
            namespace: Namespace::new(name),
        }
    }

    /// The stored key. Borrows from `key` where nothing is added.
    #[must_use]
    pub fn encode<'k>(&self, key: &'k CacheKey) -> Cow<'k, str> {
        if self.namespace.is_none() {
            Cow::Borrowed(key.as_text())
        } else {
            Cow::Owned([self.namespace(), key.as_text()].concat())
        }
    }

    /// What every stored key begins with.
    #[must_use]
    pub fn namespace(&self) -> &str {
        self.namespace.as_text()
    }

    pub(crate) const fn is_without_namespace(&self) -> bool {
        self.namespace.is_none()
    }

    /// The namespace that a composition puts the keys of the layer `in_front` of one with this format in: none if
    /// that layer keeps them there by itself, or if there is none.
    #[must_use]
    pub fn for_layer(&self, in_front: &Self) -> Namespace {
        if in_front == self {
            Namespace::NONE
        } else {
            self.namespace.clone()
        }
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
        assert_eq!(CacheKeyFormat::namespaced(""), CacheKeyFormat::TEXT);
    }

    #[test]
    fn a_layer_in_front_gets_a_namespace_that_it_has_not() {
        let [none, a, b] = ["", "a", "b"].map(CacheKeyFormat::namespaced);
        for (format, in_front, expected) in [
            (&none, &none, ""),
            (&none, &a, ""),
            (&a, &none, "a::"),
            (&a, &a, ""),
            (&a, &b, "a::"),
        ] {
            assert_eq!(format.for_layer(in_front).as_text(), expected);
        }
    }
}
