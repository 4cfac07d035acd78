//! G4: pending repairs are made, and a repair brings nothing old back.

use exploration::{Extent, explore, thread};
use hitbox_core::DisabledOffload;

use super::{
    background::Background,
    cache::Cache,
    layer::{Failure, Layer, value},
};
use crate::{CompositionPolicy, Operation, RefillPolicy, RepairPolicy};

/// A pending repair that no job knows of would stay pending until the key is used again.
#[test]
fn what_becomes_pending_as_a_repair_ends_is_repaired() {
    let name = "the end of a repair and a remove that fails";
    explore(name, Extent::Interruptions(3), |_| {
        let old = value();
        let background = Background::default();
        let cache = Cache::of(
            Layer::new().holding(old.clone()),
            Layer::new().holding(old),
            background.clone(),
            CompositionPolicy::new(),
        );
        cache.l2.fail_next(Operation::Remove, Failure::Refused);
        cache.remove().unwrap_err();
        let worker = {
            let background = background.clone();
            thread(move || background.run())
        };
        cache.l2.fail_next(Operation::Remove, Failure::Refused);
        let _either = cache.remove();
        worker.join().unwrap();
        background.run();
        assert_eq!(cache.composed.pending_repair_count(), 0);
        assert_eq!(cache.held(), [None, None]);
    });
}

fn repairing_reads() -> CompositionPolicy {
    // Without refills, which would repair L1 first.
    let policy = CompositionPolicy::new().refill(RefillPolicy::Never);
    policy.repair(RepairPolicy::OnNextOperation)
}

/// L1 has missed the write of `older`, and a read repairs that while `newer` is written.
#[test]
fn a_repair_does_not_undo_a_write() {
    explore("a repair and a write", Extent::Interruptions(3), |_| {
        let (older, newer) = (value(), value());
        let cache = Cache::of(
            Layer::new(),
            Layer::new(),
            DisabledOffload,
            repairing_reads(),
        );
        cache.l1.fail_next(Operation::Write, Failure::Refused);
        cache.write(older).unwrap();
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        let written = Some(newer.created());
        cache.write(newer).unwrap();
        assert_eq!(cache.read(), written);
        reader.join().unwrap();
        assert_eq!(cache.read(), written);
        assert_eq!(cache.held(), [written, written]);
    });
}

#[test]
fn a_repair_does_not_undo_a_remove() {
    explore("a repair and a remove", Extent::Interruptions(3), |_| {
        let cache = Cache::of(
            Layer::new(),
            Layer::new(),
            DisabledOffload,
            repairing_reads(),
        );
        cache.l1.fail_next(Operation::Write, Failure::Refused);
        cache.write(value()).unwrap();
        let beside = cache.clone();
        let reader = thread(move || _ = beside.read());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        reader.join().unwrap();
        assert_eq!(cache.held(), [None, None]);
    });
}

/// The record says at any time what is true at that time, so its counts end where no repair is pending.
#[test]
fn reads_that_repair_together_leave_nothing_pending() {
    explore("two repairs", Extent::Interruptions(3), |_| {
        let old = value();
        let cache = Cache::of(
            Layer::new().holding(old.clone()),
            Layer::new().holding(old),
            DisabledOffload,
            repairing_reads(),
        );
        cache.l1.fail_next(Operation::Remove, Failure::Refused);
        cache.remove().unwrap_err();
        let beside = cache.clone();
        let reader = thread(move || assert_eq!(beside.read(), None));
        assert_eq!(cache.read(), None);
        reader.join().unwrap();
        assert_eq!(cache.composed.pending_repair_count(), 0);
        assert!(cache.composed.pending_repairs().is_empty());
        assert_eq!(cache.held(), [None, None]);
    });
}
