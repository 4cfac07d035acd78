//! Settings that cannot work are refused by name, before any I/O.

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
    assert_refused(settings().username("u"), "`password`");
    assert_refused(
        RedisBackend::builder().url("redis://u@localhost"),
        "`password`",
    );
    assert_refused(
        RedisBackend::builder()
            .url("redis://u@localhost")
            .username("v"),
        "`password`",
    );
    #[cfg(feature = "cluster")]
    assert_refused(
        RedisBackend::builder().cluster_nodes(["redis://u@localhost"]),
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
        settings().attempt_timeout(Duration::ZERO),
        "`attempt_timeout`",
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

/// Each setting at the ends of what can be given.
#[test]
fn no_value_of_a_setting_panics_and_what_cannot_work_is_refused() {
    type Set = fn(RedisBackendBuilder, Duration) -> RedisBackendBuilder;
    let limits: [(&str, Set); 3] = [
        ("`deadline`", RedisBackendBuilder::deadline),
        ("`connect_timeout`", RedisBackendBuilder::connect_timeout),
        ("`attempt_timeout`", RedisBackendBuilder::attempt_timeout),
    ];
    for (setting, set) in limits {
        for limit in [
            Duration::ZERO,
            Duration::from_nanos(1),
            Duration::from_micros(999),
            Duration::from_secs(86_401),
            Duration::from_secs(u64::MAX / 2),
            Duration::MAX,
        ] {
            assert_refused(set(settings(), limit), setting);
        }
    }
    for limit in [Duration::from_millis(1), Duration::from_secs(86_400)] {
        settings().deadline(limit).build().unwrap();
    }
    assert_refused(
        settings().connect_timeout(Duration::from_secs(1)),
        "`deadline`",
    );
    assert_refused(settings().largest_value(usize::MAX), "`largest_value`");
    settings().largest_value(1).build().unwrap();
    assert_refused(settings().largest_decoded(0), "`largest_decoded`");
    assert_refused(settings().username(""), "`username`");
    assert_refused(settings().password(""), "`password`");
    settings().database(u32::MAX).build().unwrap();
    assert_refused(settings().label(""), "`label`");
    settings().namespace("").build().unwrap();
    settings()
        .label("a\0b\n")
        .namespace("a\r\n\0")
        .username("a\r\nb")
        .password("\0\r\n")
        .build()
        .unwrap();
}

#[test]
fn a_host_that_is_none_is_refused() {
    for host in ["", " ", "a b", "a\r\nb", "a\0b", "\u{7f}"] {
        assert_refused(RedisBackend::builder().host(host, 6379), "`host`");
    }
    assert_refused(RedisBackend::builder().host("localhost", 0), "`host`");
    for url in [
        "",
        " ",
        "redis://",
        "redis://ho st",
        "redis://host:0",
        "redis://host:99999",
        "redis://host:-1",
        "redis://a%20b",
        "redis://a%0d%0ab",
        "redis://host/99999999999999999999",
        "redis://\0",
        "unix://",
    ] {
        let settings = RedisBackend::builder().url(url);
        let outcome = settings.clone().build();
        let refused = outcome.is_err();
        assert!(refused, "{url:?} is taken for {outcome:?}");
        assert_refused(settings, "`url`");
        #[cfg(feature = "cluster")]
        assert_refused(RedisBackend::builder().cluster_nodes([url]), "`");
    }
    #[cfg(feature = "tls")]
    assert_refused(
        RedisBackend::builder().url("rediss://localhost/#insecure"),
        "`root_certificate`",
    );
}

/// What would be dropped in silence, or be refused by the server at the first use.
#[test]
fn what_a_url_says_for_nothing_is_refused() {
    for (url, named) in [
        ("redis://host/-1", "database"),
        ("redis://host/99999999999", "database"),
        ("redis://host/4294967296", "database"),
        ("redis://host/1/2", "`url`"),
        ("redis://host?db=5", "after `?`"),
        ("redis://host/?foo=bar", "after `?`"),
        ("redis://host/1?protocol=resp3", "after `?`"),
        ("redis://host/1#2", "after `?` or `#`"),
        ("unix:///run/redis.sock?db=-1", "database"),
        ("unix:///run/redis.sock?database=1", "after `?`"),
        ("unix:///run/redis.sock?db=1&db=2", "after `?`"),
        ("redis://user:pass\n@host", "line end"),
        ("redis://user:pa\tss@host", "line end"),
        ("redis://:pass\r@host", "line end"),
        ("redis://host\n", "line end"),
        (" redis://host", "line end"),
    ] {
        let settings = RedisBackend::builder().url(url);
        assert!(settings.clone().build().is_err(), "{url:?}");
        assert_refused(settings, named);
        #[cfg(feature = "cluster")]
        if url.contains("redis://") {
            assert_refused(RedisBackend::builder().cluster_nodes([url]), named);
        }
    }
    for url in [
        "redis://host/0",
        "redis://host/15/",
        "redis://:pa%0Ass@host",
        "unix:///run/redis.sock?db=1&user=u&pass=p",
        "unix:///run/a b",
    ] {
        RedisBackend::builder().url(url).build().unwrap();
    }
}

#[test]
fn a_host_with_more_than_a_name_is_refused() {
    for host in [
        "h:1",
        "[::1]",
        "u@h",
        "h/1",
        "redis://h",
        "h?x",
        "h#x",
        ":1",
    ] {
        assert_refused(RedisBackend::builder().host(host, 6379), "`host`");
    }
    for host in ["::1", "fe80::1", "127.0.0.1", "under_score", "a-b.c."] {
        RedisBackend::builder().host(host, 6379).build().unwrap();
    }
}

/// No runtime, no server.
#[test]
fn what_can_work_is_built_without_io() {
    for url in [
        "redis://localhost",
        "redis://user:pa%40ss@[::1]:7000/3",
        "redis://:password@localhost",
        "unix:///run/redis.sock",
        "valkey://localhost",
    ] {
        RedisBackend::builder().url(url).build().unwrap();
    }
    let named = RedisBackend::builder().url("redis://user@localhost");
    named.password("password").build().unwrap();
    settings().password("password").build().unwrap();
    #[cfg(feature = "tls")]
    RedisBackend::builder()
        .url("rediss://localhost")
        .build()
        .unwrap();
    let largest = (512 << 20) - 48;
    settings().largest_value(largest).build().unwrap();
}
