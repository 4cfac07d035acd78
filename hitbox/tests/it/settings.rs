//! Settings that cannot work are refused: of a cache when it is built, of a keyspace and of a call by each call.

use std::time::Duration;

use hitbox::{Batch, Cache, CacheBuilder, Keyspace, LoadErrorKind};
use hitbox_backend::BackendErrorKind;

use crate::{
    backends::of_moka,
    source::{NUMBERS, Source},
};

const MINUTE: Duration = Duration::from_secs(60);
const SECOND: Duration = Duration::from_secs(1);

fn builder() -> CacheBuilder {
    Cache::builder(of_moka()).ttl(MINUTE)
}

#[test]
fn a_cache_with_a_setting_that_cannot_work_is_not_built() {
    let refused = |builder: CacheBuilder, says: &str| {
        let error = builder.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains(says), "{error}");
    };
    refused(builder().ttl(Duration::ZERO), "`ttl` is zero");
    refused(
        builder().soft_timeout(SECOND),
        "`stale_if_error` is not set",
    );
    let falls_back = || builder().stale_if_error(MINUTE);
    refused(
        falls_back().soft_timeout(Duration::ZERO),
        "`soft_timeout` is zero",
    );
    refused(
        falls_back().soft_timeout(SECOND).hard_timeout(SECOND),
        "it is to be shorter",
    );
    refused(builder().max_loads(0), "`max_loads` is zero");
    refused(builder().max_fills(0), "`max_fills` is zero");
    refused(
        builder().hard_timeout(Duration::ZERO),
        "`hard_timeout` is zero",
    );
    assert!(falls_back().ttl(Duration::ZERO).build().is_ok());
    assert!(falls_back().soft_timeout(SECOND).build().is_ok());
}

#[tokio::test(start_paused = true)]
async fn a_call_with_a_setting_that_cannot_work_is_refused_on_a_hit_too() {
    let (cache, source) = (builder().build().unwrap(), Source::open());
    for stored in [false, true] {
        if stored {
            cache.insert(NUMBERS.key(1), 7).await.unwrap();
        }
        let call = || cache.get_or_load(NUMBERS.key(1), source.load());
        for call in [call().jitter(0.9), call().soft_timeout(SECOND)] {
            let error = call.await.unwrap_err();
            assert_eq!(error.kind(), LoadErrorKind::Backend, "stored: {stored}");
        }
        let load = |missing: Batch<u64, u64>| async { std::io::Result::Ok(missing) };
        let batch = cache.get_many_or_load(&NUMBERS, [1], load).jitter(0.9);
        assert!(batch.await[0].is_err());
        assert!(cache.insert(NUMBERS.key(1), 8).jitter(0.9).await.is_err());
    }
    assert_eq!(source.loads(), 0);
    assert_eq!(cache.statistics().calls.failed, 6);
    let call = cache.get_or_load(NUMBERS.key(1), source.load());
    assert_eq!(*call.hard_timeout(SECOND).await.unwrap(), 7);
}

#[tokio::test(start_paused = true)]
async fn a_keyspace_with_a_setting_that_cannot_work_is_refused_by_each_call() {
    const HASTY: Keyspace<u64, u64> = Keyspace::new("hasty", 1).soft_timeout(SECOND);
    let source = Source::open();
    let cache = builder().build().unwrap();
    let error = cache.get_or_load(HASTY.key(1), source.load()).await;
    assert_eq!(error.unwrap_err().kind(), LoadErrorKind::Backend);
    // What is in force beside it counts.
    let cache = builder().stale_if_error(MINUTE).build().unwrap();
    assert!(cache.get_or_load(HASTY.key(1), source.load()).await.is_ok());
}
