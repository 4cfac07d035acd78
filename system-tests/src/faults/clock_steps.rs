//! The wall clock is set by ten minutes, or that of another process is wrong by as much.

use std::{sync::Arc, thread};

use chrono::{TimeDelta, Utc};
use hitbox_backend::{Backend, Compose, OffloadManager, conformance::MemoryBackend};
use hitbox_core::{Stamp, clock::VirtualTime};
use hitbox_moka::MokaBackend;
use tempfile::TempDir;
use xtask::Failure;

use super::{
    caller::{Caller, Found, key, value, value_living},
    scenario::{Outcome, Scenario},
    stage::{Server, Stage, fresh_namespace, moka_over, sled_in},
};

const STEP: TimeDelta = TimeDelta::minutes(10);

/// What lies under moka.
#[derive(Clone, Copy)]
enum Under {
    Memory,
    Sled,
    Server(Server),
}

impl Under {
    const ALL: [Self; 4] = [
        Self::Memory,
        Self::Sled,
        Self::Server(Server::Redis),
        Self::Server(Server::DynamoDb),
    ];

    fn name(self) -> String {
        match self {
            Self::Memory => "memory".to_owned(),
            Self::Sled => "sled".to_owned(),
            Self::Server(server) => server.to_string(),
        }
    }
}

/// A composition, on a clock that can be moved.
struct Scene {
    clock: VirtualTime,
    caller: Caller,
    l1: MokaBackend,
    l2: Arc<dyn Backend>,
    _directory: TempDir,
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let mut all = Vec::new();
    for under in Under::ALL {
        let mut add = |what: &str, act: fn(Scene) -> LocalResult| {
            let name = format!("moka+{}: {what}", under.name());
            all.push(Scenario::on_thread(name, move |stage| {
                // The clock is this thread's, so all of it happens here.
                let runtime = tokio::runtime::Builder::new_current_thread()
                    .thread_name(thread::current().name().unwrap_or_default())
                    .enable_all()
                    .build()?;
                runtime.block_on(async { act(Scene::set(stage, under).await?).await })
            }));
        };
        add("clock 10 minutes forward, then back", |scene| {
            Box::pin(forward(scene))
        });
        add("clock 10 minutes back, then forward", |scene| {
            Box::pin(backward(scene))
        });
        add("another process's clock 10 minutes ahead", |scene| {
            Box::pin(another_ahead(scene))
        });
    }
    all
}

type LocalResult = std::pin::Pin<Box<dyn Future<Output = Result<Outcome, Failure>>>>;

impl Scene {
    async fn set(stage: &Stage, under: Under) -> Result<Self, Failure> {
        let directory = tempfile::tempdir()?;
        let l2: Arc<dyn Backend> = match under {
            Under::Memory => Arc::new(MemoryBackend::new()),
            Under::Sled => Arc::new(sled_in(directory.path()).build()?),
            Under::Server(server) => {
                stage.backend(server, stage.address(server)?, &fresh_namespace())?
            }
        };
        let l1 = moka_over(&*l2)?;
        let offload = OffloadManager::builder().build()?;
        let composed = l1.clone().compose(Arc::clone(&l2), offload);
        Ok(Self {
            clock: VirtualTime::start(Utc::now()),
            caller: Caller::new(Arc::new(composed)),
            l1,
            l2,
            _directory: directory,
        })
    }

    async fn evict(&self, name: &str) -> Result<(), Failure> {
        self.l1.remove(&key(name)).await?;
        Ok(())
    }

    /// Version `version` is written, read, read from L2, and filled into L1 again.
    async fn works(&self, name: &str, version: u64) -> Result<(), Failure> {
        self.caller.write(name, version).await;
        self.visible(name, version).await?;
        self.evict(name).await?;
        self.visible(name, version).await?;
        // The refill may be on its way.
        self.caller.finds(name, version).await;
        for _ in 0..100 {
            if self.l1.read(&key(name)).await?.is_some() {
                return Ok(());
            }
            tokio::time::sleep(std::time::Duration::from_millis(10)).await;
            self.caller.read(name, version..=version).await;
        }
        self.caller
            .record()
            .violation(format!("{name}: L1 is not filled again"));
        Ok(())
    }

    async fn visible(&self, name: &str, version: u64) -> Result<(), Failure> {
        let found = self.caller.read(name, version..=version).await;
        let is_there = matches!(found, Found::Value);
        let promise = format!("{name}: version {version} is visible");
        self.caller.record().expect(is_there, &promise);
        Ok(())
    }

    /// The key holds nothing that may be served, in either layer.
    async fn expired(&self, name: &str) -> Result<(), Failure> {
        for _ in 0..2 {
            let found = self.caller.read(name, 0..=0).await;
            let gone = matches!(found, Found::Nothing);
            self.caller
                .record()
                .expect(gone, &format!("{name} has expired"));
            self.evict(name).await?;
        }
        Ok(())
    }

    fn end(self) -> Outcome {
        Outcome::Ran(self.caller.into_record())
    }
}

async fn forward(scene: Scene) -> Result<Outcome, Failure> {
    let short = || value_living("short", 1, STEP / 2);
    scene.caller.write_value("short", short()).await;
    scene.caller.write("long", 1).await;
    scene.clock.advance(STEP);
    scene.expired("short").await?;
    scene.visible("long", 1).await?;
    scene.works("short", 2).await?;
    scene.works("long", 2).await?;
    scene.clock.advance(-STEP);
    scene.visible("short", 2).await?;
    scene.visible("long", 2).await?;
    scene.works("short", 3).await?;
    scene.works("long", 3).await?;
    Ok(scene.end())
}

async fn backward(scene: Scene) -> Result<Outcome, Failure> {
    let short = value_living("short", 1, STEP / 2);
    scene.caller.write_value("short", short).await;
    scene.caller.write("long", 1).await;
    scene.clock.advance(-STEP);
    scene.visible("short", 1).await?;
    scene.works("long", 2).await?;
    scene.caller.remove("long").await;
    scene.expired("long").await?;
    scene.works("long", 3).await?;
    scene.clock.advance(STEP + STEP);
    scene.expired("short").await?;
    scene.works("long", 4).await?;
    Ok(scene.end())
}

async fn another_ahead(scene: Scene) -> Result<Outcome, Failure> {
    scene.caller.write("shared", 1).await;
    scene.evict("shared").await?;
    let ahead = scene.clock.now() + STEP;
    let stamp = Stamp::from_micros(u64::try_from(ahead.timestamp_micros())?);
    let theirs = value("shared", 2).created_at(stamp);
    scene.l2.write(&key("shared"), theirs).await?;
    scene.visible("shared", 2).await?;
    scene.works("shared", 3).await?;
    scene.caller.remove("shared").await;
    scene.expired("shared").await?;
    scene.works("shared", 4).await?;
    Ok(scene.end())
}
