//! What does a typed hit in process cost?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{
    Backend, BackendExt, CacheBackend, Compose, CompositionPolicy, ParallelReadPolicy,
    RaceReadPolicy,
};
use hitbox_core::{CacheKey, DisabledOffload};
use tokio::runtime::Runtime;

use super::{
    arrangement::{fill, fill_raw, hit, moka, quick_cache, raw_hits, typed_hits},
    get_or_load, popular,
};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{Binary, Body, Size, Text},
    floor::{raw_moka, store_of_moka, store_of_quick_cache},
    keys::{self, Order},
    runtime,
};

const ENTRIES: u64 = 10_000;

/// How moka, or `quick_cache`, is arranged, and what a hit is to cost then.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Arrangement {
    Alone,
    Fenced,
    Sequential,
    SequentialDyn,
    ThreeLevelsInL2,
    ThreeLevelsInL1,
    /// Without a loser: an L1 that does not have to be waited for has won before L2 is asked. With one
    /// that has, see the question about Redis.
    Race,
    Parallel,
    QuickCacheAlone,
    QuickCacheSequential,
}

impl Arrangement {
    const ALL: [Self; 10] = [
        Self::Alone,
        Self::Fenced,
        Self::Sequential,
        Self::SequentialDyn,
        Self::ThreeLevelsInL2,
        Self::ThreeLevelsInL1,
        Self::Race,
        Self::Parallel,
        Self::QuickCacheAlone,
        Self::QuickCacheSequential,
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Alone => "moka alone",
            Self::Fenced => "moka alone, fenced",
            Self::Sequential => "sequential",
            Self::SequentialDyn => "sequential, Arc<dyn Backend>",
            Self::ThreeLevelsInL2 => "sequential, moka+(moka+moka)",
            Self::ThreeLevelsInL1 => "sequential, (moka+moka)+moka",
            Self::Race => "race, L1 hit",
            Self::Parallel => "parallel, both hit",
            Self::QuickCacheAlone => "quick_cache alone",
            Self::QuickCacheSequential => "sequential, quick_cache+moka",
        }
    }

    const fn target(self) -> Target {
        match self {
            Self::Alone => Target::at_most(1.25).allocations(1),
            Self::Fenced => Target::at_most(1.3).allocations(1),
            Self::Sequential => Target::at_most(1.4).allocations(1),
            Self::SequentialDyn | Self::ThreeLevelsInL2 | Self::ThreeLevelsInL1 => {
                Target::at_most(1.8)
            }
            Self::Race => Target::at_most(2.5),
            Self::Parallel => Target::at_most(3.0).allocations(4),
            Self::QuickCacheAlone => Target::at_most(0.45).allocations(0),
            Self::QuickCacheSequential => Target::at_most(0.75).allocations(0),
        }
    }

    fn hits<T: Body>(self, runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
        let moka = || moka(ENTRIES);
        let pair = || Ok::<_, Failure>(moka()?.compose(moka()?, DisabledOffload));
        match self {
            Self::Alone => typed_hits::<T>(runtime, moka()?, size),
            Self::Fenced => typed_hits::<T>(runtime, moka()?.fenced(), size),
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
                let policy = CompositionPolicy::new().read(RaceReadPolicy::new());
                let cache = moka()?.compose_with(moka()?, DisabledOffload, policy);
                typed_hits::<T>(runtime, cache, size)
            }
            Self::QuickCacheAlone => typed_hits::<T>(runtime, quick_cache(ENTRIES)?, size),
            Self::QuickCacheSequential => {
                let cache = quick_cache(ENTRIES)?.compose(moka()?, DisabledOffload);
                typed_hits::<T>(runtime, cache, size)
            }
            Self::Parallel => {
                let policy = CompositionPolicy::new().read(ParallelReadPolicy::new());
                let cache = moka()?.compose_with(moka()?, DisabledOffload, policy);
                typed_hits::<T>(runtime, cache, size)
            }
        }
    }
}

/// A key made for each read, as most services do: ours with its parts and its hash, the floor's with
/// its text. Elsewhere they are ready, and the floor alone hashes at each read.
fn with_key_made<T: Body>(size: Size) -> Case {
    let name = format!(
        "hit/sequential, key made for each read/{size} {}/{} keys",
        T::NAME,
        keys::HOT
    );
    Case::contest(name, move || {
        let runtime = runtime()?;
        let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
        fill::<T>(&runtime, &cache, keys::HOT, size)?;
        let raw = raw_moka(ENTRIES);
        fill_raw::<T>(&runtime, &raw, keys::HOT, size)?;
        let mut order = Order::even(keys::HOT);
        let mut raw_order = order.clone();
        let ours = Runner::repeating(&runtime, async move || {
            hit::<T>(&cache, &keys::key(order.advance())).await
        });
        let floor = Runner::repeating(&runtime, async move || {
            let key: Arc<str> = keys::joined(raw_order.advance()).into();
            let found = raw.get(&key).await;
            std::hint::black_box(&found.ok_or("a miss")?);
            Ok(())
        });
        Ok(Contest::between(ours, floor))
    })
}

/// Many keys at a time. The floor: as many gets, one after another.
fn many<T: Body>(size: Size) -> Case {
    const MANY: usize = 100;
    let name = format!("hit/get_many of {MANY}, sequential/{size} {}", T::NAME);
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
        fill::<T>(&runtime, &cache, MANY, size)?;
        let keys = keys::keys(MANY);
        let ours = Runner::repeating(&runtime, async move || {
            for outcome in cache.get_many::<T>(&keys).await {
                std::hint::black_box(&outcome?.ok_or("a miss")?);
            }
            Ok(())
        });
        let raw = raw_moka(ENTRIES);
        fill_raw::<T>(&runtime, &raw, MANY, size)?;
        let texts = keys::texts(MANY);
        let floor = Runner::repeating(&runtime, async move || {
            for text in &texts {
                std::hint::black_box(&raw.get(text).await.ok_or("a miss")?);
            }
            Ok(())
        });
        Ok(Contest::between(ours, floor))
    });
    case.target(Target::at_most(1.2))
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

/// What of a hit alone is the store's own look-up, by our key and with nothing but the object in the entry.
fn looked_up<T: Body>(
    runtime: &Rc<Runtime>,
    size: Size,
    insert: impl Fn(CacheKey, Arc<T>),
    get: impl Fn(&CacheKey) -> Option<Arc<T>> + 'static,
) -> Runner {
    let (keys, mut order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
    for (id, index) in (0..).zip(0..keys::HOT) {
        insert(keys::key(index), Arc::new(T::new(id, size)));
    }
    Runner::repeating(runtime, async move || {
        std::hint::black_box(&get(&keys[order.advance()]).ok_or("a miss")?);
        Ok(())
    })
}

/// Without targets: those are for what comes on top.
fn look_ups<T: Body>(size: Size) -> [Case; 2] {
    let name = |store| {
        let (body, keys) = (T::NAME, keys::HOT);
        format!("hit/the look-up of {store} by itself/{size} {body}/{keys} keys")
    };
    let of_moka = Case::contest(name("moka"), move || {
        let (runtime, store) = (runtime()?, store_of_moka(ENTRIES));
        let inserted = store.clone();
        let insert = move |key, object| inserted.insert(key, object);
        let ours = looked_up::<T>(&runtime, size, insert, move |key| store.get(key));
        Ok(Contest::between(ours, raw_hits::<T>(&runtime, size)?))
    });
    let of_quick_cache = Case::contest(name("quick_cache"), move || {
        let (runtime, store) = (runtime()?, Rc::new(store_of_quick_cache(10_000)));
        let inserted = Rc::clone(&store);
        let insert = move |key, object| inserted.insert(key, object);
        let ours = looked_up::<T>(&runtime, size, insert, move |key| store.get(key));
        Ok(Contest::between(ours, raw_hits::<T>(&runtime, size)?))
    });
    [of_moka, of_quick_cache]
}

/// Every arrangement with every size and type of body.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for arrangement in Arrangement::ALL {
        for size in Size::USUAL {
            let text = case::<Text>(arrangement, size);
            cases.push(text.quick_at(size));
            cases.push(case::<Binary>(arrangement, size));
        }
    }
    cases.push(with_key_made::<Text>(Size::ONE_KB).quick());
    cases.push(many::<Text>(Size::ONE_KB).quick());
    cases.extend(look_ups::<Text>(Size::ONE_KB).map(Case::quick));
    cases.extend(get_or_load::cases());
    cases.extend(popular::cases());
    cases
}
