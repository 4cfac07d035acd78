//! What a context is told of the layers that failed a read.

use std::mem;

use hitbox_core::{BackendLabel, BoxContext, Failures};

use crate::{ReadOutcome, composition::CompositionLayer};

/// Collects what has failed in `layer`, which has answered so: the layer itself, or layers of it, if it is
/// a composition. Those it has noted in the context that it was given.
#[inline]
pub(in crate::composition) fn collect(
    failures: &mut Failures,
    layer: CompositionLayer,
    outcome: &ReadOutcome,
    context: &mut BoxContext,
) {
    if outcome.is_err() || context.has_failures() {
        collect_some(failures, layer, outcome, context);
    }
}

#[cold]
fn collect_some(
    failures: &mut Failures,
    layer: CompositionLayer,
    outcome: &ReadOutcome,
    context: &mut BoxContext,
) {
    let beneath = context.take_failures();
    match outcome {
        // Its own way through the layers has this one in front already.
        Err(error) if beneath.is_empty() => failures.push(error.as_layer_failure()),
        Ok(_) | Err(_) => {
            failures.extend(beneath.into_iter().map(|failure| failure.in_layer(layer)));
        }
    }
}

/// Notes in the context of a read what has failed, as seen through the composition of this name.
#[inline]
pub(super) fn note(failures: &mut Failures, label: &BackendLabel, context: &mut BoxContext) {
    if !failures.is_empty() {
        note_some(mem::take(failures), label, context);
    }
}

#[cold]
fn note_some(failures: Failures, label: &BackendLabel, context: &mut BoxContext) {
    let seen = failures.into_iter();
    context.set_failures(seen.map(|failure| failure.seen_through(label)).collect());
}
