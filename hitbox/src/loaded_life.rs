use std::time::Duration;

use chrono::{DateTime, Utc};

/// What a loader says of the life of what it returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum LoadedLife {
    AsSet,
    For(Duration),
    Until(DateTime<Utc>),
}
