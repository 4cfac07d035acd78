//! Servers that die, hang, refuse, or never were there.

use std::{
    sync::Arc,
    time::{Duration, Instant},
};

use crate::server::{Observer, backend, builder, key, payload, start, value};
use hitbox_backend::{Backend, BackendError, BackendErrorKind, DeleteStatus};
use test_servers::{
    lateness::Control,
    redis::{RedisOptions, RedisServer},
};
use tokio::{
    task::JoinSet,
    time::{sleep, timeout},
};

/// Until the backend has found its server again.
async fn until_up(cache: &impl Backend) {
    let read_again = async {
        while cache.read(&key("probe")).await.is_err() {
            sleep(Duration::from_millis(5)).await;
        }
    };
    timeout(Duration::from_secs(10), read_again).await.unwrap();
}

#[tokio::test]
async fn a_restart_between_commands_is_not_noticed() {
    let mut server = start().await;
    let cache = backend(&server);
    for round in 0..5 {
        cache
            .write(&key("k"), value(format!("{round}")))
            .await
            .unwrap();
        server.restart().await.unwrap();
        assert_eq!(
            cache.read(&key("k")).await.unwrap(),
            None,
            "its data is gone"
        );
    }
    assert_eq!(cache.statistics().connections_opened, 6);
}

#[tokio::test]
async fn a_dead_server_is_unavailable_until_it_is_back() {
    let mut server = start().await;
    let cache = backend(&server);
    cache.ping().await.unwrap();
    server.kill();
    for _ in 0..20 {
        let error = cache.read(&key("k")).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable());
    }
    server.restart().await.unwrap();
    until_up(&cache).await;
    cache.write(&key("k"), value("new")).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());
}

/// Each task writes a value of its own and reads it back; whatever happens to the server, what is
/// read is what was written there, or nothing, or an error.
async fn hammer(cache: Arc<dyn Backend>, task: usize, until: Instant) -> (u64, u64) {
    let (mut served, mut failed) = (0, 0);
    let mut round = 0;
    while Instant::now() < until {
        let key = key(&format!("{task}-{round}"));
        let own = format!("value of {task} in round {round}");
        round += 1;
        if cache.write(&key, value(own.clone())).await.is_err() {
            failed += 1;
            sleep(Duration::from_millis(1)).await;
            continue;
        }
        match cache.read(&key).await {
            Ok(found) => {
                served += 1;
                if let Some(found) = payload(found) {
                    assert_eq!(found, own);
                }
            }
            Err(_) => failed += 1,
        }
    }
    (served, failed)
}

async fn hammer_with_64_tasks(cache: Arc<dyn Backend>, until: Instant) -> (u64, u64) {
    let mut tasks = JoinSet::new();
    for task in 0..64 {
        tasks.spawn(hammer(Arc::clone(&cache), task, until));
    }
    let mut total = (0, 0);
    for (served, failed) in tasks.join_all().await {
        total = (total.0 + served, total.1 + failed);
    }
    total
}

#[tokio::test(flavor = "multi_thread")]
async fn a_server_killed_and_restarted_under_load() {
    let mut server = start().await;
    let cache = backend(&server);
    let until = Instant::now() + Duration::from_secs(3);
    let load = tokio::spawn(hammer_with_64_tasks(Arc::new(cache.clone()), until));
    while Instant::now() + Duration::from_secs(1) < until {
        sleep(Duration::from_millis(200)).await;
        server.kill();
        sleep(Duration::from_millis(100)).await;
        server.restart().await.unwrap();
    }
    let (served, failed) = load.await.unwrap();
    println!("{served} served, {failed} failed, {:?}", cache.statistics());
    assert!(served > 0 && failed > 0);
    until_up(&cache).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn replies_match_their_requests_after_a_pause() {
    let server = start().await;
    let cache = backend(&server);
    let started = Instant::now();
    let until = started + Duration::from_secs(5);
    let load = tokio::spawn(hammer_with_64_tasks(Arc::new(cache.clone()), until));
    let control = Control::new();
    // Two short silences with answers between them are not one long silence.
    let pauses = async {
        for (run, pause) in [(200, 800), (1_800, 800)] {
            sleep(Duration::from_millis(run)).await;
            server.pause().unwrap();
            sleep(Duration::from_millis(pause)).await;
            server.resume().unwrap();
        }
        load.await.unwrap()
    };
    let (served, failed) = control.beside(pauses).await;
    let late = control.since(started);
    println!(
        "{served} served, {failed} failed, {late:?} late, {:?}",
        cache.statistics()
    );
    assert!(served > 0 && failed > 0);
    // A machine that was late by a second has made one long silence of them.
    let one_long_silence = late > Duration::from_secs(1);
    assert!(cache.statistics().connections_opened == 1 || one_long_silence);
}

#[tokio::test]
async fn a_silent_connection_is_replaced_and_the_server_found_again() {
    let server = start().await;
    let cache = backend(&server);
    cache.write(&key("k"), value("kept")).await.unwrap();
    server.pause().unwrap();
    let paused = Instant::now();
    let mut kinds = Vec::new();
    while paused.elapsed() < Duration::from_secs(5) {
        let error = cache.read(&key("k")).await.unwrap_err();
        kinds.push(error.kind());
        sleep(Duration::from_millis(10)).await;
    }
    assert!(
        kinds.iter().all(|kind| *kind == BackendErrorKind::Timeout),
        "{kinds:?}"
    );
    assert!(
        kinds.len() > 20,
        "after a while, calls fail at once: {kinds:?}"
    );
    server.resume().unwrap();
    until_up(&cache).await;
    let found = payload(cache.read(&key("k")).await.unwrap());
    assert_eq!(found.as_deref(), Some(&b"kept"[..]));
    assert_eq!(cache.statistics().connections_opened, 2);
}

#[tokio::test]
async fn a_wrong_or_missing_password_is_denied() {
    let options = RedisOptions::new().setting("requirepass", "right");
    let server = RedisServer::start(options).await.unwrap();
    for settings in [
        builder(&server).password("wrong"),
        builder(&server).username("nobody").password("right"),
        builder(&server),
    ] {
        let error = settings.clone().connect().await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
        let lazy = settings.build().unwrap();
        let error = lazy.read(&key("k")).await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
    }
    let cache = builder(&server).password("right").connect().await.unwrap();
    cache.write(&key("k"), value("live")).await.unwrap();
    let named = RedisServer::url(&server).replace("//", "//default:right@");
    let cache = hitbox_redis::RedisBackend::builder().url(named);
    let found = cache
        .connect()
        .await
        .unwrap()
        .read(&key("k"))
        .await
        .unwrap();
    assert!(found.is_some());
}

#[tokio::test]
async fn a_user_who_may_not_write_is_denied() {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let user: [&[u8]; 7] = [
        b"ACL", b"SETUSER", b"reader", b"on", b">pass", b"~*", b"+get",
    ];
    let () = observer.ask(&user).await;
    let cache = builder(&server)
        .username("reader")
        .password("pass")
        .build()
        .unwrap();
    assert_eq!(cache.read(&key("k")).await.unwrap(), None);
    let error = cache.write(&key("k"), value("secret")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
}

#[tokio::test]
async fn a_replica_serves_reads_and_refuses_writes() {
    let primary = start().await;
    backend(&primary)
        .write(&key("k"), value("live"))
        .await
        .unwrap();
    let replica = start().await;
    let mut observer = Observer::connect(&replica.url()).await;
    let port = primary.port().to_string();
    let () = observer
        .ask(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()])
        .await;
    let cache = backend(&replica);
    let copied = async {
        while !matches!(cache.read(&key("k")).await, Ok(Some(_))) {
            sleep(Duration::from_millis(10)).await;
        }
    };
    timeout(Duration::from_secs(20), copied).await.unwrap();
    // Another server may take its place, so it is worth another try.
    let assert_refused = |error: BackendError| {
        assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
        assert!(error.is_retryable() && error.is_definite(), "{error}");
    };
    assert_refused(cache.write(&key("k"), value("new")).await.unwrap_err());
    assert_refused(cache.remove(&key("k")).await.unwrap_err());
    for outcome in cache.remove_many(&[key("k"), key("other")]).await {
        assert_refused(outcome.unwrap_err());
    }
    assert!(cache.read(&key("k")).await.unwrap().is_some());
}

#[tokio::test]
async fn a_server_out_of_memory_is_full_and_still_removes() {
    let options = RedisOptions::new()
        .setting("maxmemory", "4mb")
        .setting("maxmemory-policy", "noeviction");
    let server = RedisServer::start(options).await.unwrap();
    let cache = backend(&server);
    let mut written = 0;
    let error = loop {
        let chunk = value(vec![7; 100_000]);
        match cache.write(&key(&written.to_string()), chunk).await {
            Ok(()) => written += 1,
            Err(error) => break error,
        }
        assert!(written < 100, "4 MB hold no 10");
    };
    assert_eq!(error.kind(), BackendErrorKind::Full, "{error}");
    assert!(error.is_definite() && written > 0);
    let large = || value(vec![7; 100_000]);
    let entries = vec![(key("one"), large()), (key("two"), large())];
    for outcome in cache.write_many(entries).await {
        assert_eq!(outcome.unwrap_err().kind(), BackendErrorKind::Full);
    }
    assert!(cache.read(&key("0")).await.unwrap().is_some());
    assert_eq!(
        cache.remove(&key("0")).await.unwrap(),
        DeleteStatus::Deleted(1)
    );
}

#[tokio::test]
async fn a_call_that_is_given_up_does_not_disturb_the_next() {
    let server = start().await;
    let cache = backend(&server);
    cache.write(&key("a"), value("of a")).await.unwrap();
    cache.write(&key("b"), value("of b")).await.unwrap();
    for micros in 0..300 {
        let given_up = timeout(Duration::from_micros(micros), cache.read(&key("a"))).await;
        drop(given_up);
        let found = payload(cache.read(&key("b")).await.unwrap());
        assert_eq!(found.as_deref(), Some(&b"of b"[..]));
    }
    assert_eq!(cache.statistics().connections_opened, 1);
}
