//! Changes, or their news, that the server refuses.

use super::{NEWS, announcing, ask, at_work, begin, names, plane};
use crate::server::{Observer, key, payload, start, value};
use futures::future::join_all;
use hitbox_backend::{Backend, BackendErrorKind};
use hitbox_core::CacheKey;

/// From here on the server takes nothing that needs memory.
async fn fill(observer: &mut Observer) {
    let _: String = observer.ask(&[b"CONFIG", b"SET", b"maxmemory", b"1"]).await;
}

#[tokio::test]
async fn one_that_is_refused_fails_no_other() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let mut observer = Observer::connect(&server.url()).await;
    // A key that this user may not write to, amid others.
    let allowed = "ACL SETUSER default resetkeys ~shop::* ~hitbox:* ";
    let allowed: Vec<_> = allowed.trim().split(' ').map(str::as_bytes).collect();
    let _: String = observer.ask(&allowed).await;
    let keys: Vec<CacheKey> = (0..64).map(|number| key(&number.to_string())).collect();
    let mark = begin(&plane).await;
    for outcome in join_all(keys.iter().map(|key| cache.write(key, value("1")))).await {
        outcome.unwrap();
    }
    assert_eq!(ask(&plane, &mark).await.news.len(), 64);
    let allowed = "ACL SETUSER default resetkeys ~shop::1* ~shop::2* ~hitbox:*";
    let allowed: Vec<_> = allowed.split(' ').map(str::as_bytes).collect();
    let _: String = observer.ask(&allowed).await;
    let may = |number: usize| matches!(number.to_string().as_bytes()[0], b'1' | b'2');
    for bulk in [false, true] {
        let mark = begin(&plane).await;
        let outcomes = if bulk {
            let entries = keys.iter().cloned().map(|key| (key, value("2")));
            cache.write_many(entries.collect()).await
        } else {
            join_all(keys.iter().map(|key| cache.write(key, value("2")))).await
        };
        for (number, outcome) in outcomes.iter().enumerate() {
            match outcome {
                Ok(()) => assert!(may(number), "{number}"),
                Err(error) => {
                    assert!(!may(number), "{number}: {error}");
                    assert_eq!(error.kind(), BackendErrorKind::Denied);
                    assert!(error.is_definite(), "{error}");
                }
            }
        }
        let heard = ask(&plane, &mark).await;
        assert!(heard.follows);
        let mut heard = names(&heard);
        heard.sort();
        let mut expected: Vec<_> = (0..64).filter(|number| may(*number)).collect();
        expected.sort_by_key(ToString::to_string);
        let expected: Vec<_> = expected.iter().map(ToString::to_string).collect();
        assert_eq!(heard, expected, "bulk: {bulk}");
    }
}

#[tokio::test]
async fn a_full_server_makes_removes_with_a_gap() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let keys: Vec<CacheKey> = (0..32).map(|number| key(&number.to_string())).collect();
    for key in &keys {
        cache.write(key, value("1")).await.unwrap();
    }
    let mut observer = Observer::connect(&server.url()).await;
    let mark = begin(&plane).await;
    fill(&mut observer).await;
    let error = cache.write(&keys[0], value("2")).await.unwrap_err();
    assert_eq!(error.kind(), BackendErrorKind::Full);
    assert!(error.is_definite());
    // Nothing was done, and nothing announced.
    assert!(ask(&plane, &mark).await.follows);
    cache.remove(&keys[0]).await.unwrap();
    for outcome in cache.remove_many(&keys[1..16]).await {
        outcome.unwrap();
    }
    let changes = keys[16..].iter().enumerate();
    let outcomes = join_all(changes.map(async |(number, key)| match number % 2 {
        0 => cache.remove(key).await.map(drop),
        _ => cache.write(key, value("2")).await,
    }));
    for (number, outcome) in outcomes.await.into_iter().enumerate() {
        assert_eq!(outcome.is_ok(), number % 2 == 0, "{number}");
    }
    let _: String = observer.ask(&[b"CONFIG", b"SET", b"maxmemory", b"0"]).await;
    assert!(!ask(&plane, &mark).await.follows);
    let found = cache.read_many(&keys).await;
    for (number, found) in found.into_iter().enumerate() {
        let is_there = number > 16 && number % 2 == 1;
        assert_eq!(found.unwrap().is_some(), is_there, "{number}");
    }
}

#[tokio::test]
async fn news_that_cannot_be_added_leave_the_change_in_doubt_and_a_gap() {
    let server = start().await;
    let (cache, plane) = (at_work(&server).await, plane(&server));
    let mut observer = Observer::connect(&server.url()).await;
    let mark = begin(&plane).await;
    let _: String = observer.ask(&[b"SET", NEWS, b"a string"]).await;
    let error = cache.write(&key("one"), value("1")).await.unwrap_err();
    assert!(!error.is_definite(), "{error}");
    let found = payload(cache.read(&key("one")).await.unwrap());
    assert_eq!(found.unwrap(), "1");
    assert!(!ask(&plane, &mark).await.follows);
    // It works again.
    let mark = begin(&plane).await;
    cache.write(&key("two"), value("1")).await.unwrap();
    assert_eq!(names(&ask(&plane, &mark).await), ["two"]);
    // No id is left.
    let last = format!("{}-{}", u64::MAX, u64::MAX);
    let _: String = observer
        .ask(&[b"XADD", NEWS, last.as_bytes(), b"n", b"?"])
        .await;
    let mark = begin(&plane).await;
    let error = cache.write(&key("three"), value("1")).await.unwrap_err();
    assert!(!error.is_definite(), "{error}");
    assert!(!ask_until_it_answers(&plane, &mark).await);
}

/// Whether it follows.
async fn ask_until_it_answers(
    plane: &hitbox_redis::RedisBackplane,
    mark: &hitbox_backend::coherence::Mark,
) -> bool {
    use hitbox_backend::coherence::Backplane;
    match plane.ask(Some(mark), std::time::Duration::ZERO).await {
        Ok(heard) => heard.follows,
        Err(_) => false,
    }
}

#[tokio::test]
async fn who_announces_needs_five_commands() {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let plane = plane(&server);
    let mark = begin(&plane).await;
    let allowed =
        "ACL SETUSER writer on >secret ~shop::* ~hitbox:{shop}:* +set +unlink +xadd +multi +exec";
    let allowed: Vec<_> = allowed.split(' ').map(str::as_bytes).collect();
    let _: String = observer.ask(&allowed).await;
    let cache = announcing(&server)
        .username("writer")
        .password("secret")
        .build()
        .unwrap();
    cache.write(&key("one"), value("1")).await.unwrap();
    cache.remove(&key("one")).await.unwrap();
    assert_eq!(names(&ask(&plane, &mark).await), ["one", "one"]);
    for forbidden in ["-xadd", "-multi"] {
        let mark = begin(&plane).await;
        let _: String = observer
            .ask(&[b"ACL", b"SETUSER", b"writer", forbidden.as_bytes()])
            .await;
        let error = cache.write(&key("two"), value("1")).await.unwrap_err();
        println!("{forbidden}: {error}");
        // Without a transaction it has been made, and is not announced.
        let is_made = observer.ask::<bool>(&[b"EXISTS", b"shop::two:v1"]).await;
        assert!(!(is_made && error.is_definite()));
        assert!(!is_made || !ask(&plane, &mark).await.follows);
    }
}
