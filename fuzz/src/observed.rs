use std::hint::black_box;

use stats_alloc::{INSTRUMENTED_SYSTEM, Region};

const MIB: usize = 1 << 20;

/// What came of one execution of a target.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Observed {
    /// How many times the bytes were read as something.
    pub decoded: u64,
    /// How many times they were refused.
    pub rejected: u64,
    /// The most that one reading has allocated, in bytes. What was freed on the way counts too.
    pub largest_allocation: usize,
}

impl Observed {
    /// What `read` returns.
    ///
    /// # Panics
    ///
    /// If it has allocated more than twice `limit` and 1 MiB.
    pub(crate) fn bounded<T>(&mut self, limit: usize, read: impl FnOnce() -> T) -> T {
        let region = Region::new(&INSTRUMENTED_SYSTEM);
        let outcome = read();
        let allocated = region.change().bytes_allocated;
        assert!(
            allocated <= 2 * limit + MIB,
            "{allocated} bytes allocated under a limit of {limit}"
        );
        self.largest_allocation = self.largest_allocation.max(allocated);
        outcome
    }

    /// Counts one reading.
    pub(crate) fn count<T>(&mut self, outcome: Option<&T>) {
        match outcome {
            Some(_) => self.decoded += 1,
            None => self.rejected += 1,
        }
    }

    /// Adds another execution.
    pub(crate) fn add(&mut self, other: Self) {
        self.decoded += other.decoded;
        self.rejected += other.rejected;
        self.largest_allocation = self.largest_allocation.max(other.largest_allocation);
    }
}

/// Whether this program counts allocations. If not, no bound on them is checked.
#[must_use]
pub fn counts_allocations() -> bool {
    let region = Region::new(&INSTRUMENTED_SYSTEM);
    drop(black_box(vec![0_u8; 64]));
    region.change().bytes_allocated >= 64
}
