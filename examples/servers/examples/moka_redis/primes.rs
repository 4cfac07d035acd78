//! The expensive part: what there is to say about the primes up to a number.

use serde::{Deserialize, Serialize};

/// A sieve takes a byte for each number.
pub(crate) const LARGEST_LIMIT: usize = 10_000_000;

#[derive(Debug, Default, Serialize, Deserialize)]
pub(crate) struct Report {
    limit: usize,
    primes: u64,
    sum: u64,
    largest: Option<usize>,
    /// Pairs of primes that are two apart.
    twins: u64,
    /// The largest distance between two neighbours.
    widest_gap: usize,
}

impl Report {
    pub(crate) fn up_to(limit: usize) -> Self {
        let mut report = Self {
            limit,
            ..Self::default()
        };
        for prime in primes_up_to(limit) {
            let gap = report.largest.map_or(0, |previous| prime - previous);
            report.primes += 1;
            report.sum += prime as u64;
            report.twins += u64::from(gap == 2);
            report.widest_gap = report.widest_gap.max(gap);
            report.largest = Some(prime);
        }
        report
    }
}

/// The sieve of Eratosthenes.
fn primes_up_to(limit: usize) -> impl Iterator<Item = usize> {
    let mut is_prime = vec![true; limit + 1];
    for number in 2..=limit.isqrt() {
        if is_prime[number] {
            for multiple in (number * number..=limit).step_by(number) {
                is_prime[multiple] = false;
            }
        }
    }
    (2..=limit).filter(move |number| is_prime[*number])
}
