//! Where the stores of a history stand.

use std::fmt;

use hitbox_backend::CompositionLayer;

/// Which composition: the one that is checked, or the one that is a layer of it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Level {
    Outer,
    Inner,
}

/// A layer of the composition, or of the one that is nested in it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) struct Place {
    pub(super) outer: CompositionLayer,
    /// `None`: the layer is a store itself.
    pub(super) inner: Option<CompositionLayer>,
}

impl Place {
    /// All places of a composition whose layer `nested`, if any, is a composition.
    pub(super) fn all(nested: Option<CompositionLayer>) -> Vec<Self> {
        let of_layer = |outer| match nested == Some(outer) {
            true => CompositionLayer::BOTH
                .map(|inner| Self {
                    outer,
                    inner: Some(inner),
                })
                .to_vec(),
            false => vec![Self { outer, inner: None }],
        };
        CompositionLayer::BOTH
            .into_iter()
            .flat_map(of_layer)
            .collect()
    }
}

impl fmt::Display for Place {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self.inner {
            None => write!(f, "{}", self.outer),
            Some(inner) => write!(f, "{}.{inner}", self.outer),
        }
    }
}

/// What a composition and its layers are called in source paths.
pub(super) const fn label_of(layer: CompositionLayer) -> &'static str {
    match layer {
        CompositionLayer::L1 => "l1",
        CompositionLayer::L2 => "l2",
    }
}
