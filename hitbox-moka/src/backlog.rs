use std::sync::atomic::{AtomicU64, Ordering};

/// Counts the bytes written since moka last looked at its capacity.
///
/// moka lets writes in at once and evicts later, when 64 to 384 of them wait or 300 ms have passed. That
/// is little memory for small values and far more than the capacity for large ones, so under a
/// capacity in bytes the backend does not wait for moka once a fixed share of it has been written.
#[derive(Debug)]
pub(crate) struct Backlog {
    written: AtomicU64,
    limit: u64,
}

impl Backlog {
    /// One thirty-second of the capacity: little memory beside what was asked for, while the
    /// cost of looking is still spread over many writes.
    const SHARE: u64 = 32;

    pub(crate) const fn new(max_bytes: u64) -> Self {
        Self {
            written: AtomicU64::new(0),
            limit: max_bytes / Self::SHARE,
        }
    }

    /// Adds a write. True if it is time to let moka evict, which starts the count anew.
    pub(crate) fn add(&self, weight: u64) -> bool {
        // Relaxed: the count guards nothing. Writers that pass the limit together each evict,
        // which does no harm.
        let before = self.written.fetch_add(weight, Ordering::Relaxed);
        let due = before.saturating_add(weight) > self.limit;
        if due {
            self.written.store(0, Ordering::Relaxed);
        }
        due
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn due_once_per_share_of_the_capacity() {
        let backlog = Backlog::new(3_200);
        assert!(!backlog.add(60));
        assert!(!backlog.add(40));
        assert!(backlog.add(1));
        assert!(!backlog.add(100));
        assert!(backlog.add(1_000));
    }
}
