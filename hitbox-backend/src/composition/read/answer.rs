//! What the caller of a read gets to see.

use hitbox_core::{BoxContext, CacheStatus, CacheValue, Raw, ResponseSource, clock::Moment};

use super::SourcePaths;
use crate::{ReadOutcome, composition::miss::mark_miss};

/// Makes an outcome what the caller gets to see of it: a value, if that is still live. `context` is that of the
/// layer that answered.
#[inline]
pub(in crate::composition) fn answer(
    paths: &SourcePaths,
    context: &mut BoxContext,
    outcome: &mut ReadOutcome,
    moment: &Moment,
) {
    let Ok(found) = outcome else {
        return;
    };
    let Some(live) = found.as_ref().filter(|value| !value.is_expired_at(moment)) else {
        mark_miss(context);
        *found = None;
        return;
    };
    let source = match context.source() {
        ResponseSource::Backend(layer) => paths.to(layer),
        // A policy that made up a context of its own.
        ResponseSource::Upstream => paths.label().clone(),
    };
    context.set_source(ResponseSource::Backend(source));
    context.set_status(status_of(live, moment));
}

/// Brings an answer up to date that others have been waited for since: what has expired is a miss.
pub(in crate::composition) fn recheck(
    found: &mut Option<CacheValue<Raw>>,
    context: Option<&mut BoxContext>,
    moment: &Moment,
) {
    let Some(value) = found else {
        return;
    };
    if value.is_expired_at(moment) {
        context.into_iter().for_each(mark_miss);
        *found = None;
    } else if let Some(context) = context {
        context.set_status(status_of(value, moment));
    }
}

#[inline]
fn status_of(value: &CacheValue<Raw>, moment: &Moment) -> CacheStatus {
    if value.is_stale_at(moment) {
        CacheStatus::Stale
    } else {
        CacheStatus::Hit
    }
}
