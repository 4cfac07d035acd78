//! What does a composition cost whose second layer is a Redis server?
//!
//! The server is the one that `REDIS_URL` names; `cargo xtask bench` starts one. The floor sends the same
//! commands over a connection of the same kind and settings as the adapter's.

mod bulk;
mod client;
mod loads;
mod parts;
mod server;

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{
    Backend, CacheBackend, Compose, CompositionPolicy, ParallelReadPolicy, RaceLoserPolicy,
    RaceReadPolicy, RefillPolicy,
};
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use super::{
    arrangement::{background, hit, moka_over},
    concurrent::{LAP, in_tasks},
};
use crate::{
    Case, Contest, Counts, Failure, Runner, Target,
    bodies::{self, Body, Size, Text},
    keys, runtime,
};
use client::{Client, Stage};

/// What is done, and what it is compared with: the raw GET or SET.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Operation {
    /// L1 misses each time, since nothing is copied to it.
    Read,
    /// L1 misses and is filled, by the caller: moka takes writes at once.
    ReadAndRefill,
    /// Both layers hit.
    ParallelRead,
    /// Both layers hit and have to be waited for: two names for keys on the server. A moka would have
    /// won before the other layer is asked.
    Race(RaceLoserPolicy),
    Write,
}

/// As many tasks send commands at a time.
const MANY: usize = 64;

/// As many keys: enough for a lap without one being read twice.
const KEYS: usize = 4_096;

impl Operation {
    const ALL: [Self; 6] = [
        Self::Read,
        Self::ReadAndRefill,
        Self::ParallelRead,
        Self::Write,
        Self::Race(RaceLoserPolicy::Offload),
        Self::Race(RaceLoserPolicy::Drop),
    ];

    const fn name(self) -> &'static str {
        match self {
            Self::Read => "L1 miss, L2 hit",
            Self::ReadAndRefill => "L1 miss, L2 hit, refill",
            Self::ParallelRead => "parallel, both hit",
            Self::Race(RaceLoserPolicy::Offload) => {
                "race of Redis and Redis, loser to the background"
            }
            Self::Race(RaceLoserPolicy::Drop) => "race of Redis and Redis, loser dropped",
            Self::Write => "composed set",
        }
    }

    /// What it may take in proportion, one after another.
    const fn time(self) -> Option<Target> {
        match self {
            Self::Read | Self::ReadAndRefill => Some(Target::at_most(1.05)),
            Self::ParallelRead | Self::Write => Some(Target::at_most(1.08)),
            // The server is asked twice.
            Self::Race(_) => None,
        }
    }

    /// How much is to be done in proportion, many at a time.
    const fn throughput(self) -> Option<Target> {
        match self {
            Self::Read | Self::ReadAndRefill | Self::ParallelRead => Some(Target::at_least(0.92)),
            Self::Write => Some(Target::at_least(0.9)),
            Self::Race(_) => None,
        }
    }

    fn ours<T: Body>(self, stage: &Stage, tasks: usize, size: Size) -> Result<Runner, Failure> {
        let runtime = &stage.runtime;
        let l2 = stage.backend()?;
        let l1 = moka_over(2 * KEYS as u64, &l2)?;
        let background = background(runtime)?;
        let policy = CompositionPolicy::new();
        match self {
            Self::Read => {
                let never = policy.refill(RefillPolicy::Never);
                let cache = l1.compose_with(l2, background, never);
                stage.fill::<T>(cache.l2(), size)?;
                Ok(reads::<T>(runtime, cache, tasks))
            }
            Self::ReadAndRefill => {
                let cache = l1.clone().compose_with(l2, background, policy);
                stage.fill::<T>(cache.l2(), size)?;
                let reads = reads::<T>(runtime, cache, tasks);
                Ok(reads.prepared(KEYS as u64, move || {
                    empty(&l1);
                    Ok(())
                }))
            }
            Self::ParallelRead => {
                let parallel = policy.read(ParallelReadPolicy::new());
                let cache = l1.compose_with(l2, background, parallel);
                stage.fill::<T>(&cache, size)?;
                Ok(reads::<T>(runtime, cache, tasks))
            }
            Self::Race(loser) => {
                let race = policy.read(RaceReadPolicy::new().loser(loser));
                let other = stage.other_backend()?;
                let cache = l2.compose_with(other, background.clone(), race);
                stage.fill::<T>(&cache, size)?;
                let (runtime, reads) = (Rc::clone(runtime), reads::<T>(runtime, cache, tasks));
                Ok(reads.prepared(KEYS as u64, move || {
                    runtime.block_on(background.drain());
                    Ok(())
                }))
            }
            Self::Write => {
                let cache = l1.compose_with(l2, background, policy);
                Ok(writes::<T>(runtime, cache, tasks, size))
            }
        }
    }

    fn floor<T: Body>(self, stage: &Stage, tasks: usize, size: Size) -> Result<Runner, Failure> {
        let client = stage.raw()?;
        match self {
            Self::Read | Self::ReadAndRefill | Self::ParallelRead | Self::Race(_) => {
                client.fill::<T>(&stage.runtime, size)?;
                Ok(client.gets(&stage.runtime, tasks))
            }
            Self::Write => client.sets::<T>(&stage.runtime, tasks, size),
        }
    }

    fn contest<T: Body>(self, tasks: usize, size: Size) -> Result<Contest, Failure> {
        let stage = Stage::new(runtime()?)?;
        let ours = self.ours::<T>(&stage, tasks, size)?;
        Ok(Contest::between(
            ours,
            self.floor::<T>(&stage, tasks, size)?,
        ))
    }
}

fn empty(l1: &MokaBackend) {
    l1.clear();
    l1.run_pending_tasks();
}

fn reads<T: Body>(runtime: &Rc<Runtime>, cache: impl Backend + 'static, tasks: usize) -> Runner {
    let cache = Arc::new((cache, keys::keys(KEYS)));
    in_tasks(runtime, tasks, move |index| {
        let cache = Arc::clone(&cache);
        async move {
            let (cache, keys) = &*cache;
            hit::<T>(cache, &keys[index % KEYS]).await
        }
    })
}

fn writes<T: Body>(
    runtime: &Rc<Runtime>,
    cache: impl Backend + 'static,
    tasks: usize,
    size: Size,
) -> Runner {
    let body = Arc::new(T::new(0, size));
    let cache = Arc::new((cache, keys::keys(KEYS), body, bodies::expiry()));
    in_tasks(runtime, tasks, move |index| {
        let cache = Arc::clone(&cache);
        async move {
            let (cache, keys, body, expiry) = &*cache;
            let value = bodies::value(body, *expiry);
            cache.set(&keys[index % KEYS], value).await?;
            Ok(())
        }
    })
}

fn targeted(case: Case, target: Option<Target>) -> Case {
    match target {
        Some(target) => case.target(target),
        None => case,
    }
}

fn timed(operation: Operation, size: Size) -> Case {
    let name = format!("redis/{}/1 task/{size} String", operation.name());
    let case = Case::contest(name, move || {
        let contest = operation.contest::<Text>(1, size)?;
        Ok(match operation {
            // What comes before each chunk leaves the CPU's caches to something else.
            Operation::ReadAndRefill | Operation::Race(_) => contest.in_chunks_of(LAP),
            Operation::Read | Operation::ParallelRead | Operation::Write => contest,
        })
    });
    let case = targeted(case, operation.time()).counts(Counts::Nothing);
    case.quick_at(size)
}

fn throughput(operation: Operation, size: Size) -> Case {
    let name = format!("redis/{}/{MANY} tasks/{size} String", operation.name());
    let case = Case::contest(name, move || {
        Ok(operation.contest::<Text>(MANY, size)?.in_chunks_of(LAP))
    });
    let case = targeted(case, operation.throughput()).counts(Counts::Nothing);
    case.as_throughput().quick_at(size)
}

/// Times, throughput, what the server is asked and what it computes, by sizes.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for operation in Operation::ALL {
        for size in Size::USUAL {
            cases.extend([timed(operation, size), throughput(operation, size)]);
        }
    }
    cases.extend(parts::cases());
    cases.extend(server::cases());
    cases
}

/// The cases of bulk reads, which are a question of their own.
#[must_use]
pub fn bulk_cases() -> Vec<Case> {
    bulk::cases().into_iter().chain(loads::cases()).collect()
}

impl Client {
    fn gets(&self, runtime: &Rc<Runtime>, tasks: usize) -> Runner {
        let client = self.clone();
        in_tasks(runtime, tasks, move |index| {
            let mut client = client.clone();
            async move {
                let found: Option<Vec<u8>> = client.get(index % KEYS).await?;
                std::hint::black_box(&found.ok_or("a miss")?);
                Ok(())
            }
        })
    }

    fn sets<T: Body>(
        &self,
        runtime: &Rc<Runtime>,
        tasks: usize,
        size: Size,
    ) -> Result<Runner, Failure> {
        let body = T::new(0, size);
        bodies::encoded(&body)?;
        let shared = Arc::new((self.clone(), body));
        Ok(in_tasks(runtime, tasks, move |index| {
            let shared = Arc::clone(&shared);
            async move {
                let (client, body) = &*shared;
                let encoded = bodies::encoded(body)?;
                client.clone().set(index % KEYS, &encoded).await
            }
        }))
    }
}
