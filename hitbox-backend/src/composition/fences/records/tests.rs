//! Fences of whole layers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::composition::fences::{Effect, FenceSnapshot};

const LAYER: CompositionLayer = CompositionLayer::L1;

fn fail_a_remove(fences: &Arc<Fences>, key: usize, effect: Effect) {
    let key = CacheKey::from_pair("key", key.to_string());
    let mut share = fences.begin_remove(&key);
    for (layer, effect) in CompositionLayer::BOTH
        .into_iter()
        .zip([effect, Effect::Confirmed])
    {
        futures::executor::block_on(share.permit(layer));
        share.give_back(layer, effect);
    }
}

fn with_a_full_record(effect: Effect) -> Arc<Fences> {
    let fences = Fences::new(NonZeroUsize::MIN);
    fail_a_remove(&fences, 0, effect);
    assert_eq!(fences.layer_fence(LAYER), Stamp::ZERO);
    fail_a_remove(&fences, 1, effect);
    assert!(fences.layer_fence(LAYER) > Stamp::ZERO);
    fences
}

fn standing(fences: &Fences) -> usize {
    fences.standing.get()
}

/// Of the key with this number.
fn snapshot(fences: &Fences, key: usize) -> FenceSnapshot {
    fences.snapshot(&CacheKey::from_pair("key", key.to_string()))
}

#[test]
fn reads_pass_without_a_lock_again() {
    let fences = with_a_full_record(Effect::None);
    assert_eq!(standing(&fences), 1);
    assert!(snapshot(&fences, 0).is_fenced() && !snapshot(&fences, 2).is_fenced());
    let lift = fences.begin_lift(LAYER).unwrap().unwrap();
    let another = fences.begin_lift(LAYER).unwrap().unwrap();
    assert_eq!(standing(&fences), 1);
    fences.lift(&lift).unwrap();
    assert_eq!(standing(&fences), 0);
    assert!(!snapshot(&fences, 0).is_fenced());
    fences.lift(&another).unwrap();
    assert_eq!(standing(&fences), 0);
    assert!(fences.begin_lift(LAYER).unwrap().is_none());
}

#[test]
fn a_fence_that_comes_back_stands_once() {
    let fences = with_a_full_record(Effect::None);
    let lift = fences.begin_lift(LAYER).unwrap().unwrap();
    fences.lift(&lift).unwrap();
    for key in 2..20 {
        fail_a_remove(&fences, key, Effect::None);
    }
    // That of the layer, and of at most one key.
    assert!((1..=2).contains(&standing(&fences)));
    assert!(snapshot(&fences, 2).is_fenced() && !snapshot(&fences, 0).is_fenced());
}

#[test]
fn what_is_given_up_meanwhile_keeps_the_fence() {
    let fences = with_a_full_record(Effect::None);
    let lift = fences.begin_lift(LAYER).unwrap().unwrap();
    fail_a_remove(&fences, 2, Effect::None);
    fail_a_remove(&fences, 3, Effect::None);
    assert_eq!(fences.lift(&lift), Err(CannotLift::GivenUpSince));
    assert!(snapshot(&fences, 0).is_fenced());
}

#[tokio::test(start_paused = true)]
async fn what_may_arrive_late_keeps_the_fence() {
    let fences = with_a_full_record(Effect::Unknown);
    tokio::time::advance(Duration::from_millis(59_999)).await;
    let left = Duration::from_millis(1);
    assert_eq!(fences.begin_lift(LAYER).err(), Some(CannotLift::Late(left)));
    tokio::time::advance(left).await;
    assert!(fences.begin_lift(LAYER).unwrap().is_some());
}
