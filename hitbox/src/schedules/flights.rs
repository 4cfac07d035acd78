//! G11 to G13: who joins gets what he may have, one load is enough, and nobody waits for what never comes.

use std::sync::{
    Arc,
    atomic::{AtomicBool, Ordering::SeqCst},
};

use exploration::{Extent, explore, thread, wait_for};
use futures::FutureExt;
use hitbox_backend::{
    Stamp,
    flights::{Coming, Terms},
};

use super::scene::{Course, NUMBERS, Scene};
use crate::{
    LoadErrorKind, Loaded,
    flights::{Nesting, Visit},
    load::{BoxLoader, Load, Look, Member, Order},
};

/// Who comes while the other one's load begins, ends or is being stored gets what that has loaded.
#[test]
fn two_who_come_at_once_lead_one_flight() {
    explore("two calls at once", Extent::Interruptions(3), |_| {
        let scene = Scene::new();
        let beside = scene.clone();
        let other = thread(move || beside.ask(Course::EndsAtOnce).unwrap());
        let one = scene.ask(Course::EndsAtOnce).unwrap();
        assert_eq!((one, other.join().unwrap()), (1, 1));
        assert_eq!(scene.loads(), 1);
        assert_eq!(scene.stored(), Some(1));
    });
}

/// And who asks after a failure loads himself.
#[test]
fn an_end_and_a_join_at_the_same_moment() {
    let name = "a load that fails, and a call";
    explore(name, Extent::Interruptions(2), |_| {
        let scene = Scene::new();
        let beside = scene.clone();
        let has_failed = Arc::new(AtomicBool::new(false));
        let knew_of_it = Arc::new(AtomicBool::new(false));
        let (known, knows) = (Arc::clone(&has_failed), Arc::clone(&knew_of_it));
        let other = thread(move || {
            knows.store(known.load(SeqCst), SeqCst);
            beside.ask(Course::EndsAtOnce)
        });
        let failed = scene.ask(Course::Fails);
        has_failed.store(true, SeqCst);
        match other.join().unwrap() {
            Ok(value) => assert_eq!(scene.stored(), Some(value)),
            Err(error) => {
                assert_eq!(error.kind(), LoadErrorKind::Loader);
                assert!(!knew_of_it.load(SeqCst), "a failure that was over");
                assert!(failed.is_err() && scene.loads() == 1);
                assert_eq!(scene.stored(), None);
            }
        }
    });
}

/// He does not wait for the end of a load that he will have to refuse.
#[test]
fn a_remove_between_join_and_end_makes_the_joiner_refuse() {
    explore("a join and a remove", Extent::Interruptions(2), |_| {
        let scene = Scene::new();
        let first = scene.begin();
        let beside = scene.clone();
        let other = thread(move || {
            let value = beside.ask(Course::EndsAtOnce).unwrap();
            beside.let_go();
            value
        });
        scene.remove();
        assert_eq!(other.join().unwrap(), 2);
        // He came before the remove.
        assert_eq!(wait_for(first).unwrap(), 1);
        assert_eq!(scene.stored(), Some(2));
    });
}

#[test]
fn a_leader_who_goes_while_another_joins_strands_nobody() {
    let name = "a call that is dropped, and another";
    explore(name, Extent::Interruptions(3), |_| {
        let scene = Scene::new();
        let first = scene.begin_to_wait();
        let (leaver, beside) = (thread(move || drop(first)), scene.clone());
        scene.let_go();
        assert_eq!(beside.ask(Course::EndsAtOnce).unwrap(), 1);
        leaver.join().unwrap();
        assert_eq!((scene.loads(), scene.stored()), (1, Some(1)));
    });
}

/// As when a runtime ends: who waits gets an error, who comes later loads.
#[test]
fn a_load_that_is_dropped_while_another_joins_strands_nobody() {
    let name = "a load that is dropped, and a call";
    explore(name, Extent::Interruptions(3), |_| {
        let scene = Scene::new();
        let key = NUMBERS.key(1);
        let mut visit = Visit::new(key.as_cache_key(), Terms::Valid);
        let Coming::Lead(flight) = scene.shared.flights.come(&mut visit, |_| Stamp::ZERO) else {
            panic!("nobody else has come");
        };
        let member = Member {
            flight,
            look: Look::Never,
        };
        let load = Load::<u64>::new(
            Arc::clone(&scene.shared),
            Scene::settings(),
            Nesting::nowhere(),
            vec![member],
            Order::InTurn,
            None,
            BoxLoader::OfOne(Box::new(|| async { Ok(Loaded::new(7)) }.boxed())),
        );
        let beside = scene.clone();
        let other = thread(move || beside.ask(Course::EndsAtOnce));
        drop(load);
        match other.join().unwrap() {
            Ok(value) => assert_eq!(value, 1),
            Err(error) => assert_eq!(error.kind(), LoadErrorKind::NoRuntime),
        }
        scene.stored();
    });
}

/// The third load of a key waits for one of two that run, also if that ends as it asks.
#[test]
fn a_load_begins_when_one_of_two_has_ended() {
    let name = "the end of a load, and a third one";
    explore(name, Extent::Interruptions(1), |_| {
        let scene = Scene::new();
        let calls = [(); 2].map(|()| {
            let call = scene.begin();
            scene.remove();
            call
        });
        // While it begins, one of the two may end.
        scene.let_go();
        assert_eq!(scene.ask(Course::EndsAtOnce).unwrap(), 3);
        scene.let_go();
        for call in calls {
            wait_for(call).unwrap();
        }
        assert_eq!(scene.stored(), Some(3));
    });
}
