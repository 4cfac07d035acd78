//! The write of one layer by itself: in its permit, and only if still due.

use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    BackendResult,
    composition::{
        fences::{Effect, Share},
        layers::LayerAccess,
    },
};

/// Writes a layer in the permit of `share`, which is waited for if need be.
pub(in crate::composition) async fn write_with_permit<A: LayerAccess>(
    layer: A,
    key: CacheKey,
    value: CacheValue<Raw>,
    mut share: Share,
) -> BackendResult<()> {
    share.permit(A::LAYER).await;
    if !share.holds(A::LAYER) {
        // Overtaken: as if it had been written and replaced at once.
        return Ok(());
    }
    share.note(A::LAYER, Effect::Unknown);
    let (effect, outcome) = Effect::of(layer.write(&key, value).await);
    share.note(A::LAYER, effect);
    outcome.map_err(|error| error.in_layer(A::LAYER))
}
