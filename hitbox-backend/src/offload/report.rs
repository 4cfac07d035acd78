use hitbox_core::OffloadKey;

/// Where every future given to an [`OffloadManager`](super::OffloadManager) is or ended.
///
/// The fields add up to the number of registrations.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct OffloadStatistics {
    /// Waiting for a free slot now.
    pub pending: usize,
    /// Running now.
    pub running: usize,
    /// Not due yet.
    pub deferred: usize,
    /// Ran to its end.
    pub completed: u64,
    /// Dropped on registration: work with the same key was pending or running.
    pub deduplicated: u64,
    /// Dropped on registration: as many as allowed were pending.
    pub rejected_full: u64,
    /// Dropped on registration: the manager was closed.
    pub rejected_closed: u64,
    /// Dropped while running, at its time limit.
    pub timed_out: u64,
    /// Ended in a panic.
    pub panicked: u64,
    /// Dropped, deferred, pending or running, at the deadline of `close` or with the runtime.
    pub abandoned: u64,
}

/// What [`OffloadManager::close`](super::OffloadManager::close) did, and what it did not do.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
#[non_exhaustive]
pub struct CloseReport {
    /// How many futures have run to their end since the manager was closed.
    pub completed: u64,
    /// The key of every future that was deferred, pending or running when the manager was closed and did not
    /// run to its end: not started, dropped at the deadline, timed out, or ended in a panic. In no
    /// particular order.
    pub unfinished: Vec<OffloadKey>,
}

impl CloseReport {
    /// Whether all work ran to its end.
    #[must_use]
    pub fn is_complete(&self) -> bool {
        self.unfinished.is_empty()
    }
}
