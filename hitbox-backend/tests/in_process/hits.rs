//! How often a typed hit allocates. The counts are exact, and the test fails when they grow.

use std::sync::Arc;

use chrono::{TimeDelta, Utc};
use hitbox_backend::{Backend, CacheBackend, Compose, CompositionPolicy, ParallelReadPolicy};
use hitbox_core::{CacheContext, CacheKey, CacheStatus, CacheValue, DisabledOffload, Stamp};
use serde::{Deserialize, Serialize};
use stats_alloc::Region;

use crate::{ALLOCATOR, Tested, one_at_a_time};

#[derive(Serialize, Deserialize)]
struct User {
    name: String,
    bytes: Vec<u8>,
}

const HITS: usize = 1_000;

fn cache() -> Tested {
    Tested::builder().max_entries(10_000).build().unwrap()
}

/// Allocations per typed hit, over many, so that moka's own occasional ones do not show.
async fn per_hit(cache: &(impl Backend + ?Sized)) -> usize {
    let key = CacheKey::from_pair("user", "42");
    let user = Arc::new(User {
        name: "x".repeat(16 << 10),
        bytes: vec![7; 16 << 10],
    });
    let expire = Some(Utc::now() + TimeDelta::hours(1));
    cache
        .set(
            &key,
            CacheValue::from_parts(user, expire, None, Stamp::now()),
        )
        .await
        .unwrap();

    let hit = async || {
        let mut context = CacheContext::default().boxed();
        let found = cache
            .get_with::<User>(&key, &mut context)
            .await
            .unwrap()
            .unwrap();
        assert_eq!(context.status(), CacheStatus::Hit);
        assert_eq!(found.data().name.len(), found.data().bytes.len());
    };
    hit().await;
    let region = Region::new(ALLOCATOR);
    for _ in 0..HITS {
        hit().await;
    }
    region.change().allocations / HITS
}

#[test]
fn a_typed_hit_allocates_no_more_than_it_did() {
    let _alone = one_at_a_time();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .build()
        .unwrap();
    runtime.block_on(async {
        let composed = || cache().compose(cache(), DisabledOffload);
        let parallel = CompositionPolicy::new().read(ParallelReadPolicy::new());
        let parallel = cache().compose_with(cache(), DisabledOffload, parallel);
        let as_dyn: Arc<dyn Backend> = Arc::new(composed());
        let nested = cache().compose(composed(), DisabledOffload);
        let counts = [
            ("alone", per_hit(&cache()).await, 0),
            ("composed, sequential", per_hit(&composed()).await, 0),
            ("composed, sequential, dyn", per_hit(&*as_dyn).await, 0),
            ("three levels, sequential", per_hit(&nested).await, 0),
            ("composed, parallel", per_hit(&parallel).await, 0),
        ];
        for (what, allocations, _) in counts {
            println!("{what}: {allocations} allocations per typed hit");
        }
        for (what, allocations, limit) in counts {
            assert!(allocations <= limit, "{what}: {allocations}, limit {limit}");
        }
    });
}
