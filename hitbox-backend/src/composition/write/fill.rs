//! Fills under a lease that is in a store which processes share.
//!
//! A fill is not a write: whatever the write policy, the shared layer is asked first. If another process has done something to
//! the key since the load began, that layer refuses the value, and the other one does not get it either. The other layer is
//! then refilled, as it would be from a read. If the shared layer fails, its pending repair is a remove.

use hitbox_core::{CacheKey, CacheValue, Offload, Raw, clock::Tick};

use super::Ended;
use crate::{
    Backend, BackendError, BackendErrorKind, BackendResult, Condition, Conditional, Operation,
    composition::{
        CompositionBackend, CompositionLayer,
        adapter::{InBulk, drive},
        admission::for_layer,
        background::Background,
        fences::{Effect, Origin, Permits, Share},
        layers::LayerAccess,
        load::{InLayer, Leased},
    },
    repeated::Answer,
};

/// One of many values: what can be stored of it, and its lease.
type Entry<'l> = (CacheKey, BackendResult<CacheValue<Raw>>, Option<&'l Leased>);

impl<L1, L2, O, R, W> CompositionBackend<L1, L2, O, R, W>
where
    L1: Backend + 'static,
    L2: Backend + 'static,
    O: Offload<'static>,
    R: Sync,
    W: Sync,
{
    /// Stores the value of a load, and says whether something newer has kept it out.
    pub(in crate::composition) async fn fill_by_lease(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        leased: &Leased,
    ) -> BackendResult<Conditional> {
        let layers = (self.first(), self.second());
        let ended = self.fill_layers(key, value, leased, layers).await;
        self.settle_write(key, ended).await
    }

    /// The same for many values, as far as they can be stored at all: each layer is written in bulk.
    pub(in crate::composition) async fn fill_many_by_lease(
        &self,
        entries: Vec<Entry<'_>>,
    ) -> Vec<BackendResult<Conditional>> {
        let (l1, l2) = (InBulk::new(self.first()), InBulk::new(self.second()));
        let singles = entries.into_iter().map(|(key, value, leased)| {
            let layers = (l1.clone(), l2.clone());
            async move {
                let ended = match (value, leased) {
                    (Ok(value), Some(leased)) => {
                        self.fill_layers(&key, value, leased, layers).await
                    }
                    // The lease is of another backend: nobody knows what would refuse the value.
                    (Ok(_), None) => Ended::Refused,
                    (Err(error), _) => Err(error).into(),
                };
                (key, ended)
            }
        });
        // A fill waits for both layers: nothing is left for the background.
        let background = Background::new(&*self.offload);
        let (ended, _rest) = drive(singles, &l1, &l2, &background).await;
        self.settle_writes(ended).await
    }

    async fn fill_layers<A: LayerAccess, B: LayerAccess>(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        leased: &Leased,
        (l1, l2): (A, B),
    ) -> Ended {
        match leased.shared_layer() {
            Some((CompositionLayer::L1, lease)) => {
                let lease = (lease, leased.began);
                self.fill_shared_first(key, value, lease, (l1, l2)).await
            }
            Some((CompositionLayer::L2, lease)) => {
                let lease = (lease, leased.began);
                self.fill_shared_first(key, value, lease, (l2, l1)).await
            }
            // By contract one layer is.
            None => Ended::Refused,
        }
    }

    async fn fill_shared_first<S: LayerAccess, T: LayerAccess>(
        &self,
        key: &CacheKey,
        value: CacheValue<Raw>,
        leased: (&InLayer, Tick),
        (shared, other): (S, T),
    ) -> Ended {
        let value = self.layers.admitted(value);
        let (lease, began) = leased;
        let fences = &self.layers.fences;
        let admitted = fences.begin_write(key, value.created(), Origin::Fill, Permits::Later);
        let mut share = match admitted {
            Ok(share) => share,
            Err(refusal) => return Ended::refused(key, refusal),
        };
        let in_shared = for_layer(S::LAYER, value.clone(), self.layers.rules);
        let in_other = for_layer(T::LAYER, value, self.layers.rules);
        // What the shared layer has not taken is as old as its load: what another process has done meanwhile may have been
        // heard of before this.
        let as_loaded = |value: CacheValue<Raw>| value.seen_at(began);
        let (kept, ended) = match lease {
            InLayer::Under(lease) => {
                let lease = Condition::Lease(lease.clone());
                match in_permit(&mut share, S::LAYER, shared.write_if(key, in_shared, lease)).await
                {
                    None | Some(Ok(Conditional::Refused)) => (None, Ended::Refused),
                    Some(Ok(Conditional::Written)) => (Some(in_other), Ended::Done),
                    Some(Err(error)) if error.kind() == BackendErrorKind::TooLarge => {
                        return Ended::Removes(Some(error));
                    }
                    Some(Err(error)) => (Some(as_loaded(in_other)), Ended::Failed(error)),
                }
            }
            InLayer::Elsewhere => {
                let nothing = async { BackendResult::Ok(()) };
                in_permit(&mut share, S::LAYER, nothing).await;
                (Some(as_loaded(in_other)), Ended::Done)
            }
            InLayer::NotTaken | InLayer::Unshared { .. } => {
                let failed = self.without_lease().in_layer(S::LAYER);
                (Some(as_loaded(in_other)), Ended::Failed(failed))
            }
        };
        // What becomes of it is on record, and of no consequence for the load.
        match kept {
            Some(value) => _ = in_permit(&mut share, T::LAYER, other.write(key, value)).await,
            // It holds nothing that is newer than what another process has done.
            None => _ = in_permit(&mut share, T::LAYER, other.remove(key)).await,
        }
        ended
    }

    fn without_lease(&self) -> BackendError {
        let label = self.paths.label().clone();
        BackendError::new(BackendErrorKind::Unavailable, Operation::Write, label).with_detail(
            "it has given no lease for the load: the value is kept in the other layer alone",
        )
    }
}

/// Runs an operation on a layer in the permit of `share`, which is waited for; `None` if something newer has been done to the
/// key meanwhile, here.
async fn in_permit<T: Answer>(
    share: &mut Share,
    layer: CompositionLayer,
    operation: impl Future<Output = BackendResult<T>>,
) -> Option<BackendResult<T>> {
    share.permit(layer).await;
    if !share.holds(layer) {
        return None;
    }
    share.note(layer, Effect::Unknown);
    let (effect, outcome) = Effect::of(operation.await);
    // Others need not wait for the other layer.
    share.give_back(layer, effect);
    Some(outcome.map_err(|error| error.in_layer(layer)))
}
