//! What a read says of a miss.

use hitbox_core::{BoxContext, CacheStatus, ResponseSource};

/// Nobody has answered.
pub(super) fn mark_miss(context: &mut BoxContext) {
    context.set_status(CacheStatus::Miss);
    context.set_source(ResponseSource::Upstream);
}
