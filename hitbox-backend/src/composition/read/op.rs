//! One read of two layers, whatever drives it: no I/O, no waiting, no clock of its own.

use std::mem;

use hitbox_core::{BoxContext, CacheValue, Freshness, clock::Moment};

use crate::composition::{CompositionLayer, Observed, ReadStep};

/// What a layer has answered.
pub(in crate::composition) struct Answer<T, E> {
    pub(in crate::composition) outcome: Result<Option<CacheValue<T>>, E>,
    /// What the layer has noted. `None` if it has done so in the context of the whole read.
    pub(in crate::composition) context: Option<BoxContext>,
    pub(in crate::composition) standing: Standing,
}

/// What an answer counts for.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Standing {
    /// What it says.
    Full,
    /// What it says, to this read. Another read has brought it, which also copies it to L1, and repairs.
    Joined,
    /// A miss, unless nothing better is found: its value is stale, and the reader wants a fresh one.
    LastResort,
    /// A miss, unless nothing else is found, and no last resort: its value is an object of another type than the
    /// reader wants.
    OfAnotherType,
    /// A miss: the reader could not use its value, which is gone.
    Rejected,
}

impl Standing {
    /// What an answer counts for to a reader who wants values of this freshness.
    #[inline]
    pub(in crate::composition) fn of<T, E>(
        outcome: &Result<Option<CacheValue<T>>, E>,
        freshness: Freshness,
        moment: &Moment,
    ) -> Self {
        match outcome {
            Ok(Some(value)) if freshness == Freshness::FreshOnly && value.is_stale_at(moment) => {
                Self::LastResort
            }
            Ok(_) | Err(_) => Self::Full,
        }
    }
}

impl<T, E> Answer<T, E> {
    /// One that its layer has noted in the context of the whole read.
    #[inline]
    pub(in crate::composition) const fn noted(
        outcome: Result<Option<CacheValue<T>>, E>,
        standing: Standing,
    ) -> Self {
        Self {
            outcome,
            context: None,
            standing,
        }
    }

    /// One that its layer has noted in a context of its own.
    #[inline]
    pub(in crate::composition) const fn noted_in(
        context: BoxContext,
        outcome: Result<Option<CacheValue<T>>, E>,
        standing: Standing,
    ) -> Self {
        Self {
            outcome,
            context: Some(context),
            standing,
        }
    }

    #[inline]
    fn observed(&self) -> Observed {
        match self.standing {
            Standing::Full | Standing::Joined => Observed::from(&self.outcome),
            Standing::LastResort | Standing::OfAnotherType | Standing::Rejected => Observed::Miss,
        }
    }

    fn value(&self) -> Option<&CacheValue<T>> {
        self.outcome.as_ref().ok()?.as_ref()
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
    pub(in crate::composition) standing: Standing,
}

impl<T> Hit<T> {
    /// The value, if L1 is to have a copy of it.
    #[inline]
    pub(super) fn for_l1(&self) -> Option<&CacheValue<T>> {
        match (self.layer, self.standing) {
            (CompositionLayer::L2, Standing::Full) => Some(&self.value),
            (_, _) => None,
        }
    }
}

/// What the policy has decided.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Decision {
    /// This layer has a live value, which is the answer.
    Answer(CompositionLayer),
    NoHit,
}

/// What a policy does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::composition) enum Next {
    Ask(CompositionLayer),
    /// Somebody has been asked, and has not answered.
    Wait,
    Decided(Decision),
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
            Self::Answered(answer) => answer.observed(),
        }
    }

    fn answer(&self) -> Option<&Answer<T, E>> {
        match self {
            Self::Answered(answer) => Some(answer),
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

    /// What the policy does next.
    ///
    /// A step that makes no sense decides that there is no hit: to ask a layer twice, to wait for nobody, to
    /// answer with what is no hit. So a policy cannot break what a composition promises.
    #[inline]
    pub(in crate::composition) fn next(
        &self,
        next: impl FnOnce(Observed, Observed) -> ReadStep,
    ) -> Next {
        let [l1, l2] = &self.slots;
        let (l1, l2) = (l1.observed(), l2.observed());
        let of = |layer| match layer {
            CompositionLayer::L1 => l1,
            CompositionLayer::L2 => l2,
        };
        match next(l1, l2) {
            ReadStep::Ask(layer) if of(layer) == Observed::NotAsked => Next::Ask(layer),
            ReadStep::Answer(layer) if matches!(of(layer), Observed::Hit(_)) => {
                Next::Decided(Decision::Answer(layer))
            }
            ReadStep::Wait if l1 == Observed::Pending || l2 == Observed::Pending => Next::Wait,
            ReadStep::Ask(_) | ReadStep::Answer(_) | ReadStep::Wait | ReadStep::NoHit => {
                Next::Decided(Decision::NoHit)
            }
        }
    }

    /// Makes room for the answer of a layer, where it is noted in this context, or in that of the whole read.
    /// Until then it is a miss.
    #[inline]
    pub(super) fn room_for(
        &mut self,
        layer: CompositionLayer,
        context: Option<BoxContext>,
    ) -> Option<&mut Answer<T, E>> {
        let slot = &mut self.slots[layer as usize];
        *slot = Slot::Answered(Answer {
            outcome: Ok(None),
            context,
            standing: Standing::Full,
        });
        match slot {
            Slot::Answered(answer) => Some(answer),
            Slot::NotAsked | Slot::Pending => None,
        }
    }

    /// Waits for a layer that has been asked.
    pub(in crate::composition) fn wait_for(&mut self, layer: CompositionLayer) {
        self.slots[layer as usize] = Slot::Pending;
    }

    /// Whether another read sees to what is to be done after this one.
    pub(super) fn has_joined(&self) -> bool {
        let mut answers = self.slots.iter().filter_map(Slot::answer);
        answers.any(|answer| answer.standing == Standing::Joined)
    }

    /// Takes the answer of a layer that has been asked.
    #[inline]
    pub(in crate::composition) fn note(&mut self, layer: CompositionLayer, answer: Answer<T, E>) {
        self.slots[layer as usize] = Slot::Answered(answer);
    }

    /// A hit that has expired while the other layer was waited for is a miss; one that has become stale is a
    /// last resort for a reader who wants a fresh one.
    pub(in crate::composition) fn age(&mut self, freshness: Freshness, moment: &Moment) {
        for slot in &mut self.slots {
            if let Slot::Answered(answer) = slot
                && let Ok(Some(value)) = &answer.outcome
            {
                if value.is_expired_at(moment) {
                    answer.outcome = Ok(None);
                }
                let now = Standing::of(&answer.outcome, freshness, moment);
                answer.standing = match (answer.standing, now) {
                    (kept @ (Standing::OfAnotherType | Standing::Rejected), _) => kept,
                    (Standing::Joined, Standing::Full) => Standing::Joined,
                    (_, now) => now,
                };
            }
        }
    }

    /// The layer whose value is the answer: the newest of those that are a last resort, if the policy has
    /// found no hit; if there is none, the newest object of another type.
    #[inline]
    pub(super) fn chosen(&self, decision: Decision) -> Option<CompositionLayer> {
        match decision {
            Decision::Answer(layer) => Some(layer),
            Decision::NoHit => self
                .newest(Standing::LastResort)
                .or_else(|| self.newest(Standing::OfAnotherType)),
        }
    }

    fn newest(&self, standing: Standing) -> Option<CompositionLayer> {
        let [l1, l2] = CompositionLayer::BOTH.map(|layer| {
            let answer = self.answer(layer)?;
            let value = answer.value().map(CacheValue::created);
            value.filter(|_| answer.standing == standing)
        });
        match (l1, l2) {
            (None, None) => None,
            (in_l1, in_l2) if in_l1 >= in_l2 => Some(CompositionLayer::L1),
            (_, _) => Some(CompositionLayer::L2),
        }
    }

    /// The value of this layer is an object of another type than the reader wants.
    pub(super) fn set_aside(&mut self, layer: CompositionLayer) {
        if let Slot::Answered(answer) = &mut self.slots[layer as usize] {
            answer.standing = Standing::OfAnotherType;
        }
    }

    pub(super) fn is_set_aside(&self, layer: CompositionLayer) -> bool {
        self.answer(layer)
            .is_some_and(|answer| answer.standing == Standing::OfAnotherType)
    }

    /// The reader cannot use the value of this layer.
    pub(super) fn reject(&mut self, layer: CompositionLayer) {
        let nothing = Answer::noted(Ok(None), Standing::Rejected);
        self.slots[layer as usize] = Slot::Answered(nothing);
    }

    /// What is known of a layer.
    #[inline]
    pub(in crate::composition) fn observed(&self, layer: CompositionLayer) -> Observed {
        self.slots[layer as usize].observed()
    }

    /// What a layer has answered.
    pub(super) fn answer(&self, layer: CompositionLayer) -> Option<&Answer<T, E>> {
        self.slots[layer as usize].answer()
    }

    /// The live value that a layer has answered with, whatever it counts for.
    #[inline]
    pub(super) fn value_mut(&mut self, layer: CompositionLayer) -> Option<&mut CacheValue<T>> {
        match &mut self.slots[layer as usize] {
            Slot::Answered(answer) => answer.outcome.as_mut().ok()?.as_mut(),
            Slot::NotAsked | Slot::Pending => None,
        }
    }

    /// What the read has come to. A miss if a layer has answered, or none was asked; else the error of the
    /// last layer. The answers are gone then.
    #[inline]
    pub(in crate::composition) fn conclude(
        &mut self,
        decision: Decision,
    ) -> Result<Option<Hit<T>>, E> {
        match decision {
            Decision::Answer(layer) => Ok(self.take_hit(layer)),
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
    fn take_hit(&mut self, layer: CompositionLayer) -> Option<Hit<T>> {
        let Slot::Answered(answer) = &mut self.slots[layer as usize] else {
            return None;
        };
        let Ok(found) = &mut answer.outcome else {
            return None;
        };
        Some(Hit {
            layer,
            value: found.take()?,
            context: answer.context.take(),
            standing: answer.standing,
        })
    }

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
        Answer::noted(Ok(Some(value)), Standing::Full)
    }

    #[test]
    fn a_hit_that_expires_while_the_other_layer_is_waited_for_leaves_the_answer_to_that() {
        let clock = VirtualTime::start(hitbox_core::clock::now());
        let mut op = Op::new();
        CompositionLayer::BOTH
            .into_iter()
            .for_each(|layer| op.wait_for(layer));
        op.note(L1, hit("brief", 1_000));
        op.age(Freshness::Any, &Moment::default());
        assert_eq!(op.next(prefers_l1), Next::Wait);
        clock.advance(chrono::TimeDelta::seconds(1));
        op.note(L2, hit("lasting", 1_000));
        op.age(Freshness::Any, &Moment::default());
        assert_eq!(op.next(prefers_l1), Next::Decided(Decision::Answer(L2)));
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
            let next = Op::new().next(|_, _| step);
            assert_eq!(next, Next::Decided(Decision::NoHit), "{step:?}");
        }
        // Asked once, and asked again.
        let mut op = Op::new();
        let asks = |_, _| ReadStep::Ask(L1);
        assert_eq!(op.next(asks), Next::Ask(L1));
        op.wait_for(L1);
        assert_eq!(op.next(asks), Next::Decided(Decision::NoHit));
    }

    #[test]
    fn a_stale_value_is_a_last_resort_for_who_wants_a_fresh_one_and_the_newest_is_taken() {
        let clock = VirtualTime::start(hitbox_core::clock::now());
        let stale = |data| {
            let value = CacheValue::loaded(data, Stamp::now());
            Answer::noted(
                Ok(Some(value.stale_after(std::time::Duration::ZERO))),
                Standing::Full,
            )
        };
        let mut op = Op::new();
        op.note(L1, stale("older"));
        clock.advance(chrono::TimeDelta::seconds(1));
        op.note(L2, stale("newer"));
        assert_eq!(op.next(prefers_l1), Next::Decided(Decision::Answer(L1)));
        op.age(Freshness::FreshOnly, &Moment::default());
        assert_eq!(op.next(prefers_l1), Next::Decided(Decision::NoHit));
        assert_eq!(op.chosen(Decision::NoHit), Some(L2));
        op.reject(L2);
        assert_eq!(op.chosen(Decision::NoHit), Some(L1));
        op.reject(L1);
        assert_eq!(op.chosen(Decision::NoHit), None);
        assert_eq!(
            op.conclude(Decision::NoHit).map(|hit| hit.is_some()),
            Ok(false)
        );
    }

    #[test]
    fn what_has_been_rejected_or_joined_stays_so_while_the_other_layer_is_waited_for() {
        let mut op = Op::new();
        op.note(L2, hit("unusable", 1_000));
        op.reject(L2);
        op.note(
            L1,
            Answer {
                standing: Standing::Joined,
                ..hit("joined", 1_000)
            },
        );
        op.age(Freshness::FreshOnly, &Moment::default());
        let standing = |layer| op.answer(layer).map(|answer| answer.standing);
        assert_eq!(standing(L2), Some(Standing::Rejected));
        assert_eq!(standing(L1), Some(Standing::Joined));
        assert!(op.has_joined());
        assert_eq!(op.next(prefers_l1), Next::Decided(Decision::Answer(L1)));
    }

    #[test]
    fn without_a_hit_it_is_a_miss_if_a_layer_has_answered_and_the_last_error_if_none_has() {
        let outcome = |l1: Option<Result<_, _>>, l2: Option<Result<_, _>>| {
            let mut op = Op::new();
            for (layer, outcome) in [(L1, l1), (L2, l2)] {
                if let Some(outcome) = outcome {
                    op.note(layer, Answer::noted(outcome, Standing::Full));
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
