//! The source path of what a composition answers.

use std::sync::OnceLock;

use hitbox_core::BackendLabel;

/// Joins the label of a composition with those of its layers.
///
/// A path is text, and making one takes longer than a look-up in memory. There are few: one for each
/// backend beneath the composition. So the first ones are kept.
pub(in crate::composition) struct SourcePaths {
    label: BackendLabel,
    known: [OnceLock<Path>; KEPT],
}

/// As many backends as are likely beneath one composition.
const KEPT: usize = 6;

struct Path {
    layer: BackendLabel,
    joined: BackendLabel,
}

impl SourcePaths {
    pub(in crate::composition) fn new(label: BackendLabel) -> Self {
        Self {
            label,
            known: [const { OnceLock::new() }; KEPT],
        }
    }

    /// The label of the composition itself.
    pub(in crate::composition) fn label(&self) -> &BackendLabel {
        &self.label
    }

    /// The path to what is known as `layer` within.
    #[inline]
    pub(in crate::composition) fn to(&self, layer: &BackendLabel) -> BackendLabel {
        for place in &self.known {
            let path = place.get_or_init(|| Path {
                layer: layer.clone(),
                joined: self.label.join(layer),
            });
            if path.layer == *layer {
                return path.joined.clone();
            }
        }
        self.label.join(layer)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_path_is_right_also_those_that_are_not_kept() {
        let paths = SourcePaths::new("composition".into());
        let layers: Vec<_> = (0..2 * KEPT)
            .map(|number| format!("layer{number}"))
            .collect();
        for layer in layers.iter().chain(&layers) {
            let path = paths.to(&BackendLabel::new(layer));
            assert_eq!(path.as_str(), format!("composition.{layer}"));
        }
        assert_eq!(paths.label().as_str(), "composition");
    }
}
