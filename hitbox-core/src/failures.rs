use std::{fmt, ops::Deref};

use crate::{BackendErrorKind, BackendLabel, CompositionLayer};

/// A layer of a composition that failed a read, which the other layer may have answered.
///
/// ```
/// use hitbox_core::{BackendErrorKind, CompositionLayer, LayerFailure};
///
/// let failure = LayerFailure::new(BackendErrorKind::Timeout, "redis".into())
///     .in_layer(CompositionLayer::L2);
/// assert_eq!(failure.layer(), Some(CompositionLayer::L2));
/// assert_eq!(failure.to_string(), "redis L2: timeout");
/// ```
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LayerFailure {
    kind: BackendErrorKind,
    backend: BackendLabel,
    /// The way through compositions, the outermost first.
    layers: Vec<CompositionLayer>,
}

impl LayerFailure {
    /// A failure of `backend`.
    #[must_use]
    pub const fn new(kind: BackendErrorKind, backend: BackendLabel) -> Self {
        Self {
            kind,
            backend,
            layers: Vec::new(),
        }
    }

    /// The same failure as that of this layer of a composition.
    #[must_use]
    pub fn in_layer(mut self, layer: CompositionLayer) -> Self {
        self.layers.insert(0, layer);
        self
    }

    /// The same failure as seen through the backend `outer`: its label is put in front.
    #[must_use]
    pub fn seen_through(mut self, outer: &BackendLabel) -> Self {
        self.backend = outer.join(&self.backend);
        self
    }

    /// How it failed.
    #[must_use]
    pub const fn kind(&self) -> BackendErrorKind {
        self.kind
    }

    /// The backend that failed, as a path through the compositions it is part of.
    #[must_use]
    pub const fn backend(&self) -> &BackendLabel {
        &self.backend
    }

    /// Which layer of the composition that was called has failed; `None` if it was no composition.
    #[must_use]
    pub fn layer(&self) -> Option<CompositionLayer> {
        self.layers.first().copied()
    }

    /// The way to the backend that failed, the layer of the outermost composition first.
    #[must_use]
    pub fn layers(&self) -> &[CompositionLayer] {
        &self.layers
    }
}

/// `composition.redis L2: timeout`.
impl fmt::Display for LayerFailure {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Self {
            kind,
            backend,
            layers,
        } = self;
        write!(f, "{backend}")?;
        for (index, layer) in layers.iter().enumerate() {
            write!(f, "{}{layer}", if index == 0 { " " } else { "." })?;
        }
        write!(f, ": {kind}")
    }
}

/// The layers that failed a read, in the order in which that was found out. Takes no memory of its own
/// while there are none.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[allow(
    clippy::box_collection,
    reason = "one pointer: every context holds this, and nearly all of them nothing in it"
)]
pub struct Failures(Option<Box<Vec<LayerFailure>>>);

impl Failures {
    /// None.
    #[must_use]
    pub const fn none() -> Self {
        Self(None)
    }

    /// Whether nothing has failed.
    #[inline]
    #[must_use]
    pub const fn is_empty(&self) -> bool {
        self.0.is_none()
    }

    /// Adds one.
    pub fn push(&mut self, failure: LayerFailure) {
        self.0.get_or_insert_default().push(failure);
    }
}

impl Deref for Failures {
    type Target = [LayerFailure];

    fn deref(&self) -> &Self::Target {
        match &self.0 {
            Some(failures) => failures,
            None => &[],
        }
    }
}

impl Extend<LayerFailure> for Failures {
    fn extend<I: IntoIterator<Item = LayerFailure>>(&mut self, failures: I) {
        failures.into_iter().for_each(|failure| self.push(failure));
    }
}

impl FromIterator<LayerFailure> for Failures {
    fn from_iter<I: IntoIterator<Item = LayerFailure>>(failures: I) -> Self {
        let mut all = Self::none();
        all.extend(failures);
        all
    }
}

impl IntoIterator for Failures {
    type Item = LayerFailure;
    type IntoIter = std::vec::IntoIter<LayerFailure>;

    fn into_iter(self) -> Self::IntoIter {
        self.0
            .map_or_else(Vec::new, |failures| *failures)
            .into_iter()
    }
}
