//! What is announced, and what that costs.

use std::collections::BTreeMap;

use super::{NEWS, announcing, ask, at_work, begin, names, plane};
use crate::server::{Observer, connection, key, payload, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, coherence::News, conformance::Subject};
use hitbox_core::CacheKey;
use test_servers::redis::RedisServer;

async fn sent(server: &RedisServer, work: impl Future<Output = ()>) -> BTreeMap<String, u64> {
    let mut observer = Observer::connect(&server.url()).await;
    let before = observer.commands().await;
    work.await;
    observer.commands_since(&before).await
}

fn counted<const N: usize>(commands: [(&str, u64); N]) -> BTreeMap<String, u64> {
    let commands = commands.map(|(command, calls)| (command.to_owned(), calls));
    BTreeMap::from(commands)
}

#[tokio::test]
async fn each_change_is_announced_as_its_caller_knows_it() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let mark = begin(&plane).await;
    let written = value("1");
    let stamp = written.created();
    cache.write(&key("one"), written).await.unwrap();
    cache.remove(&key("two")).await.unwrap();
    cache.refill(&key("three"), value("3")).await.unwrap();
    let heard = ask(&plane, &mark).await;
    assert!(heard.follows && heard.complete);
    assert_eq!(names(&heard), ["one", "two", "three"]);
    let origin = cache.announces().unwrap().origin;
    let one = News::Changed {
        key: key("one"),
        origin,
        stamp,
    };
    assert_eq!(heard.news[0], one);
}

#[tokio::test]
async fn a_change_is_one_transaction_in_one_write() {
    let server = start().await;
    let cache = at_work(&server).await;
    let write = async { cache.write(&key("one"), value("1")).await.unwrap() };
    let commands = sent(&server, write).await;
    let announced = [("exec", 1), ("multi", 1), ("set", 1), ("xadd", 1)];
    assert_eq!(commands, counted(announced));
    let remove = async {
        let _status = cache.remove(&key("one")).await.unwrap();
    };
    let commands = sent(&server, remove).await;
    let announced = [("exec", 1), ("multi", 1), ("unlink", 1), ("xadd", 1)];
    assert_eq!(commands, counted(announced));
}

#[tokio::test]
async fn a_change_is_one_round_trip() {
    let server = start().await;
    let cache = at_work(&server).await;
    let mut observer = Observer::connect(&server.url()).await;
    let mut reads = async || -> u64 {
        let info: String = observer.ask(&[b"INFO", b"stats"]).await;
        let reads = info
            .lines()
            .find_map(|line| line.strip_prefix("total_reads_processed:"));
        reads.unwrap().parse().unwrap()
    };
    // Of the question itself.
    let (one, two) = (reads().await, reads().await);
    let before = reads().await;
    cache.write(&key("one"), value("1")).await.unwrap();
    assert_eq!(reads().await - before, two - one + 1);
}

#[tokio::test]
async fn a_bulk_call_is_one_transaction() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let keys: Vec<_> = (0..100).map(|number| key(&number.to_string())).collect();
    let mark = begin(&plane).await;
    let write = async {
        let entries = keys.iter().cloned().map(|key| (key, value("1")));
        for outcome in cache.write_many(entries.collect()).await {
            outcome.unwrap();
        }
    };
    let commands = sent(&server, write).await;
    let announced = [("exec", 1), ("multi", 1), ("set", 100), ("xadd", 1)];
    assert_eq!(commands, counted(announced));
    let remove = async {
        for outcome in cache.remove_many(&keys).await {
            outcome.unwrap();
        }
    };
    let commands = sent(&server, remove).await;
    let announced = [("exec", 1), ("multi", 1), ("unlink", 100), ("xadd", 1)];
    assert_eq!(commands, counted(announced));
    let heard = ask(&plane, &mark).await;
    assert_eq!(heard.news.len(), 200);
    assert!(heard.follows && heard.complete);
}

#[tokio::test]
async fn changes_of_many_tasks_are_one_transaction() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let mark = begin(&plane).await;
    let keys: Vec<CacheKey> = (0..64).map(|number| key(&number.to_string())).collect();
    let writes = async {
        for outcome in join_all(keys.iter().map(|key| cache.write(key, value("1")))).await {
            outcome.unwrap();
        }
    };
    let commands = sent(&server, writes).await;
    // Eight go by themselves, since there is nobody to go with.
    let announced = [("exec", 9), ("multi", 9), ("set", 64), ("xadd", 9)];
    assert_eq!(commands, counted(announced));
    let heard = ask(&plane, &mark).await;
    assert_eq!(heard.news.len(), 64);
}

#[tokio::test]
async fn keys_that_fill_several_entries_are_one_transaction() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let mark = begin(&plane).await;
    let keys: Vec<_> = (0..100)
        .map(|number| CacheKey::from_pair("id", format!("{number}{}", "x".repeat(1_000))))
        .collect();
    let remove = async {
        for outcome in cache.remove_many(&keys).await {
            outcome.unwrap();
        }
    };
    let commands = sent(&server, remove).await;
    let announced = [("exec", 1), ("multi", 1), ("unlink", 100), ("xadd", 2)];
    assert_eq!(commands, counted(announced));
    assert_eq!(ask(&plane, &mark).await.news.len(), 100);
    // One that is too long to be named.
    let mark = begin(&plane).await;
    let long = CacheKey::from_pair("id", "x".repeat(70_000));
    cache.write(&long, value("1")).await.unwrap();
    let heard = ask(&plane, &mark).await;
    assert!(!heard.follows && heard.news.is_empty());
}

#[tokio::test]
async fn a_log_does_not_grow_for_ever() {
    let server = start().await;
    let url = server.url();
    let plane = hitbox_redis::RedisBackplane::builder().url(&url);
    let plane = plane.max_entries(1_000).build().unwrap();
    let cache = hitbox_redis::RedisBackend::builder().url(&url);
    let cache = cache.announce(&plane).build().unwrap();
    for number in 0..1_500 {
        cache.remove(&key(&number.to_string())).await.unwrap();
    }
    let mut observer = Observer::connect(&url).await;
    let length: usize = observer.ask(&[b"XLEN", b"hitbox:{}:news"]).await;
    assert!((1_000..1_200).contains(&length), "{length}");
}

#[tokio::test]
async fn who_announces_says_so_and_who_does_not_is_left_alone() {
    let server = start().await;
    let _cache = at_work(&server).await;
    let mut observer = Observer::connect(&server.url()).await;
    let left: u64 = observer.ask(&[b"PTTL", b"hitbox:{shop}:coherent"]).await;
    assert!((1..=60_000).contains(&left), "{left}");
    let _: u64 = observer.ask(&[b"DEL", NEWS]).await;
    let silent = crate::server::builder(&server)
        .namespace("shop")
        .build()
        .unwrap();
    silent.write(&key("one"), value("1")).await.unwrap();
    assert!(!observer.ask::<bool>(&[b"EXISTS", NEWS]).await);
    assert_eq!(
        payload(silent.read(&key("one")).await.unwrap()).unwrap(),
        "1"
    );
}

#[tokio::test]
async fn who_announces_conforms() {
    let server = start().await;
    let settings = announcing(&server).largest_value(1 << 20);
    let backend = settings.clone().build().unwrap();
    let other = connection(&server.url()).await;
    let key_format = backend.key_format().clone();
    Subject::new(std::sync::Arc::new(backend))
        .corrupt_with(move |key: CacheKey, bytes| {
            let mut set = redis::cmd("SET");
            set.arg(&*key_format.encode(&key)).arg(bytes);
            let mut other = other.clone();
            async move { set.exec_async(&mut other).await.unwrap() }
        })
        .reopen_with(move || {
            let backend = settings.clone().build().unwrap();
            async { std::sync::Arc::new(backend) as std::sync::Arc<dyn Backend> }
        })
        .assert_conforms()
        .await;
}
