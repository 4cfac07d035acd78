//! Tags and clear in several processes over one store: what one of them invalidates, all hear of within the bound.

use std::{
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    time::Duration,
};

use async_trait::async_trait;
use hitbox::{
    Backend, BackendError, BackendErrorKind, BackendResult, Cache, Compose, Kept, LoadErrorKind,
    Loaded, Stamp, Status, Why,
    redis::{RedisBackend, RedisBackplane},
};
use hitbox_backend::{
    BackendLabel, DisabledOffload, Operation,
    coherence::{Announcing, Backplane, Coherence, Heard, LocalBackplane, Mark, PlaneId},
    conformance::MemoryBackend,
};
use hitbox_core::clock::Tick;
use test_servers::redis::SharedRedis;
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::TcpStream,
};

use crate::{
    backends::moka,
    source::{Asking, NUMBERS, Source, until},
};

const BOUND: Duration = Duration::from_millis(250);
const MINUTE: Duration = Duration::from_secs(60);

/// What processes share.
enum Shared {
    Local(LocalBackplane, Arc<Announcing<MemoryBackend>>),
    Redis(Box<SharedRedis>),
}

/// A plane that can be made to answer nothing.
struct Mutable<P>(P, Arc<AtomicBool>);

#[async_trait]
impl<P: Backplane> Backplane for Mutable<P> {
    async fn ask(&self, mark: Option<&Mark>, patience: Duration) -> BackendResult<Heard> {
        if self.1.load(Ordering::SeqCst) {
            let kind = BackendErrorKind::Unavailable;
            return Err(BackendError::new(kind, Operation::Read, self.label()));
        }
        self.0.ask(mark, patience).await
    }

    fn id(&self) -> PlaneId {
        self.0.id()
    }

    fn label(&self) -> BackendLabel {
        self.0.label()
    }
}

/// One process: a cache of its own, with copies of its own.
struct Process {
    cache: Cache,
    is_mute: Arc<AtomicBool>,
}

impl Shared {
    fn local() -> Self {
        let plane = LocalBackplane::new();
        let store = plane.announcing(MemoryBackend::new());
        Self::Local(plane, Arc::new(store))
    }

    async fn redis() -> Self {
        Self::Redis(Box::new(SharedRedis::open().await.unwrap()))
    }

    async fn process(&self) -> Process {
        self.process_of("").await
    }

    /// One that has begun to listen.
    async fn process_of(&self, name: &str) -> Process {
        let is_mute = Arc::new(AtomicBool::new(false));
        let within = Coherence::within(BOUND);
        let mute = Arc::clone(&is_mute);
        let (backend, heard): (Arc<dyn Backend>, Box<dyn Fn() -> bool>) = match self {
            Self::Local(plane, store) => {
                let composed = moka().compose(Arc::clone(store), DisabledOffload);
                let composed = composed.coherent(Mutable(plane.clone(), mute), within);
                let composed = Arc::new(composed.unwrap());
                let hearing = Arc::clone(&composed);
                let heard = move || hearing.hearing().unwrap().age.is_some();
                (composed, Box::new(heard))
            }
            Self::Redis(redis) => {
                let plane = RedisBackplane::builder()
                    .url(redis.url())
                    .namespace(redis.namespace())
                    .build()
                    .unwrap();
                let l2 = RedisBackend::builder()
                    .url(redis.url())
                    .namespace(redis.namespace())
                    .announce(&plane)
                    .build()
                    .unwrap();
                let composed = moka().compose(l2, DisabledOffload);
                let composed = composed.coherent(Mutable(plane, mute), within);
                let composed = Arc::new(composed.unwrap());
                let hearing = Arc::clone(&composed);
                let heard = move || hearing.hearing().unwrap().age.is_some();
                (composed, Box::new(heard))
            }
        };
        let cache = Cache::builder(backend)
            .ttl(MINUTE)
            .stale_if_error(MINUTE)
            .absent_ttl(MINUTE)
            .name(name);
        let cache = cache.build().unwrap();
        until(heard).await;
        Process { cache, is_mute }
    }

    /// The log is gone.
    async fn forget_news(&self) {
        match self {
            Self::Local(plane, _) => plane.forget(),
            Self::Redis(redis) => {
                let log = format!("hitbox:{{{}}}:news", namespace(redis));
                send(redis, &["DEL", &log]).await;
            }
        }
    }

    /// What was kept of these tags is gone.
    async fn forget_tags(&self, tags: &[&str]) {
        match self {
            Self::Local(plane, _) => plane.forget_tags(),
            Self::Redis(redis) => {
                for tag in tags {
                    let key = format!("hitbox:{{{}}}:tag:0::{tag}", namespace(redis));
                    send(redis, &["DEL", &key]).await;
                }
            }
        }
    }
}

fn namespace(redis: &SharedRedis) -> String {
    redis.namespace().trim_end_matches(':').to_owned()
}

/// A command that has nothing to do with the cache.
async fn send(redis: &SharedRedis, words: &[&str]) {
    let address = redis.url().trim_start_matches("redis://").to_owned();
    let address = address.split('/').next().unwrap().to_owned();
    let mut stream = TcpStream::connect(address).await.unwrap();
    let mut command = format!("*{}\r\n", words.len());
    for word in words {
        command.push_str(&format!("${}\r\n{word}\r\n", word.len()));
    }
    stream.write_all(command.as_bytes()).await.unwrap();
    let mut reply = [0; 64];
    let length = stream.read(&mut reply).await.unwrap();
    // So that a test that means another key is red.
    assert_eq!(&reply[..length], b":1\r\n", "{words:?}");
}

impl Process {
    async fn fill(&self, id: u64, source: &Source, tags: &'static [&'static str]) -> u64 {
        let load = source.load();
        let load = move || async move { Loaded::new(load().await).tags(tags) };
        let value = self.cache.get_or_load(NUMBERS.key(id), load).await;
        self.cache.drain().await;
        *value.unwrap()
    }

    async fn found(&self, id: u64) -> Option<u64> {
        let found = self.cache.get(NUMBERS.key(id)).await.unwrap();
        found.map(|value| *value)
    }

    /// Reads until this is found: a copy of what was removed may be in front of it until the change of the key is heard.
    async fn comes_to_find(&self, id: u64, value: u64) {
        let began = Tick::now();
        while self.found(id).await != Some(value) {
            assert!(Tick::now().since(began) < MINUTE, "it was never found");
            tokio::task::yield_now().await;
        }
    }

    /// Reads until it is gone. No read that begins later than the bound from now finds it.
    async fn loses_within_the_bound(&self, id: u64) {
        let confirmed = Tick::now();
        loop {
            let began = Tick::now();
            if self.found(id).await.is_none() {
                return;
            }
            let late = began.since(confirmed);
            assert!(late <= BOUND, "it was read {late:?} after it was removed");
            tokio::task::yield_now().await;
        }
    }
}

/// Each test once in one process, and once over Redis.
macro_rules! in_fleets {
    ($($test:ident),+ $(,)?) => {
        mod local {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(super::Shared::local()).await;
                }
            )+
        }
        mod redis {
            $(
                #[tokio::test(flavor = "multi_thread")]
                async fn $test() {
                    super::$test(super::Shared::redis().await).await;
                }
            )+
        }
    };
}

in_fleets!(
    what_one_removes_by_tag_is_gone_for_all_within_the_bound,
    what_one_clears_is_gone_for_all_within_the_bound,
    what_one_expires_by_tag_is_stale_for_all,
    a_load_that_a_tag_overtakes_elsewhere_is_never_served,
    who_begins_later_asks_the_store,
    a_tag_of_which_nothing_is_kept_counts_as_removed,
    after_a_gap_the_store_is_asked,
    while_nothing_is_heard_the_store_is_asked,
    what_was_read_before_is_as_old_as_that,
    what_is_absent_is_so_until_a_tag_is_removed,
);

/// So a reader can judge a value even if the store has failed meanwhile.
#[tokio::test]
async fn what_was_cleared_is_asked_for_when_a_process_begins_to_listen() {
    let shared = Shared::local();
    let Shared::Local(plane, _) = &shared else {
        unreachable!("it is local");
    };
    let one = shared.process().await;
    let source = Source::open();
    one.fill(1, &source, &[]).await;
    // Else the value would be as new as all that has been announced.
    one.cache.remove_tagged("another").await.unwrap();
    let before = plane.tags_asked_for();
    let two = shared.process().await;
    // As the cache is built, and after the first answer.
    until(|| plane.tags_asked_for() == before + 2).await;
    assert_eq!(two.found(1).await, Some(1));
    assert_eq!(plane.tags_asked_for(), before + 2);
}

async fn what_one_removes_by_tag_is_gone_for_all_within_the_bound(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let source = Source::open();
    one.fill(1, &source, &["t"]).await;
    one.fill(2, &source, &["u"]).await;
    one.fill(3, &source, &[]).await;
    for round in 0..20 {
        for id in [1, 2, 3] {
            assert!(two.found(id).await.is_some());
        }
        one.cache.remove_tagged("t").await.unwrap();
        assert_eq!(one.found(1).await, None);
        two.loses_within_the_bound(1).await;
        assert_eq!((two.found(2).await, two.found(3).await), (Some(2), Some(3)));
        // Who has heard of it, and loads then, is not concerned.
        assert_eq!(two.fill(1, &source, &["t"]).await, 4 + round);
        assert_eq!(two.found(1).await, Some(4 + round));
        one.comes_to_find(1, 4 + round).await;
    }
}

async fn what_one_clears_is_gone_for_all_within_the_bound(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let other = shared.process_of("other").await;
    let source = Source::open();
    one.fill(1, &source, &["t"]).await;
    one.fill(2, &source, &[]).await;
    assert_eq!((two.found(1).await, two.found(2).await), (Some(1), Some(2)));
    one.cache.clear().await.unwrap();
    assert_eq!((one.found(1).await, one.found(2).await), (None, None));
    two.loses_within_the_bound(1).await;
    two.loses_within_the_bound(2).await;
    assert_eq!(two.fill(2, &source, &[]).await, 3);
    one.comes_to_find(2, 3).await;
    // Another cache over the same store, which is asked for the same key.
    assert_eq!(other.found(2).await, Some(3));
    other.cache.clear().await.unwrap();
    assert_eq!(one.found(2).await, Some(3));
}

async fn what_one_expires_by_tag_is_stale_for_all(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let source = Source::open();
    // So that there is something to be kept of it.
    one.cache.remove_tagged("t").await.unwrap();
    until_heard(&two).await;
    two.fill(1, &source, &["t"]).await;
    until_heard(&one).await;
    one.cache.expire_tagged("t").await.unwrap();
    two.loses_within_the_bound(1).await;
    let stale = two
        .cache
        .get_or_try_load(NUMBERS.key(1), source.fail())
        .entry()
        .await
        .unwrap();
    assert_eq!(stale.status(), Status::Stale(Why::LoadFailed));
}

/// Returns when the process has heard all that has been announced.
async fn until_heard(process: &Process) {
    let source = Source::open();
    // What it has heard less than that, a load of its own would not have.
    let id = fastrand::u64(1_000..);
    process.fill(id, &source, &["heard"]).await;
    process.cache.remove_tagged("heard").await.unwrap();
    loop {
        process.fill(id, &source, &["heard"]).await;
        if process.found(id).await.is_some() {
            return;
        }
    }
}

/// Scenario 28, and T4: the process that loads has never heard of the tag.
async fn a_load_that_a_tag_overtakes_elsewhere_is_never_served(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let source = Source::held();
    let load = source.load();
    let asking = Asking::of_loaded(&two.cache, move || {
        Box::pin(async move { Loaded::new(load().await).tag("t") })
    });
    source.begun(1).await;
    one.cache.remove_tagged("t").await.unwrap();
    source.let_go();
    let entry = asking.entry().await;
    assert_eq!(**entry.value(), 1);
    assert!(matches!(entry.kept(), Kept::BeingStored | Kept::Overtaken));
    two.cache.drain().await;
    assert_eq!(one.found(1).await, None);
    two.loses_within_the_bound(1).await;
    let later = shared.process().await;
    assert_eq!(later.found(1).await, None);
}

async fn who_begins_later_asks_the_store(shared: Shared) {
    let (one, source) = (shared.process().await, Source::open());
    // The first who asks finds nothing of what is not kept yet.
    one.cache.clear().await.unwrap();
    one.cache.remove_tagged("t").await.unwrap();
    one.cache.remove_tagged("u").await.unwrap();
    until_heard(&one).await;
    one.fill(1, &source, &["t"]).await;
    one.fill(2, &source, &["u"]).await;
    one.fill(3, &source, &[]).await;
    let two = shared.process().await;
    for id in [1, 2, 3] {
        assert_eq!(two.found(id).await, Some(id));
    }
    one.cache.remove_tagged("t").await.unwrap();
    let three = shared.process().await;
    for (id, left) in [(1, None), (2, Some(2)), (3, Some(3))] {
        assert_eq!(three.found(id).await, left);
    }
    one.cache.clear().await.unwrap();
    let four = shared.process().await;
    for id in [1, 2, 3] {
        assert_eq!(four.found(id).await, None);
    }
}

/// Scenario 30.
async fn a_tag_of_which_nothing_is_kept_counts_as_removed(shared: Shared) {
    let (one, source) = (shared.process().await, Source::open());
    one.cache.clear().await.unwrap();
    one.cache.remove_tagged("t").await.unwrap();
    until_heard(&one).await;
    one.fill(1, &source, &["t"]).await;
    // Else the value would be as new as all that has been announced, and nobody asked.
    one.cache.remove_tagged("another").await.unwrap();
    shared.forget_tags(&["t"]).await;
    let two = shared.process().await;
    assert_eq!(two.found(1).await, None);
    // From then on it is kept again.
    until_heard(&two).await;
    assert_eq!(two.fill(1, &source, &["t"]).await, 2);
    let three = shared.process().await;
    assert_eq!(three.found(1).await, Some(2));
}

async fn after_a_gap_the_store_is_asked(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let source = Source::open();
    one.cache.clear().await.unwrap();
    one.cache.remove_tagged("t").await.unwrap();
    one.cache.remove_tagged("u").await.unwrap();
    until_heard(&one).await;
    one.fill(1, &source, &["t"]).await;
    one.fill(2, &source, &["u"]).await;
    assert_eq!((two.found(1).await, two.found(2).await), (Some(1), Some(2)));
    // Nobody else hears of it.
    two.is_mute.store(true, Ordering::SeqCst);
    one.cache.remove_tagged("t").await.unwrap();
    shared.forget_news().await;
    two.is_mute.store(false, Ordering::SeqCst);
    two.loses_within_the_bound(1).await;
    assert_eq!(two.found(2).await, Some(2));
}

async fn while_nothing_is_heard_the_store_is_asked(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let source = Source::open();
    one.cache.clear().await.unwrap();
    one.cache.remove_tagged("t").await.unwrap();
    one.cache.remove_tagged("u").await.unwrap();
    until_heard(&one).await;
    one.fill(1, &source, &["t"]).await;
    one.fill(2, &source, &["u"]).await;
    one.fill(3, &source, &[]).await;
    for id in [1, 2, 3] {
        assert_eq!(two.found(id).await, Some(id));
    }
    two.is_mute.store(true, Ordering::SeqCst);
    one.cache.remove_tagged("t").await.unwrap();
    two.loses_within_the_bound(1).await;
    for (id, left) in [(1, None), (2, Some(2)), (3, Some(3))] {
        assert_eq!(two.found(id).await, left);
    }
    one.cache.clear().await.unwrap();
    two.loses_within_the_bound(3).await;
    // What it invalidates itself holds at once.
    assert_eq!(one.fill(2, &source, &["u"]).await, 4);
    two.cache.remove_tagged("u").await.unwrap();
    assert_eq!(two.found(2).await, None);
    one.loses_within_the_bound(2).await;
}

async fn what_was_read_before_is_as_old_as_that(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let before = Stamp::now();
    let insert = |value: u64| Loaded::new(value).tag("t");
    let insert = two.cache.insert(NUMBERS.key(1), insert(7));
    insert.loaded_since(before).await.unwrap();
    assert_eq!(two.found(1).await, Some(7));
    one.cache.remove_tagged("t").await.unwrap();
    two.loses_within_the_bound(1).await;
    until_heard(&two).await;
    let insert = two.cache.insert(NUMBERS.key(1), Loaded::new(8).tag("t"));
    insert.loaded_since(before).await.unwrap();
    assert_eq!((one.found(1).await, two.found(1).await), (None, None));
    let insert = two.cache.insert(NUMBERS.key(1), Loaded::new(9).tag("t"));
    insert.await.unwrap();
    assert_eq!(two.found(1).await, Some(9));
    one.comes_to_find(1, 9).await;
}

async fn what_is_absent_is_so_until_a_tag_is_removed(shared: Shared) {
    let (one, two) = (shared.process().await, shared.process().await);
    let source = Source::open();
    let ask = async |process: &Process| {
        let load = source.load();
        let load = move || async move {
            load().await;
            Loaded::<u64>::absent()
        };
        let error = process.cache.get_or_load(NUMBERS.key(1), load).await;
        assert_eq!(error.unwrap_err().kind(), LoadErrorKind::Absent);
        process.cache.drain().await;
        source.loads()
    };
    assert_eq!((ask(&one).await, ask(&two).await), (1, 1));
    one.cache.remove_tagged("users").await.unwrap();
    until_heard(&two).await;
    assert_eq!(ask(&two).await, 2);
}
