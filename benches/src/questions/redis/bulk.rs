//! Reads of many keys at a time: those that L1 does not hold, and no others, are to be asked for.

use bytes::Bytes;
use hitbox_backend::Compose;

use super::{
    background,
    client::{Client, Stage},
    moka_over,
};
use crate::{
    Case, Contest, Counts, Extent, Failure, Runner, Target, Unit,
    bodies::{Body, Size, Text},
    questions::in_l1::{self, InL1, MANY},
    runtime,
    sampling::Sample,
};

fn ours<T: Body>(stage: &Stage, held: InL1, size: Size) -> Result<Runner, Failure> {
    let l2 = stage.backend()?;
    let l1 = moka_over(10_000, &l2)?;
    let background = background(&stage.runtime)?;
    let cache = l1.clone().compose(l2, background);
    stage.fill::<T>(cache.l2(), size)?;
    Ok(in_l1::reads::<T>(&stage.runtime, cache, l1, held, size))
}

/// The values of those that L1 does not hold, by one MGET.
async fn mget(client: &Client, held: InL1) -> Result<Vec<Option<Vec<u8>>>, Failure> {
    let mut command = redis::cmd("MGET");
    for name in &client.names[held.count()..MANY] {
        command.arg(name);
    }
    let mut connection = client.connection.clone();
    Ok(command.query_async(&mut connection).await?)
}

/// MGET of those that L1 does not hold.
fn mgets<T: Body>(stage: &Stage, held: InL1, size: Size) -> Result<Runner, Failure> {
    let client = stage.raw()?;
    client.fill::<T>(&stage.runtime, size)?;
    let runner = Runner::repeating(&stage.runtime, async move || {
        for value in mget(&client, held).await? {
            std::hint::black_box(&value.ok_or("a miss")?);
        }
        Ok(())
    });
    Ok(runner.prepared(1, || Ok(())))
}

/// All that the parts have to do.
fn parts<T: Body>(stage: &Stage, held: InL1, size: Size) -> Result<Runner, Failure> {
    let client = stage.raw()?;
    client.fill::<T>(&stage.runtime, size)?;
    in_l1::parts::<T>(&stage.runtime, held, size, async move || {
        let found = mget(&client, held).await?.into_iter().flatten();
        Ok(found.map(Bytes::from).collect())
    })
}

fn timed(held: InL1, size: Size) -> Case {
    let floor = match held {
        InL1::None | InL1::Half => "MGET",
        InL1::All => "raw moka",
    };
    let name = format!(
        "bulk/get_many of {MANY}, {}, against {floor}/{size}",
        held.name()
    );
    let case = Case::contest(name, move || {
        let stage = Stage::new(runtime()?)?;
        let floor = match held {
            InL1::None | InL1::Half => mgets::<Text>(&stage, held, size)?,
            InL1::All => in_l1::raw_gets::<Text>(&stage.runtime, size)?,
        };
        Ok(Contest::between(ours::<Text>(&stage, held, size)?, floor))
    });
    let case = case.counts(Counts::Nothing);
    let case = match held {
        InL1::None | InL1::Half => case.target(Target::at_most(1.2)),
        InL1::All => case,
    };
    case.quick_at(size)
}

/// Against all that the parts have to do.
fn against_parts(held: InL1, size: Size) -> Case {
    let name = format!(
        "bulk/get_many of {MANY}, {}, against MGET, moka and decoding/{size}",
        held.name()
    );
    let case = Case::contest(name, move || {
        let stage = Stage::new(runtime()?)?;
        let (ours, floor) = (
            ours::<Text>(&stage, held, size)?,
            parts::<Text>(&stage, held, size)?,
        );
        Ok(Contest::between(ours, floor))
    });
    case.counts(Counts::Nothing).quick_at(size)
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
            number(&told, figure)
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
const COMMAND: &str = "cmdstat_";

/// A command that was never sent has no line of its own.
pub(super) fn number(told: &str, figure: &str) -> Result<f64, Failure> {
    let rest = told.lines().find_map(|line| line.strip_prefix(figure));
    let number = rest.and_then(|rest| rest.split(',').next());
    match number {
        Some(number) => Ok(number.trim().parse()?),
        None if figure.starts_with(COMMAND) => Ok(0.0),
        None => Err(format!("the server does not tell {figure}").into()),
    }
}

fn counted(held: InL1, figure: &'static str) -> Case {
    let what = match figure {
        KEYS => "keys asked for",
        _ => "MGETs",
    };
    let name = format!("bulk/get_many of {MANY}, {}/{what}", held.name());
    let case = Case::measured(name, Unit::Count, move |extent| asked(held, figure, extent));
    case.target(Target::exactly()).quick()
}

pub(super) fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for held in InL1::EACH {
        cases.extend(Size::USUAL.map(|size| timed(held, size)));
        match held {
            InL1::None | InL1::Half => {
                cases.extend(Size::USUAL.map(|size| against_parts(held, size)));
            }
            InL1::All => {}
        }
        cases.extend([counted(held, COMMANDS), counted(held, KEYS)]);
    }
    cases
}
