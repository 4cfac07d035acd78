//! The stream of jobs: parcels, each from one of a few depots to one of a few towns.

use crate::country::CELLS;

const DEPOTS: usize = 6;
const TOWNS: usize = 20;

/// A parcel.
#[derive(Clone, Copy)]
pub(crate) struct Job {
    /// The cell of the depot.
    pub(crate) from: usize,
    /// The cell of the town.
    pub(crate) to: usize,
}

/// The first `count` jobs, the same ones in every run. There are more jobs than routes.
pub(crate) fn jobs(count: u64) -> impl Iterator<Item = Job> {
    let mut random = fastrand::Rng::with_seed(2);
    let depots = [(); DEPOTS].map(|()| random.usize(..CELLS));
    let towns = [(); TOWNS].map(|()| random.usize(..CELLS));
    (0..count).map(move |_| Job {
        from: depots[random.usize(..DEPOTS)],
        to: towns[random.usize(..TOWNS)],
    })
}
