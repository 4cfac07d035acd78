//! A read of L2 for all who take part in it.

use std::{panic::AssertUnwindSafe, sync::Arc};

use futures::FutureExt;
use hitbox_core::{BoxContext, CacheKey, ObjectType, clock::Moment};

use super::{
    Noted,
    under_way::{Answered, Copied, Panic, SharedRead},
};
use crate::composition::{admission::may_be_served, fences::FenceSnapshot, layers::Handle};

/// Reads the key for everybody who joins, and decodes what is found once, if it is going to be the answer.
pub(super) async fn read_for_all<H: Handle>(
    layer: H,
    key: CacheKey,
    snapshot: FenceSnapshot,
    mut context: BoxContext,
    decoded_as: Option<&'static ObjectType>,
) -> Answered {
    let read = async {
        let member = layer.member();
        let mut outcome = member.read(&key, &mut context).await;
        if let (Ok(Some(value)), Some(wanted)) = (&mut outcome, decoded_as)
            && may_be_served(H::LAYER, value, &snapshot, &Moment::default())
        {
            // Readers find out for themselves what cannot be decoded, and tell the layer.
            member.decode_if_possible(value, wanted);
        }
        Copied(outcome, context)
    };
    AssertUnwindSafe(read)
        .catch_unwind()
        .await
        .map_err(Panic::new)
}

/// What a reader has of the read that he has taken part in. If that has panicked, the first one to hear of it panics,
/// as he would have by himself, and the others read for themselves.
pub(super) async fn answer_of<H: Handle>(
    read: Arc<SharedRead>,
    layer: H,
    key: &CacheKey,
    mut context: BoxContext,
) -> Noted {
    match read.answer().await {
        Ok(Copied(outcome, context)) => (outcome, context),
        Err(panic) => {
            panic.go_on();
            let outcome = layer.member().read(key, &mut context).await;
            (outcome, context)
        }
    }
}
