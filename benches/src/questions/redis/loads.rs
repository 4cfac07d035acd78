//! Many keys at a time, half of which are nowhere and are loaded by one call.

use std::{rc::Rc, sync::Arc, time::Duration};

use hitbox::{Batch, Cache, Keyspace};
use hitbox_backend::{Backend, CacheBackend, Compose};
use hitbox_core::CacheKey;

use super::{background, bulk::number, client::Stage, moka_over};
use crate::{
    Case, Contest, Counts, Extent, Failure, Runner, Target, Unit,
    bodies::{self, Body, Size, Text},
    questions::in_l1::MANY,
    runtime,
    sampling::Sample,
};

const USERS: Keyspace<u64, Text> = Keyspace::new("users", 1);

const SIZE: Size = Size::ONE_KB;

const LIFE: Duration = Duration::from_secs(3_600);

/// Of the keys, the second half is missing.
const THERE: usize = MANY / 2;

/// moka over Redis. Before each operation it has half of the keys.
fn layers(stage: &Stage) -> Result<(Arc<dyn Backend>, Vec<CacheKey>), Failure> {
    let l2 = stage.backend()?;
    let l1 = moka_over(10_000, &l2)?;
    let background = background(&stage.runtime)?;
    let keys = (0..MANY as u64).map(|id| USERS.key(id).into());
    Ok((Arc::new(l1.compose(l2, background)), keys.collect()))
}

fn halved(stage: &Stage, runner: Runner, layers: Arc<dyn Backend>, keys: Vec<CacheKey>) -> Runner {
    let runtime = Rc::clone(&stage.runtime);
    let expiry = bodies::expiry();
    runner.prepared(1, move || {
        runtime.block_on(async {
            for (id, key) in (0..).zip(&keys[..THERE]) {
                let body = Arc::new(Text::new(id, SIZE));
                layers.set(key, bodies::value(&body, expiry)).await?;
            }
            for outcome in layers.delete_many(&keys[THERE..]).await {
                outcome?;
            }
            Ok(())
        })
    })
}

fn ours(stage: &Stage) -> Result<Runner, Failure> {
    let (layers, keys) = layers(stage)?;
    let cache = Cache::builder(Arc::clone(&layers)).ttl(LIFE).build()?;
    let runner = Runner::repeating(&stage.runtime, async move || {
        let load = |mut missing: Batch<u64, Text>| async move {
            for id in missing.ids().to_vec() {
                missing.found(id, Text::new(id, SIZE));
            }
            Ok::<_, Failure>(missing)
        };
        for value in cache.get_many_or_load(&USERS, 0..MANY as u64, load).await {
            std::hint::black_box(&value?);
        }
        // Who has waited for a load has not waited for its values to be stored.
        cache.drain().await;
        Ok(())
    });
    Ok(halved(stage, runner, layers, keys))
}

/// With the backend alone.
fn by_hand(stage: &Stage) -> Result<Runner, Failure> {
    let (layers, keys) = layers(stage)?;
    let (asked, expiry) = (Arc::clone(&layers), bodies::expiry());
    let all = keys.clone();
    let runner = Runner::repeating(&stage.runtime, async move || {
        let keys: Vec<CacheKey> = (0..MANY as u64).map(|id| USERS.key(id).into()).collect();
        let found = asked.get_many::<Text>(&keys).await;
        let mut loaded = Vec::new();
        for ((id, key), found) in (0..).zip(keys).zip(found) {
            match found? {
                Some(value) => _ = std::hint::black_box(value),
                None => {
                    let body = Arc::new(Text::new(id, SIZE));
                    loaded.push((key, bodies::value(&body, expiry)));
                }
            }
        }
        for outcome in asked.set_many(loaded).await {
            outcome?;
        }
        Ok(())
    });
    Ok(halved(stage, runner, layers, all))
}

/// What the server is asked by one call.
#[derive(Clone, Copy)]
enum Asked {
    Mget,
    KeysOfMget,
    Sets,
}

impl Asked {
    const EACH: [Self; 3] = [Self::Mget, Self::KeysOfMget, Self::Sets];

    const fn name(self) -> &'static str {
        match self {
            Self::Mget => "MGETs",
            Self::KeysOfMget => "keys asked for",
            Self::Sets => "SETs",
        }
    }

    const fn figures(self) -> &'static [&'static str] {
        match self {
            Self::Mget => &["cmdstat_mget:calls="],
            Self::KeysOfMget => &["keyspace_hits:", "keyspace_misses:"],
            Self::Sets => &["cmdstat_set:calls="],
        }
    }

    const fn expected(self) -> usize {
        match self {
            Self::Mget => 1,
            Self::KeysOfMget | Self::Sets => MANY - THERE,
        }
    }

    fn counted(self, extent: Extent) -> Result<Vec<Sample>, Failure> {
        let samples = match extent {
            Extent::Quick => 3,
            Extent::Full => 10,
        };
        let stage = Stage::new(runtime()?)?;
        let observer = stage.raw()?;
        let mut ours = ours(&stage)?;
        let look = || {
            stage.runtime.block_on(async {
                let mut command = redis::cmd("INFO");
                command.arg("everything");
                let mut connection = observer.connection.clone();
                let told: String = command.query_async(&mut connection).await?;
                let figures = self.figures().iter();
                figures
                    .map(|figure| number(&told, figure))
                    .sum::<Result<f64, Failure>>()
            })
        };
        let sample = |_| {
            ours.prepare()?;
            let before: f64 = look()?;
            ours.run(1)?;
            let after: f64 = look()?;
            Ok(Sample {
                ours: after - before,
                floor: Some(self.expected() as f64),
            })
        };
        (0..samples).map(sample).collect()
    }
}

pub(super) fn cases() -> Vec<Case> {
    let what = format!("bulk/get_many_or_load of {MANY}, half of them missing");
    let timed = Case::contest(
        format!("{what}, against get_many and set_many/{SIZE}"),
        || {
            let stage = Stage::new(runtime()?)?;
            Ok(Contest::between(ours(&stage)?, by_hand(&stage)?))
        },
    );
    let timed = timed.counts(Counts::Nothing).target(Target::at_most(1.15));
    let counted = Asked::EACH.map(|asked| {
        let name = format!("{what}/{}", asked.name());
        let case = Case::measured(name, Unit::Count, move |extent| asked.counted(extent));
        case.target(Target::exactly())
    });
    let cases = [timed].into_iter().chain(counted);
    cases.map(Case::quick).collect()
}
