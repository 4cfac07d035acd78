//! A backend that does not announce, beside others that do.

use crate::{recorder, server};
use hitbox_backend::Backend;
use hitbox_redis::{RedisBackend, RedisBackplane};

#[tokio::test]
async fn who_does_not_announce_beside_others_that_do_is_told_once() {
    let recorder = recorder::record();
    let server = server::start().await;
    let url = server.url();
    let plane = RedisBackplane::builder().url(&url).namespace("shop");
    let announcing = RedisBackend::builder()
        .url(&url)
        .namespace("shop")
        .announce(&plane.build().unwrap())
        .build()
        .unwrap();
    let silent = |namespace: &str| RedisBackend::builder().url(&url).namespace(namespace);
    let is_error = |line: &&String| line.starts_with("ERROR");
    let errors = || recorder.lines().iter().filter(is_error).count();
    silent("shop").connect().await.unwrap();
    assert_eq!(errors(), 0, "nobody announces yet");

    let key = server::key("k");
    announcing.write(&key, server::value("1")).await.unwrap();
    let mut observer = server::Observer::connect(&url).await;
    let sign: &[&[u8]] = &[b"EXISTS", b"hitbox:{shop}:coherent"];
    server::until(async || observer.ask::<bool>(sign).await).await;
    silent("other").connect().await.unwrap();
    assert_eq!(errors(), 0, "another namespace");

    let silent = silent("shop").connect().await.unwrap();
    assert_eq!(errors(), 1);
    let _: u64 = observer
        .ask(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"])
        .await;
    server::until(async || silent.read(&key).await.is_ok()).await;
    assert!(silent.statistics().connections_opened > 1);
    let lines = recorder.lines();
    let errors: Vec<_> = lines.iter().filter(is_error).collect();
    assert_eq!(errors.len(), 1, "{errors:?}");
    assert!(errors[0].contains("`announce`"), "{errors:?}");
}
