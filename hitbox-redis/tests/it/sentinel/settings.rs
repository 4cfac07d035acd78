//! Settings that cannot work are refused, and nothing secret is shown.

use hitbox_backend::BackendErrorKind;
use hitbox_redis::{RedisBackend, RedisBackendBuilder};

const SECRET: &str = "hunter2";

fn sentinel(url: &str) -> RedisBackendBuilder {
    RedisBackend::builder().sentinel([url], "mymaster")
}

#[test]
fn what_cannot_work_is_refused() {
    let none: [&str; 0] = [];
    let two = |one: &str, other: &str| RedisBackend::builder().sentinel([one, other], "mymaster");
    for (settings, words) in [
        (
            RedisBackend::builder().sentinel(none, "mymaster"),
            "without the URL",
        ),
        (
            RedisBackend::builder().sentinel(["redis://one"], ""),
            "name",
        ),
        (
            RedisBackend::builder().sentinel(["redis://one"], "my master"),
            "name",
        ),
        (sentinel("redis://one").url("redis://two"), "give one"),
        (sentinel("redis://one").host("two", 6379), "give one"),
        (sentinel("redis://one/2"), "`database`"),
        (sentinel("redis://user@one"), "`password`"),
        (sentinel("unix:///run/sentinel.sock"), "Unix sockets"),
        (sentinel("one:26379"), "`url`"),
        (sentinel("redis://o%6Ee"), "host"),
        (sentinel("redis://one").username("user"), "`password`"),
    ] {
        let error = settings.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    #[cfg(feature = "tls")]
    for (settings, words) in [
        (two("redis://one", "rediss://two"), "differ"),
        (sentinel("rediss://one/#insecure"), "insecure"),
        (sentinel("redis://one").root_certificate("PEM"), "rediss://"),
        (
            sentinel("redis://one").client_certificate("PEM", "PEM"),
            "rediss://",
        ),
    ] {
        let error = settings.build().unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains(words), "{words}: {error}");
    }
    #[cfg(feature = "cluster")]
    sentinel("redis://one")
        .cluster_nodes(["redis://two"])
        .build()
        .unwrap_err();
    two("redis://one", "redis://two:1").build().unwrap();
}

#[test]
fn what_is_shown_has_the_ports_and_no_secret() {
    let settings = sentinel(&format!("redis://:{SECRET}@one")).password(SECRET);
    let cache = settings.clone().build().unwrap();
    let shown = format!("{settings:?} {cache:?} {cache:#?}");
    assert!(!shown.contains(SECRET), "{shown}");
    assert!(shown.contains("mymaster (by one:26379)"), "{shown}");
}
