//! Values that are judged by their tags, by whatever is on top of a backend.
//!
//! Tags are [metadata](crate::Meta) of a value, and a backend does nothing with them but keep them. What is invalidated by
//! a tag is left where it is: a [`Judge`] says of each value, when it is found, what has become of it. [`Judged`] is a
//! backend that is asked in this way.

mod judged;
mod shared;

use futures::future::BoxFuture;
use hitbox_core::{CacheValue, Raw};

use crate::{Backend, Invalidations};

pub use judged::Judged;
pub use shared::{
    FoundTags, Invalidated, Severity, SharedTags, TagEar, TagHearing, TagMarks, TagStore,
};

/// Says what has become of the values that a backend answers with.
pub trait Judge: Send + Sync {
    /// What has become of the value, as far as that is known without waiting.
    fn judge(&self, value: &CacheValue<Raw>) -> Verdict;

    /// What has become of these, each of which was [unknown](Verdict::Unknown), as far as the backend knows. One that
    /// stays so is a miss.
    fn find_out<'a>(
        &'a self,
        backend: &'a dyn Backend,
        values: Vec<&'a CacheValue<Raw>>,
    ) -> BoxFuture<'a, Vec<Verdict>>;

    /// What has invalidated every key.
    fn of_every_key(&self) -> Invalidations;
}

/// What has become of a value.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub enum Verdict {
    /// It is as it was stored.
    Valid,
    /// It is stale, whatever its own stale time.
    Stale,
    /// It is gone: a miss.
    Gone,
    /// The judge has to [find out](Judge::find_out). If he cannot, it is a miss.
    Unknown,
}
