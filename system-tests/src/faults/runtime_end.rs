//! The runtime ends while tasks are in the middle of their calls.

use std::{
    fmt,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering},
    },
    thread,
    time::{Duration, Instant},
};

use hitbox_backend::{Backend, BackendErrorKind, Compose, CompositionPolicy, OffloadManager};
use hitbox_scenarios::{ReadKind, WriteKind};
use hitbox_sled::SledBackend;
use test_servers::proxy::{Direction, Fault, Proxy};
use tokio::runtime::Runtime;
use xtask::Failure;

use super::{
    caller::{Caller, Done, LARGE, key, version_in},
    record::Record,
    scenario::{Outcome, Scenario},
    stage::{Server, Stage, fresh_namespace, moka, moka_over, redis_at, sled_in},
};

const TASKS: usize = 64;

/// How long a directory may stay locked by what the runtime left in its blocking pool.
const UNTIL_FREE: Duration = Duration::from_secs(5);

/// How a runtime ends.
#[derive(Clone, Copy)]
enum End {
    /// Waits for what blocks.
    Drop,
    /// Waits for nothing.
    Background,
}

impl fmt::Display for End {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::Drop => "dropped",
            Self::Background => "shut down in the background",
        })
    }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    vec![
        over_sled_scenario(WriteKind::Strict, End::Drop),
        over_sled_scenario(WriteKind::Strict, End::Background),
        over_sled_scenario(WriteKind::OptimisticParallel, End::Drop),
        Scenario::on_thread(
            "moka+redis: the runtime dropped under 64 tasks, redis hung",
            over_a_hung_redis,
        )
        .heavy(),
    ]
}

fn over_sled_scenario(write: WriteKind, how: End) -> Scenario {
    let name = format!(
        "moka+sled sequential/{}: the runtime {how} under {TASKS} tasks",
        write.as_str()
    );
    Scenario::on_thread(name, move |stage| over_sled(stage, write, how)).heavy()
}

fn runtime() -> Result<Runtime, Failure> {
    Ok(tokio::runtime::Builder::new_multi_thread()
        .worker_threads(2)
        .thread_name(thread::current().name().unwrap_or_default())
        .enable_all()
        .build()?)
}

/// What a task has tried and what was confirmed.
#[derive(Default)]
struct Progress {
    tried: AtomicU64,
    confirmed: AtomicU64,
}

/// Every other task writes values that sled takes off the async threads.
fn name(task: usize) -> String {
    if task.is_multiple_of(2) {
        format!("task {task}")
    } else {
        format!("{LARGE} task {task}")
    }
}

/// Spawns tasks that write for ever.
fn spawn_writers(runtime: &Runtime, caller: &Caller) -> Arc<Vec<Progress>> {
    let progress: Arc<Vec<Progress>> = Arc::new((0..TASKS).map(|_| Progress::default()).collect());
    for task in 0..TASKS {
        let (caller, progress) = (caller.clone(), Arc::clone(&progress));
        runtime.spawn(async move {
            let name = name(task);
            for version in 1.. {
                progress[task].tried.store(version, Ordering::SeqCst);
                if let Done::Confirmed = caller.write(&name, version).await {
                    progress[task].confirmed.store(version, Ordering::SeqCst);
                }
                tokio::time::sleep(Duration::from_millis(1)).await;
            }
        });
    }
    progress
}

fn end(runtime: Runtime, how: End) -> Duration {
    let began = Instant::now();
    match how {
        End::Drop => drop(runtime),
        End::Background => runtime.shutdown_background(),
    }
    began.elapsed()
}

fn over_sled(stage: &Stage, write: WriteKind, how: End) -> Result<Outcome, Failure> {
    let mut whole = Record::default();
    let (mut behind, mut keys) = (0, 0);
    for _ in 0..stage.depth.of(4, 20) {
        let directory = tempfile::tempdir()?;
        let first = runtime()?;
        let sled = sled_in(directory.path()).build()?;
        let composed = {
            let _entered = first.enter();
            let policy = CompositionPolicy::new().write(write);
            moka()?.compose_with(sled, OffloadManager::builder().build()?, policy)
        };
        let caller = Caller::new(Arc::new(composed));
        let progress = spawn_writers(&first, &caller);
        thread::sleep(Duration::from_millis(fastrand::u64(30..150)));
        let took = end(first, how);
        let mut record = caller.into_record();
        record.expect(took < UNTIL_FREE, "the runtime ends soon");
        let reopened = Instant::now();
        let sled = reopen(directory.path())?;
        record.recovered(reopened.elapsed());
        record.expect(sled.recovered_from().is_none(), "sled's files are whole");
        behind += runtime()?.block_on(check(&sled, write, &progress, &mut record))?;
        keys += TASKS;
        whole.absorb(record);
    }
    if behind > 0 {
        whole.lost(format!(
            "the last confirmed write of {behind} of {keys} keys, which only moka had taken"
        ));
    }
    Ok(Outcome::Ran(whole))
}

fn reopen(directory: &std::path::Path) -> Result<SledBackend, Failure> {
    let began = Instant::now();
    loop {
        match sled_in(directory).build() {
            Ok(sled) => return Ok(sled),
            Err(error)
                if error.kind() == BackendErrorKind::Unavailable
                    && began.elapsed() < UNTIL_FREE =>
            {
                thread::sleep(Duration::from_millis(5));
            }
            Err(error) => return Err(error.into()),
        }
    }
}

/// Every key holds one of the values that were written to it, whole. Returns how many hold an older
/// one than the last confirmed: with a policy that calls a write done when both layers have it, none.
async fn check(
    sled: &SledBackend,
    write: WriteKind,
    progress: &[Progress],
    record: &mut Record,
) -> Result<usize, Failure> {
    let mut behind = 0;
    for (task, progress) in progress.iter().enumerate() {
        let name = name(task);
        let confirmed = progress.confirmed.load(Ordering::SeqCst);
        let tried = progress.tried.load(Ordering::SeqCst);
        let stored = sled.read(&key(&name)).await?;
        let version = match &stored {
            Some(stored) => version_in(&name, stored),
            None => Some(0),
        };
        behind += usize::from(version.is_some_and(|version| version < confirmed));
        let oldest = match write {
            WriteKind::Strict => confirmed,
            WriteKind::Sequential | WriteKind::OptimisticParallel | WriteKind::Race => 0,
        };
        if !version.is_some_and(|version| (oldest..=tried).contains(&version)) {
            record.violation(format!(
                "{name}: sled holds {version:?}, confirmed was {confirmed} of {tried}"
            ));
        }
    }
    Ok(behind)
}

/// Calls hang when the runtime ends, and another one goes on with the same composition.
fn over_a_hung_redis(stage: &Stage) -> Result<Outcome, Failure> {
    let servers = runtime()?;
    let proxy = servers.block_on(Proxy::start(stage.address(Server::Redis)?))?;
    let mut whole = Record::default();
    for _ in 0..stage.depth.of(4, 20) {
        let first = runtime()?;
        let redis = redis_at(proxy.address(), &fresh_namespace())?;
        let composed = {
            let _entered = first.enter();
            let policy = CompositionPolicy::new()
                .read(ReadKind::Race)
                .write(WriteKind::Race);
            moka_over(&redis)?.compose_with(redis, OffloadManager::builder().build()?, policy)
        };
        // Writers of one key wait for each other's losers.
        let caller = Caller::new(Arc::new(composed)).patient(Duration::from_secs(2));
        spawn_writers(&first, &caller);
        thread::sleep(Duration::from_millis(fastrand::u64(30..100)));
        proxy.set(Fault::Hang(Direction::Replies));
        thread::sleep(Duration::from_millis(fastrand::u64(30..100)));
        let took = end(first, End::Drop);
        proxy.heal();

        let second = runtime()?;
        let after = caller.another();
        let began = Instant::now();
        second.block_on(async {
            after.write("afterwards", 1).await;
            after.finds("afterwards", 1).await;
            let name = name(0);
            after.write(&name, u64::MAX).await;
            after.finds(&name, u64::MAX).await;
        });
        let mut record = caller.into_record();
        record.absorb_afterwards(after.into_record());
        record.recovered(began.elapsed());
        record.expect(took < UNTIL_FREE, "the runtime ends soon");
        whole.absorb(record);
    }
    Ok(Outcome::Ran(whole))
}
