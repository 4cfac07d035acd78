//! G3: once a write or remove has returned, nothing older is read, whatever else is under way.

use std::num::NonZeroUsize;

use exploration::{Extent, explore, thread};
use hitbox_core::{CacheStatus, DisabledOffload};

use super::{
    cache::Cache,
    layer::{Failure, Layer, Pace, value},
};
use crate::{CompositionLayer, CompositionPolicy, Operation, RepairPolicy};

/// Explores a scenario with layers that have to be waited for, and with layers that do not.
fn explore_paces(
    name: &str,
    extent: Extent,
    scenario: impl Fn(Pace) + Copy + Send + Sync + 'static,
) {
    for pace in [Pace::Immediate, Pace::AtOnce] {
        let name = format!("{name}, layers {pace:?}");
        explore(&name, extent, move |_| scenario(pace));
    }
}

/// Nothing is repaired, so that nothing but fences keeps out what a failed layer holds.
fn unrepaired(l1: Layer, l2: Layer) -> Cache {
    let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
    Cache::of(l1, l2, DisabledOffload, policy)
}

#[test]
fn a_refill_does_not_undo_a_remove() {
    explore_paces("a refill and a remove", Extent::Interruptions(4), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace).holding(value()));
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        reader.join().unwrap();
        assert_eq!(cache.read(), None);
        assert_eq!(cache.held(), [None, None]);
    });
}

#[test]
fn a_refill_does_not_undo_a_write() {
    explore_paces("a refill and a write", Extent::Interruptions(4), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace).holding(value()));
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        let value = value();
        let written = Some(value.created());
        cache.write(value).unwrap();
        assert_eq!(cache.read(), written);
        reader.join().unwrap();
        assert_eq!(cache.read(), written);
        assert_eq!(cache.held(), [written, written]);
    });
}

/// What a layer still holds that has failed does not get into the other one, either.
fn a_remove_fails_in(name: &str, failing: fn(&Cache) -> &Layer) {
    explore_paces(name, Extent::Interruptions(4), move |pace| {
        let old = value();
        let cache = unrepaired(
            Layer::at(pace).holding(old.clone()),
            Layer::at(pace).holding(old),
        );
        failing(&cache).fail_next(Operation::Remove, Failure::Refused);
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        cache.remove().unwrap_err();
        assert_eq!(cache.read(), None);
        reader.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

#[test]
fn what_l1_did_not_remove_is_not_read() {
    a_remove_fails_in("a read and a remove that fails in L1", |cache| &cache.l1);
}

#[test]
fn what_l2_did_not_remove_is_not_read() {
    a_remove_fails_in("a read and a remove that fails in L2", |cache| &cache.l2);
}

#[test]
fn what_l2_did_not_remove_is_not_refilled() {
    let name = "a refill and a remove that fails in L2";
    explore_paces(name, Extent::Interruptions(4), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace).holding(value()));
        cache.l2.fail_next(Operation::Remove, Failure::Refused);
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        cache.remove().unwrap_err();
        assert_eq!(cache.read(), None);
        reader.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

#[test]
fn a_refill_does_not_stand_for_the_remove_that_l1_failed() {
    let name = "a refill and a remove that fails in L1";
    explore_paces(name, Extent::Interruptions(4), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace).holding(value()));
        cache.l1.fail_next(Operation::Remove, Failure::Refused);
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        cache.remove().unwrap_err();
        assert_eq!(cache.read(), None);
        reader.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

#[test]
fn a_write_does_not_stand_for_the_remove_that_l2_failed() {
    let name = "a write and a remove that fails in L2";
    explore_paces(name, Extent::Interruptions(4), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace));
        let loaded = value();
        cache.l2.fail_next(Operation::Remove, Failure::Refused);
        let beside = cache.clone();
        let writer = thread(move || beside.write(loaded).unwrap());
        cache.remove().unwrap_err();
        assert_eq!(cache.read(), None);
        writer.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

/// What has been read between the ends of two changes is older than the second one, also if the
/// first one is the last to say that it has ended.
#[test]
fn a_refill_from_between_two_changes_comes_too_late() {
    let name = "a write that fails in L1, a refill and a remove";
    explore_paces(name, Extent::Interruptions(2), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace));
        let loaded = value();
        cache.l1.fail_next(Operation::Write, Failure::Refused);
        let (writer, reader) = (cache.clone(), cache.clone());
        let writer = thread(move || writer.write(loaded).unwrap());
        let reader = thread(move || _ = reader.read());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        writer.join().unwrap();
        reader.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

#[test]
fn two_writes_leave_the_newer_in_both_layers() {
    explore_paces("two writes", Extent::Interruptions(3), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace));
        let (older, newer) = (value(), value());
        let (old, new) = (Some(older.created()), Some(newer.created()));
        let beside = cache.clone();
        let writer = thread(move || {
            beside.write(older).unwrap();
            // A miss, as long as the newer one is under way.
            let read = beside.read();
            assert!(read.is_none() || read >= old, "{read:?}");
        });
        cache.write(newer).unwrap();
        assert_eq!(cache.read(), new);
        writer.join().unwrap();
        assert_eq!(cache.held(), [new, new]);
        assert_eq!(cache.read(), new);
    });
}

#[test]
fn a_remove_outlasts_the_write_of_what_was_loaded_before_it() {
    explore_paces("a write and a remove", Extent::Interruptions(3), |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace));
        let loaded = value();
        let beside = cache.clone();
        let writer = thread(move || beside.write(loaded).unwrap());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        writer.join().unwrap();
        assert_eq!(cache.read(), None);
        assert_eq!(cache.held(), [None, None]);
    });
}

fn a_write_arrives_late(name: &str, failure: Failure) {
    explore_paces(name, Extent::Interruptions(4), move |pace| {
        let cache = unrepaired(Layer::at(pace), Layer::at(pace));
        let old = value();
        cache.l2.fail_next(Operation::Write, failure);
        cache.write(old.clone()).unwrap();
        let beside = cache.clone();
        let late = thread(move || beside.l2.receive_late(old));
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        late.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

#[test]
fn a_write_that_arrives_late_is_not_read() {
    let name = "a write that arrives late and a remove";
    a_write_arrives_late(name, Failure::Unanswered);
}

#[test]
fn the_first_attempt_of_a_repeated_write_is_not_read() {
    let name = "a repeated write whose first attempt arrives late and a remove";
    a_write_arrives_late(name, Failure::Repeated);
}

/// There is no gap between the fences of single keys and the fence for all of them.
#[test]
fn a_record_that_is_full_lets_nothing_through() {
    let name = "a read, and a record that comes to be full";
    explore_paces(name, Extent::Interruptions(4), |pace| {
        let old = value();
        let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
        let cache = Cache::of(
            Layer::at(pace).holding(old.clone()),
            Layer::at(pace).holding(old),
            DisabledOffload,
            policy.record_capacity(NonZeroUsize::MIN),
        );
        cache.l2.fail_next(Operation::Remove, Failure::Refused);
        cache.remove().unwrap_err();
        let beside = cache.clone();
        let remover = thread(move || {
            beside.l2.fail_next(Operation::Remove, Failure::Refused);
            beside.remove_another().unwrap_err();
        });
        assert_eq!(cache.read(), None);
        remover.join().unwrap();
        let l2 = CompositionLayer::L2;
        assert!(cache.composed.layer_fence(l2).is_some());
        assert_eq!(cache.read(), None);
    });
}

/// The count of keys that reads have to look at follows each change, in whatever order they come.
#[test]
fn what_has_been_expired_since_it_was_created_is_read_as_stale() {
    let name = "a soft expiry and a write";
    explore_paces(name, Extent::Interruptions(3), |pace| {
        let old = value();
        let cache = unrepaired(
            Layer::at(pace).holding(old.clone()),
            Layer::at(pace).holding(old),
        );
        let beside = cache.clone();
        let writer = thread(move || beside.write(value()).unwrap());
        let expired = cache.expire();
        let is_right = |(created, status)| (created <= expired) == (status == CacheStatus::Stale);
        assert!(cache.read_status().is_none_or(is_right));
        writer.join().unwrap();
        assert!(cache.read_status().is_some_and(is_right));
    });
}
