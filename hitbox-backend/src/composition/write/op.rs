//! One write of two layers, whatever drives it: no I/O, no waiting.

use crate::composition::{CompositionLayer, WriteObserved, WriteStep};

/// What the policy has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Decision {
    Done,
    /// The error is this layer's.
    Fail(CompositionLayer),
}

/// A write of two layers.
pub(in crate::composition) struct WriteOp<E> {
    slots: [Slot<E>; 2],
}

enum Slot<E> {
    NotAsked,
    Pending,
    Answered(Result<(), E>),
}

impl<E> Slot<E> {
    #[inline]
    const fn observed(&self) -> WriteObserved {
        match self {
            Self::NotAsked => WriteObserved::NotAsked,
            Self::Pending => WriteObserved::Pending,
            Self::Answered(Ok(())) => WriteObserved::Written,
            Self::Answered(Err(_)) => WriteObserved::Failed,
        }
    }

    fn into_error(self) -> Option<E> {
        match self {
            Self::Answered(outcome) => outcome.err(),
            Self::NotAsked | Self::Pending => None,
        }
    }
}

impl<E> WriteOp<E> {
    #[inline]
    pub(in crate::composition) const fn new() -> Self {
        Self {
            slots: [Slot::NotAsked, Slot::NotAsked],
        }
    }

    /// Runs the policy until it waits (`None`) or has decided. `write` begins the write of a layer, and hands
    /// back an answer that is there.
    ///
    /// A step that makes no sense ends the write as failed if a layer has failed, and else as done: to write a
    /// layer twice, to wait for nobody, to fail with the error of a layer that has none. What has not been
    /// written is on record in any case.
    #[inline]
    pub(in crate::composition) fn advance(
        &mut self,
        next: impl Fn(WriteObserved, WriteObserved) -> WriteStep,
        mut write: impl FnMut(CompositionLayer) -> Option<Result<(), E>>,
    ) -> Option<Decision> {
        loop {
            let [l1, l2] = &self.slots;
            let (l1, l2) = (l1.observed(), l2.observed());
            let of = |layer| match layer {
                CompositionLayer::L1 => l1,
                CompositionLayer::L2 => l2,
            };
            match next(l1, l2) {
                WriteStep::Write(layer) if of(layer) == WriteObserved::NotAsked => {
                    self.slots[layer as usize] = write(layer).map_or(Slot::Pending, Slot::Answered);
                }
                WriteStep::Wait if l1 == WriteObserved::Pending || l2 == WriteObserved::Pending => {
                    return None;
                }
                WriteStep::Done => return Some(Decision::Done),
                WriteStep::Fail(layer) => return Some(Decision::Fail(layer)),
                WriteStep::Write(_) | WriteStep::Wait => {
                    return Some(Decision::Fail(CompositionLayer::L2));
                }
            }
        }
    }

    /// Takes the answer of a layer that has been asked.
    #[inline]
    pub(in crate::composition) fn note(&mut self, layer: CompositionLayer, answer: Result<(), E>) {
        self.slots[layer as usize] = Slot::Answered(answer);
    }

    /// What the write has come to.
    pub(in crate::composition) fn conclude(self, decision: Decision) -> Result<(), E> {
        let [in_l1, in_l2] = self.slots;
        let error = match decision {
            Decision::Done => None,
            Decision::Fail(CompositionLayer::L1) => in_l1.into_error().or(in_l2.into_error()),
            Decision::Fail(CompositionLayer::L2) => in_l2.into_error().or(in_l1.into_error()),
        };
        error.map_or(Ok(()), Err)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use CompositionLayer::{L1, L2};

    fn outcome(step: WriteStep, l1: Result<(), &'static str>) -> Result<(), &'static str> {
        let mut op = WriteOp::new();
        op.note(L1, l1);
        let decision = op.advance(|_, _| step, |_| Some(Ok(())));
        op.conclude(decision.expect("nothing is pending"))
    }

    #[test]
    fn a_step_that_makes_no_sense_fails_if_a_layer_has_failed() {
        for step in [
            WriteStep::Write(L1),
            WriteStep::Write(L2),
            WriteStep::Wait,
            WriteStep::Fail(L1),
            WriteStep::Fail(L2),
        ] {
            assert_eq!(outcome(step, Ok(())), Ok(()), "{step:?}");
            assert_eq!(outcome(step, Err("one")), Err("one"), "{step:?}");
        }
        assert_eq!(outcome(WriteStep::Done, Err("one")), Ok(()));
    }

    #[test]
    fn the_error_is_that_of_the_layer_that_the_policy_names() {
        for (layer, error) in [(L1, "one"), (L2, "two")] {
            let mut op = WriteOp::new();
            op.note(L1, Err("one"));
            op.note(L2, Err("two"));
            assert_eq!(op.conclude(Decision::Fail(layer)), Err(error));
        }
    }
}
