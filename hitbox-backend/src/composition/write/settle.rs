//! What is left to do once the policy of a write has decided.

use futures::future::BoxFuture;
use hitbox_core::{CacheKey, Offload};

use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Conditional, Operation,
    composition::{CompositionBackend, CompositionLayer, background, fences::Refusal},
};

/// What a write has come to, once its permits have been given back.
pub(in crate::composition) enum Ended {
    Done,
    /// Something newer has been done to the key.
    Refused,
    Failed(BackendError),
    /// The key is to be absent from both layers. The error, if the write has failed; else it was refused.
    Removes(Option<BackendError>),
}

impl From<BackendResult<()>> for Ended {
    fn from(outcome: BackendResult<()>) -> Self {
        match outcome {
            Ok(()) => Self::Done,
            // By contract the key is absent then, also from the layer that had room for it.
            Err(error) if error.kind() == BackendErrorKind::TooLarge => Self::Removes(Some(error)),
            Err(error) => Self::Failed(error),
        }
    }
}

impl Ended {
    /// A write that was not admitted.
    pub(in crate::composition) fn refused(key: &CacheKey, refusal: Refusal) -> Self {
        match refusal {
            Refusal::Superseded => {
                tracing::debug!(%key, "a write was older than what was done to the key since");
                Self::Refused
            }
            Refusal::Indeterminate => {
                tracing::debug!(%key, "a write may be older than a remove: taken as a remove");
                Self::Removes(None)
            }
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: Sync,
{
    /// Ends the write of a key.
    pub(in crate::composition) async fn settle_write(
        &self,
        key: &CacheKey,
        ended: Ended,
    ) -> BackendResult<Conditional> {
        match ended {
            Ended::Done => Ok(Conditional::Written),
            Ended::Refused => Ok(Conditional::Refused),
            Ended::Failed(error) => Err(self.seen_from_outside(error)),
            Ended::Removes(error) => {
                self.remove_one(key).await?;
                self.refused_with(error)
            }
        }
    }

    /// Ends the writes of many keys.
    pub(in crate::composition) async fn settle_writes(
        &self,
        ended: Vec<(CacheKey, Ended)>,
    ) -> Vec<BackendResult<Conditional>> {
        let mut removes = Vec::new();
        let mut outcomes = Vec::with_capacity(ended.len());
        for (place, (key, ended)) in ended.into_iter().enumerate() {
            outcomes.push(match ended {
                Ended::Done => Ok(Conditional::Written),
                Ended::Refused => Ok(Conditional::Refused),
                Ended::Failed(error) => Err(self.seen_from_outside(error)),
                Ended::Removes(error) => {
                    removes.push((place, key));
                    self.refused_with(error)
                }
            });
        }
        if !removes.is_empty() {
            let (places, keys): (Vec<_>, Vec<_>) = removes.into_iter().unzip();
            for (place, removed) in places.into_iter().zip(self.remove_keys(&keys).await) {
                if let Err(error) = removed {
                    outcomes[place] = Err(error);
                }
            }
        }
        outcomes
    }

    /// What a write answers in a coherent composition that something newer here has kept out. Others may count on it from
    /// then on, so the shared layer has to have confirmed that. It may be no change of the caller's: a composition around this one
    /// repairs by a remove.
    pub(in crate::composition) async fn superseded(&self, key: &CacheKey) -> BackendResult<()> {
        let layer = CompositionLayer::L2;
        if self.layers.fences.has_confirmed(key, layer).await {
            return Ok(());
        }
        let label = self.layers.l2.backend.label();
        let error = BackendError::new(BackendErrorKind::Unavailable, Operation::Write, label)
            .with_detail("something newer was done to the key, and has not been confirmed");
        Err(self.seen_from_outside(error.in_layer(layer)))
    }

    /// The same for many: each of these that was kept out.
    pub(in crate::composition) async fn confirmed_many(
        &self,
        keys: &[CacheKey],
        outcomes: Vec<BackendResult<Conditional>>,
    ) -> Vec<BackendResult<()>> {
        let mut confirmed = Vec::with_capacity(outcomes.len());
        for (key, outcome) in keys.iter().zip(outcomes) {
            confirmed.push(match outcome {
                Ok(Conditional::Written) => Ok(()),
                Ok(Conditional::Refused) => self.superseded(key).await,
                Err(error) => Err(error),
            });
        }
        confirmed
    }

    /// What a write answers that has left the key absent.
    fn refused_with(&self, error: Option<BackendError>) -> BackendResult<Conditional> {
        error.map_or(Ok(Conditional::Refused), |error| {
            Err(self.seen_from_outside(error))
        })
    }

    pub(super) fn seen_from_outside(&self, error: BackendError) -> BackendError {
        self.paths.seen_from_outside(error)
    }

    /// Hands the losers of a race to the background, unless they end without waiting.
    pub(super) fn leave_writes_behind(
        &self,
        name: &'static str,
        keys: Vec<CacheKey>,
        losers: BoxFuture<'static, ()>,
    ) {
        // Not keyed by the cache key: a write must not be dropped as a duplicate of another write of the same key.
        let name = name.into();
        background::leave(&self.offload, &self.layers.fences, name, || keys, losers);
    }
}
