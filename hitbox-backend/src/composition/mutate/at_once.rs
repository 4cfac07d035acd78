//! A write as far as it goes without waiting.

use std::{cell::RefCell, sync::Arc};

use futures::future::BoxFuture;
use hitbox_core::{CacheKey, CacheValue, Raw};

use super::{Done, Ended};
use crate::{
    Attempt, Backend, BackendResult,
    composition::{
        CompositionLayer, CompositionWritePolicy,
        admission::for_layer,
        ledger::{AdmissionAtOnce, Effect, Ledger, Origin, WriteAtOnce},
        member::Member,
        policy::Rules,
    },
    stamped::with_believable_stamp,
};

/// A write of `value` that does not wait.
pub(in crate::composition) struct AtOnce<'a> {
    ledger: &'a Arc<Ledger>,
    key: &'a CacheKey,
    value: CacheValue<Raw>,
    origin: Origin,
    rules: Rules,
    progress: Progress<'a>,
}

enum Progress<'a> {
    /// No layer has been asked.
    NotBegun,
    /// There is nothing to do.
    Superseded,
    /// It has to wait before a layer is asked.
    Waits,
    Begun(WriteAtOnce<'a>),
    /// A layer has begun what it cannot end at once.
    Rest(Rest<'a>),
}

/// What is left of a write of one layer.
pub(in crate::composition) struct Rest<'a> {
    // Dropped before the turns are given back.
    future: BoxFuture<'a, BackendResult<()>>,
    layer: CompositionLayer,
    write: WriteAtOnce<'a>,
}

impl Rest<'_> {
    /// Waits until the layer has done it.
    pub(in crate::composition) async fn end(self) -> Done {
        let Self {
            future,
            layer,
            mut write,
        } = self;
        let (effect, outcome) = Effect::of(future.await);
        write.note(layer, effect);
        let ended = Ended {
            effect,
            outcome,
            after: write.end(layer),
        };
        match layer {
            CompositionLayer::L1 => [Some(ended), None],
            CompositionLayer::L2 => [None, Some(ended)],
        }
    }
}

/// How far a write got.
pub(in crate::composition) enum Outcome<'a> {
    /// To the end; this is what the policy says.
    Decided(BackendResult<()>),
    /// Nothing has been done.
    NotBegun(CacheValue<Raw>),
    /// Something has been done that does not decide it. Once what is left of that is done, the write
    /// is to be made again.
    Again(CacheValue<Raw>, Option<Rest<'a>>),
}

impl<'a> AtOnce<'a> {
    pub(in crate::composition) fn new(
        ledger: &'a Arc<Ledger>,
        key: &'a CacheKey,
        value: CacheValue<Raw>,
        origin: Origin,
        rules: Rules,
    ) -> Self {
        Self {
            ledger,
            key,
            value: with_believable_stamp(value),
            origin,
            rules,
            progress: Progress::NotBegun,
        }
    }

    /// What the policy makes of layers that write at once.
    pub(in crate::composition) fn decide<W: CompositionWritePolicy>(
        self,
        policy: &W,
        (l1, l2): (&'a Member<impl Backend>, &'a Member<impl Backend>),
    ) -> Outcome<'a> {
        let key = self.key;
        let shared = RefCell::new(self);
        let decided = policy.execute_at_once(
            key,
            || shared.borrow_mut().ask(CompositionLayer::L1, l1),
            || shared.borrow_mut().ask(CompositionLayer::L2, l2),
        );
        let Self {
            value, progress, ..
        } = shared.into_inner();
        match (progress, decided) {
            (Progress::Superseded, _) => {
                tracing::debug!(%key, "a write was older than what was done to the key since");
                Outcome::Decided(Ok(()))
            }
            (Progress::Begun(_), Some(decided)) => Outcome::Decided(decided),
            // Though no layer may have been touched: it is on record.
            (Progress::Begun(_), None) => Outcome::Again(value, None),
            (Progress::Rest(rest), _) => Outcome::Again(value, Some(rest)),
            // Also where the policy answers without a layer: the write must be on record.
            (Progress::NotBegun | Progress::Waits, _) => Outcome::NotBegun(value),
        }
    }

    fn ask<B: Backend>(
        &mut self,
        layer: CompositionLayer,
        member: &'a Member<B>,
    ) -> Option<BackendResult<()>> {
        if let Progress::NotBegun = self.progress {
            let created = self.value.created();
            self.progress = match self
                .ledger
                .begin_write_at_once(self.key, created, self.origin)
            {
                AdmissionAtOnce::Accepted(write) => Progress::Begun(write),
                AdmissionAtOnce::Superseded => Progress::Superseded,
                AdmissionAtOnce::Waits => Progress::Waits,
            };
        }
        let Progress::Begun(write) = &mut self.progress else {
            return None;
        };
        let value = for_layer(layer, self.value.clone(), self.rules);
        write.note(layer, Effect::Unknown);
        match member.try_write(self.key, value) {
            Attempt::Ready(outcome) => {
                let (effect, outcome) = Effect::of(outcome);
                write.note(layer, effect);
                Some(outcome.map_err(|error| error.in_layer(layer)))
            }
            Attempt::WouldBlock(_) => {
                write.note(layer, Effect::None);
                None
            }
            Attempt::Pending(future) => {
                if let Progress::Begun(write) =
                    std::mem::replace(&mut self.progress, Progress::Waits)
                {
                    self.progress = Progress::Rest(Rest {
                        write,
                        layer,
                        future,
                    });
                }
                None
            }
        }
    }
}
