/// What [`MokaBackend::statistics`](crate::MokaBackend::statistics) shows.
///
/// The counts of evictions and rejections are exact and begin at zero when the backend is built.
/// `entries` and `bytes` are as of moka's last maintenance, which follows reads and writes by up to
/// 64 operations or 0.3 seconds, and does not happen without them;
/// [`run_pending_tasks`](crate::MokaBackend::run_pending_tasks) brings them up to date. Until then
/// they also count entries that have expired: those are not served, but their memory is still in
/// use.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub struct MokaStatistics {
    /// Entries held.
    pub entries: u64,
    /// Bytes of memory that the entries take, by the measure of
    /// [`Capacity::Bytes`](crate::Capacity::Bytes). `None` for a capacity in entries: nothing is
    /// weighed then.
    pub bytes: Option<u64>,
    /// What was evicted. `None` unless the backend was built to
    /// [count it](crate::MokaBackendBuilder::count_evictions).
    pub evictions: Option<EvictionCounts>,
    /// Values found that typed access could not serve, each of them a miss;
    /// [`MokaBackend::rejections`](crate::MokaBackend::rejections) tells them apart by reason.
    pub rejections: u64,
}

/// How many entries were dropped that nobody had asked to drop, by cause.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct EvictionCounts {
    /// Because they had expired.
    pub expired: u64,
    /// Live ones, because the capacity was reached.
    pub size: u64,
}
