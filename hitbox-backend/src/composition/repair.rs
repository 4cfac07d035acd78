//! Bringing a dirty layer up to date.
//!
//! A repair reads both layers as any read would, and takes the permit only then, under the terms of a
//! refill: not if a write or remove of the key is under way or has ended since it began. So it brings
//! nothing back that is older than what has settled, no operation waits for it while it reads, and
//! whatever begins meanwhile overtakes it.

mod rounds;

use std::sync::Arc;

use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw, clock::Moment};

use super::{
    CompositionLayer,
    admission::{for_layer, may_be_served},
    fences::{Asked, Effect, FenceSnapshot, Fences, Verifying},
    layers::LayerAccess,
    policy::Rules,
};
use crate::{BackendError, BackendErrorKind, BackendResult};

pub(super) use rounds::in_background;

/// How the repair of one key in one layer has gone.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Attempt {
    /// The layer is in sync, unless something newer has begun meanwhile.
    Succeeded,
    Failed,
    /// There was nothing to do, or somebody else is about to do it.
    Passed,
}

/// What is to be done to a dirty layer.
enum Remedy {
    /// What it holds is newer than all that was done through this composition.
    Leave,
    Copy(CacheValue<Raw>),
    Remove,
}

/// Repairs `key` in `dirty`.
pub(super) async fn attempt<A: LayerAccess, B: LayerAccess>(
    fences: &Arc<Fences>,
    key: &CacheKey,
    dirty: &A,
    other: &B,
    rules: Rules,
) -> Attempt {
    let Some(pending) = Verifying::begin(fences, key, A::LAYER) else {
        return Attempt::Passed;
    };
    let looks = futures::join!(
        verify(dirty, key, &pending.snapshot),
        find_copy(pending.asked, other, key, &pending.snapshot, rules),
    );
    let remedy = match looks {
        (Ok(Some(_newer)), _) => Remedy::Leave,
        (Ok(None), Ok(Some(value))) => Remedy::Copy(value),
        (Ok(None), Ok(None)) => Remedy::Remove,
        (Err(error), _) | (Ok(None), Err(error)) => {
            return fail(fences, key, A::LAYER, &error);
        }
    };
    let refilled = match &remedy {
        Remedy::Copy(value) => Some(value.created()),
        Remedy::Leave | Remedy::Remove => None,
    };
    let Some(permit) = pending.permit(refilled) else {
        return Attempt::Passed;
    };
    let outcome = match remedy {
        Remedy::Leave => {
            permit.settle(Effect::Confirmed);
            Ok(())
        }
        Remedy::Copy(value) => {
            let value = for_layer(A::LAYER, value, rules);
            permit.run(copy_or_remove(dirty, key, value)).await
        }
        Remedy::Remove => permit.run(remove(dirty, key)).await,
    };
    match outcome {
        Ok(()) => Attempt::Succeeded,
        Err(error) => fail(fences, key, A::LAYER, &error),
    }
}

/// What a layer holds that is trusted.
async fn verify<A: LayerAccess>(
    layer: &A,
    key: &CacheKey,
    snapshot: &FenceSnapshot,
) -> BackendResult<Option<CacheValue<Raw>>> {
    let (found, _context) = layer.read(key, BoxContext::default()).await;
    let moment = Moment::default();
    Ok(found?.filter(|value| may_be_served(A::LAYER, value, snapshot, &moment)))
}

/// The value that the other layer can be given, if it is to be given one.
async fn find_copy<B: LayerAccess>(
    asked: Asked,
    source: &B,
    key: &CacheKey,
    snapshot: &FenceSnapshot,
    rules: Rules,
) -> BackendResult<Option<CacheValue<Raw>>> {
    match (asked, B::LAYER, rules.l1_ttl) {
        // L1's copy has a shorter life than the value was written with.
        (Asked::Value, CompositionLayer::L1, Some(_)) | (Asked::Nothing, _, _) => Ok(None),
        (Asked::Value, _, _) if !source.may_be_copied() => Ok(None),
        (Asked::Value, _, _) => verify(source, key, snapshot).await,
    }
}

/// A layer that will never take the value is at least to lose the one it holds.
async fn copy_or_remove<A: LayerAccess>(
    layer: &A,
    key: &CacheKey,
    value: CacheValue<Raw>,
) -> BackendResult<()> {
    match layer.refill(key, value).await {
        Ok(()) => Ok(()),
        // By contract the key is absent then.
        Err(error) if error.kind() == BackendErrorKind::TooLarge => Ok(()),
        Err(error) if error.is_definite() && !error.is_retryable() => remove(layer, key).await,
        Err(error) => Err(error),
    }
}

async fn remove<A: LayerAccess>(layer: &A, key: &CacheKey) -> BackendResult<()> {
    layer.remove(key).await.map(drop)
}

fn fail(fences: &Fences, key: &CacheKey, layer: CompositionLayer, error: &BackendError) -> Attempt {
    let composition = fences.name();
    tracing::debug!(%composition, %layer, %key, %error, "a repair failed");
    fences.note_failed_repair(key, layer);
    Attempt::Failed
}
