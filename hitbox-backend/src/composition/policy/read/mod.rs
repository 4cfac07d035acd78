//! How a composition reads its two layers. One file per policy.

mod parallel;
mod race;
mod sequential;

use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheContext, CacheKey, CacheValue, Offload};

use crate::composition::{CompositionLayer, RaceLoserPolicy};

pub use super::{
    observed::{Observed, ReadStep},
    read_decision::ReadDecision,
};
pub use parallel::ParallelReadPolicy;
pub use race::RaceReadPolicy;
pub use sequential::SequentialReadPolicy;

/// What a read policy found.
#[derive(Debug)]
pub struct ReadResult<T> {
    /// The live value, or `None` for a miss.
    pub value: Option<CacheValue<T>>,
    /// The layer that answered; L2 for a miss.
    pub source: CompositionLayer,
    /// The context of the read that answered; a fresh one for a miss.
    pub context: BoxContext,
}

impl<T> ReadResult<T> {
    /// Neither layer holds a live value.
    #[must_use]
    pub fn miss() -> Self {
        Self {
            value: None,
            source: CompositionLayer::L2,
            context: CacheContext::default().boxed(),
        }
    }
}

/// Decides which layers are asked, in which order, and whose answer counts.
///
/// A policy sees live values only: an expired value, and one that a later write or remove has
/// overtaken, reach it as a miss, and so does a stale one if the reader wants a fresh one. Whether an answer is copied to the other layer is not its
/// business but the [`RefillPolicy`](crate::RefillPolicy)'s.
///
/// Implementations are cancel safe if they only await the futures they are given: dropping those
/// is always safe.
#[async_trait]
pub trait CompositionReadPolicy: Send + Sync {
    /// Reads `key`. Each of `read_l1` and `read_l2` starts the read of its layer when called; the
    /// futures may be raced, joined, dropped or handed to `offload`.
    ///
    /// # Errors
    ///
    /// An error only if both layers failed; the built-in policies return L2's.
    async fn execute_with<T, E, F1, F2, Fut1, Fut2, O>(
        &self,
        key: CacheKey,
        read_l1: F1,
        read_l2: F2,
        offload: &O,
    ) -> Result<ReadResult<T>, E>
    where
        T: Send + 'static,
        E: Send + Debug + 'static,
        F1: FnOnce(CacheKey) -> Fut1 + Send,
        F2: FnOnce(CacheKey) -> Fut2 + Send,
        Fut1: Future<Output = (Result<Option<CacheValue<T>>, E>, BoxContext)> + Send + 'static,
        Fut2: Future<Output = (Result<Option<CacheValue<T>>, E>, BoxContext)> + Send + 'static,
        O: Offload<'static>;

    /// What a read does next, where the policy is a pure function of what is known of the layers.
    ///
    /// A composition then asks the layers itself, in place where they answer without waiting, and does not call
    /// [`execute_with`](Self::execute_with). Every [`ReadDecision`] overrides this. Default: `None`, for a
    /// policy that is one future. It is `None` for all observations, or for none.
    fn next_step(&self, l1: Observed, l2: Observed) -> Option<ReadStep> {
        let _ = (l1, l2);
        None
    }

    /// What becomes of a read that is pending when [`next_step`](Self::next_step) has decided. Default: it is
    /// dropped.
    fn if_left_behind(&self) -> RaceLoserPolicy {
        RaceLoserPolicy::Drop
    }
}
