//! Calls that are dropped at every point at which they wait.

use std::{
    future::{self, Future},
    pin::pin,
    sync::Arc,
    task::Poll,
    time::Duration,
};

use hitbox_backend::{Backend, BackendResult, Compose, CompositionPolicy, OffloadManager};
use hitbox_core::CacheKey;
use hitbox_scenarios::{ReadKind, WriteKind};
use tempfile::TempDir;
use tokio::time::timeout;
use xtask::Failure;

use super::{
    caller::{Caller, LARGE, key, value, version_in},
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    stage::{LIMIT, Server, Stage, fresh_namespace, moka_over, sled_in},
};

/// More than any call is polled.
const MOST_POLLS: usize = 1_000;

/// How long the polls of one call may take together.
const PATIENCE: Duration = Duration::from_secs(5);

/// The kinds of calls.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Call {
    Read,
    Write,
    Remove,
    ReadMany,
    WriteMany,
    RemoveMany,
}

impl Call {
    const ALL: [Self; 6] = [
        Self::Read,
        Self::Write,
        Self::Remove,
        Self::ReadMany,
        Self::WriteMany,
        Self::RemoveMany,
    ];

    /// The versions that a layer may hold afterwards, besides nothing.
    const fn newest(self) -> u64 {
        match self {
            Self::Read | Self::Remove | Self::ReadMany | Self::RemoveMany => 1,
            Self::Write | Self::WriteMany => 2,
        }
    }
}

/// What is composed.
#[derive(Clone, Copy)]
enum Layers {
    MokaRedis,
    MokaDynamoDb,
    MokaSled,
    SledRedis,
}

impl Layers {
    const ALL: [Self; 4] = [
        Self::MokaRedis,
        Self::MokaDynamoDb,
        Self::MokaSled,
        Self::SledRedis,
    ];

    const fn as_str(self) -> &'static str {
        match self {
            Self::MokaRedis => "moka+redis",
            Self::MokaDynamoDb => "moka+dynamodb",
            Self::MokaSled => "moka+sled",
            Self::SledRedis => "sled+redis",
        }
    }
}

const POLICIES: [(ReadKind, WriteKind); 3] = [
    (ReadKind::Sequential, WriteKind::OptimisticParallel),
    (ReadKind::Race, WriteKind::Race),
    (ReadKind::Parallel, WriteKind::Strict),
];

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let mut all = Vec::new();
    for layers in Layers::ALL {
        if depth == Depth::Short && matches!(layers, Layers::MokaDynamoDb) {
            // As many awaits as all the others together, and the slowest server.
            continue;
        }
        for (read, write) in POLICIES {
            let name = format!(
                "{} {}/{}: calls dropped at their every await",
                layers.as_str(),
                read.as_str(),
                write.as_str()
            );
            all.push(Scenario::new(name, move |stage| async move {
                let mut scene = Scene::set(&stage, layers, read, write).await?;
                for _ in 0..stage.depth.of(2, 10) {
                    for call in Call::ALL {
                        scene.drop_everywhere(call).await?;
                    }
                }
                Ok(Outcome::Ran(scene.end()))
            }));
        }
    }
    all
}

/// A composition, and its layers by themselves.
struct Scene {
    composed: Arc<dyn Backend>,
    l1: Arc<dyn Backend>,
    l2: Arc<dyn Backend>,
    record: Record,
    after: Caller,
    /// Calls made so far: each has names of its own.
    calls: usize,
    _directory: TempDir,
}

impl Scene {
    async fn set(
        stage: &Stage,
        layers: Layers,
        read: ReadKind,
        write: WriteKind,
    ) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let sled = || sled_in(directory.path());
        let server = |server| stage.backend(server, stage.address(server)?, &fresh_namespace());
        let l2: Arc<dyn Backend> = match layers {
            Layers::MokaRedis | Layers::SledRedis => server(Server::Redis)?,
            Layers::MokaDynamoDb => server(Server::DynamoDb)?,
            Layers::MokaSled => Arc::new(sled().open().await?),
        };
        let l1: Arc<dyn Backend> = match layers {
            Layers::MokaRedis | Layers::MokaDynamoDb | Layers::MokaSled => {
                Arc::new(moka_over(&*l2)?)
            }
            Layers::SledRedis => Arc::new(sled().key_format(l2.key_format().clone()).open().await?),
        };
        let policy = CompositionPolicy::new().read(read).write(write);
        let offload = OffloadManager::builder().build()?;
        let composed = Arc::clone(&l1).compose_with(Arc::clone(&l2), offload, policy);
        let composed: Arc<dyn Backend> = Arc::new(composed);
        Ok(Self {
            // What comes next may wait for the one that was dropped and for itself.
            after: Caller::new(Arc::clone(&composed)).patient(LIMIT * 2),
            composed,
            l1,
            l2,
            record: Record::default(),
            calls: 0,
            _directory: directory,
        })
    }

    /// Makes the call again and again, and drops it after one more poll each time, until it is done
    /// before that.
    async fn drop_everywhere(&mut self, call: Call) -> Result<(), Failure> {
        for polls in 0..MOST_POLLS {
            self.calls += 1;
            let names = [
                format!("call {}", self.calls),
                format!("{LARGE} call {}", self.calls),
            ];
            self.prepare(&names).await?;
            let polled = timeout(PATIENCE, polled(self.make(call, &names), polls)).await;
            let done = match polled {
                Ok(outcome) => outcome,
                Err(_) => return Err(format!("{call:?}, poll {polls}: never woken").into()),
            };
            self.record
                .saw(if done.is_some() { "done" } else { "dropped" });
            self.layers_hold(&names, call).await?;
            self.next_call_works(&names, call).await?;
            match done {
                None => {}
                Some(Ok(())) => return Ok(()),
                Some(Err(error)) => return Err(error.into()),
            }
        }
        Err(format!("{call:?} is not done after {MOST_POLLS} polls").into())
    }

    /// Version 1 is there: in both layers for those that change it, in L2 for those that read it, so
    /// that a refill is part of the call.
    async fn prepare(&self, names: &[String]) -> Result<(), Failure> {
        for name in names {
            self.composed.write(&key(name), value(name, 1)).await?;
            self.l1.remove(&key(name)).await?;
        }
        Ok(())
    }

    async fn make(&self, call: Call, names: &[String]) -> BackendResult<()> {
        let keys: Vec<CacheKey> = names.iter().map(|name| key(name)).collect();
        // Small and large by turns.
        let number = self.calls % names.len();
        let (name, one) = (&names[number], &keys[number]);
        let all = |outcomes: Vec<BackendResult<()>>| outcomes.into_iter().collect();
        match call {
            Call::Read => self.composed.read(one).await.map(drop),
            Call::Write => self.composed.write(one, value(name, 2)).await,
            Call::Remove => self.composed.remove(one).await.map(drop),
            Call::ReadMany => {
                let read = self.composed.read_many(&keys).await;
                all(read.into_iter().map(|one| one.map(drop)).collect())
            }
            Call::WriteMany => {
                let values = names.iter().map(|name| value(name, 2));
                let entries = keys.iter().cloned().zip(values).collect();
                all(self.composed.write_many(entries).await)
            }
            Call::RemoveMany => {
                let removed = self.composed.remove_many(&keys).await;
                all(removed.into_iter().map(|one| one.map(drop)).collect())
            }
        }
    }

    /// Each layer holds the old value, the new one, or nothing.
    async fn layers_hold(&mut self, names: &[String], call: Call) -> Result<(), Failure> {
        for name in names {
            for layer in [&self.l1, &self.l2] {
                let Some(stored) = layer.read(&key(name)).await? else {
                    continue;
                };
                let version = version_in(name, &stored);
                if !version.is_some_and(|version| (1..=call.newest()).contains(&version)) {
                    let label = layer.label();
                    self.record
                        .violation(format!("{call:?}: {label} holds {version:?} of {name}"));
                }
            }
        }
        Ok(())
    }

    async fn next_call_works(&self, names: &[String], call: Call) -> Result<(), Failure> {
        for name in names {
            self.after.read(name, 1..=call.newest()).await;
            self.after.write(name, 3).await;
            self.after.finds(name, 3).await;
            // From L2 as well.
            self.l1.remove(&key(name)).await?;
            self.after.finds(name, 3).await;
            self.after.remove(name).await;
            self.after.read(name, 4..=4).await;
        }
        Ok(())
    }

    fn end(self) -> Record {
        let mut record = self.record;
        record.absorb_afterwards(self.after.into_record());
        record
    }
}

/// Polls so many times, each when it is due, and drops the future. `Some` if it was done by then.
async fn polled<T>(work: impl Future<Output = T>, polls: usize) -> Option<T> {
    let mut work = pin!(work);
    let mut left = polls;
    future::poll_fn(|context| {
        if left == 0 {
            return Poll::Ready(None);
        }
        left -= 1;
        match work.as_mut().poll(context) {
            Poll::Ready(done) => Poll::Ready(Some(done)),
            Poll::Pending if left == 0 => Poll::Ready(None),
            Poll::Pending => Poll::Pending,
        }
    })
    .await
}
