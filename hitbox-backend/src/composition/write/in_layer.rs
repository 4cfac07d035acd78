//! The write of one layer by itself: in its turn, and only if still due.

use hitbox_core::{CacheKey, CacheValue, Raw};

use crate::{
    BackendResult,
    composition::{
        layers::LayerAccess,
        ledger::{Effect, Share},
    },
};

/// Writes a layer in the turn of `share`, which is waited for if need be.
pub(in crate::composition) async fn write_in_turn<A: LayerAccess>(
    layer: A,
    key: CacheKey,
    value: CacheValue<Raw>,
    mut share: Share,
) -> BackendResult<()> {
    share.turn(A::LAYER).await;
    if !share.holds(A::LAYER) {
        // Overtaken: as if it had been written and replaced at once.
        return Ok(());
    }
    share.note(A::LAYER, Effect::Unknown);
    let (effect, outcome) = Effect::of(layer.write(&key, value).await);
    share.note(A::LAYER, effect);
    outcome.map_err(|error| error.in_layer(A::LAYER))
}
