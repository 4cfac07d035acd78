//! What cannot work is refused, and the message says what to do.

use super::plane;
use crate::server::start;
use hitbox_backend::{Backend, BackendErrorKind, coherence::Backplane};
use hitbox_redis::{RedisBackend, RedisBackplane};

fn complaint<T>(outcome: hitbox_backend::BackendResult<T>) -> String {
    let error = outcome.err().unwrap();
    assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
    error.to_string()
}

#[tokio::test]
async fn who_announces_says_where_and_as_whom() {
    let server = start().await;
    let plane = plane(&server);
    let backend = || super::announcing(&server).build().unwrap();
    let (one, two) = (backend(), backend());
    let [one, two] = [&one, &two].map(|backend| backend.announces().unwrap());
    assert_eq!(one.plane, plane.id());
    assert_eq!(one.plane, two.plane);
    assert_ne!(one.origin, two.origin);
    assert!(!one.by_copies);
    let silent = RedisBackend::builder().url(server.url()).build().unwrap();
    assert_eq!(silent.announces(), None);
}

#[test]
fn a_log_elsewhere_is_refused() {
    let plane = |url: &str| RedisBackplane::builder().url(url).build().unwrap();
    let backend = |url: &str| RedisBackend::builder().url(url);
    for (one, two) in [
        ("redis://one", "redis://two"),
        ("redis://one/1", "redis://one/2"),
    ] {
        let refused = complaint(backend(one).announce(&plane(two)).build());
        assert!(refused.contains("`announce`"), "{refused}");
    }
    backend("redis://:secret@one/1")
        .announce(&plane("redis://one/1"))
        .build()
        .unwrap();
}

#[cfg(feature = "cluster")]
#[test]
fn a_cluster_is_refused() {
    let nodes = ["redis://one", "redis://two"];
    let refused = complaint(RedisBackplane::builder().cluster_nodes(nodes).build());
    assert!(refused.contains("`cluster_nodes`"), "{refused}");
    let plane = RedisBackplane::builder().url("redis://one").build();
    let backend = RedisBackend::builder().cluster_nodes(nodes);
    let refused = complaint(backend.announce(&plane.unwrap()).build());
    assert!(refused.contains("`cluster_nodes`"), "{refused}");
}

#[test]
fn a_log_without_room_or_place_is_refused() {
    let refused = complaint(RedisBackplane::builder().build());
    assert!(refused.contains("`url`"), "{refused}");
    let plane = RedisBackplane::builder().url("redis://one");
    let refused = complaint(plane.max_entries(999).build());
    assert!(refused.contains("`max_entries`"), "{refused}");
}

#[test]
fn credentials_are_not_shown() {
    let builder = RedisBackplane::builder().url("redis://user:secret@one");
    let shown = format!("{builder:?} {:?}", builder.clone().build().unwrap());
    assert!(!shown.contains("secret"), "{shown}");
    assert!(shown.contains("hitbox:{}:news"), "{shown}");
}
