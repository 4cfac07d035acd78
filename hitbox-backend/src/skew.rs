use hitbox_core::{CacheValue, Stamp};

/// The value with a stamp that later operations can overtake: one of now in the place of none, and of one
/// that is too far ahead to be believed.
pub(crate) fn restamp_if_skewed<T>(value: CacheValue<T>) -> CacheValue<T> {
    if value.created() > Stamp::ZERO && value.created().is_within_drift() {
        value.created().observe();
        value
    } else {
        value.created_at(Stamp::now())
    }
}
