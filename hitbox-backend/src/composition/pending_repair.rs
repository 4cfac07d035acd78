use std::time::Duration;

use hitbox_core::{CacheKey, Stamp};

use super::CompositionLayer;

/// A key for which a layer of a composition is bypassed.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct PendingRepair {
    /// The key.
    pub key: CacheKey,
    /// The layer.
    pub layer: CompositionLayer,
    /// Values of the key at or below this stamp are not trusted in the layer.
    pub fence: Stamp,
    /// Why.
    pub cause: RepairCause,
    /// How many repairs have failed since the newest write or remove of the key.
    pub attempts: u32,
    /// How long until the next repair of the layer is tried in the background; `None` if none has
    /// failed lately.
    pub retry_in: Option<Duration>,
}

/// Why a layer is bypassed for a key.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RepairCause {
    /// The newest write or remove is still on its way: under way right now, or the loser of a race.
    InFlight,
    /// It has not confirmed the newest write or remove, which failed there, or was not tried, or
    /// was dropped.
    Unconfirmed,
    /// The layer confirmed the latest change, but an earlier operation is in doubt: it returned no result and may
    /// still take effect. The confirmed value is served. After 60 seconds a repair verifies it.
    InDoubt,
}
