use std::sync::Arc;

use crate::Rejections;

/// What [`InProcess::statistics`](super::InProcess::statistics) shows.
///
/// The counts of evictions and rejections are exact and begin at zero when the backend is built.
/// `entries` and `bytes` also count entries that have expired and are not swept yet: those are not served, but
/// their memory is still in use. Those of moka are as of its last maintenance, which follows reads and writes by up
/// to 64 operations or 0.3 seconds, and does not happen without them;
/// [`run_pending_tasks`](super::InProcess::run_pending_tasks) brings them up to date.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct Statistics {
    /// Entries held.
    pub entries: u64,
    /// Bytes of memory that the entries take, by the measure of
    /// [`Capacity::Bytes`](super::Capacity::Bytes). `None` for a capacity in entries: nothing is
    /// weighed then.
    pub bytes: Option<u64>,
    /// Entries dropped because they had expired. `None` unless the backend was built to
    /// [count them](super::InProcessBuilder::count_evictions).
    pub evicted_expired: Option<u64>,
    /// Live entries dropped because the capacity was reached. `None` as above.
    pub evicted_by_bound: Option<u64>,
    /// Values found that typed access could not serve, each of them a miss, by reason.
    pub rejections: Arc<Rejections>,
}
