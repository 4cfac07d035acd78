//! Of what a policy chooses, what the reader can use.

use hitbox_core::{CacheKey, Offload, Raw, Wants};

use super::{Next, ReadOp, op::Decision};
use crate::{
    Backend, BackendError,
    composition::{CompositionBackend, CompositionLayer, CompositionReadPolicy, member::Provided},
};

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: CompositionReadPolicy,
    W: Sync,
{
    /// Runs the policy until it waits (`None`) or has chosen a value, which then holds the object that the reader
    /// wants. A value that the reader cannot use is a miss of its layer, and the policy is asked again. An object of
    /// another type is one, too, unless no layer has anything else.
    #[inline]
    pub(super) fn decide(
        &self,
        key: &CacheKey,
        op: &mut ReadOp<Raw, BackendError>,
        wants: Wants,
        mut ask: impl FnMut(&mut ReadOp<Raw, BackendError>, CompositionLayer),
    ) -> Option<Decision> {
        loop {
            let decision = match op.next(|l1, l2| self.next_step(l1, l2)) {
                Next::Ask(layer) => {
                    ask(op, layer);
                    continue;
                }
                Next::Wait => return None,
                Next::Decided(decision) => decision,
            };
            let Some(layer) = op.chosen(decision) else {
                return Some(decision);
            };
            if op.is_set_aside(layer) {
                // No layer has anything else. Typed access encodes it, and decodes it as the type that it wants.
                return Some(Decision::Answer(layer));
            }
            let Some(value) = op.value_mut(layer) else {
                return Some(decision);
            };
            match self.layers.provide(layer, key, value, wants) {
                Provided::Usable => return Some(Decision::Answer(layer)),
                Provided::OfAnotherType => op.set_aside(layer),
                Provided::Rejected => op.reject(layer),
            }
        }
    }
}
