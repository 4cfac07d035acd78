//! Changes of one key go on one after the other, and nobody waits for a permit for ever.

use exploration::{Extent, explore, thread};
use futures::FutureExt;
use hitbox_core::DisabledOffload;

use super::{
    background::Background,
    cache::{Cache, key},
    layer::{Layer, Pace, value},
};
use crate::{Backend, CompositionPolicy, RaceWritePolicy, RepairPolicy};

#[test]
fn three_changes_take_turns() {
    three_changes([Pace::Immediate; 2]);
}

/// Writes that have both permits from the beginning hand them on, too.
#[test]
fn three_changes_take_turns_with_layers_at_once() {
    three_changes([Pace::AtOnce; 2]);
}

/// Those that give L1's permit back before L2 has answered, too.
#[test]
fn three_changes_take_turns_with_l1_at_once() {
    three_changes([Pace::AtOnce, Pace::Immediate]);
}

fn three_changes(paces: [Pace; 2]) {
    let name = format!("two writes and a remove, layers {paces:?}");
    explore(&name, Extent::Interruptions(2), move |_| {
        let policy = CompositionPolicy::new();
        let [l1, l2] = paces.map(Layer::at);
        let cache = Cache::of(l1, l2, DisabledOffload, policy);
        let writers = [value(), value()].map(|value| {
            let beside = cache.clone();
            thread(move || beside.write(value).unwrap())
        });
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        for writer in writers {
            writer.join().unwrap();
        }
        assert_eq!(cache.held(), [None, None]);
    });
}

/// Whoever leaves takes no permit along.
#[test]
fn one_who_waits_for_a_turn_may_leave() {
    let name = "a write, a remove that is dropped, and a remove";
    explore(name, Extent::Interruptions(2), |_| {
        let policy = CompositionPolicy::new().repair(RepairPolicy::Never);
        let cache = Cache::of(Layer::new(), Layer::new(), DisabledOffload, policy);
        let (writer, leaver) = (cache.clone(), cache.clone());
        let loaded = value();
        let writer = thread(move || writer.write(loaded).unwrap());
        let leaver = thread(move || _ = leaver.composed.remove(&key()).now_or_never());
        cache.remove().unwrap();
        writer.join().unwrap();
        leaver.join().unwrap();
        assert_eq!(cache.read(), None);
    });
}

/// A race's loser has gone to the background, where it may hold the permit in L2.
#[test]
fn one_who_waits_for_work_in_the_background_drives_it() {
    let name = "a race's loser in the background, and a remove";
    explore(name, Extent::Interruptions(3), |_| {
        let background = Background::default();
        let cache = Cache::of(
            Layer::new(),
            Layer::new().slow(),
            background.clone(),
            CompositionPolicy::new().write(RaceWritePolicy::new()),
        );
        cache.write(value()).unwrap();
        let worker = thread(move || background.run());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        worker.join().unwrap();
        assert_eq!(cache.held(), [None, None]);
        assert_eq!(cache.composed.pending_repair_count(), 0);
    });
}

/// The same when nobody ever runs the background.
#[test]
fn a_background_that_does_not_run_keeps_nobody_waiting() {
    let name = "a race's loser that is not run, and two removes";
    explore(name, Extent::Interruptions(3), |_| {
        let cache = Cache::of(
            Layer::new(),
            Layer::new().slow(),
            Background::default(),
            CompositionPolicy::new().write(RaceWritePolicy::new()),
        );
        cache.write(value()).unwrap();
        let beside = cache.clone();
        let remover = thread(move || beside.remove().unwrap());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        remover.join().unwrap();
        assert_eq!(cache.held(), [None, None]);
    });
}

/// Also of those who wait already when the work goes to the background.
#[test]
fn one_who_waits_learns_of_work_that_goes_to_the_background() {
    let name = "a race whose loser is not run, and a remove";
    explore(name, Extent::Interruptions(4), |_| {
        let cache = Cache::of(
            Layer::new(),
            Layer::new().slow(),
            Background::default(),
            CompositionPolicy::new().write(RaceWritePolicy::new()),
        );
        let loaded = value();
        let beside = cache.clone();
        let writer = thread(move || beside.write(loaded).unwrap());
        cache.remove().unwrap();
        assert_eq!(cache.read(), None);
        writer.join().unwrap();
        assert_eq!(cache.held(), [None, None]);
    });
}
