//! What was invalidated stays so when the process begins anew, over a store that outlives it.

use std::time::Duration;

use futures::future::BoxFuture;
use hitbox::{Cache, Compose, Loaded, sled::SledBackend};
use hitbox_backend::DisabledOffload;
use tempfile::TempDir;

use crate::{
    backends::moka,
    source::{NUMBERS, Source, until},
};

const HOUR: Duration = Duration::from_secs(3_600);

/// A process: a cache over what an earlier one has left.
struct Process {
    cache: Cache,
    sled: SledBackend,
}

impl Process {
    async fn begin(directory: &TempDir) -> Self {
        let sled = SledBackend::builder().path(directory.path()).open();
        let sled = sled.await.unwrap();
        let backend = moka().compose(sled.clone(), DisabledOffload);
        let cache = Cache::builder(backend).ttl(HOUR).stale_if_error(HOUR);
        let cache = cache.absent_ttl(HOUR).build().unwrap();
        Self { cache, sled }
    }

    async fn end(self) {
        let report = self.cache.close(Duration::from_secs(60)).await;
        assert!(report.is_complete(), "{report:?}");
        drop(self.cache);
        self.sled.close().await.unwrap();
    }

    async fn fill(&self, id: u64, source: &Source, tags: &'static [&'static str]) {
        let load = source.load();
        let load = move || -> BoxFuture<'static, Loaded<u64>> {
            Box::pin(async move { Loaded::new(load().await).tags(tags) })
        };
        let fills = self.cache.statistics().fills;
        self.cache.get_or_load(NUMBERS.key(id), load).await.unwrap();
        until(|| self.cache.statistics().fills > fills).await;
    }

    async fn found(&self, id: u64) -> Option<u64> {
        let found = self.cache.get(NUMBERS.key(id)).await.unwrap();
        found.map(|value| *value)
    }
}

#[tokio::test]
async fn what_was_removed_by_tag_is_gone_after_a_restart() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::open());
    let process = Process::begin(&directory).await;
    process.fill(1, &source, &["t"]).await;
    process.fill(2, &source, &["u"]).await;
    process.fill(3, &source, &[]).await;
    process.end().await;

    let process = Process::begin(&directory).await;
    for id in [1, 2, 3] {
        assert_eq!(process.found(id).await, Some(id));
    }
    process.cache.remove_tagged("t").await.unwrap();
    process.end().await;

    for _ in 0..2 {
        let process = Process::begin(&directory).await;
        for (id, left) in [(1, None), (2, Some(2)), (3, Some(3))] {
            assert_eq!(process.found(id).await, left);
        }
        process.end().await;
    }
    let process = Process::begin(&directory).await;
    process.fill(1, &source, &["t"]).await;
    process.end().await;
    let process = Process::begin(&directory).await;
    assert_eq!(process.found(1).await, Some(4));
}

/// What the table has forgotten is asked for.
#[tokio::test]
async fn a_table_without_room_asks_the_store() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::open());
    let sled = SledBackend::builder().path(directory.path()).open();
    let cache = Cache::builder(sled.await.unwrap()).ttl(HOUR).tag_memory(0);
    let cache = cache.build().unwrap();
    let fill = async |id: u64, tag: &'static str| {
        let load = source.load();
        let load = move || async move { Loaded::new(load().await).tag(tag) };
        cache.get_or_load(NUMBERS.key(id), load).await.unwrap();
        cache.drain().await;
    };
    fill(1, "t").await;
    fill(2, "u").await;
    cache.remove_tagged("t").await.unwrap();
    assert_eq!(cache.get(NUMBERS.key(1)).await.unwrap(), None);
    assert_eq!(
        cache.get(NUMBERS.key(2)).await.unwrap().as_deref(),
        Some(&2)
    );
}

#[tokio::test]
async fn what_was_cleared_or_expired_is_so_after_a_restart() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::open());
    let process = Process::begin(&directory).await;
    process.fill(1, &source, &["t"]).await;
    process.cache.expire_tagged("t").await.unwrap();
    process.end().await;
    let process = Process::begin(&directory).await;
    assert_eq!(process.found(1).await, None);
    let stale = process.cache.get_or_try_load(NUMBERS.key(1), source.fail());
    assert_eq!(stale.await.as_deref().unwrap(), &1);
    process.fill(2, &source, &[]).await;
    process.cache.clear().await.unwrap();
    process.end().await;
    let process = Process::begin(&directory).await;
    assert_eq!(
        (process.found(1).await, process.found(2).await),
        (None, None)
    );
    process.fill(2, &source, &[]).await;
    process.end().await;
    let process = Process::begin(&directory).await;
    assert!(process.found(2).await.is_some());
}

#[tokio::test]
async fn what_is_absent_is_so_after_a_restart_until_a_tag_is_removed() {
    let (directory, source) = (tempfile::tempdir().unwrap(), Source::open());
    let absent = || {
        let load = source.load();
        move || async move {
            load().await;
            Loaded::<u64>::absent()
        }
    };
    for loads in [1, 1, 2] {
        let process = Process::begin(&directory).await;
        let asked = process.cache.get_or_load(NUMBERS.key(1), absent());
        assert_eq!(asked.optional().await.unwrap(), None);
        process.cache.drain().await;
        assert_eq!(source.loads(), loads);
        if loads == 1 && process.cache.statistics().fills == 0 {
            process.cache.remove_tagged("t").await.unwrap();
        }
        process.end().await;
    }
}
