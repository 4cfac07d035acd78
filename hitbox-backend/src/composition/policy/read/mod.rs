//! How a composition reads its two layers. One file per policy.

mod parallel;
mod race;
mod sequential;

use std::{fmt::Debug, future::Future};

use async_trait::async_trait;
use hitbox_core::{BoxContext, CacheContext, CacheKey, CacheValue, Offload};

use crate::composition::{AsksL2, CompositionLayer};

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
/// overtaken, reach it as a miss. Whether an answer is copied to the other layer is not its
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

    /// What [`execute_with`](Self::execute_with) would find, if that takes no waiting.
    ///
    /// Layers in process answer without a future, and a future would cost about as much as their
    /// answer. Each of `read_l1` and `read_l2` reads its layer when called, and returns `None` if
    /// that has to wait. Where that leaves the outcome open this returns `None`, and `execute_with`
    /// is called: a layer that has missed is then not asked again, one that has answered otherwise is.
    /// Not called where repairs want to know of both layers. Called again with the answers, once both have
    /// been waited for, if [`asks_l2`](Self::asks_l2) says that it always asks both.
    ///
    /// Default: `None`, which is always correct.
    fn execute_at_once<T, E, F1, F2>(
        &self,
        key: &CacheKey,
        read_l1: F1,
        read_l2: F2,
    ) -> Option<Result<FoundAtOnce<T>, E>>
    where
        E: Debug,
        F1: FnOnce() -> Option<Result<Option<CacheValue<T>>, E>>,
        F2: FnOnce() -> Option<Result<Option<CacheValue<T>>, E>>,
    {
        let _ = (key, read_l1, read_l2);
        None
    }

    /// When this asks L2, if that is known beforehand.
    ///
    /// [`AsksL2::IfLeftOpen`] says that this is [`SequentialReadPolicy`] in all but the type: L1 is asked
    /// first, what it has is the answer, and L2 is asked for what L1 has not. A read of many keys then asks
    /// each layer once for all of them. [`AsksL2::Always`] says that this asks both at once and waits for both,
    /// and that [`execute_at_once`](Self::execute_at_once) then decides as
    /// [`execute_with`](Self::execute_with) would. That one is left for where something is owed, or a layer has
    /// answered without deciding it.
    ///
    /// Default: [`AsksL2::Unforeseen`], which is always correct.
    fn asks_l2(&self) -> AsksL2 {
        AsksL2::Unforeseen
    }
}

/// What a read policy found without waiting.
#[derive(Debug)]
pub struct FoundAtOnce<T> {
    /// The live value, or `None` for a miss.
    pub value: Option<CacheValue<T>>,
    /// The layer that answered; L2 for a miss.
    pub source: CompositionLayer,
}

impl<T> FoundAtOnce<T> {
    fn new(hit: Option<(CompositionLayer, CacheValue<T>)>) -> Self {
        match hit {
            Some((source, value)) => Self {
                value: Some(value),
                source,
            },
            None => Self {
                value: None,
                source: CompositionLayer::L2,
            },
        }
    }
}

/// What is left to say once neither layer has a live value: a miss if a layer answered at all, L2's error
/// if none did.
fn without_a_hit<E>(l1: Result<(), E>, l2: Result<(), E>) -> Result<(), E> {
    match (l1, l2) {
        (Err(_), Err(l2_error)) => Err(l2_error),
        (Ok(()), _) | (_, Ok(())) => Ok(()),
    }
}

/// One layer's answer, sorted by what a policy does with it: a hit with whatever is known of it, or
/// how it came to none.
enum Answer<H, E> {
    Hit(H),
    NoHit(Result<(), E>),
}

impl<T, E> Answer<ReadResult<T>, E> {
    fn of(
        layer: CompositionLayer,
        (outcome, context): (Result<Option<CacheValue<T>>, E>, BoxContext),
    ) -> Self {
        match outcome {
            Ok(Some(value)) => Self::Hit(ReadResult {
                value: Some(value),
                source: layer,
                context,
            }),
            Ok(None) => Self::NoHit(Ok(())),
            Err(error) => Self::NoHit(Err(error)),
        }
    }
}

impl<T, E> Answer<CacheValue<T>, E> {
    fn at_once(outcome: Result<Option<CacheValue<T>>, E>) -> Self {
        match outcome {
            Ok(Some(value)) => Self::Hit(value),
            Ok(None) => Self::NoHit(Ok(())),
            Err(error) => Self::NoHit(Err(error)),
        }
    }
}

/// What the answer of the layer that was asked second makes of a read that found nothing in the
/// `first`: its hit, if it has one.
fn after_no_hit<H, E>(
    first: CompositionLayer,
    outcome: Result<(), E>,
    second: Answer<H, E>,
) -> Result<Option<H>, E> {
    let none = match second {
        Answer::Hit(hit) => return Ok(Some(hit)),
        Answer::NoHit(other) => match first {
            CompositionLayer::L1 => without_a_hit(outcome, other),
            CompositionLayer::L2 => without_a_hit(other, outcome),
        },
    };
    none.map(|()| None)
}

/// What L2's outcome makes of a sequential read that has got no value from L1.
pub(in crate::composition) fn second_in_order<T, E>(
    l1: Result<(), E>,
    l2: Result<Option<CacheValue<T>>, E>,
) -> Result<Option<CacheValue<T>>, E> {
    after_no_hit(CompositionLayer::L1, l1, Answer::at_once(l2))
}

/// L1's value, or else what L2 has, if they answer at once.
#[inline]
fn first_hit_at_once<T, E>(
    read_l1: impl FnOnce() -> Option<Result<Option<CacheValue<T>>, E>>,
    read_l2: impl FnOnce() -> Option<Result<Option<CacheValue<T>>, E>>,
) -> Option<Result<FoundAtOnce<T>, E>> {
    use CompositionLayer::{L1, L2};
    let l1 = match Answer::at_once(read_l1()?) {
        Answer::Hit(value) => return Some(Ok(FoundAtOnce::new(Some((L1, value))))),
        Answer::NoHit(outcome) => outcome,
    };
    let l2 = Answer::at_once(read_l2()?);
    let found = after_no_hit(L1, l1, l2);
    Some(found.map(|value| FoundAtOnce::new(value.map(|value| (L2, value)))))
}
