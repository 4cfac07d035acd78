//! Counts that threads add to without waiting for each other.

use std::{
    array, fmt,
    sync::atomic::{AtomicU64, AtomicUsize, Ordering},
};

/// More than threads of one process usually serve requests. Where there are more, some share a stripe: that takes time, and
/// loses no count.
const STRIPES: usize = 32;

static NEXT: AtomicUsize = AtomicUsize::new(0);

thread_local! {
    /// The number of this thread among those that have counted: each of the first ones has a stripe to itself.
    static NUMBER: usize = NEXT.fetch_add(1, Ordering::Relaxed);
}

/// `N` counts, each in as many parts as there are stripes.
pub(super) struct Striped<const N: usize> {
    stripes: [Stripe<N>; STRIPES],
}

/// What one thread counts. Two cache lines, since processors fetch them in pairs: no two stripes are fetched together.
#[repr(align(128))]
struct Stripe<const N: usize>([AtomicU64; N]);

impl<const N: usize> Striped<N> {
    /// Adds one to a count.
    #[inline]
    pub(super) fn add(&self, count: usize) {
        let stripe = NUMBER.with(|number| number % STRIPES);
        // A count by itself: it orders nothing.
        self.stripes[stripe].0[count].fetch_add(1, Ordering::Relaxed);
    }

    /// A count.
    pub(super) fn get(&self, count: usize) -> u64 {
        let parts = self.stripes.iter().map(|stripe| &stripe.0[count]);
        parts.map(|part| part.load(Ordering::Relaxed)).sum()
    }
}

impl<const N: usize> Default for Striped<N> {
    fn default() -> Self {
        Self {
            stripes: array::from_fn(|_| Stripe(array::from_fn(|_| AtomicU64::new(0)))),
        }
    }
}

impl<const N: usize> fmt::Debug for Striped<N> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_list()
            .entries((0..N).map(|count| self.get(count)))
            .finish()
    }
}

#[cfg(test)]
mod tests {
    use std::{collections::HashSet, sync::Barrier, thread};

    use super::*;

    #[test]
    fn no_count_is_lost_between_more_threads_than_stripes() {
        const THREADS: usize = 2 * STRIPES + 1;
        const EACH: u64 = 1_000;
        let counts = Striped::<3>::default();
        let together = Barrier::new(THREADS);
        thread::scope(|scope| {
            for _ in 0..THREADS {
                scope.spawn(|| {
                    together.wait();
                    for _ in 0..EACH {
                        counts.add(0);
                        counts.add(2);
                    }
                });
            }
        });
        let expected = THREADS as u64 * EACH;
        assert_eq!(
            [0, 1, 2].map(|count| counts.get(count)),
            [expected, 0, expected]
        );
    }

    #[test]
    fn each_thread_has_a_number_of_its_own() {
        let numbers = (0..STRIPES).map(|_| thread::spawn(|| NUMBER.with(|number| *number)));
        let numbers: Vec<_> = numbers.collect();
        let numbers = numbers.into_iter().map(|thread| thread.join().unwrap());
        assert_eq!(numbers.collect::<HashSet<_>>().len(), STRIPES);
    }

    #[test]
    fn no_two_stripes_are_in_one_pair_of_lines() {
        assert_eq!(size_of::<Stripe<10>>() % 128, 0);
        assert_eq!(align_of::<Stripe<10>>(), 128);
    }
}
