//! Sentinels that are down, hang, do not know, or want to know who asks.

use std::time::{Duration, Instant};

use crate::{
    sentinel::{builder, sentinel_of, start, through},
    server::{Observer, PATIENT, key, start as start_server, until, value},
};
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_redis::RedisBackend;
use test_servers::{lateness::Control, redis::RedisSentinels};

/// One is down and one hangs, which is no reason to wait.
#[tokio::test]
async fn one_sentinel_that_answers_is_enough() {
    const WAIT: Duration = Duration::from_secs(10);
    let mut watched = start().await;
    watched.sentinels()[0].kill();
    watched.sentinels()[1].pause().unwrap();
    let settings = builder(&watched).connect_timeout(WAIT).deadline(PATIENT);
    let control = Control::new();
    let connecting = async {
        let began = Instant::now();
        let cache = settings.connect().await.unwrap();
        assert!(began.elapsed() < WAIT + control.since(began));
        cache
    };
    let cache = control.beside(connecting).await;
    cache.write(&key("k"), value("live")).await.unwrap();
    watched.sentinels()[1].resume().unwrap();
}

#[tokio::test]
async fn without_any_sentinel_there_is_one_clear_error() {
    let mut watched = start().await;
    let settings = builder(&watched).deadline(PATIENT);
    let connected = settings.clone().connect().await.unwrap();
    for sentinel in watched.sentinels() {
        sentinel.kill();
    }
    connected.write(&key("k"), value("live")).await.unwrap();

    let error = settings.connect().await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable);
    assert!(error.is_definite() && error.is_retryable());
    let text = error.to_string();
    assert!(text.contains("no sentinel names the master"), "{text}");
    for sentinel in watched.sentinels() {
        assert!(text.contains(&sentinel.port().to_string()), "{text}");
    }

    let mut master = Observer::connect(&watched.servers()[0].url()).await;
    let () = master.ask(&[b"CLIENT", b"KILL", b"TYPE", b"normal"]).await;
    until(async || connected.read(&key("k")).await.is_err()).await;
    let error = connected.read(&key("k")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    watched.sentinels()[2].restart().await.unwrap();
    until(async || connected.read(&key("k")).await.is_ok()).await;
}

/// Hung, not gone: their kernel takes connections.
#[tokio::test]
async fn sentinels_that_hang_are_no_more_than_a_time_limit() {
    let server = start_server().await;
    let sentinel = sentinel_of(&server).await;
    sentinel.pause().unwrap();
    let error = through(&sentinel).connect().await.unwrap_err();
    assert!(error.is_retryable() && error.is_definite(), "{error}");
    let settings = through(&sentinel).connect_timeout(Duration::from_millis(300));
    let cache = settings.deadline(PATIENT).build().unwrap();
    let error = cache.read(&key("k")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    sentinel.resume().unwrap();
    until(async || cache.read(&key("k")).await.is_ok()).await;
}

#[tokio::test]
async fn a_name_that_no_sentinel_knows_and_a_server_that_is_none() {
    let server = start_server().await;
    let sentinel = sentinel_of(&server).await;
    let unknown = RedisBackend::builder().sentinel([sentinel.url()], "other");
    for (settings, words) in [
        (unknown, "no master of this name"),
        (through(&server), "it is no sentinel"),
    ] {
        let settings = settings.deadline(PATIENT);
        let error = settings.connect().await.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::InvalidConfiguration);
        assert!(error.to_string().contains(words), "{error}");
    }
}

/// A sentinel that is behind the others names a replica.
#[tokio::test]
async fn what_is_no_master_is_not_taken_for_one() {
    let (old, new) = (start_server().await, start_server().await);
    let (behind, right) = (sentinel_of(&old).await, sentinel_of(&new).await);
    let mut observer = Observer::connect(&old.url()).await;
    let port = new.port().to_string();
    let () = observer
        .ask(&[b"REPLICAOF", b"127.0.0.1", port.as_bytes()])
        .await;
    let error = through(&behind).deadline(PATIENT).connect().await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
    assert!(error.to_string().contains("not a master"), "{error}");

    let both = RedisBackend::builder().sentinel([behind.url(), right.url()], RedisSentinels::NAME);
    for _ in 0..10 {
        let settings = both.clone().deadline(PATIENT);
        let cache = settings.connect().await.unwrap();
        cache.write(&key("k"), value("live")).await.unwrap();
    }
}

#[tokio::test]
async fn sentinels_have_credentials_of_their_own() {
    let server = start_server().await;
    let sentinel = sentinel_of(&server).await;
    let mut observer = Observer::connect(&sentinel.url()).await;
    let rules: [&[u8]; 8] = [
        b"ACL",
        b"SETUSER",
        b"asks",
        b"on",
        b">secret",
        b"&*",
        b"+@all",
        b"resetkeys",
    ];
    let () = observer.ask(&rules).await;
    let with = |login: &str| {
        let url = sentinel
            .url()
            .replace("redis://", &format!("redis://{login}@"));
        RedisBackend::builder().sentinel([url], RedisSentinels::NAME)
    };
    let cache = with("asks:secret").deadline(PATIENT).connect().await;
    let cache = cache.unwrap();
    until(async || {
        let list: String = observer.ask(&[b"CLIENT", b"LIST"]).await;
        list.contains("user=asks ") && list.contains("sub=1 ")
    })
    .await;
    drop(cache);
    let error = with("asks:wrong").deadline(PATIENT).connect().await;
    let error = error.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied, "{error}");
    let text = format!("{error} {error:?}");
    assert!(
        !text.contains("wrong@") && !text.contains(":wrong"),
        "{text}"
    );
}

/// Both the sentinel and the master ask who the client is.
#[cfg(feature = "tls")]
#[tokio::test]
async fn the_master_is_reached_over_tls_as_the_sentinels_are() {
    use crate::client_certificates::{Authority, asks_who_clients_are, servers_know_tls};
    use tempfile::TempDir;
    use test_servers::redis::{RedisOptions, RedisServer, SentinelOptions, free_port};

    if !servers_know_tls().await {
        return;
    }
    let (directory, authority) = (TempDir::new().unwrap(), Authority::new());
    let own = authority.issue(&["127.0.0.1"]);
    let (of_master, of_sentinel) = (free_port().unwrap(), free_port().unwrap());
    let mut options = RedisOptions::new();
    for (name, value) in asks_who_clients_are(directory.path(), &authority, &own, of_master) {
        options = options.setting(name, &value);
    }
    let _master = RedisServer::start(options).await.unwrap();
    let mut options = SentinelOptions::new().sentinel_line("tls-replication yes");
    for (name, value) in asks_who_clients_are(directory.path(), &authority, &own, of_sentinel) {
        options = options.sentinel_line(format!("{name} {value}"));
    }
    let _sentinel = RedisSentinels::start_one(of_master, options).await.unwrap();
    let client = authority.issue(&["client"]);
    let settings = RedisBackend::builder()
        .sentinel(
            [format!("rediss://127.0.0.1:{of_sentinel}")],
            RedisSentinels::NAME,
        )
        .root_certificate(authority.certificate.clone())
        .deadline(PATIENT);
    settings.clone().connect().await.unwrap_err();
    let settings = settings.client_certificate(client.certificate, client.key);
    let cache = settings.connect().await.unwrap();
    cache.write(&key("k"), value("live")).await.unwrap();
    assert!(cache.read(&key("k")).await.unwrap().is_some());
}
