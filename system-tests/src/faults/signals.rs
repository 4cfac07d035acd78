//! A Redis server that is killed or stopped where it stands, while many tasks use it as L2.

use std::{
    fmt,
    net::SocketAddr,
    sync::Arc,
    time::{Duration, Instant},
};

use hitbox_backend::{Backend, Compose, CompositionLayer, CompositionPolicy, OffloadManager};
use hitbox_moka::MokaBackend;
use hitbox_scenarios::{ReadKind, WriteKind};
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::{task::JoinSet, time::sleep};
use xtask::Failure;

use super::{
    caller::{Caller, Done, Found, key},
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    stage::{LIMIT, fresh_namespace, moka_over, redis_at},
};

pub(super) const TASKS: usize = 64;

/// Keys that a task has to itself.
const KEYS: usize = 8;

/// Between two calls of a task: the server is to be busy, not the machine.
pub(super) const PAUSE: Duration = Duration::from_millis(2);

/// A write waits for the one on the same key that is still on its way, so it may cost two deadlines.
const LIMIT_OF_CHANGES: Duration = LIMIT.saturating_mul(2);

#[derive(Clone, Copy, PartialEq, Eq)]
pub(super) enum Signal {
    /// It is killed, and comes back without its data.
    Kill,
    /// It is stopped, and goes on with what it was sent meanwhile.
    Stop,
}

impl fmt::Display for Signal {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Kill => "SIGKILL",
            Self::Stop => "SIGSTOP",
        })
    }
}

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let policies = [
        (ReadKind::Sequential, WriteKind::OptimisticParallel),
        (ReadKind::Race, WriteKind::Race),
        (ReadKind::Parallel, WriteKind::Strict),
        (ReadKind::Sequential, WriteKind::Sequential),
    ];
    let mut all = Vec::new();
    for (read, write) in policies.into_iter().take(depth.of(2, 4)) {
        for signal in [Signal::Kill, Signal::Stop] {
            let (read_name, write_name) = (read.as_str(), write.as_str());
            let name = format!("moka+redis {read_name}/{write_name}: {signal} under {TASKS} tasks");
            let scenario = Scenario::new(name, move |stage| async move {
                let policy = CompositionPolicy::new().read(read).write(write);
                let mut server = RedisServer::start(RedisOptions::new()).await?;
                let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
                let l2 = redis_at(address, &fresh_namespace())?;
                let l1 = moka_over(&l2)?;
                let offload = OffloadManager::builder().build()?;
                let composed = Arc::new(l1.clone().compose_with(l2.clone(), offload, policy));
                let rounds = stage.depth.of(2, 10);
                under_load(signal, &mut server, composed, &l1, &l2, rounds).await
            });
            all.push(scenario.heavy());
        }
    }
    all
}

async fn under_load(
    signal: Signal,
    server: &mut RedisServer,
    backend: Arc<dyn Backend>,
    l1: &MokaBackend,
    l2: &impl Backend,
    rounds: usize,
) -> Result<Outcome, Failure> {
    let (stop, stopped) = tokio::sync::watch::channel(());
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let task = Task::new(number, Arc::clone(&backend), l1.clone());
        let mut stopped = stopped.clone();
        tasks.spawn(task.until(async move {
            let _all_rounds_done = stopped.changed().await;
        }));
    }
    drop(stopped);
    for _ in 0..rounds {
        sleep(Duration::from_millis(300)).await;
        disturb(signal, server).await?;
    }
    let recovery = works_again(l2).await?;
    sleep(Duration::from_millis(300)).await;
    drop(stop);
    let mut whole = Record::default();
    let mut gone = 0;
    for (record, missing) in tasks.join_all().await {
        whole.absorb(record);
        gone += missing;
    }
    whole.recovered(recovery);
    if gone > 0 {
        let keys = TASKS * KEYS;
        whole.lost(format!(
            "{gone} of {keys} keys missing after eviction from L1"
        ));
    }
    whole.expect(
        whole.how_often("hit") > 0 && whole.how_often("ok") > 0,
        "there were hits and confirmed writes",
    );
    Ok(Outcome::Ran(whole))
}

/// Waits until Redis answers again. How long that took.
pub(super) async fn works_again(redis: &impl Backend) -> Result<Duration, Failure> {
    let healed = Instant::now();
    while redis.read(&key("probe")).await.is_err() {
        if healed.elapsed() > Duration::from_secs(10) {
            return Err("redis is not found again within 10 s".into());
        }
        sleep(Duration::from_millis(5)).await;
    }
    Ok(healed.elapsed())
}

pub(super) async fn disturb(signal: Signal, server: &mut RedisServer) -> Result<(), Failure> {
    match signal {
        Signal::Kill => {
            server.kill();
            sleep(Duration::from_millis(300)).await;
            server.restart().await?;
        }
        Signal::Stop => {
            server.pause()?;
            // Longer than a deadline, so that writes are given up that take effect later.
            sleep(Duration::from_millis(900)).await;
            server.resume()?;
        }
    }
    Ok(())
}

/// One of the tasks, with keys of its own.
struct Task {
    names: Vec<String>,
    keys: Vec<Versions>,
    reads: Caller,
    changes: Caller,
    l1: MokaBackend,
    random: fastrand::Rng,
}

/// What may be read of a key.
#[derive(Clone, Copy, Default)]
struct Versions {
    /// The oldest: the last one that was confirmed, or the one after a removed one.
    oldest: u64,
    /// The last one that was tried.
    newest: u64,
}

impl Task {
    fn new(number: usize, backend: Arc<dyn Backend>, l1: MokaBackend) -> Self {
        let reads = Caller::new(backend);
        Self {
            names: (0..KEYS)
                .map(|key| format!("task {number} key {key}"))
                .collect(),
            keys: vec![Versions::default(); KEYS],
            changes: reads.another().patient(LIMIT_OF_CHANGES),
            reads,
            l1,
            random: fastrand::Rng::new(),
        }
    }

    /// Goes on until `end`. Returns what it saw, and of how many keys nothing was left in the end.
    async fn until(mut self, end: impl Future<Output = ()> + Send) -> (Record, usize) {
        let mut end = std::pin::pin!(end);
        loop {
            self.step().await;
            tokio::select! {
                biased;
                () = &mut end => break,
                () = sleep(PAUSE) => {}
            }
        }
        let mut missing = 0;
        for number in 0..KEYS {
            self.evict(number).await;
            let live = self.keys[number].oldest <= self.keys[number].newest;
            let found = self.read(number).await;
            missing += usize::from(live && !matches!(found, Found::Value));
        }
        let mut record = self.reads.into_record();
        record.absorb(self.changes.into_record());
        (record, missing)
    }

    async fn step(&mut self) {
        let number = self.random.usize(..KEYS);
        match self.random.u8(..100) {
            0..40 => self.write(number).await,
            40..45 => self.remove(number).await,
            45..65 => self.evict(number).await,
            _ => {
                self.read(number).await;
            }
        }
    }

    async fn write(&mut self, number: usize) {
        let versions = &mut self.keys[number];
        versions.newest = versions.newest.max(versions.oldest) + 1;
        let done = self
            .changes
            .write(&self.names[number], versions.newest)
            .await;
        if binds(&done) {
            versions.oldest = versions.newest;
        }
    }

    async fn remove(&mut self, number: usize) {
        let done = self.changes.remove(&self.names[number]).await;
        let versions = &mut self.keys[number];
        if binds(&done) {
            versions.oldest = versions.newest + 1;
        }
    }

    async fn read(&mut self, number: usize) -> Found {
        let Versions { oldest, newest } = self.keys[number];
        self.reads.read(&self.names[number], oldest..=newest).await
    }

    /// Asks L1 itself to forget the key, as it does when it is full.
    async fn evict(&mut self, number: usize) {
        if let Err(error) = self.l1.remove(&key(&self.names[number])).await {
            self.reads.record().violation(format!("moka: {error}"));
        }
    }
}

/// Whether nothing older may be read from now on: it is confirmed, or only L2 has not taken it.
fn binds(done: &Done) -> bool {
    match done {
        Done::Confirmed => true,
        Done::Failed(Some(error)) => error.layer() == Some(CompositionLayer::L2),
        Done::Failed(None) => false,
    }
}
