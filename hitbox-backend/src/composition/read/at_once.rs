//! A read as far as it goes without waiting.

use std::cell::RefCell;

use hitbox_core::{BoxContext, CacheKey, Failures, Raw, Stamp, clock::Moment};

use super::{Begun, collect, guard};
use crate::{
    Backend, BackendError, ReadOutcome, Reading,
    composition::{
        CompositionLayer, CompositionReadPolicy, FoundAtOnce, ledger::Trust, member::Member,
    },
};

/// What a layer has answered without waiting.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::composition) enum Glimpse {
    /// Nothing yet: it was not asked, or has to be waited for, or failed.
    #[default]
    Nothing,
    /// It has no value that may be served.
    Miss,
    /// It has a value with this stamp.
    Value(Stamp),
}

impl From<&ReadOutcome> for Glimpse {
    fn from(outcome: &ReadOutcome) -> Self {
        match outcome {
            Ok(Some(value)) => Self::Value(value.created()),
            Ok(None) => Self::Miss,
            Err(_) => Self::Nothing,
        }
    }
}

/// Of L1 and of L2.
pub(in crate::composition) type Glimpses = [Glimpse; 2];

/// A read of `key` that does not wait.
pub(in crate::composition) struct AtOnce<'a> {
    pub(in crate::composition) key: &'a CacheKey,
    pub(in crate::composition) moment: &'a Moment,
}

impl AtOnce<'_> {
    /// What the policy makes of layers that answer at once, if that decides the read. `context` is
    /// then that of the layer that answered.
    #[inline]
    pub(in crate::composition) fn decide<R: CompositionReadPolicy>(
        &self,
        policy: &R,
        context: &mut BoxContext,
        (l1, l2): (&Member<impl Backend>, &Member<impl Backend>),
        begun: &mut Begun,
    ) -> Option<Result<FoundAtOnce<Raw>, BackendError>> {
        let trust = begun.trust;
        let [in_l1, in_l2] = &mut begun.glimpses;
        // L1 is the one that answers most reads: L2 pays for the second context.
        let mut context_of_l2 = None;
        let shared = RefCell::new((context, &mut begun.failures));
        let found = policy.execute_at_once(
            self.key,
            || {
                let (context, failures) = &mut *shared.borrow_mut();
                let noted = (&mut **context, &mut **failures);
                self.ask(CompositionLayer::L1, l1, noted, trust, in_l1)
            },
            || {
                let (context, failures) = &mut *shared.borrow_mut();
                let noted = (context_of_l2.insert(context.clone()), &mut **failures);
                self.ask(CompositionLayer::L2, l2, noted, trust, in_l2)
            },
        )?;
        if let Ok(FoundAtOnce {
            source: CompositionLayer::L2,
            value: Some(_),
        }) = found
            && let Some(context_of_l2) = context_of_l2
        {
            *shared.into_inner().0 = context_of_l2;
        }
        Some(found)
    }

    #[inline]
    fn ask(
        &self,
        layer: CompositionLayer,
        member: &Member<impl Backend>,
        (context, failures): (&mut BoxContext, &mut Failures),
        trust: Trust,
        glimpse: &mut Glimpse,
    ) -> Option<ReadOutcome> {
        let mut outcome = match member.begin_read(self.key, context, self.moment) {
            Reading::Answered(outcome) => outcome,
            // What is begun cannot be handed to a policy, which may let it outlive this call.
            Reading::Begun(_) | Reading::NotBegun => return None,
        };
        guard(layer, &mut outcome, context, &trust, self.moment);
        collect(failures, layer, &outcome, context);
        *glimpse = Glimpse::from(&outcome);
        Some(outcome)
    }
}
