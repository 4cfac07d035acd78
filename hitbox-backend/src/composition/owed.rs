use hitbox_core::{CacheKey, Stamp};

use super::layer::CompositionLayer;

/// What a layer of a composition still owes: it has not confirmed the newest write or remove of
/// this key, and is bypassed for it.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct Owed {
    /// The key.
    pub key: CacheKey,
    /// The layer.
    pub layer: CompositionLayer,
    /// Values of the key at or below this stamp are not trusted in the layer.
    pub fence: Stamp,
}
