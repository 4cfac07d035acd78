//! Two coherent compositions over one Redis server, each as it would be in a process of its own: one changes keys, the other
//! reads them, while a link, the log, the server or the reader is disturbed.
//!
//! `cargo xtask coherence` has many of both, and all of this at a time. Here each fault is by itself, so that it can be seen
//! what it costs.

use std::{
    fmt,
    net::SocketAddr,
    sync::{Arc, Mutex, MutexGuard, PoisonError},
    thread,
    time::{Duration, Instant},
};

use fastrand::Rng;
use hitbox_backend::{
    Backend, BoxContext, CacheBackend, Compose, CompositionPolicy, OffloadManager,
    StrictWritePolicy, coherence::Coherence,
};
use hitbox_core::{CacheKey, CacheStatus, CacheValue, ResponseSource, Stamp};
use hitbox_redis::{RedisBackend, RedisBackplane};
use test_servers::{
    proxy::{Direction, Ending, Fault, Proxy},
    redis::{RedisOptions, RedisServer},
};
use tokio::{sync::watch, time::sleep};
use xtask::Failure;

use super::{
    caller::kind,
    record::Record,
    scenario::{Outcome, Scenario},
    stage::{DEADLINE, moka},
};

const BOUND: Duration = Duration::from_millis(100);

/// How long a fault lasts.
const FAULT: Duration = BOUND.saturating_mul(6);

/// Before a fault and after it.
const CALM: Duration = BOUND.saturating_mul(4);

const KEYS: usize = 4;

const NAMESPACE: &str = "coherent";
const STORE: &str = "redis";

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Row {
    ListenerEnds,
    ListenerHangs,
    Partition,
    ServerPaused,
    ServerRestarted,
    LogTrimmed,
    LogDeleted,
    AnswersLost,
    ServerFull,
    ReaderPaused,
}

impl Row {
    const ALL: [Self; 10] = [
        Self::ListenerEnds,
        Self::ListenerHangs,
        Self::Partition,
        Self::ServerPaused,
        Self::ServerRestarted,
        Self::LogTrimmed,
        Self::LogDeleted,
        Self::AnswersLost,
        Self::ServerFull,
        Self::ReaderPaused,
    ];
}

impl fmt::Display for Row {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(match self {
            Self::ListenerEnds => "the reader's listener is cut off",
            Self::ListenerHangs => "the reader's listener hangs",
            Self::Partition => "the reader is cut off",
            Self::ServerPaused => "the server is stopped",
            Self::ServerRestarted => "the server comes back empty",
            Self::LogTrimmed => "the log is trimmed",
            Self::LogDeleted => "the log is deleted",
            Self::AnswersLost => "the writer's answers are lost",
            Self::ServerFull => "the server is full",
            Self::ReaderPaused => "the reader stands still",
        })
    }
}

pub(super) fn scenarios() -> Vec<Scenario> {
    let of_row = |row| {
        let name = format!("coherent moka+redis within {BOUND:?}: {row}");
        Scenario::new(name, move |_| play(row))
    };
    Row::ALL.map(of_row).into()
}

async fn play(row: Row) -> Result<Outcome, Failure> {
    let mut server = RedisServer::start(RedisOptions::new()).await?;
    let address = SocketAddr::from(([127, 0, 0, 1], server.port()));
    let links = Links {
        writer: Proxy::start(address).await?,
        reader: Proxy::start(address).await?,
        listener: Proxy::start(address).await?,
    };
    let truth = Arc::new(Truth::default());
    let (stop, stopped) = watch::channel(());
    let (pause, paused) = watch::channel(());
    let (at, hears_at) = (links.reader.address(), links.listener.address());
    let reader = {
        let (truth, stopped) = (Arc::clone(&truth), stopped.clone());
        on_a_runtime_of_its_own(async move {
            Reader::new(at, hears_at, truth)?.run(stopped, paused).await
        })?
    };
    let at = links.writer.address();
    let writer = {
        let truth = Arc::clone(&truth);
        on_a_runtime_of_its_own(async move { Writer::new(at, truth)?.run(stopped).await })?
    };
    sleep(CALM).await;
    let disturbed = disturb(row, &mut server, &links, &pause).await;
    let healed = Instant::now();
    sleep(CALM).await;
    drop(stop);
    let (read, changed) = tokio::task::spawn_blocking(|| (reader.join(), writer.join())).await?;
    disturbed?;
    let gone = |_| Failure::from("a process has panicked");
    let (read, changed) = (read.map_err(gone)??, changed.map_err(gone)??);
    Ok(Outcome::Ran(judge(row, read, changed, healed)))
}

/// What callers saw, and whether that is what the fault is to look like.
fn judge(row: Row, read: Read, changed: Record, healed: Instant) -> Record {
    let Read {
        mut record,
        stalest,
        last_from_store,
        gaps,
    } = read;
    record.absorb(changed);
    record.noted(format!(
        "stalest hit {:.1} ms, {gaps} gaps",
        stalest.as_secs_f64() * 1e3
    ));
    record.expect(stalest <= BOUND, "no hit of L1 is staler than the bound");
    record.expect(record.how_often("hit of L1") > 100, "L1 was hit");
    record.expect(
        last_from_store > Some(healed),
        "after the fault the store is read again",
    );
    let is_gap = match row {
        Row::ServerRestarted | Row::LogTrimmed | Row::LogDeleted | Row::ServerFull => true,
        Row::ListenerEnds
        | Row::ListenerHangs
        | Row::Partition
        | Row::ServerPaused
        | Row::AnswersLost
        | Row::ReaderPaused => false,
    };
    // The first answer counts as one.
    record.expect(
        (gaps > 1) == is_gap,
        "there is a gap where the log has lost something, and else none",
    );
    if row == Row::AnswersLost {
        record.expect(
            record.how_often("change: timeout") + record.how_often("change: unavailable") > 0,
            "changes were in doubt",
        );
    }
    if row == Row::ServerFull {
        record.expect(
            record.how_often("removed while full") > 0,
            "a full server removes",
        );
    }
    record
}

struct Links {
    writer: Proxy,
    reader: Proxy,
    listener: Proxy,
}

async fn disturb(
    row: Row,
    server: &mut RedisServer,
    links: &Links,
    pause: &watch::Sender<()>,
) -> Result<(), Failure> {
    let hang = Fault::Hang(Direction::Replies);
    match row {
        Row::ListenerEnds => {
            links.listener.set(Fault::End(Ending::Reset));
            sleep(FAULT).await;
        }
        Row::ListenerHangs => {
            links.listener.set(hang);
            sleep(FAULT).await;
        }
        Row::Partition => {
            links.listener.set(hang);
            links.reader.set(hang);
            sleep(FAULT).await;
        }
        Row::AnswersLost => {
            for _ in 0..4 {
                links.writer.set(hang);
                sleep(FAULT / 8).await;
                links.writer.set(Fault::End(Ending::Reset));
                sleep(FAULT / 8).await;
                links.writer.heal();
            }
        }
        Row::ServerPaused => {
            server.pause()?;
            sleep(FAULT).await;
            server.resume()?;
        }
        Row::ServerRestarted => {
            server.kill();
            sleep(BOUND).await;
            server.restart().await?;
        }
        Row::LogTrimmed => say_often(server, &format!("XTRIM {} MAXLEN 0", log())).await?,
        Row::LogDeleted => say_often(server, &format!("DEL {}", log())).await?,
        Row::ServerFull => {
            server.say("CONFIG SET maxmemory 1").await?;
            sleep(FAULT).await;
            server.say("CONFIG SET maxmemory 0").await?;
        }
        Row::ReaderPaused => {
            pause.send_replace(());
            sleep(FAULT).await;
        }
    }
    links.reader.heal();
    links.listener.heal();
    links.writer.heal();
    Ok(())
}

async fn say_often(server: &RedisServer, command: &str) -> Result<(), Failure> {
    for _ in 0..4 {
        server.say(command).await?;
        sleep(FAULT / 4).await;
    }
    Ok(())
}

fn log() -> String {
    format!("hitbox:{{{NAMESPACE}}}:news")
}

/// As a process has one.
fn on_a_runtime_of_its_own<T: Send + 'static>(
    work: impl Future<Output = Result<T, Failure>> + Send + 'static,
) -> Result<thread::JoinHandle<Result<T, Failure>>, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(thread::spawn(move || {
        let outcome = runtime.block_on(work);
        // What hangs is not waited for.
        runtime.shutdown_background();
        outcome
    }))
}

fn store(at: SocketAddr) -> Result<RedisBackend, Failure> {
    let builder = RedisBackend::builder().label(STORE).url(url(at));
    let builder = builder.namespace(NAMESPACE).deadline(DEADLINE);
    Ok(builder.announce(&plane(at)?).build()?)
}

fn plane(at: SocketAddr) -> Result<RedisBackplane, Failure> {
    let builder = RedisBackplane::builder().url(url(at));
    Ok(builder.namespace(NAMESPACE).build()?)
}

fn url(at: SocketAddr) -> String {
    format!("redis://{at}")
}

fn name(key: usize) -> CacheKey {
    CacheKey::from_pair("id", key.to_string())
}

/// What is known of each key: its versions, and when each was confirmed.
#[derive(Default)]
struct Truth([Mutex<Vec<Option<Instant>>>; KEYS]);

impl Truth {
    fn of_key(&self, key: usize) -> MutexGuard<'_, Vec<Option<Instant>>> {
        self.0[key].lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// A new version, which is about to be written.
    fn begin(&self, key: usize) -> usize {
        let mut versions = self.of_key(key);
        versions.push(None);
        versions.len() - 1
    }

    fn confirm(&self, key: usize, version: usize) {
        self.of_key(key)[version] = Some(Instant::now());
    }

    /// For how long, at `then`, a newer version than this had been confirmed. Nothing is held against one in doubt: it may take
    /// effect late.
    fn staleness(&self, key: usize, version: usize, then: Instant) -> Duration {
        let versions = self.of_key(key);
        if versions.get(version).copied().flatten().is_none() {
            return Duration::ZERO;
        }
        let newer = versions[version + 1..].iter().flatten().next();
        newer.map_or(Duration::ZERO, |confirmed| {
            then.saturating_duration_since(*confirmed)
        })
    }
}

/// Changes all keys.
struct Writer {
    store: RedisBackend,
    truth: Arc<Truth>,
    record: Record,
    random: Rng,
}

impl Writer {
    fn new(at: SocketAddr, truth: Arc<Truth>) -> Result<Self, Failure> {
        Ok(Self {
            store: store(at)?,
            truth,
            record: Record::default(),
            random: Rng::new(),
        })
    }

    async fn run(mut self, mut stopped: watch::Receiver<()>) -> Result<Record, Failure> {
        let mut is_full = false;
        loop {
            tokio::select! {
                _closed = stopped.changed() => return Ok(self.record),
                () = sleep(BOUND / 20) => is_full = self.change(is_full).await,
            }
        }
    }

    /// Whether the server is full.
    async fn change(&mut self, is_full: bool) -> bool {
        let key = self.random.usize(..KEYS);
        let version = self.truth.begin(key);
        let removes = self.random.u8(..6) == 0;
        let began = Instant::now();
        let outcome = if removes {
            self.store.delete(&name(key)).await.map(drop)
        } else {
            let value = CacheValue::loaded(Arc::new(version as u64), Stamp::now());
            self.store.set(&name(key), value).await
        };
        self.record.took(began.elapsed());
        match outcome {
            Ok(()) => {
                self.truth.confirm(key, version);
                let what = match (removes, is_full) {
                    (true, true) => "removed while full",
                    (true, false) | (false, _) => "changed",
                };
                self.record.saw(what);
                is_full && removes
            }
            Err(error) => {
                let kind = kind(&error);
                self.record.saw(format!("change: {kind}"));
                kind == "full"
            }
        }
    }
}

/// Reads all keys.
struct Reader {
    backend: Arc<dyn Backend>,
    gaps: Box<dyn Fn() -> u64 + Send>,
    truth: Arc<Truth>,
    record: Record,
    stalest: Duration,
    last_from_store: Option<Instant>,
    random: Rng,
}

/// What a reader has seen.
struct Read {
    record: Record,
    stalest: Duration,
    last_from_store: Option<Instant>,
    gaps: u64,
}

impl Reader {
    fn new(at: SocketAddr, hears_at: SocketAddr, truth: Arc<Truth>) -> Result<Self, Failure> {
        let policy = CompositionPolicy::new().write(StrictWritePolicy::new());
        let offload = OffloadManager::builder().build()?;
        let composed = moka()?
            .compose_with(store(at)?, offload, policy)
            .coherent(plane(hears_at)?, Coherence::within(BOUND))?;
        let hears = composed.clone();
        Ok(Self {
            backend: Arc::new(composed),
            gaps: Box::new(move || hears.hearing().map_or(0, |status| status.gaps)),
            truth,
            record: Record::default(),
            stalest: Duration::ZERO,
            last_from_store: None,
            random: Rng::new(),
        })
    }

    async fn run(
        mut self,
        mut stopped: watch::Receiver<()>,
        mut paused: watch::Receiver<()>,
    ) -> Result<Read, Failure> {
        while stopped.has_changed().is_ok() {
            for _ in 0..8 {
                tokio::select! {
                    _closed = stopped.changed() => break,
                    () = self.read() => {}
                }
            }
            if paused.has_changed().unwrap_or(false) {
                paused.mark_unchanged();
                // The listener, too, has no other thread.
                thread::sleep(FAULT);
            }
            sleep(BOUND / 100).await;
        }
        Ok(Read {
            gaps: (self.gaps)(),
            record: self.record,
            stalest: self.stalest,
            last_from_store: self.last_from_store,
        })
    }

    async fn read(&mut self) {
        let key = self.random.usize(..KEYS);
        let mut context = BoxContext::default();
        let began = Instant::now();
        let outcome = self.backend.get_with::<u64>(&name(key), &mut context).await;
        self.record.took(began.elapsed());
        let value = match outcome {
            Ok(Some(value)) if context.status() == CacheStatus::Hit => value,
            Ok(_) if context.failures().is_empty() => return self.record.saw("miss"),
            Ok(_) => return self.record.saw("miss, L2 failed"),
            Err(error) => return self.record.saw(kind(&error)),
        };
        let is_from_store = match context.source() {
            ResponseSource::Backend(label) => label.as_str().ends_with(STORE),
            ResponseSource::Upstream => false,
        };
        if is_from_store {
            self.last_from_store = Some(began);
            return self.record.saw("hit of L2");
        }
        self.record.saw("hit of L1");
        let version = usize::try_from(**value.data()).unwrap_or(usize::MAX);
        let staleness = self.truth.staleness(key, version, began);
        self.stalest = self.stalest.max(staleness);
    }
}
