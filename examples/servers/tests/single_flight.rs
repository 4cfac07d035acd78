//! The single flight of the example moka_redis.

#[path = "../examples/moka_redis/single_flight.rs"]
mod single_flight;

use std::{
    convert::Infallible,
    sync::atomic::{AtomicU32, Ordering},
};

use futures::future::{join, join_all, pending};
use single_flight::SingleFlight;
use tokio::{sync::Barrier, task::yield_now};

#[tokio::test]
async fn those_who_miss_together_wait_for_one_load() {
    let flights = SingleFlight::new();
    let loads = AtomicU32::new(0);
    let load = async || {
        yield_now().await;
        Ok::<_, Infallible>(loads.fetch_add(1, Ordering::Relaxed))
    };
    let together = join_all((0..50).map(|_| flights.run("key", load))).await;
    assert!(together.iter().all(|outcome| *outcome == Ok(0)));
    assert_eq!(flights.run("key", load).await, Ok(1));
    let others = join(flights.run("one", load), flights.run("other", load));
    assert_eq!(others.await, (Ok(2), Ok(3)));
}

#[tokio::test]
async fn if_the_first_goes_away_the_next_loads() {
    let flights = SingleFlight::new();
    let mut first = Box::pin(flights.run("key", pending::<Result<u32, Infallible>>));
    assert!(futures::poll!(&mut first).is_pending());
    let mut next = Box::pin(flights.run("key", async || Ok::<_, Infallible>(2)));
    assert!(futures::poll!(&mut next).is_pending());
    drop(first);
    assert_eq!(next.await, Ok(2));
}

#[tokio::test]
async fn nobody_joins_a_load_that_was_forgotten() {
    let flights = SingleFlight::new();
    let under_way = Barrier::new(2);
    let old = flights.run("key", async || {
        under_way.wait().await;
        under_way.wait().await;
        Ok::<_, Infallible>("old")
    });
    let new = async {
        under_way.wait().await;
        flights.forget(&"key");
        let new = flights
            .run("key", async || Ok::<_, Infallible>("new"))
            .await;
        under_way.wait().await;
        new
    };
    assert_eq!(join(old, new).await, (Ok("old"), Ok("new")));
}
