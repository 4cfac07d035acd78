//! One read of two layers, whatever drives it: no I/O, no waiting, no clock of its own.

use std::mem;

use hitbox_core::{BoxContext, CacheValue, clock::Moment};

use crate::composition::{CompositionLayer, Observed, ReadStep};

/// What a layer has answered.
pub(in crate::composition) struct Answer<T, E> {
    pub(in crate::composition) outcome: Result<Option<CacheValue<T>>, E>,
    /// What the layer has noted. `None` if it has done so in the context of the whole read.
    pub(in crate::composition) context: Option<BoxContext>,
}

impl<T, E> Answer<T, E> {
    /// One that its layer has noted in the context of the whole read.
    #[inline]
    pub(in crate::composition) const fn noted(outcome: Result<Option<CacheValue<T>>, E>) -> Self {
        Self {
            outcome,
            context: None,
        }
    }

    /// One that its layer has noted in a context of its own.
    #[inline]
    pub(in crate::composition) const fn noted_in(
        context: BoxContext,
        outcome: Result<Option<CacheValue<T>>, E>,
    ) -> Self {
        Self {
            outcome,
            context: Some(context),
        }
    }

    fn failure(self) -> Result<(), E> {
        self.outcome.map(drop)
    }
}

impl<T, E> From<&Result<Option<CacheValue<T>>, E>> for Observed {
    #[inline]
    fn from(outcome: &Result<Option<CacheValue<T>>, E>) -> Self {
        match outcome {
            Ok(Some(value)) => Self::Hit(value.expiry()),
            Ok(None) => Self::Miss,
            Err(_) => Self::Failed,
        }
    }
}

/// A value that was found.
#[derive(Debug)]
pub(in crate::composition) struct Hit<T> {
    pub(in crate::composition) layer: CompositionLayer,
    pub(in crate::composition) value: CacheValue<T>,
    /// What its layer has noted. `None` if it has done so in the context of the whole read.
    pub(in crate::composition) context: Option<BoxContext>,
}

/// What the policy has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Decision {
    /// This layer has a live value, which is the answer.
    Answer(CompositionLayer),
    NoHit,
}

/// A read of two layers.
pub(in crate::composition) struct ReadOp<T, E> {
    slots: [Slot<T, E>; 2],
}

enum Slot<T, E> {
    NotAsked,
    Pending,
    Answered(Answer<T, E>),
}

impl<T, E> Slot<T, E> {
    #[inline]
    fn observed(&self) -> Observed {
        match self {
            Self::NotAsked => Observed::NotAsked,
            Self::Pending => Observed::Pending,
            Self::Answered(answer) => Observed::from(&answer.outcome),
        }
    }

    fn value(&self) -> Option<&CacheValue<T>> {
        match self {
            Self::Answered(answer) => answer.outcome.as_ref().ok()?.as_ref(),
            Self::NotAsked | Self::Pending => None,
        }
    }
}

impl<T, E> ReadOp<T, E> {
    #[inline]
    pub(in crate::composition) const fn new() -> Self {
        Self {
            slots: [Slot::NotAsked, Slot::NotAsked],
        }
    }

    /// Runs the policy until it waits (`None`) or has decided. `ask` begins the read of a layer, and hands
    /// back an answer that is there.
    ///
    /// A step that makes no sense decides that there is no hit: to ask a layer twice, to wait for nobody, to
    /// answer with what is no hit. So a policy cannot break what a composition promises.
    #[inline]
    pub(in crate::composition) fn advance(
        &mut self,
        next: impl Fn(Observed, Observed) -> ReadStep,
        mut ask: impl FnMut(CompositionLayer) -> Option<Answer<T, E>>,
    ) -> Option<Decision> {
        loop {
            let [l1, l2] = &self.slots;
            let (l1, l2) = (l1.observed(), l2.observed());
            let of = |layer| match layer {
                CompositionLayer::L1 => l1,
                CompositionLayer::L2 => l2,
            };
            match next(l1, l2) {
                ReadStep::Ask(layer) if of(layer) == Observed::NotAsked => {
                    self.slots[layer as usize] = match ask(layer) {
                        Some(answer) => Slot::Answered(answer),
                        None => Slot::Pending,
                    };
                }
                ReadStep::Answer(layer) if matches!(of(layer), Observed::Hit(_)) => {
                    return Some(Decision::Answer(layer));
                }
                ReadStep::Wait if l1 == Observed::Pending || l2 == Observed::Pending => {
                    return None;
                }
                ReadStep::Ask(_) | ReadStep::Answer(_) | ReadStep::Wait | ReadStep::NoHit => {
                    return Some(Decision::NoHit);
                }
            }
        }
    }

    /// Waits for a layer that has been asked.
    pub(in crate::composition) fn wait_for(&mut self, layer: CompositionLayer) {
        self.slots[layer as usize] = Slot::Pending;
    }

    /// Takes the answer of a layer that has been asked.
    #[inline]
    pub(in crate::composition) fn note(&mut self, layer: CompositionLayer, answer: Answer<T, E>) {
        self.slots[layer as usize] = Slot::Answered(answer);
    }

    /// A hit that has expired while the other layer was waited for is a miss.
    pub(in crate::composition) fn expire(&mut self, moment: &Moment) {
        for slot in &mut self.slots {
            if let Slot::Answered(answer) = slot
                && let Ok(found) = &mut answer.outcome
            {
                found.take_if(|value| value.is_expired_at(moment));
            }
        }
    }

    /// What is known of a layer.
    #[inline]
    pub(in crate::composition) fn observed(&self, layer: CompositionLayer) -> Observed {
        self.slots[layer as usize].observed()
    }

    /// The live value that a layer has answered with.
    pub(in crate::composition) fn value(&self, layer: CompositionLayer) -> Option<&CacheValue<T>> {
        self.slots[layer as usize].value()
    }

    /// What the read has come to. A miss if a layer has answered, or none was asked; else the error of the
    /// last layer. The answers are gone then.
    #[inline]
    pub(in crate::composition) fn conclude(
        &mut self,
        decision: Decision,
    ) -> Result<Option<Hit<T>>, E> {
        match decision {
            Decision::Answer(layer) => Ok(self.take(layer).and_then(|answer| {
                Some(Hit {
                    layer,
                    value: answer.outcome.ok()??,
                    context: answer.context,
                })
            })),
            Decision::NoHit => {
                let [l1, l2] = CompositionLayer::BOTH.map(|layer| self.take(layer));
                match (l1.map(Answer::failure), l2.map(Answer::failure)) {
                    (Some(Ok(())), _) | (_, Some(Ok(()))) | (None, None) => Ok(None),
                    (_, Some(Err(error))) | (Some(Err(error)), None) => Err(error),
                }
            }
        }
    }

    #[inline]
    fn take(&mut self, layer: CompositionLayer) -> Option<Answer<T, E>> {
        match mem::replace(&mut self.slots[layer as usize], Slot::NotAsked) {
            Slot::Answered(answer) => Some(answer),
            Slot::NotAsked | Slot::Pending => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use hitbox_core::{Stamp, clock::VirtualTime};

    use super::*;
    use CompositionLayer::{L1, L2};

    /// Waits for both layers, and takes L1's value if it has one.
    fn prefers_l1(l1: Observed, l2: Observed) -> ReadStep {
        use Observed::{Failed, Hit, Miss, NotAsked, Pending};
        match (l1, l2) {
            (NotAsked, _) => ReadStep::Ask(L1),
            (_, NotAsked) => ReadStep::Ask(L2),
            (Pending, _) | (_, Pending) => ReadStep::Wait,
            (Hit(_), _) => ReadStep::Answer(L1),
            (Miss | Failed, Hit(_)) => ReadStep::Answer(L2),
            (Miss | Failed, Miss | Failed) => ReadStep::NoHit,
        }
    }

    type Op = ReadOp<&'static str, &'static str>;

    fn hit(data: &'static str, millis: i64) -> Answer<&'static str, &'static str> {
        let expire = hitbox_core::clock::now() + chrono::TimeDelta::milliseconds(millis);
        let value = CacheValue::loaded(data, Stamp::now()).expires_at(expire);
        Answer::noted(Ok(Some(value)))
    }

    #[test]
    fn a_hit_that_expires_while_the_other_layer_is_waited_for_leaves_the_answer_to_that() {
        let clock = VirtualTime::start(hitbox_core::clock::now());
        let mut op = Op::new();
        assert_eq!(op.advance(prefers_l1, |_| None), None);
        op.note(L1, hit("brief", 1_000));
        op.expire(&Moment::default());
        assert_eq!(op.advance(prefers_l1, |_| None), None);
        clock.advance(chrono::TimeDelta::seconds(1));
        op.note(L2, hit("lasting", 1_000));
        op.expire(&Moment::default());
        let decision = op.advance(prefers_l1, |_| None);
        assert_eq!(decision, Some(Decision::Answer(L2)));
        let found = op
            .conclude(Decision::Answer(L2))
            .map(|hit| hit.map(|hit| *hit.value.data()));
        assert_eq!(found, Ok(Some("lasting")));
    }

    #[test]
    fn a_step_that_makes_no_sense_ends_the_read_without_a_hit() {
        for step in [
            ReadStep::Wait,
            ReadStep::Answer(L1),
            ReadStep::Answer(L2),
            ReadStep::NoHit,
        ] {
            let decision = Op::new().advance(|_, _| step, |_| None);
            assert_eq!(decision, Some(Decision::NoHit), "{step:?}");
        }
        // Asked once, and asked again.
        let asks = |_, _| ReadStep::Ask(L1);
        assert_eq!(Op::new().advance(asks, |_| None), Some(Decision::NoHit));
    }

    #[test]
    fn without_a_hit_it_is_a_miss_if_a_layer_has_answered_and_the_last_error_if_none_has() {
        let outcome = |l1: Option<Result<_, _>>, l2: Option<Result<_, _>>| {
            let mut op = Op::new();
            for (layer, outcome) in [(L1, l1), (L2, l2)] {
                if let Some(outcome) = outcome {
                    op.note(layer, Answer::noted(outcome));
                }
            }
            op.conclude(Decision::NoHit).map(|hit| hit.is_some())
        };
        assert_eq!(outcome(None, None), Ok(false));
        assert_eq!(outcome(Some(Ok(None)), Some(Err("two"))), Ok(false));
        assert_eq!(outcome(Some(Err("one")), Some(Ok(None))), Ok(false));
        assert_eq!(outcome(Some(Err("one")), Some(Err("two"))), Err("two"));
        assert_eq!(outcome(Some(Err("one")), None), Err("one"));
    }
}
