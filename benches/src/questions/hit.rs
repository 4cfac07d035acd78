//! What does a typed hit in process cost?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{
    Backend, Compose, CompositionPolicy, ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy,
};
use hitbox_core::DisabledOffload;
use tokio::runtime::Runtime;

use super::{
    arrangement::{background, moka, raw_hits, typed_hits},
    popular,
};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{Binary, Body, Size, Text},
    keys, runtime,
};

const ENTRIES: u64 = 10_000;

/// How moka is arranged, and what a hit is to cost then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrangement {
    Alone,
    Sequential,
    SequentialDyn,
    ThreeLevelsInL2,
    ThreeLevelsInL1,
    Race,
    RaceInBackground,
    Parallel,
}

impl Arrangement {
    const ALL: [Self; 8] = [
        Self::Alone,
        Self::Sequential,
        Self::SequentialDyn,
        Self::ThreeLevelsInL2,
        Self::ThreeLevelsInL1,
        Self::Race,
        Self::RaceInBackground,
        Self::Parallel,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Alone => "moka alone",
            Self::Sequential => "sequential",
            Self::SequentialDyn => "sequential, Arc<dyn Backend>",
            Self::ThreeLevelsInL2 => "sequential, moka+(moka+moka)",
            Self::ThreeLevelsInL1 => "sequential, (moka+moka)+moka",
            Self::Race => "race, loser dropped",
            Self::RaceInBackground => "race, loser to the background",
            Self::Parallel => "parallel, both hit",
        }
    }

    const fn target(self) -> Target {
        match self {
            Self::Alone => Target::at_most(1.25).allocations(1),
            Self::Sequential => Target::at_most(1.4).allocations(1),
            Self::SequentialDyn | Self::ThreeLevelsInL2 | Self::ThreeLevelsInL1 => {
                Target::at_most(1.8)
            }
            Self::Race | Self::RaceInBackground => Target::at_most(2.5),
            Self::Parallel => Target::at_most(3.0).allocations(4),
        }
    }

    fn hits<T: Body>(self, runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
        let moka = || moka(ENTRIES);
        let pair = || Ok::<_, Failure>(moka()?.compose(moka()?, DisabledOffload));
        match self {
            Self::Alone => typed_hits::<T>(runtime, moka()?, size),
            Self::Sequential => typed_hits::<T>(runtime, pair()?, size),
            Self::SequentialDyn => {
                let cache: Arc<dyn Backend> = Arc::new(pair()?);
                typed_hits::<T>(runtime, cache, size)
            }
            Self::ThreeLevelsInL2 => {
                typed_hits::<T>(runtime, moka()?.compose(pair()?, DisabledOffload), size)
            }
            Self::ThreeLevelsInL1 => {
                typed_hits::<T>(runtime, pair()?.compose(moka()?, DisabledOffload), size)
            }
            Self::Race => {
                let race = RaceReadPolicy::new().loser(RaceLoserPolicy::Drop);
                let policy = CompositionPolicy::new().read(race);
                let cache = moka()?.compose_with(moka()?, DisabledOffload, policy);
                typed_hits::<T>(runtime, cache, size)
            }
            Self::RaceInBackground => race_in_background::<T>(runtime, size),
            Self::Parallel => {
                let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
                let cache = moka()?.compose_with(moka()?, DisabledOffload, policy);
                typed_hits::<T>(runtime, cache, size)
            }
        }
    }
}

/// What the caller of a race with default settings waits for. The losers run between the chunks.
fn race_in_background<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let background = background(runtime)?;
    let policy = CompositionPolicy::new().read(RaceReadPolicy::new());
    let cache = moka(ENTRIES)?.compose_with(moka(ENTRIES)?, background.clone(), policy);
    let hits = typed_hits::<T>(runtime, cache, size)?;
    let runtime = Rc::clone(runtime);
    Ok(hits.prepared(64, move || {
        runtime.block_on(background.drain());
        Ok(())
    }))
}

fn case<T: Body>(arrangement: Arrangement, size: Size) -> Case {
    let name = format!(
        "hit/{}/{size} {}/{} keys",
        arrangement.name(),
        T::NAME,
        keys::HOT
    );
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let ours = arrangement.hits::<T>(&runtime, size)?;
        Ok(Contest::between(ours, raw_hits::<T>(&runtime, size)?))
    });
    case.target(arrangement.target())
}

/// Every arrangement with every size and type of body.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for arrangement in Arrangement::ALL {
        for size in Size::USUAL {
            let text = case::<Text>(arrangement, size);
            cases.push(if size == Size::ONE_KB {
                text.quick()
            } else {
                text
            });
            cases.push(case::<Binary>(arrangement, size));
        }
    }
    cases.extend(popular::cases());
    cases
}
