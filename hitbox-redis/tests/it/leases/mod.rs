//! Leases in the key: one process loads, and what is done to the key meanwhile ends that.

mod composed;
mod single;

use hitbox_backend::{Backend, Begun, Condition, Conditional, Lease};
use hitbox_core::{CacheKey, CacheValue, Raw};
use hitbox_redis::{RedisBackend, RedisBackendBuilder};
use test_servers::redis::RedisServer;

use crate::server;

/// One process among several.
fn process(server: &RedisServer) -> RedisBackend {
    leasing(server).build().unwrap()
}

fn leasing(server: &RedisServer) -> RedisBackendBuilder {
    server::builder(server)
        .deadline(server::PATIENT)
        .fleet_lease()
}

fn led(begun: Begun) -> Lease {
    assert!(matches!(begun, Begun::Lead(_)), "{begun:?}");
    begun.into_lease()
}

fn found(begun: Begun) -> Lease {
    assert!(matches!(begun, Begun::Found(_)), "{begun:?}");
    begun.into_lease()
}

fn elsewhere(begun: Begun) -> Lease {
    assert!(matches!(begun, Begun::Elsewhere(_)), "{begun:?}");
    begun.into_lease()
}

async fn begin(cache: &impl Backend, key: &CacheKey) -> Begun {
    cache.begin_load(key).await.unwrap()
}

async fn fill(
    cache: &impl Backend,
    key: &CacheKey,
    value: CacheValue<Raw>,
    lease: Lease,
) -> Conditional {
    let condition = Condition::Lease(lease);
    cache.write_if(key, value, condition).await.unwrap()
}
