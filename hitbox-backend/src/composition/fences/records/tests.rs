//! Fences of whole layers, pins and soft expiries.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::*;
use crate::composition::fences::{Effect, FenceSnapshot, Origin, Permits, Pin};

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

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("key", number.to_string())
}

fn on_record(fences: &Fences) -> usize {
    fences.shards.iter().map(|shard| lock(shard).len()).sum()
}

fn remove(fences: &Arc<Fences>, number: usize) {
    fail_a_remove(fences, number, Effect::Confirmed);
}

/// Writes a value that was created at this stamp.
fn write(fences: &Arc<Fences>, number: usize, created: Stamp) {
    let (key, origin) = (key(number), Origin::Fill);
    let mut share = fences
        .begin_write(&key, created, origin, Permits::IfFree)
        .unwrap();
    for layer in CompositionLayer::BOTH {
        share.give_back(layer, Effect::Confirmed);
    }
}

#[test]
fn a_pin_leaves_nothing_behind() {
    let fences = Fences::new(NonZeroUsize::MIN);
    let pins: Vec<_> = (0..1_000)
        .map(|number| Pin::new(&fences, &key(number)))
        .collect();
    let again = Pin::new(&fences, &key(0));
    assert_eq!((on_record(&fences), standing(&fences)), (1_000, 0));
    drop(pins);
    assert_eq!(on_record(&fences), 1);
    drop(again);
    assert_eq!(on_record(&fences), 0);
}

#[test]
fn a_pinned_key_is_remembered_and_then_forgotten_like_others() {
    let fences = Fences::new(NonZeroUsize::MIN);
    let pin = Pin::new(&fences, &key(0));
    remove(&fences, 0);
    let removed = pin.invalidations();
    let forget = || (1..1_000).for_each(|number| remove(&fences, number));
    forget();
    assert_eq!(fences.invalidations(&key(0)), removed);
    let idle = on_record(&fences);
    drop(pin);
    forget();
    assert!(fences.invalidations(&key(0)).hard > removed.hard);
    assert_eq!(on_record(&fences), idle - 1);
}

#[test]
fn reads_look_for_a_soft_expiry_as_long_as_it_stands() {
    let fences = Fences::new(NonZeroUsize::MIN);
    let before = Stamp::now();
    assert!(fences.snapshot(&key(0)).standing.is_none());
    fences.expire(&key(0));
    fences.expire(&key(0));
    let expired = fences.invalidations(&key(0)).soft;
    let of = |number| {
        fences
            .snapshot(&key(number))
            .standing
            .map(|found| found.soft_expiry)
    };
    assert_eq!(standing(&fences), 1);
    assert_eq!((of(0), of(1)), (Some(expired), None));
    write(&fences, 0, before);
    assert_eq!((standing(&fences), of(0)), (1, Some(expired)));
    write(&fences, 0, Stamp::now());
    assert_eq!((standing(&fences), of(0)), (0, None));
    // A load that began before is still judged by it.
    assert_eq!(fences.invalidations(&key(0)).soft, expired);
    fences.expire(&key(0));
    assert_eq!(standing(&fences), 1);
    remove(&fences, 0);
    assert_eq!(standing(&fences), 0);
}

#[test]
fn a_forgotten_soft_expiry_stands_for_those_keys_alone() {
    let fences = Fences::new(NonZeroUsize::MIN);
    fences.expire(&key(0));
    let expired = fences.invalidations(&key(0)).soft;
    // By writes: what is older than a forgotten remove could not be written.
    (1..1_000).for_each(|number| write(&fences, number, Stamp::now()));
    assert_eq!(standing(&fences), 1);
    let of = |number| {
        fences
            .snapshot(&key(number))
            .standing
            .map(|found| found.soft_expiry)
    };
    assert_eq!(of(0), Some(expired));
    // One that nobody expired is rarely taken for one that was.
    assert!((1..1_000).filter(|number| of(*number).is_some()).count() <= 50);
    // What is on record again is compared with what was forgotten, until it is known to be newer.
    let pin = Pin::new(&fences, &key(0));
    assert_eq!(of(0), Some(expired));
    write(&fences, 0, expired.predecessor());
    assert_eq!(of(0), Some(expired));
    write(&fences, 0, Stamp::now());
    assert_eq!((of(0), standing(&fences)), (None, 1));
    drop(pin);
}
