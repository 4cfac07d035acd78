//! What wrappers allocate while all is well: the box of the call that each of them makes, no more.

use std::time::Duration;

use bytes::Bytes;
use hitbox_backend::{
    Backend, BackendExt, CircuitBreakerConfig, FailureRate, RetryConfig, conformance::MemoryBackend,
};
use hitbox_core::{BoxContext, CacheKey, CacheValue, Raw, Stamp};
use stats_alloc::Region;

use crate::{ALLOCATOR, one_at_a_time};

const CALLS: usize = 1_000;
const LIMIT: Duration = Duration::from_secs(10);

/// Allocations per read and write, both together.
async fn per_pair(backend: &dyn Backend) -> usize {
    let key = CacheKey::from_pair("id", "42");
    let value = CacheValue::loaded(Raw::from(Bytes::from_static(b"v")), Stamp::now());
    let pair = async || {
        backend.write(&key, value.clone()).await.unwrap();
        let mut context = BoxContext::default();
        let found = backend.read_with(&key, &mut context).await;
        assert_eq!(found.unwrap().unwrap().data().payload().unwrap(), &b"v"[..]);
    };
    pair().await;
    let region = Region::new(ALLOCATOR);
    for _ in 0..CALLS {
        pair().await;
    }
    region.change().allocations / CALLS
}

#[test]
fn each_wrapper_adds_the_box_of_its_call() {
    let _alone = one_at_a_time();
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_time()
        .build()
        .unwrap();
    runtime.block_on(compared());
}

async fn compared() {
    let memory = MemoryBackend::new;
    let rate = CircuitBreakerConfig::new().failure_rate(FailureRate::new(0.5));
    let alone = per_pair(&memory()).await;
    let deadline = memory().deadline(LIMIT).unwrap();
    let breaker = memory()
        .circuit_breaker(CircuitBreakerConfig::new())
        .unwrap();
    let with_rate = memory().circuit_breaker(rate).unwrap();
    let retry = memory().retry(RetryConfig::new()).unwrap();
    let counts = [
        ("deadline", per_pair(&deadline).await),
        ("circuit breaker", per_pair(&breaker).await),
        ("circuit breaker, failure rate", per_pair(&with_rate).await),
        ("retry", per_pair(&retry).await),
    ];
    println!("alone: {alone} allocations for a write and a read");
    for (what, allocations) in counts {
        println!("{what}: {allocations}");
        assert_eq!(allocations, alone + 2, "{what}");
    }
}
