//! How a composition writes its two layers. One file per policy.

mod optimistic_parallel;
mod race;
mod sequential;
mod strict;

use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{CacheKey, Offload};

use crate::{BackendError, composition::RaceLoserPolicy};

pub use super::{
    observed::{WriteObserved, WriteStep},
    write_decision::WriteDecision,
};
pub use optimistic_parallel::OptimisticParallelWritePolicy;
pub use race::RaceWritePolicy;
pub use sequential::SequentialWritePolicy;
pub use strict::StrictWritePolicy;

/// Decides which layers are written, in which order, and what counts as success.
///
/// Whatever a policy does, a layer that has not confirmed the write is not trusted with that key
/// afterwards: it is bypassed until it holds what was written, or something newer.
#[async_trait]
pub trait CompositionWritePolicy: Send + Sync {
    /// Writes `key`. Each of `write_l1` and `write_l2` starts the write of its layer when called;
    /// the futures may be raced, joined, dropped or handed to `offload`.
    ///
    /// # Errors
    ///
    /// The error of a layer, when the write as a whole does not count as done.
    async fn execute_with<F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        write_l1: F1,
        write_l2: F2,
        offload: &O,
    ) -> Result<(), BackendError>
    where
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = Result<(), BackendError>> + Send + 'static,
        Fut2: Future<Output = Result<(), BackendError>> + Send + 'static,
        O: Offload<'static>;

    /// What a write does next, where the policy is a pure function of what is known of the layers.
    ///
    /// A composition then writes the layers itself, in place where they answer without waiting, and does not call
    /// [`execute_with`](Self::execute_with). Every [`WriteDecision`] overrides this. Default: `None`, for a
    /// policy that is one future. It is `None` for all observations, or for none.
    fn next_step(&self, l1: WriteObserved, l2: WriteObserved) -> Option<WriteStep> {
        let _ = (l1, l2);
        None
    }

    /// What becomes of a write that is pending when [`next_step`](Self::next_step) has decided. Default: it is
    /// dropped.
    fn if_left_behind(&self) -> RaceLoserPolicy {
        RaceLoserPolicy::Drop
    }
}
