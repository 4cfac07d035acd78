//! By the adapter alone.

use std::time::Duration;

use hitbox_backend::{Backend, Begun, Condition, Conditional, coherence::Backplane};

use super::{begin, elsewhere, fill, found, leasing, led, process};
use crate::server::{self, Observer, key, payload, start, until, value};

/// As `docs/stored-form.md` has it: magic, token, life in milliseconds.
fn marker() -> Vec<u8> {
    let mut marker = b"\x89HB\x0b".to_vec();
    marker.extend([7; 16]);
    marker.extend(60_000_u32.to_le_bytes());
    marker
}

#[tokio::test]
async fn one_process_at_a_time_loads_a_key() {
    let server = start().await;
    let (one, two, key) = (process(&server), process(&server), key("1"));
    let lease = led(begin(&one, &key).await);
    drop(elsewhere(begin(&two, &key).await));
    assert_eq!(one.read(&key).await.unwrap(), None, "a marker is no value");
    assert_eq!(
        fill(&one, &key, value("v"), lease).await,
        Conditional::Written
    );
    drop(found(begin(&two, &key).await));
    assert_eq!(payload(two.read(&key).await.unwrap()).unwrap(), "v");
}

#[tokio::test]
async fn a_value_that_another_process_has_overtaken_is_refused() {
    let server = start().await;
    let (one, two) = (process(&server), process(&server));
    let (removed, written, both) = (key("removed"), key("written"), key("both"));
    let leases = [
        led(begin(&one, &removed).await),
        led(begin(&one, &written).await),
        led(begin(&one, &both).await),
    ];
    let _status = two.remove(&removed).await.unwrap();
    two.write(&written, value("new")).await.unwrap();
    // By a load that has begun later.
    let _status = two.remove(&both).await.unwrap();
    let lease = led(begin(&two, &both).await);
    assert_eq!(
        fill(&two, &both, value("new"), lease).await,
        Conditional::Written
    );
    let [of_removed, of_written, of_both] = leases.map(Condition::Lease);
    let fills = vec![
        (removed.clone(), value("old"), of_removed),
        (written.clone(), value("old"), of_written),
        (both.clone(), value("old"), of_both),
    ];
    for outcome in one.write_many_if(fills).await {
        assert_eq!(outcome.unwrap(), Conditional::Refused);
    }
    assert_eq!(one.read(&removed).await.unwrap(), None);
    for key in [&written, &both] {
        assert_eq!(payload(one.read(key).await.unwrap()).unwrap(), "new");
    }
}

#[tokio::test]
async fn a_lease_that_is_given_up_is_taken_away() {
    let server = start().await;
    let (one, two, key) = (process(&server), process(&server), key("1"));
    let mut observer = Observer::connect(&server.url()).await;
    let mut is_there = async || {
        observer
            .ask::<bool>(&[b"EXISTS", key.as_text().as_bytes()])
            .await
    };
    drop(led(begin(&one, &key).await));
    until(async || !is_there().await).await;
    // Not if it is another one's by now.
    let lease = led(begin(&one, &key).await);
    let _status = two.remove(&key).await.unwrap();
    let lease_of_two = led(begin(&two, &key).await);
    drop(lease);
    let other = super::process(&server);
    other.ping().await.unwrap();
    drop(elsewhere(begin(&other, &key).await));
    assert_eq!(
        fill(&two, &key, value("v"), lease_of_two).await,
        Conditional::Written
    );
}

#[tokio::test]
async fn a_marker_lives_for_a_minute_and_is_renewed() {
    let server = start().await;
    let (one, key) = (process(&server), key("1"));
    let _lease = led(begin(&one, &key).await);
    let mut observer = Observer::connect(&server.url()).await;
    let mut left = async || {
        observer
            .ask::<i64>(&[b"PTTL", key.as_text().as_bytes()])
            .await
    };
    let mut least = left().await;
    assert!((1..=60_000).contains(&least), "{least}");
    let mut renewals = 0;
    until(async || {
        let now = left().await;
        renewals += u32::from(now > least);
        least = now;
        renewals == 3
    })
    .await;
}

#[tokio::test]
async fn the_marker_of_a_process_that_has_died_is_taken_over() {
    let server = start().await;
    let (one, key) = (process(&server), key("1"));
    let mut observer = Observer::connect(&server.url()).await;
    let name = key.as_text().as_bytes();
    observer
        .ask::<()>(&[b"SET", name, &marker(), b"PX", b"60000"])
        .await;
    // It may be alive: the server has not said for how long it has not been renewed.
    let began = std::time::Instant::now();
    let mut begun = begin(&one, &key).await;
    while matches!(begun, Begun::Elsewhere(_)) {
        begun = begin(&one, &key).await;
    }
    let lease = led(begun);
    assert!(began.elapsed() > Duration::from_millis(250));
    assert_eq!(
        fill(&one, &key, value("v"), lease).await,
        Conditional::Written
    );
}

#[tokio::test]
async fn one_process_at_a_time_loads_a_value_anew() {
    let server = start().await;
    let (one, two, three, key) = (
        process(&server),
        process(&server),
        process(&server),
        key("1"),
    );
    one.write(&key, value("old")).await.unwrap();
    let lease = found(begin(&one, &key).await);
    let of_two = elsewhere(begin(&two, &key).await);
    assert_eq!(payload(two.read(&key).await.unwrap()).unwrap(), "old");
    assert_eq!(
        fill(&one, &key, value("new"), lease).await,
        Conditional::Written
    );
    // It did not wait. What it has takes the place of what it has found, which is gone.
    assert_eq!(
        fill(&two, &key, value("other"), of_two).await,
        Conditional::Refused
    );
    assert_eq!(payload(two.read(&key).await.unwrap()).unwrap(), "new");
    // The lease has been given up, or will be.
    until(async || matches!(begin(&three, &key).await, Begun::Found(_))).await;
}

#[tokio::test]
async fn a_value_that_is_removed_is_not_loaded_anew() {
    let server = start().await;
    let (one, two, key) = (process(&server), process(&server), key("1"));
    one.write(&key, value("old")).await.unwrap();
    let lease = found(begin(&one, &key).await);
    let _status = two.remove(&key).await.unwrap();
    assert_eq!(
        fill(&one, &key, value("new"), lease).await,
        Conditional::Refused
    );
    assert_eq!(one.read(&key).await.unwrap(), None);
}

#[tokio::test]
async fn what_has_expired_already_takes_the_place_of_what_is_there() {
    let server = start().await;
    let (one, filled, removed) = (process(&server), key("filled"), key("removed"));
    let expired = || value("v").expires_at(hitbox_core::clock::now());
    let lease = led(begin(&one, &filled).await);
    assert_eq!(
        fill(&one, &filled, expired(), lease).await,
        Conditional::Written
    );
    one.write(&removed, value("old")).await.unwrap();
    let lease = found(begin(&one, &removed).await);
    assert_eq!(
        fill(&one, &removed, expired(), lease).await,
        Conditional::Written
    );
    let mut observer = Observer::connect(&server.url()).await;
    for key in [filled, removed] {
        let name = key.as_text().as_bytes();
        assert!(!observer.ask::<bool>(&[b"EXISTS", name]).await);
    }
}

#[tokio::test]
async fn what_is_no_string_is_no_obstacle() {
    let server = start().await;
    let (one, key) = (process(&server), key("1"));
    let mut observer = Observer::connect(&server.url()).await;
    let name = key.as_text().as_bytes();
    observer
        .ask::<()>(&[b"LPUSH", name, b"another program's"])
        .await;
    let lease = led(begin(&one, &key).await);
    assert_eq!(
        fill(&one, &key, value("v"), lease).await,
        Conditional::Written
    );
    assert_eq!(payload(one.read(&key).await.unwrap()).unwrap(), "v");
}

#[tokio::test]
async fn a_backend_gives_leases_only_if_it_is_to() {
    let server = start().await;
    let (cache, key) = (server::patient(&server), key("1"));
    assert!(!cache.capabilities().gives_leases);
    let mut observer = Observer::connect(&server.url()).await;
    cache.ping().await.unwrap();
    let before = observer.commands().await;
    let lease = led(begin(&cache, &key).await);
    assert!(observer.commands_since(&before).await.is_empty());
    assert_eq!(
        fill(&cache, &key, value("v"), lease).await,
        Conditional::Written
    );
    assert!(process(&server).capabilities().gives_leases);
}

/// Others can have no copy of what was not there; of what was they can.
#[tokio::test]
async fn a_fill_is_announced_only_where_it_replaces_a_value() {
    let server = start().await;
    let plane = hitbox_redis::RedisBackplane::builder()
        .url(server.url())
        .namespace("shop")
        .build()
        .unwrap();
    let builder = server::builder(&server).deadline(server::PATIENT);
    let one = builder.namespace("shop").announce(&plane).build().unwrap();
    assert!(one.capabilities().gives_leases, "without being asked");
    let key = key("1");
    let mark = plane.ask(None, Duration::ZERO).await.unwrap().mark;
    let lease = led(begin(&one, &key).await);
    assert_eq!(
        fill(&one, &key, value("v"), lease).await,
        Conditional::Written
    );
    let heard = plane.ask(Some(&mark), Duration::ZERO).await.unwrap();
    assert!(heard.follows && heard.news.is_empty());
    let lease = found(begin(&one, &key).await);
    assert_eq!(
        fill(&one, &key, value("w"), lease).await,
        Conditional::Written
    );
    let heard = plane.ask(Some(&mark), Duration::ZERO).await.unwrap();
    assert!(heard.follows);
    assert_eq!(heard.news.len(), 1);
    assert_eq!(payload(one.read(&key).await.unwrap()).unwrap(), "w");
}

/// Each command that a user needs who may use no others.
#[tokio::test]
async fn a_user_needs_these_commands() {
    let server = start().await;
    let mut observer = Observer::connect(&server.url()).await;
    let rules: &[&[u8]] = &[
        b"ACL",
        b"SETUSER",
        b"cache",
        b"on",
        b">secret",
        b"~*",
        b"+get",
        b"+mget",
        b"+set",
        b"+unlink",
        b"+ping",
        b"+eval",
        b"+pttl",
        b"+getrange",
    ];
    observer.ask::<()>(rules).await;
    let cache = leasing(&server).username("cache").password("secret");
    let (one, key) = (cache.build().unwrap(), key("1"));
    let lease = led(begin(&one, &key).await);
    drop(elsewhere(begin(&one, &key).await));
    assert_eq!(
        fill(&one, &key, value("v"), lease).await,
        Conditional::Written
    );
    let lease = found(begin(&one, &key).await);
    assert_eq!(
        fill(&one, &key, value("w"), lease).await,
        Conditional::Written
    );
}
