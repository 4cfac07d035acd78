//! Layers of which too many repairs were pending, and the way back.

use std::time::Duration;

use hitbox_core::Stamp;

use super::{
    CompositionBackend, CompositionLayer,
    fences::{CannotLift, Fences},
};

/// Why a layer is [not trusted again](CompositionBackend::clear_layer_fence).
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum FenceStays<E> {
    /// Writes or removes that had no answer when they were forgotten may still take effect in the
    /// layer, after it was emptied. It has not been emptied.
    #[error("what is on its way to the layer may arrive for another {left:?}: empty it after that")]
    MayArriveLate {
        /// After this it may be emptied.
        left: Duration,
    },
    /// While it was emptied, more repairs became pending again than can be remembered. It has to be
    /// emptied once more.
    #[error("the layer has failed too many keys again while it was emptied: empty it once more")]
    FailedMeanwhile,
    /// It could not be emptied.
    #[error("the layer could not be emptied")]
    NotEmptied(#[source] E),
}

impl<E> From<CannotLift> for FenceStays<E> {
    fn from(reason: CannotLift) -> Self {
        match reason {
            CannotLift::Late(left) => Self::MayArriveLate { left },
            CannotLift::GivenUpSince => Self::FailedMeanwhile,
        }
    }
}

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W> {
    /// The stamp at or below which nothing of a *forgotten* key is trusted in `layer`; `None` in normal operation.
    ///
    /// Keys are forgotten when more of them have a pending repair of the layer than
    /// [`record_capacity`](super::CompositionPolicy::record_capacity). Other keys are served as ever, and so is
    /// what is written or refilled of these from then on. [`clear_layer_fence`](Self::clear_layer_fence) ends that.
    #[must_use]
    pub fn layer_fence(&self, layer: CompositionLayer) -> Option<Stamp> {
        let fence = self.fences().layer_fence(layer);
        (fence > Stamp::ZERO).then_some(fence)
    }

    /// Has a layer emptied that has a [fence](Self::layer_fence), and clears the fence.
    ///
    /// `empty` has to leave the layer without anything that it held when it was called, and has to be
    /// done with that when its future is. Meanwhile the composition can be used as ever: what is
    /// written to the layer or refilled may stay in it or go. [Pending repairs](Self::pending_repairs) of
    /// single keys stay pending. A layer without a fence is left as it is.
    ///
    /// A layer that is a composition itself can move values between its own layers, and so keep what
    /// it was to lose: empty both of its layers, with nothing under way in it.
    ///
    /// # Errors
    ///
    /// The fence stays if an operation that is in doubt may still reach the layer (up to 60 seconds; the layer is not
    /// emptied then), if the layer is fenced again in the meantime, if `empty` fails, or if this future is dropped.
    ///
    /// # Example
    ///
    /// ```
    /// # tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap().block_on(async {
    /// use hitbox_backend::{Backend, Compose, CompositionLayer, FenceStays};
    /// use hitbox_core::{CacheKey, DisabledOffload};
    /// # use hitbox_backend::conformance::MemoryBackend;
    /// # let (in_process, shared) = (MemoryBackend::new(), MemoryBackend::new());
    /// # let all_keys = [CacheKey::from_pair("id", "1")];
    ///
    /// let cache = in_process.compose(shared, DisabledOffload);
    /// for layer in [CompositionLayer::L1, CompositionLayer::L2] {
    ///     let emptied = cache.clear_layer_fence(layer, || async {
    ///         // Or whatever the store has for this.
    ///         let keys: Vec<_> = all_keys.iter().map(|key| cache.key_in(layer, key)).collect();
    ///         let removed = match layer {
    ///             CompositionLayer::L1 => cache.l1().remove_many(&keys).await,
    ///             CompositionLayer::L2 => cache.l2().remove_many(&keys).await,
    ///         };
    ///         removed.into_iter().try_for_each(|removed| removed.map(drop))
    ///     });
    ///     match emptied.await {
    ///         Ok(()) => assert_eq!(cache.layer_fence(layer), None),
    ///         Err(FenceStays::MayArriveLate { left }) => println!("again in {left:?}"),
    ///         Err(why) => println!("{why}"),
    ///     }
    /// }
    /// # });
    /// ```
    pub async fn clear_layer_fence<E, Emptied>(
        &self,
        layer: CompositionLayer,
        empty: impl FnOnce() -> Emptied,
    ) -> Result<(), FenceStays<E>>
    where
        Emptied: Future<Output = Result<(), E>>,
    {
        let Some(lift) = self.fences().begin_lift(layer)? else {
            return Ok(());
        };
        empty().await.map_err(FenceStays::NotEmptied)?;
        self.fences().lift(&lift)?;
        let composition = self.fences().name();
        tracing::info!(%composition, %layer, "a layer that was emptied is trusted again");
        Ok(())
    }

    fn fences(&self) -> &Fences {
        &self.layers.fences
    }
}
