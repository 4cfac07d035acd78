//! Settings that cannot work are refused by name, before any I/O.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use std::time::Duration;

use hitbox_backend::{BackendErrorKind, Operation};
use hitbox_redis::{RedisBackend, RedisBackendBuilder};

fn settings() -> RedisBackendBuilder {
    RedisBackend::builder().url("redis://localhost")
}

#[track_caller]
fn assert_refused(settings: RedisBackendBuilder, named: &str) {
    let error = settings.build().unwrap_err();
    assert_eq!(
        error.kind(),
        BackendErrorKind::InvalidConfiguration,
        "{error}"
    );
    assert_eq!(error.operation(), Operation::Open);
    assert!(error.to_string().contains(named), "{error}");
}

#[test]
fn what_cannot_work_is_refused_by_name() {
    assert_refused(RedisBackend::builder(), "`url`");
    assert_refused(settings().host("localhost", 6379), "`host`");
    assert_refused(
        RedisBackend::builder().host("localhost", 1).username("u"),
        "`password`",
    );
    assert_refused(RedisBackend::builder().url("localhost:6379"), "redis://");
    assert_refused(settings().largest_value(0), "`largest_value`");
    assert_refused(settings().largest_value(512 << 20), "`largest_value`");
    assert_refused(settings().deadline(Duration::ZERO), "`deadline`");
    assert_refused(
        settings().connect_timeout(Duration::ZERO),
        "`connect_timeout`",
    );
    assert_refused(
        settings().response_timeout(Duration::ZERO),
        "`response_timeout`",
    );
    #[cfg(not(feature = "tls"))]
    assert_refused(RedisBackend::builder().url("rediss://localhost"), "`tls`");
    #[cfg(feature = "cluster")]
    assert_refused(
        settings().cluster_nodes(["redis://localhost"]),
        "`cluster_nodes`",
    );
}

#[cfg(feature = "cluster")]
#[test]
fn nodes_of_a_cluster_that_do_not_fit_together_are_refused() {
    for (two, named) in [
        ("redis://:other@localhost:2", "password"),
        ("redis://localhost:2/1", "database"),
        ("unix:///run/redis.sock", "`cluster_nodes`"),
        ("localhost:2", "redis://"),
    ] {
        assert_refused(
            RedisBackend::builder().cluster_nodes(["redis://localhost:1", two]),
            named,
        );
    }
    RedisBackend::builder()
        .cluster_nodes(["redis://localhost:1", "redis://localhost:2"])
        .build()
        .unwrap();
}

/// No runtime, no server.
#[test]
fn what_can_work_is_built_without_io() {
    for url in [
        "redis://localhost",
        "redis://user:pa%40ss@[::1]:7000/3",
        "unix:///run/redis.sock",
        "valkey://localhost",
    ] {
        RedisBackend::builder().url(url).build().unwrap();
    }
    #[cfg(feature = "tls")]
    RedisBackend::builder()
        .url("rediss://localhost")
        .build()
        .unwrap();
    let largest = (512 << 20) - 40;
    settings().largest_value(largest).build().unwrap();
}
