//! Fences of whole layers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::composition::ledger::{Effect, Trust};

const LAYER: CompositionLayer = CompositionLayer::L1;

fn fail_a_remove(ledger: &Arc<Ledger>, key: usize, effect: Effect) {
    let key = CacheKey::from_pair("key", key.to_string());
    let mut share = ledger.begin_remove(&key);
    for (layer, effect) in CompositionLayer::BOTH
        .into_iter()
        .zip([effect, Effect::Confirmed])
    {
        futures::executor::block_on(share.turn(layer));
        share.give_back(layer, effect);
    }
}

fn with_a_full_record(effect: Effect) -> Arc<Ledger> {
    let ledger = Ledger::new(NonZeroUsize::MIN);
    fail_a_remove(&ledger, 0, effect);
    assert_eq!(ledger.layer_fence(LAYER), Stamp::ZERO);
    fail_a_remove(&ledger, 1, effect);
    assert!(ledger.layer_fence(LAYER) > Stamp::ZERO);
    ledger
}

fn standing(ledger: &Ledger) -> usize {
    ledger.standing.get()
}

/// Of the key with this number.
fn trust(ledger: &Ledger, key: usize) -> Trust {
    ledger.trust(&CacheKey::from_pair("key", key.to_string()))
}

#[test]
fn reads_pass_without_a_lock_again() {
    let ledger = with_a_full_record(Effect::None);
    assert_eq!(standing(&ledger), 1);
    assert!(trust(&ledger, 0).is_limited() && !trust(&ledger, 2).is_limited());
    let lift = ledger.begin_lift(LAYER).unwrap().unwrap();
    let another = ledger.begin_lift(LAYER).unwrap().unwrap();
    assert_eq!(standing(&ledger), 1);
    ledger.lift(&lift).unwrap();
    assert_eq!(standing(&ledger), 0);
    assert!(!trust(&ledger, 0).is_limited());
    ledger.lift(&another).unwrap();
    assert_eq!(standing(&ledger), 0);
    assert!(ledger.begin_lift(LAYER).unwrap().is_none());
}

#[test]
fn a_fence_that_comes_back_stands_once() {
    let ledger = with_a_full_record(Effect::None);
    let lift = ledger.begin_lift(LAYER).unwrap().unwrap();
    ledger.lift(&lift).unwrap();
    for key in 2..20 {
        fail_a_remove(&ledger, key, Effect::None);
    }
    // That of the layer, and of at most one key.
    assert!((1..=2).contains(&standing(&ledger)));
    assert!(trust(&ledger, 2).is_limited() && !trust(&ledger, 0).is_limited());
}

#[test]
fn what_is_given_up_meanwhile_keeps_the_fence() {
    let ledger = with_a_full_record(Effect::None);
    let lift = ledger.begin_lift(LAYER).unwrap().unwrap();
    fail_a_remove(&ledger, 2, Effect::None);
    fail_a_remove(&ledger, 3, Effect::None);
    assert_eq!(ledger.lift(&lift), Err(CannotLift::GivenUpSince));
    assert!(trust(&ledger, 0).is_limited());
}

#[tokio::test(start_paused = true)]
async fn what_may_arrive_late_keeps_the_fence() {
    let ledger = with_a_full_record(Effect::Unknown);
    tokio::time::advance(Duration::from_millis(59_999)).await;
    let left = Duration::from_millis(1);
    assert_eq!(ledger.begin_lift(LAYER).err(), Some(CannotLift::Late(left)));
    tokio::time::advance(left).await;
    assert!(ledger.begin_lift(LAYER).unwrap().is_some());
}
