//! What one process has found to be absent, the next one on the same directory knows.

use std::time::Duration;

use hitbox_backend::{
    BoxContext, CacheBackend, CacheKey, CacheStatus, CacheValue, Compose, CompositionBackend,
    DisabledOffload, Known, Stamp, conformance::MemoryBackend,
};
use hitbox_sled::SledBackend;
use tempfile::TempDir;

/// What a process has: nothing in memory at first, and what is on the disk.
fn process(directory: &TempDir) -> CompositionBackend<MemoryBackend, SledBackend, DisabledOffload> {
    let sled = SledBackend::builder().path(directory.path()).build();
    MemoryBackend::new().compose(sled.unwrap(), DisabledOffload)
}

#[tokio::test]
async fn it_is_known_after_a_restart_until_something_takes_its_place() {
    let directory = tempfile::tempdir().unwrap();
    let key = CacheKey::from_pair("user", "43");
    let lasting = |known: Known<String>| {
        CacheValue::loaded(known, Stamp::now()).ttl(Duration::from_secs(3600))
    };
    let nobody = lasting(Known::Absent);
    let first = process(&directory);
    first.set_known(&key, nobody.clone()).await.unwrap();
    first.l2().flush().await.unwrap();
    drop(first);

    let second = process(&directory);
    let mut context = BoxContext::default();
    for source in ["composition.sled", "composition.memory"] {
        let found = second.get_known(&key, &mut context).await.unwrap();
        assert_eq!(found, Some(nobody.clone()));
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(context.source().to_string(), source);
    }
    assert!(second.get::<String>(&key).await.unwrap().is_none());
    let somebody = lasting(Known::Present(String::from("Ada").into()));
    second.set_known(&key, somebody.clone()).await.unwrap();
    second.l2().flush().await.unwrap();
    drop(second);

    let third = process(&directory);
    let found = third.get_known(&key, &mut context).await.unwrap();
    assert_eq!(found, Some(somebody));
}
