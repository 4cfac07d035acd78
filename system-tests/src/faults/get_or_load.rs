//! A Redis server that is killed or stopped where it stands, while many tasks ask a `hitbox::Cache` over it for the same
//! keys.

use std::{
    io,
    net::SocketAddr,
    sync::{
        Arc,
        atomic::{AtomicU64, Ordering::SeqCst},
    },
    time::{Duration, Instant},
};

use futures::future::BoxFuture;
use hitbox::{Cache, Entry, Keyspace, LoadError, LoadErrorKind, Status};
use hitbox_backend::{Backend, BackendResult, Compose, OffloadManager};
use hitbox_moka::MokaBackend;
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::{sync::watch, task::JoinSet, time::sleep};
use xtask::Failure;

use super::{
    caller::{Caller, kind},
    record::Record,
    scenario::{Depth, Outcome, Scenario},
    signals::{PAUSE, Signal, TASKS, disturb, works_again},
    stage::{DEADLINE, LIMIT, fresh_namespace, moka_over, redis_at},
};

/// What is kept: the number of a key, and which version of it the source had.
const VERSIONS: Keyspace<usize, (usize, u64)> = Keyspace::new("versions", 1);

/// Few, so that many ask for one at once. Each is changed by one task alone.
const KEYS: usize = 16;

/// What a load takes.
const LOADING: Duration = Duration::from_millis(5);

/// A call may read L2 in vain, come to the table, and read it in vain once more before it loads: so much later the caller
/// goes with an error, which breaks a promise.
const PATIENCE: Duration = DEADLINE.saturating_mul(3);

/// What the runtime may be late by.
const LIMIT_OF_CALLS: Duration = PATIENCE.saturating_add(Duration::from_millis(500));

/// A change waits for the one of the same key that is still on its way.
const LIMIT_OF_CHANGES: Duration = LIMIT.saturating_mul(2);

pub(super) fn scenarios(depth: Depth) -> Vec<Scenario> {
    let of_signal = |signal| {
        let name = format!("moka+redis: {signal} under {TASKS} tasks of get-or-load");
        let scenario = Scenario::new(name, move |_| async move {
            let mut server = RedisServer::start(RedisOptions::new()).await?;
            under_load(signal, &mut server, depth.of(2, 10)).await
        });
        scenario.heavy()
    };
    [Signal::Kill, Signal::Stop].map(of_signal).into()
}

async fn under_load(
    signal: Signal,
    server: &mut RedisServer,
    rounds: usize,
) -> Result<Outcome, Failure> {
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let l2 = redis_at(address, &fresh_namespace())?;
    let l1 = moka_over(&l2)?;
    let composed = l1
        .clone()
        .compose(l2.clone(), OffloadManager::builder().build()?);
    let cache = Cache::builder(composed.clone())
        .ttl(Duration::from_secs(3_600))
        .hard_timeout(PATIENCE)
        .build()?;
    let source = Source::default();
    let (stop, stopped) = watch::channel(());
    let mut tasks = JoinSet::new();
    for number in 0..TASKS {
        let task = Task::new(number, cache.clone(), l1.clone(), source.clone());
        tasks.spawn(task.until_closed(stopped.clone()));
    }
    drop(stopped);
    for _ in 0..rounds {
        sleep(Duration::from_millis(300)).await;
        disturb(signal, server).await?;
    }
    let recovery = works_again(&l2).await?;
    sleep(Duration::from_millis(300)).await;
    drop(stop);
    let mut whole = Record::default();
    for record in tasks.join_all().await {
        whole.absorb(record);
    }
    whole.recovered(recovery);
    source.check_loads(&mut whole);
    let mut last = Task::new(0, cache, l1, source);
    for key in 0..KEYS {
        last.finds_what_it_has_loaded(key).await;
    }
    whole.absorb_afterwards(last.calls.into_record());
    whole.expect(
        whole.how_often("hit") > 0 && whole.how_often("joined") > 0,
        "there were hits, and loads that several waited for",
    );
    Ok(Outcome::Ran(whole))
}

/// Where values come from.
#[derive(Clone, Default)]
struct Source(Arc<[Item; KEYS]>);

#[derive(Default)]
struct Item {
    version: AtomicU64,
    /// What had been written to the source before the last change of the cache that has returned: nothing older is right.
    settled: AtomicU64,
    loads: AtomicU64,
    running: AtomicU64,
    most_running: AtomicU64,
    failed: AtomicU64,
    /// What may make a load necessary: the key was changed, or evicted from L1.
    changes: AtomicU64,
    evictions: AtomicU64,
}

impl Source {
    fn load(
        &self,
        key: usize,
        fails: bool,
    ) -> impl FnOnce() -> BoxFuture<'static, io::Result<(usize, u64)>> + Send + use<> {
        let source = Self::clone(self);
        move || Box::pin(async move { source.item(key).load(key, fails).await })
    }

    fn item(&self, key: usize) -> &Item {
        &self.0[key]
    }

    /// Each load had its reason, and no key was loaded by three at a time.
    fn check_loads(&self, record: &mut Record) {
        let mut worst = (0, 0);
        for (key, item) in self.0.iter().enumerate() {
            let [loads, failed, changes, evictions] =
                [&item.loads, &item.failed, &item.changes, &item.evictions]
                    .map(|count| count.load(SeqCst));
            let reasons = 1 + failed + changes + evictions;
            worst = worst.max((loads, reasons));
            if loads > reasons {
                record.violation(format!(
                    "key {key}: {loads} loads, where {failed} failures, {changes} changes and {evictions} evictions ask for {reasons}"
                ));
            }
            let running = item.most_running.load(SeqCst);
            if running > 2 {
                record.violation(format!("key {key}: {running} loads at a time"));
            }
        }
        let loads: u64 = self.0.iter().map(|item| item.loads.load(SeqCst)).sum();
        let (most, reasons) = worst;
        record.noted(format!(
            "{loads} loads of {KEYS} keys, of one at most {most}, for {reasons} reasons"
        ));
    }
}

impl Item {
    async fn load(&self, key: usize, fails: bool) -> io::Result<(usize, u64)> {
        self.loads.fetch_add(1, SeqCst);
        let running = self.running.fetch_add(1, SeqCst) + 1;
        self.most_running.fetch_max(running, SeqCst);
        let _ends = Running(&self.running);
        let version = self.version.load(SeqCst);
        sleep(LOADING).await;
        if fails {
            self.failed.fetch_add(1, SeqCst);
            return Err(io::Error::other("the source is not there"));
        }
        Ok((key, version))
    }
}

/// A load that runs, until it has ended or was dropped.
struct Running<'i>(&'i AtomicU64);

impl Drop for Running<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, SeqCst);
    }
}

struct Task {
    cache: Cache,
    l1: MokaBackend,
    source: Source,
    /// The key that this task alone changes, if it has one.
    own: Option<usize>,
    calls: Caller,
    changes: Caller,
    random: fastrand::Rng,
}

impl Task {
    fn new(number: usize, cache: Cache, l1: MokaBackend, source: Source) -> Self {
        let calls = Caller::new(Arc::new(l1.clone())).patient(LIMIT_OF_CALLS);
        Self {
            cache,
            l1,
            source,
            own: (number < KEYS).then_some(number),
            changes: calls.another().patient(LIMIT_OF_CHANGES),
            calls,
            random: fastrand::Rng::new(),
        }
    }

    /// Goes on until nobody is left who could say that it is to stop.
    async fn until_closed(mut self, mut stopped: watch::Receiver<()>) -> Record {
        loop {
            self.step().await;
            tokio::select! {
                biased;
                _all_rounds_done = stopped.changed() => break,
                () = sleep(PAUSE) => {}
            }
        }
        let mut record = self.calls.into_record();
        record.absorb(self.changes.into_record());
        record
    }

    async fn step(&mut self) {
        let key = self.random.usize(..KEYS);
        match (self.random.u8(..100), self.own) {
            (0..10, Some(own)) => self.remove(own).await,
            (10..16, Some(own)) => self.insert(own).await,
            (16..19, _) => self.evict(key).await,
            (dice, _) => {
                self.ask(key, dice >= 95).await;
            }
        }
    }

    /// Asks for a key, and checks what it is given. With what is told of it, if that was a value.
    async fn ask(&mut self, key: usize, fails: bool) -> Option<Entry<(usize, u64)>> {
        let item = self.source.item(key);
        let settled = item.settled.load(SeqCst);
        let load = self.source.load(key, fails);
        let call = self.cache.get_or_try_load(VERSIONS.key(key), load).entry();
        let outcome = self.calls.timed("call", call).await?;
        let mut record = self.calls.record();
        let entry = match outcome {
            Ok(entry) => entry,
            Err(error) => {
                record.saw(kind_of(&error));
                if error.kind() != LoadErrorKind::Loader {
                    record.violation(format!("key {key}: {error}"));
                }
                return None;
            }
        };
        record.saw(entry.status().as_str());
        let (of, version) = **entry.value();
        let newest = item.version.load(SeqCst);
        if of != key || !(settled..=newest).contains(&version) {
            record.violation(format!(
                "key {key} is answered with version {version} of key {of}, where only {settled} to {newest} are right"
            ));
        }
        drop(record);
        Some(entry)
    }

    /// Changes the source, and then removes what the cache has of it.
    async fn remove(&mut self, key: usize) {
        let version = self.change_source(key);
        let removal = self.cache.remove(VERSIONS.key(key));
        let done = self.changes.timed("remove", removal).await;
        self.settled(key, version, done.map(|done| done.map(drop)));
    }

    /// Changes the source, and hands the cache what it has now.
    async fn insert(&mut self, key: usize) {
        let version = self.change_source(key);
        let insert = self.cache.insert(VERSIONS.key(key), (key, version));
        let done = self.changes.timed("insert", insert).await;
        self.settled(key, version, done);
    }

    fn change_source(&self, key: usize) -> u64 {
        let item = self.source.item(key);
        item.changes.fetch_add(1, SeqCst);
        item.version.fetch_add(1, SeqCst) + 1
    }

    /// In this process it holds, whatever the layers say.
    fn settled(&self, key: usize, version: u64, done: Option<BackendResult<()>>) {
        let mut record = self.changes.record();
        match done {
            Some(Ok(())) => record.saw("ok"),
            Some(Err(error)) => record.saw(kind(&error)),
            None => return,
        }
        drop(record);
        self.source.item(key).settled.fetch_max(version, SeqCst);
    }

    /// Asks L1 itself to forget the key, as it does when it is full.
    async fn evict(&mut self, key: usize) {
        self.source.item(key).evictions.fetch_add(1, SeqCst);
        let key = VERSIONS.key(key);
        if let Err(error) = self.l1.remove(key.as_cache_key()).await {
            self.calls.record().violation(format!("moka: {error}"));
        }
    }

    /// What was loaded is kept, in L1 and in Redis.
    async fn finds_what_it_has_loaded(&mut self, key: usize) {
        /// As `Caller::finds`.
        const BEFORE_LONG: Duration = Duration::from_secs(3);
        let began = Instant::now();
        loop {
            self.ask(key, false).await;
            let in_l1 = self.ask(key, false).await;
            self.evict(key).await;
            let in_l2 = self.ask(key, false).await;
            let hit = |entry: &Option<Entry<_>>| {
                entry
                    .as_ref()
                    .is_some_and(|entry| entry.status() == Status::Hit)
            };
            if hit(&in_l1) && hit(&in_l2) {
                return;
            }
            if began.elapsed() > BEFORE_LONG {
                self.calls.record().violation(format!(
                    "key {key} is not kept {BEFORE_LONG:?} after the fault: {in_l1:?}, from redis {in_l2:?}"
                ));
                return;
            }
            sleep(Duration::from_millis(10)).await;
        }
    }
}

fn kind_of(error: &LoadError) -> &'static str {
    match error.kind() {
        LoadErrorKind::Loader => "load failed",
        LoadErrorKind::Timeout => "timeout",
        LoadErrorKind::Absent
        | LoadErrorKind::Panicked
        | LoadErrorKind::Recursive
        | LoadErrorKind::Overloaded
        | LoadErrorKind::KeyConflict
        | LoadErrorKind::Closed
        | LoadErrorKind::Backend
        | LoadErrorKind::NoRuntime
        | _ => "another error",
    }
}
