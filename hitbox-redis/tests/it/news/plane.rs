//! The contract of `Backplane`, on a real server.

use std::time::Duration;

use super::{NEWS, begin, plane};
use crate::server::{self, Observer, start, until};
use hitbox_backend::{
    Backend, BackendErrorKind,
    coherence::{Backplane, News, news_form},
    conformance::BackplaneSubject,
};

#[tokio::test]
async fn conforms() {
    let server = start().await;
    let other = server::connection(&server.url()).await;
    let send = move |arguments: Vec<Vec<u8>>| {
        let mut other = other.clone();
        async move {
            let mut command = redis::Cmd::new();
            command.arg(arguments);
            command.exec_async(&mut other).await.unwrap();
        }
    };
    let add = |entry: Vec<u8>| {
        let add: [&[u8]; 4] = [b"XADD", NEWS, b"*", b"n"];
        let mut add = add.map(<[u8]>::to_vec).to_vec();
        add.push(entry);
        add
    };
    let (announce, forget, spoil) = (send.clone(), send.clone(), send);
    BackplaneSubject::new(plane(&server), move |news| {
        let announce = announce.clone();
        async move {
            for news in news {
                let News::Changed { key, origin, stamp } = news else {
                    continue;
                };
                let mut entries = news_form::encode(origin, [(&key, stamp)]);
                announce(add(entries.remove(0))).await;
            }
        }
    })
    .forget_with(move || forget(vec![b"DEL".to_vec(), NEWS.to_vec()]))
    .spoil_with(move || spoil(add(vec![2; 20])))
    .assert_conforms()
    .await;
}

#[tokio::test]
async fn whatever_is_in_the_log_is_news_or_a_gap() {
    let server = start().await;
    let plane = plane(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let long = vec![1; news_form::LARGEST_ENTRY + 1];
    let longer = vec![1; 1 << 20];
    let hostile: [&[&[u8]]; 6] = [
        &[b"n", b""],
        &[b"m", b"\x01\0\0\0\0\0\0\0\0"],
        &[b"n", b"\x01\0\0\0\0\0\0\0\0", b"n", b"\x01\0\0\0\0\0\0\0\0"],
        &[b"n", b"\x01\0\0\0\0\0\0\0\0\x07"],
        &[b"n", &long],
        &[b"n", &longer],
    ];
    let mut mark = begin(&plane).await;
    for fields in hostile {
        let add = [&[b"XADD", NEWS, b"*"], fields].concat();
        let _: String = observer.ask(&add).await;
        for _ in 0..2 {
            let heard = super::ask(&plane, &mark).await;
            assert!(!heard.follows && heard.complete && heard.news.is_empty());
        }
        mark = super::ask(&plane, &mark).await.mark;
        assert!(super::ask(&plane, &mark).await.follows);
    }
}

#[tokio::test]
async fn a_log_that_is_trimmed_or_replaced_at_once_is_a_gap() {
    let server = start().await;
    let plane = plane(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let mark = begin(&plane).await;
    let _: u64 = observer.ask(&[b"XTRIM", NEWS, b"MAXLEN", b"0"]).await;
    assert!(!super::ask(&plane, &mark).await.follows);
    // The same id again, with another entry.
    let add: [&[u8]; 5] = [b"XADD", NEWS, b"1-1", b"n", b"\x01\0\0\0\0\0\0\0\0"];
    let _: u64 = observer.ask(&[b"DEL", NEWS]).await;
    let _: String = observer.ask(&add).await;
    let mark = begin(&plane).await;
    assert!(super::ask(&plane, &mark).await.follows);
    let _: u64 = observer.ask(&[b"DEL", NEWS]).await;
    let mut other = add;
    other[4] = b"\x01\0\0\0\0\0\0\0\x01";
    let _: String = observer.ask(&other).await;
    assert!(!super::ask(&plane, &mark).await.follows);
}

#[tokio::test]
async fn what_is_not_a_log_is_an_error() {
    let server = start().await;
    let plane = plane(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let mark = begin(&plane).await;
    let _: String = observer.ask(&[b"SET", NEWS, b"a string"]).await;
    for mark in [None, Some(&mark)] {
        plane.ask(mark, Duration::ZERO).await.unwrap_err();
    }
    let _: u64 = observer.ask(&[b"DEL", NEWS]).await;
    assert!(!super::ask(&plane, &mark).await.follows);
}

#[tokio::test]
async fn each_question_at_a_time_has_a_connection() {
    let server = start().await;
    let plane = plane(&server);
    let mut observer = Observer::connect(&server.url()).await;
    let mark = begin(&plane).await;
    for _ in 0..3 {
        let patience = Duration::from_millis(20);
        let (one, two) = tokio::join!(
            plane.ask(Some(&mark), patience),
            plane.ask(Some(&mark), patience)
        );
        assert!(one.unwrap().follows && two.unwrap().follows);
    }
    assert_eq!(observer.connections().await, 2);
    drop(plane);
    until(async || observer.connections().await == 0).await;
}

#[tokio::test]
async fn who_listens_needs_four_commands() {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let allowed =
        "ACL SETUSER listener on >secret ~hitbox:{shop}:news +xread +xrange +xrevrange +xadd";
    let allowed: Vec<_> = allowed.split(' ').map(str::as_bytes).collect();
    let _: String = observer.ask(&allowed).await;
    let plane = || {
        hitbox_redis::RedisBackplane::builder()
            .url(server.url())
            .username("listener")
            .password("secret")
            .namespace("shop")
            .build()
            .unwrap()
    };
    let mark = begin(&plane()).await;
    assert!(super::ask(&plane(), &mark).await.follows);
    let _: String = observer
        .ask(&[b"ACL", b"SETUSER", b"listener", b"-xread"])
        .await;
    let error = plane().ask(Some(&mark), Duration::ZERO).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Denied);
    assert!(error.to_string().contains("XREAD"), "{error}");
}

#[tokio::test]
async fn a_connection_that_breaks_costs_nothing_but_time() {
    let server = start().await;
    let plane = plane(&server);
    let cache = super::at_work(&server).await;
    let mut observer = Observer::connect(&server.url()).await;
    let mut mark = begin(&plane).await;
    for round in 0..10 {
        let name = round.to_string();
        let _: u64 = observer
            .ask(&[b"CLIENT", b"KILL", b"TYPE", b"normal", b"SKIPME", b"yes"])
            .await;
        until(async || {
            let key = server::key(&name);
            let written = cache.write(&key, server::value("1"));
            written.await.is_ok()
        })
        .await;
        let mut heard = None;
        until(async || {
            heard = plane.ask(Some(&mark), Duration::ZERO).await.ok();
            heard.is_some()
        })
        .await;
        let heard = heard.unwrap();
        assert!(heard.follows && super::names(&heard).contains(&name));
        mark = heard.mark;
    }
}
