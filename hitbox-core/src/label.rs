use std::fmt;

use smol_str::{SmolStr, format_smolstr};

/// The name of a backend in source paths, errors and traces: `moka`, `composition.redis`.
///
/// Up to 23 bytes are stored inline; cloning never allocates.
///
/// ```
/// use hitbox_core::BackendLabel;
///
/// const MOKA: BackendLabel = BackendLabel::new_static("moka");
/// assert_eq!(BackendLabel::new("composition").join(&MOKA).as_str(), "composition.moka");
/// ```
#[derive(Clone, Debug, PartialEq, Eq, Hash)]
pub struct BackendLabel(SmolStr);

impl BackendLabel {
    /// A label from any string, which is shown as it is; an empty one, too.
    pub fn new(name: impl AsRef<str>) -> Self {
        Self(SmolStr::new(name))
    }

    /// A label from a literal, in constant context.
    #[must_use]
    pub const fn new_static(name: &'static str) -> Self {
        Self(SmolStr::new_static(name))
    }

    /// The label of `inner` as seen through `self`: the two joined by a dot.
    #[must_use]
    pub fn join(&self, inner: &Self) -> Self {
        Self(format_smolstr!("{}.{}", self.0, inner.0))
    }

    /// The text of the label.
    #[must_use]
    pub fn as_str(&self) -> &str {
        &self.0
    }
}

impl fmt::Display for BackendLabel {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl From<&'static str> for BackendLabel {
    fn from(name: &'static str) -> Self {
        Self::new_static(name)
    }
}

impl From<String> for BackendLabel {
    fn from(name: String) -> Self {
        Self(name.into())
    }
}

impl AsRef<str> for BackendLabel {
    fn as_ref(&self) -> &str {
        &self.0
    }
}
