//! What others change is heard.

use hitbox_backend::{CacheBackend, RefillPolicy, conformance::Fault};
use tokio::task::yield_now;

use super::{BOUND, HEARD, Stage, policy};

#[tokio::test(start_paused = true)]
async fn a_change_elsewhere_drops_the_copy() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    assert_eq!(stage.get(1).await, Some(1));
    assert_eq!(stage.copy(1).await, Some(1));
    stage.set(0, 2).await;
    stage.pass(HEARD).await;
    assert_eq!(stage.copy(1).await, None);
    assert_eq!(stage.get(1).await, Some(2));
    stage.processes[0].delete(&stage.key).await.unwrap();
    stage.pass(HEARD).await;
    assert_eq!(stage.get(1).await, None);
    // The first answer of a listener is a gap, and no other one is.
    assert_eq!(stage.status(1).gaps, 1);
}

#[tokio::test(start_paused = true)]
async fn a_copy_is_served_for_long_while_there_are_no_news_of_it() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(HEARD).await;
    assert_eq!(stage.get(1).await, Some(1));
    let asked = stage.faults[1].reads().calls();
    for _ in 0..50 {
        stage.pass(BOUND / 5).await;
        assert_eq!(stage.get(1).await, Some(1));
    }
    assert_eq!(stage.faults[1].reads().calls(), asked);
    assert_eq!(stage.status(1).unvouched, 0);
}

#[tokio::test(start_paused = true)]
async fn who_has_made_a_change_keeps_its_copy() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(HEARD).await;
    assert!(stage.status(0).news > 0);
    assert_eq!(stage.copy(0).await, Some(1));
    let asked = stage.faults[0].reads().calls();
    assert_eq!(stage.get(0).await, Some(1));
    assert_eq!(stage.faults[0].reads().calls(), asked);
}

/// The answer is older than the news.
#[tokio::test(start_paused = true)]
async fn what_was_read_before_news_came_is_not_kept() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    stage.pass(HEARD).await;
    stage.faults[1].reads().next(1, Fault::HangAfterEffect);
    let (read, ()) = tokio::join!(stage.get(1), async {
        while stage.faults[1].reads().hanging() == 0 {
            yield_now().await;
        }
        stage.set(0, 2).await;
        stage.pass(HEARD).await;
        stage.faults[1].heal();
    });
    assert_eq!(read, Some(1));
    assert_eq!(stage.copy(1).await, None);
    assert!(stage.status(1).refused > 0);
    assert_eq!(stage.get(1).await, Some(2));
}

#[tokio::test(start_paused = true)]
async fn bulk_calls_hear_too() {
    let stage = Stage::new();
    stage.pass(HEARD).await;
    stage.set(0, 1).await;
    let all = || async {
        let keys = [stage.key.clone()];
        let mut found = stage.processes[1].get_many::<u32>(&keys).await;
        found.remove(0).unwrap().map(|value| **value.data())
    };
    assert_eq!(all().await, Some(1));
    assert_eq!(stage.copy(1).await, Some(1));
    stage.set(0, 2).await;
    stage.pass(HEARD).await;
    assert_eq!(stage.copy(1).await, None);
    assert_eq!(all().await, Some(2));
}

/// L1 would else show what the reader has seen replaced, once news vouch for it again.
#[tokio::test(start_paused = true)]
async fn a_copy_of_another_version_goes_when_l2_answers() {
    let stage = Stage::with(&policy().refill(RefillPolicy::Never));
    stage.pass(HEARD).await;
    stage.set(1, 1).await;
    // Nobody hears of this one.
    stage.plane.forget();
    let behind = stage.processes[1].l2().get_ref().get_ref();
    let value =
        hitbox_core::CacheValue::loaded(std::sync::Arc::new(2_u32), hitbox_core::Stamp::now());
    behind.set(&stage.key, value).await.unwrap();
    stage.pass(BOUND * 2).await;
    assert_eq!(stage.copy(1).await, Some(1));
    assert_eq!(stage.get(1).await, Some(2));
    assert_eq!(stage.copy(1).await, None);
}
