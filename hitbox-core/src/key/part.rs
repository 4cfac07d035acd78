use smol_str::SmolStr;

/// One named part of a [`CacheKey`](super::CacheKey), with or without a value.
///
/// An empty value and no value are different parts.
#[derive(Clone, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct KeyPart {
    name: SmolStr,
    value: Option<SmolStr>,
}

impl KeyPart {
    /// A part from its name and its value.
    pub fn new(name: impl AsRef<str>, value: Option<impl AsRef<str>>) -> Self {
        Self {
            name: SmolStr::new(name),
            value: value.map(SmolStr::new),
        }
    }

    /// The name.
    #[must_use]
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The value, if the part has one.
    #[must_use]
    pub fn value(&self) -> Option<&str> {
        self.value.as_deref()
    }
}
