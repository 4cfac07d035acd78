//! How a composition writes its two layers. One file per policy.

mod optimistic_parallel;
mod race;
mod sequential;
mod strict;

use std::future::Future;

use async_trait::async_trait;
use hitbox_core::{CacheKey, Offload};

use super::AsksL2;
use crate::BackendError;

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

    /// What [`execute_with`](Self::execute_with) would come to, if that takes no waiting.
    ///
    /// Called where both layers are expected to write at once, and where both have been written by what
    /// [`asks_l2`](Self::asks_l2) says. Each of `write_l1` and `write_l2`
    /// writes its layer when called, and returns `None` if that has to wait. Where that leaves the
    /// outcome open this returns `None`, and `execute_with` writes anew, but for a layer that has only
    /// begun at once: that is ended first, and its outcome counts.
    ///
    /// Default: `None`, which is always correct.
    fn execute_at_once<F1, F2>(
        &self,
        key: &CacheKey,
        write_l1: F1,
        write_l2: F2,
    ) -> Option<Result<(), BackendError>>
    where
        F1: FnOnce() -> Option<Result<(), BackendError>>,
        F2: FnOnce() -> Option<Result<(), BackendError>>,
    {
        let _ = (key, write_l1, write_l2);
        None
    }

    /// When this asks L2, if that is known beforehand.
    ///
    /// If it is, a write whose L1 takes it without waiting is made in L1 first, then in L2 if that is asked, and
    /// [`execute_at_once`](Self::execute_at_once) decides by what both have answered. (If that decides
    /// nothing, the write is made again by [`execute_with`](Self::execute_with).) Not for a policy whose write
    /// of L1 depends on L2's.
    ///
    /// Default: [`AsksL2::Unforeseen`], which is always correct.
    fn asks_l2(&self) -> AsksL2 {
        AsksL2::Unforeseen
    }
}

/// Both layers have answered, and one success is enough.
fn one_is_enough(
    l1: Result<(), BackendError>,
    l2: Result<(), BackendError>,
) -> Result<(), BackendError> {
    match (l1, l2) {
        (Ok(()), _) | (_, Ok(())) => Ok(()),
        (Err(_), Err(l2_error)) => Err(l2_error),
    }
}
