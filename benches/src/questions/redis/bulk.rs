//! Reads of many keys at a time: those that L1 does not hold, and no others, are to be asked for.

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, Compose};
use hitbox_core::CacheKey;

use super::{background, client::Stage, empty, moka};
use crate::{
    Case, Contest, Counts, Extent, Failure, Runner, Target, Unit,
    bodies::{self, Body, Size, Text},
    floor::raw_moka,
    keys, runtime,
    sampling::Sample,
};

/// Keys of one read.
const MANY: usize = 100;

/// How many of them L1 holds.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum InL1 {
    None,
    Half,
    All,
}

impl InL1 {
    const fn name(self) -> &'static str {
        match self {
            Self::None => "none in L1",
            Self::Half => "half in L1",
            Self::All => "all in L1",
        }
    }

    /// Those it holds are the first.
    const fn count(self) -> usize {
        match self {
            Self::None => 0,
            Self::Half => MANY / 2,
            Self::All => MANY,
        }
    }
}

/// Reads all keys at once. Before each, L1 is made to hold what it is to hold.
fn ours<T: Body>(stage: &Stage, held: InL1, size: Size) -> Result<Runner, Failure> {
    let background = background(&stage.runtime)?;
    let l1 = moka(10_000)?;
    let cache = l1.clone().compose(stage.backend()?, background.clone());
    stage.fill::<T>(cache.l2(), size)?;
    let keys: Rc<[CacheKey]> = keys::keys(MANY).into();
    let copied = Rc::clone(&keys);
    let body = Arc::new(T::new(0, size));
    let runner = Runner::repeating(&stage.runtime, async move || {
        for outcome in cache.read_many(&keys).await {
            std::hint::black_box(&outcome?.ok_or("a miss")?);
        }
        Ok(())
    });
    let runtime = Rc::clone(&stage.runtime);
    Ok(runner.prepared(1, move || {
        runtime.block_on(async {
            background.drain().await;
            empty(&l1);
            for key in &copied[..held.count()] {
                l1.set(key, bodies::value(&body, bodies::expiry())).await?;
            }
            l1.run_pending_tasks();
            Ok(())
        })
    }))
}

/// MGET of those that L1 does not hold.
fn mget<T: Body>(stage: &Stage, held: InL1, size: Size) -> Result<Runner, Failure> {
    let client = stage.raw()?;
    client.fill::<T>(&stage.runtime, size)?;
    let runner = Runner::repeating(&stage.runtime, async move || {
        let mut command = redis::cmd("MGET");
        for name in &client.names[held.count()..MANY] {
            command.arg(name);
        }
        let mut connection = client.connection.clone();
        let found: Vec<Option<Vec<u8>>> = command.query_async(&mut connection).await?;
        for value in found {
            std::hint::black_box(&value.ok_or("a miss")?);
        }
        Ok(())
    });
    Ok(runner.prepared(1, || Ok(())))
}

/// As many raw reads of moka, where there is nothing to ask the server for.
fn raw_gets<T: Body>(stage: &Stage, size: Size) -> Result<Runner, Failure> {
    let cache = raw_moka(10_000);
    let keys = keys::texts(MANY);
    super::super::arrangement::fill_raw::<T>(&stage.runtime, &cache, &keys, size)?;
    let runner = Runner::repeating(&stage.runtime, async move || {
        for key in &keys {
            std::hint::black_box(&cache.get(key).await.ok_or("a miss")?);
        }
        Ok(())
    });
    Ok(runner.prepared(1, || Ok(())))
}

fn timed(held: InL1, size: Size) -> Case {
    let floor = match held {
        InL1::None | InL1::Half => "MGET",
        InL1::All => "raw moka",
    };
    let name = format!(
        "bulk/read_many of {MANY}, {}, against {floor}/{size}",
        held.name()
    );
    let case = Case::contest(name, move || {
        let stage = Stage::new(runtime()?)?;
        let floor = match held {
            InL1::None | InL1::Half => mget::<Text>(&stage, held, size)?,
            InL1::All => raw_gets::<Text>(&stage, size)?,
        };
        Ok(Contest::between(ours::<Text>(&stage, held, size)?, floor))
    });
    let case = case.counts(Counts::Nothing);
    let case = match held {
        InL1::None | InL1::Half => case.target(Target::at_most(1.2)),
        InL1::All => case,
    };
    super::quick(case, size)
}

/// How many keys the server is asked for, in how many commands: `keyspace_hits` and calls.
fn asked(held: InL1, figure: &'static str, extent: Extent) -> Result<Vec<Sample>, Failure> {
    let samples = match extent {
        Extent::Quick => 3,
        Extent::Full => 10,
    };
    let stage = Stage::new(runtime()?)?;
    let observer = stage.raw()?;
    let mut ours = ours::<Text>(&stage, held, Size::ONE_KB)?;
    let look = || {
        stage.runtime.block_on(async {
            let mut command = redis::cmd("INFO");
            command.arg("everything");
            let told: String = command
                .query_async(&mut observer.connection.clone())
                .await?;
            Ok::<_, Failure>(number(&told, figure))
        })
    };
    let expected = match figure {
        KEYS => MANY - held.count(),
        _ => usize::from(held != InL1::All),
    };
    let sample = |_| {
        ours.prepare()?;
        let before = look()?;
        ours.run(1)?;
        Ok(Sample {
            ours: look()? - before,
            floor: Some(expected as f64),
        })
    };
    (0..samples).map(sample).collect()
}

const KEYS: &str = "keyspace_hits:";
const COMMANDS: &str = "cmdstat_mget:calls=";

fn number(told: &str, figure: &str) -> f64 {
    let rest = told.lines().find_map(|line| line.strip_prefix(figure));
    let number = rest.and_then(|rest| rest.split(',').next());
    number
        .and_then(|number| number.trim().parse().ok())
        .unwrap_or(0.0)
}

fn counted(held: InL1, figure: &'static str) -> Case {
    let what = match figure {
        KEYS => "keys asked for",
        _ => "MGETs",
    };
    let name = format!("bulk/read_many of {MANY}, {}/{what}", held.name());
    let case = Case::measured(name, Unit::Count, move |extent| asked(held, figure, extent));
    case.target(Target::exactly()).quick()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for held in [InL1::None, InL1::Half, InL1::All] {
        cases.extend(Size::USUAL.map(|size| timed(held, size)));
        cases.extend([counted(held, COMMANDS), counted(held, KEYS)]);
    }
    cases
}
