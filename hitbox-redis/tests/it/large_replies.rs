//! A reply that the server does not send to its end, or that has none, is no other call's trouble.

use std::{
    sync::Arc,
    time::{Duration, SystemTime, UNIX_EPOCH},
};

use crate::server::{Observer, PATIENT, key, patient, payload, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::CacheKey;
use hitbox_redis::RedisBackend;
use test_servers::redis::{RedisOptions, RedisServer};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    sync::Notify,
    time::{sleep, timeout},
};

/// More than go by themselves.
const MANY: usize = 64;

/// More than the server sends.
const TOO_LARGE: usize = 3 << 20;

/// The one of [`keys`] that has a value like that.
const LARGE: usize = 20;

fn keys() -> Vec<CacheKey> {
    (0..MANY).map(|number| key(&number.to_string())).collect()
}

/// A server that hangs up on whoever has more than a mebibyte of replies to come. `None` where the server
/// does not do so.
async fn that_sends_a_mebibyte() -> Option<RedisServer> {
    let options = RedisOptions::new().setting("client-output-buffer-limit", "normal 1mb 1mb 1");
    let server = RedisServer::start(options).await.unwrap();
    keeps_to_the_limit(&server.url()).await.then_some(server)
}

/// Valkey 9 sends a long string from where it is stored, and does not count it towards the limit.
async fn keeps_to_the_limit(url: &str) -> bool {
    let server: String = Observer::connect(url)
        .await
        .ask(&[b"INFO", b"server"])
        .await;
    let keeps = !server.contains("\nvalkey_version:9.");
    if !keeps {
        println!("nothing is shown: this server sends what is over its limit");
    }
    keeps
}

async fn fill(cache: &RedisBackend, keys: &[CacheKey], length: usize) {
    let entries = keys.iter().map(|key| (key.clone(), vec![7; length]));
    for (key, bytes) in entries {
        cache.write(&key, value(bytes)).await.unwrap();
    }
}

/// Small values, and one that is too large.
async fn fill_with_one_too_large(cache: &RedisBackend, keys: &[CacheKey]) {
    fill(cache, keys, 10).await;
    fill(cache, &keys[LARGE..=LARGE], TOO_LARGE).await;
}

#[track_caller]
fn assert_only_the_large_one_fails(found: Vec<hitbox_backend::ReadOutcome>) {
    for (number, found) in found.into_iter().enumerate() {
        match found {
            Ok(found) => assert!(found.is_some() && number != LARGE, "{number}"),
            Err(error) => {
                assert_eq!(number, LARGE, "{error}");
                assert_eq!(error.kind(), BackendErrorKind::Unavailable, "{error}");
            }
        }
    }
}

#[tokio::test]
async fn in_bulk_a_value_that_the_server_does_not_send_is_the_only_one_that_fails() {
    let Some(server) = that_sends_a_mebibyte().await else {
        return;
    };
    let (cache, keys) = (patient(&server), keys());
    fill_with_one_too_large(&cache, &keys).await;
    for _ in 0..5 {
        assert_only_the_large_one_fails(cache.read_many(&keys).await);
    }
}

#[tokio::test]
async fn a_value_that_the_server_does_not_send_fails_no_other_task() {
    let Some(server) = that_sends_a_mebibyte().await else {
        return;
    };
    for tasks in [MANY, 21] {
        let (cache, keys) = (patient(&server), keys());
        fill_with_one_too_large(&cache, &keys).await;
        for _ in 0..10 {
            let reads = keys[..tasks].iter().map(|key| cache.read(key));
            assert_only_the_large_one_fails(join_all(reads).await);
        }
    }
}

/// It is known by then.
#[tokio::test]
async fn a_value_that_the_server_did_not_send_disturbs_no_write() {
    let Some(server) = that_sends_a_mebibyte().await else {
        return;
    };
    let (cache, keys) = (patient(&server), keys());
    fill_with_one_too_large(&cache, &keys).await;
    cache.read(&keys[LARGE]).await.unwrap_err();
    for round in 0..5 {
        let writing = keys[..LARGE].iter().map(|key| cache.write(key, value("x")));
        let reads = async {
            let one = cache.read(&keys[LARGE]).await;
            let many = cache.read_many(&keys).await;
            (one, many)
        };
        let (written, (one, many)) = tokio::join!(join_all(writing), reads);
        for written in written {
            written.unwrap();
        }
        one.unwrap_err();
        assert_only_the_large_one_fails(many);
        // Whatever was in the way of it before is not in the way of a smaller one.
        if round == 4 {
            cache.write(&keys[LARGE], value("small")).await.unwrap();
            let found = payload(cache.read(&keys[LARGE]).await.unwrap());
            assert_eq!(found.unwrap(), "small");
        }
    }
}

#[tokio::test]
async fn values_that_the_server_sends_one_by_one_only() {
    let Some(server) = that_sends_a_mebibyte().await else {
        return;
    };
    let (cache, keys) = (patient(&server), keys());
    fill(&cache, &keys, 100_000).await;
    for bulk in [true, false] {
        let cache = patient(&server);
        let mut opened = 0;
        for round in 0..4 {
            let found = match bulk {
                true => cache.read_many(&keys).await,
                false => join_all(keys.iter().map(|key| cache.read(key))).await,
            };
            for found in found {
                assert_eq!(payload(found.unwrap()).unwrap().len(), 100_000);
            }
            let now = cache.statistics().connections_opened;
            assert!(round == 0 || now == opened, "it is remembered");
            opened = now;
        }
    }
}

#[tokio::test]
async fn many_values_that_are_too_much_together() {
    let Some(server) = that_sends_a_mebibyte().await else {
        return;
    };
    let filled = patient(&server);
    let mut keys: Vec<_> = (0..3_000).map(|number| key(&number.to_string())).collect();
    for part in keys.chunks(500) {
        let entries = part.iter().map(|key| (key.clone(), value(vec![7; 900])));
        for written in filled.write_many(entries.collect()).await {
            written.unwrap();
        }
    }
    let cache = patient(&server);
    for _ in 0..3 {
        for found in cache.read_many(&keys).await {
            assert_eq!(payload(found.unwrap()).unwrap().len(), 900);
        }
        assert_eq!(cache.statistics().connections_opened, 4);
    }
    // And one that is too much by itself.
    fill(&filled, &keys[2_000..=2_000], TOO_LARGE).await;
    keys.swap(LARGE, 2_000);
    for _ in 0..3 {
        assert_only_the_large_one_fails(cache.read_many(&keys).await);
    }
}

#[cfg(feature = "cluster")]
#[tokio::test]
async fn a_value_that_a_node_does_not_send_fails_no_other() {
    let cluster = test_servers::redis::RedisCluster::start().await.unwrap();
    if !keeps_to_the_limit(&cluster.urls()[0]).await {
        return;
    }
    for url in cluster.urls() {
        let limit = b"normal 1mb 1mb 1";
        let mut node = Observer::connect(&url).await;
        let command: [&[u8]; 4] = [b"CONFIG", b"SET", b"client-output-buffer-limit", limit];
        let () = node.ask(&command).await;
    }
    let settings = RedisBackend::builder().cluster_nodes(cluster.urls());
    let (cache, keys) = (settings.deadline(PATIENT).build().unwrap(), keys());
    fill_with_one_too_large(&cache, &keys).await;
    for _ in 0..5 {
        assert_only_the_large_one_fails(cache.read_many(&keys).await);
        let reads = keys.iter().map(|key| cache.read(key));
        assert_only_the_large_one_fails(join_all(reads).await);
    }
}

/// Of this process at its most, in MiB, where the system tells.
fn memory() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let most = status.lines().find_map(|line| line.strip_prefix("VmHWM:"));
    let kib = most.and_then(|most| most.split_whitespace().next());
    kib.map_or(0, |kib| kib.parse::<u64>().unwrap() >> 10)
}

/// Another program's.
#[tokio::test]
async fn a_string_that_is_longer_than_any_value() {
    let server = start().await;
    let (cache, keys) = (patient(&server), keys());
    fill(&cache, &keys, 10).await;
    let mut observer = Observer::connect(&server.url()).await;
    let _: u64 = observer
        .ask(&[b"SETRANGE", b"20:v1", b"200000000", b"x"])
        .await;
    for _ in 0..2 {
        let found = cache.read(&keys[LARGE]).await.unwrap();
        assert_eq!(found, None);
        for (number, found) in cache.read_many(&keys).await.into_iter().enumerate() {
            assert_eq!(found.unwrap().is_some(), number != LARGE, "{number}");
        }
    }
    assert_eq!(cache.statistics().connections_opened, 1);
    assert_eq!(cache.statistics().rejections.total(), 4);
    let memory = memory();
    assert!(memory < 200, "{memory} MiB");
}

/// Answers commands, but GET by a reply without end, and tells when that is not read any more.
async fn without_end(client: TcpStream, reply: &'static [u8], gone: Arc<Notify>) {
    let (mut from, mut to) = client.into_split();
    let mut buffer = vec![0; 64 << 10];
    while let Ok(length @ 1..) = from.read(&mut buffer).await {
        let text = String::from_utf8_lossy(&buffer[..length]).into_owned();
        for command in text.split('*').skip(1) {
            let now = SystemTime::now().duration_since(UNIX_EPOCH).unwrap();
            let answer = match command.split("\r\n").nth(2) {
                Some("GET") => {
                    let (start, rest) = reply.split_at(reply.len() / 2);
                    to.write_all(start).await.unwrap();
                    // Slowly: an array must not come to its end before the deadline.
                    while to.write_all(rest).await.is_ok() {
                        sleep(Duration::from_millis(1)).await;
                    }
                    gone.notify_one();
                    return;
                }
                Some("TIME") => format!("*2\r\n$10\r\n{}\r\n$1\r\n0\r\n", now.as_secs()),
                _ => "+OK\r\n".to_owned(),
            };
            to.write_all(answer.as_bytes()).await.unwrap();
        }
    }
}

#[tokio::test]
async fn a_reply_without_end_is_not_read_when_nobody_waits_for_it() {
    for reply in [
        &b"$2000000000000\r\n0123456789012345"[..],
        b"*2000000\r\n*200000\r\n$-1\r\n$-1\r\n$-1\r\n$-1\r\n",
        b"+0123456789012345",
    ] {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let port = listener.local_addr().unwrap().port();
        let gone = Arc::new(Notify::new());
        let notified = Arc::clone(&gone);
        tokio::spawn(async move {
            while let Ok((client, _)) = listener.accept().await {
                tokio::spawn(without_end(client, reply, Arc::clone(&notified)));
            }
        });
        let cache = RedisBackend::builder().host("127.0.0.1", port);
        let cache = cache.build().unwrap();
        cache.read(&key("k")).await.unwrap_err();
        timeout(PATIENT, gone.notified()).await.unwrap();
    }
}
