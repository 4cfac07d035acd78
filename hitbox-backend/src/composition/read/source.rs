//! The source path of what a composition answers.

use std::sync::OnceLock;

use hitbox_core::{BackendLabel, BoxContext, Failures};

use super::failures::note;
use crate::BackendError;

/// Joins the label of a composition with those of its layers.
///
/// A path is text, and making one takes longer than a look-up in memory. There are few: one for each
/// backend beneath the composition. So the first ones are kept.
pub(in crate::composition) struct SourcePaths {
    label: BackendLabel,
    form: Form,
    known: [OnceLock<Path>; KEPT],
}

/// What a composition shows of itself.
enum Form {
    /// Its label, in front of those of its layers.
    Composition,
    /// Nothing: it stands in the place of its first layer.
    FirstLayer,
}

/// As many backends as are likely beneath one composition.
const KEPT: usize = 6;

struct Path {
    layer: BackendLabel,
    joined: BackendLabel,
}

impl SourcePaths {
    pub(in crate::composition) const fn new(label: BackendLabel) -> Self {
        Self::in_form(label, Form::Composition)
    }

    /// Those of a composition that stands in the place of its first layer, which has this label.
    pub(in crate::composition) const fn of_first_layer(label: BackendLabel) -> Self {
        Self::in_form(label, Form::FirstLayer)
    }

    const fn in_form(label: BackendLabel, form: Form) -> Self {
        Self {
            label,
            form,
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
                joined: self.join(layer),
            });
            if path.layer == *layer {
                return path.joined.clone();
            }
        }
        self.join(layer)
    }

    fn join(&self, layer: &BackendLabel) -> BackendLabel {
        match self.form {
            Form::Composition => self.label.join(layer),
            Form::FirstLayer => layer.clone(),
        }
    }

    /// The error of a layer as it is seen from outside.
    pub(in crate::composition) fn seen_from_outside(
        &self,
        mut error: BackendError,
    ) -> BackendError {
        self.pass(&mut error);
        error
    }

    /// Makes the error of a layer what it is from outside.
    pub(in crate::composition) fn pass(&self, error: &mut BackendError) {
        match self.form {
            Form::Composition => error.pass_label(&self.label),
            Form::FirstLayer => error.leave_layer(),
        }
    }

    /// Tells the context of a read which layers have failed.
    #[inline]
    pub(in crate::composition) fn note(&self, failures: &mut Failures, context: &mut BoxContext) {
        match self.form {
            Form::Composition => note(failures, &self.label, context),
            Form::FirstLayer => {}
        }
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
