//! Many tasks at once, each on a thread of its own, whatever the runtime's flavour.

use std::{future::Future, sync::Arc};

use chrono::{DateTime, TimeDelta, Utc};
use futures::future::try_join_all;
use hitbox_core::{CacheKey, CacheValue, Raw, Stamp};
use tokio::runtime::Handle;

use super::{
    check::{CheckResult, DEADLINE, Stop, checks, violation},
    sample::{from_now, lasting},
    trial::{OrViolation, Trial},
};
use crate::{Backend, ReadOutcome};

checks! { "concurrency":
    overlapping_tasks_see_no_torn_or_foreign_value,
    writers_of_different_keys_lose_nothing,
}

const TASKS: usize = 64;
const ROUNDS: usize = 40;
const SHARED_KEYS: usize = 8;

/// Runs `task` for each task number. On threads of the blocking pool: on a current-thread runtime,
/// spawned tasks of a backend that never waits would run one after the other.
async fn on_threads<T, F>(task: impl Fn(usize) -> F) -> Result<Vec<T>, Stop>
where
    T: Send + 'static,
    F: Future<Output = Result<T, Stop>> + Send + 'static,
{
    let threads = (0..TASKS).map(|number| {
        let handle = Handle::current();
        // With a deadline of its own: a runtime does not shut down while a blocking thread runs.
        let task = tokio::time::timeout(DEADLINE, task(number));
        let thread = tokio::task::spawn_blocking(move || handle.block_on(task));
        async move {
            match thread.await {
                Ok(Ok(result)) => result,
                Ok(Err(_)) => Err(violation!("task {number} did not end within {DEADLINE:?}")),
                Err(error) => Err(violation!("task {number}: {error}")),
            }
        }
    });
    try_join_all(threads).await
}

/// What a value of the check says about itself, repeated in each of its parts.
#[derive(Clone, Copy)]
struct Origin {
    key: usize,
    task: usize,
    round: usize,
    created: Stamp,
}

impl Origin {
    /// The value of this origin. Payload, life times and stamp all follow from it, so that a mix
    /// of two values cannot be right.
    fn value(self, base: DateTime<Utc>) -> CacheValue<Raw> {
        let Self {
            key,
            task,
            round,
            created,
        } = self;
        let line = format!("{key} {task} {round} {}\n", created.as_micros());
        let payload = line.repeat(1 + (task + round) % 50);
        let life = TimeDelta::milliseconds((task * ROUNDS + round) as i64);
        let expire = base + TimeDelta::hours(1) + life;
        let stale = (round % 2 == 0).then(|| base + life);
        CacheValue::from_parts(
            Raw::from(payload.into_bytes()),
            Some(expire),
            stale,
            created,
        )
    }

    /// What the first line of a payload says.
    fn of(payload: &[u8]) -> Option<Self> {
        let text = std::str::from_utf8(payload).ok()?;
        let mut numbers = text.lines().next()?.split(' ').map(str::parse::<u64>);
        let mut next = || numbers.next()?.ok();
        Some(Self {
            key: next()?.try_into().ok()?,
            task: next()?.try_into().ok()?,
            round: next()?.try_into().ok()?,
            created: Stamp::from_micros(next()?),
        })
    }
}

/// What one task does to the shared keys, and every value it saw, by number of the key asked.
async fn write_read_and_remove(
    backend: Arc<dyn Backend>,
    keys: Arc<[CacheKey]>,
    base: DateTime<Utc>,
    task: usize,
) -> Result<Vec<(usize, CacheValue<Raw>)>, Stop> {
    let mut seen = Vec::new();
    let mut note = |key: usize, outcome: ReadOutcome| -> CheckResult {
        seen.extend(outcome.or_violation("read")?.map(|value| (key, value)));
        Ok(())
    };
    for round in 0..ROUNDS {
        let key = (task + round * 3) % SHARED_KEYS;
        let value = |key| {
            let created = Stamp::now();
            let origin = Origin {
                key,
                task,
                round,
                created,
            };
            origin.value(base)
        };
        match (task + round) % 8 {
            0..=2 => {
                let written = backend.write(&keys[key], value(key)).await;
                written.or_violation("write")?;
                note(key, backend.read(&keys[key]).await)?;
            }
            3 => {
                let entries = (0..SHARED_KEYS).map(|key| (keys[key].clone(), value(key)));
                for outcome in backend.write_many(entries.collect()).await {
                    outcome.or_violation("write_many")?;
                }
            }
            4 => {
                let outcomes = backend.read_many(&keys).await;
                for (key, outcome) in outcomes.into_iter().enumerate() {
                    note(key, outcome)?;
                }
            }
            5 => {
                backend.remove(&keys[key]).await.or_violation("remove")?;
            }
            _ => note(key, backend.read(&keys[key]).await)?,
        }
    }
    Ok(seen)
}

async fn overlapping_tasks_see_no_torn_or_foreign_value(trial: &Trial) -> CheckResult {
    let keys: Arc<[CacheKey]> = (0..SHARED_KEYS)
        .map(|key| trial.key(format!("{key}")))
        .collect();
    let base = from_now(TimeDelta::zero());
    let seen = on_threads(|task| {
        write_read_and_remove(Arc::clone(trial.backend()), Arc::clone(&keys), base, task)
    });
    for (key, found) in seen.await?.into_iter().flatten() {
        let payload = trial.payload(&found);
        let Some(origin) = payload.and_then(|payload| Origin::of(&payload)) else {
            return Err(violation!(
                "a payload that nobody wrote, read under key {key}"
            ));
        };
        if origin.key != key {
            return Err(violation!("key {key} read a value of key {}", origin.key));
        }
        trial.same(&origin.value(base), Some(&found), "between two writes")?;
    }
    for key in keys.iter() {
        let value = lasting("last");
        trial.write(key, &value).await?;
        trial
            .expect(key, &value, "written after all tasks ended")
            .await?;
    }
    Ok(())
}

async fn writers_of_different_keys_lose_nothing(trial: &Trial) -> CheckResult {
    const KEYS_EACH: usize = 4;
    let keys: Arc<[CacheKey]> = (0..TASKS * KEYS_EACH)
        .map(|key| trial.key(format!("{key}")))
        .collect();
    let value_of = |key: usize| format!("value {key}");
    on_threads(|task| {
        let (backend, keys) = (Arc::clone(trial.backend()), Arc::clone(&keys));
        async move {
            for key in (0..KEYS_EACH).map(|index| index * TASKS + task) {
                let written = backend.write(&keys[key], lasting(value_of(key))).await;
                written.or_violation("write")?;
            }
            Ok(())
        }
    })
    .await?;
    for (index, found) in trial.read_many(&keys).await?.iter().enumerate() {
        let payload = found.as_ref().and_then(|found| trial.payload(found));
        match payload {
            Some(payload) if payload == value_of(index).as_bytes() => {}
            Some(_) => {
                return Err(violation!(
                    "key {index} of {} has another value",
                    keys.len()
                ));
            }
            None => return Err(violation!("the value of key {index} was lost")),
        }
    }
    Ok(())
}
