use std::sync::Arc;

use hitbox_backend::Rejections;

/// What a [`RedisBackend`](crate::RedisBackend) has seen since it was built. A snapshot, taken
/// without I/O.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Connections opened. More than one (in a cluster: than there are nodes): earlier ones broke,
    /// or stopped answering, or something had to be read on a connection of its own.
    pub connections_opened: u64,
    /// By how many milliseconds the server's clock was ahead of this process's when the last
    /// connection was opened; negative if it was behind, `None` if it is not known. In a cluster, of
    /// the node that is furthest ahead.
    pub clock_skew_millis: Option<i64>,
    /// Stored bytes that were not served, by reason.
    pub rejections: Arc<Rejections>,
}
