use std::time::{Duration, Instant};

use hitbox_core::{CacheKey, CacheValue, Raw};
use moka::Expiry;

/// Tells moka to drop an entry when its value expires.
///
/// [`CacheValue::remaining`] is zero, not negative, for a value that expired on its way here, and `None`
/// only for one that never expires: the same two meanings that moka gives to what is returned.
#[derive(Debug)]
pub(crate) struct RemainingLife;

impl Expiry<CacheKey, CacheValue<Raw>> for RemainingLife {
    fn expire_after_create(
        &self,
        _key: &CacheKey,
        value: &CacheValue<Raw>,
        _created_at: Instant,
    ) -> Option<Duration> {
        value.remaining()
    }

    // moka's default would let the new value inherit what was left of the old one's life.
    fn expire_after_update(
        &self,
        _key: &CacheKey,
        value: &CacheValue<Raw>,
        _updated_at: Instant,
        _life_of_old_value: Option<Duration>,
    ) -> Option<Duration> {
        value.remaining()
    }
}
