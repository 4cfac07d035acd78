//! Tables of transitions. Instants are numbers.

#![allow(clippy::unwrap_used, reason = "a test fails by panicking")]

use super::{
    Asked, GivenUp, KeyState,
    Stamped::{self, Remove, Write},
};
use crate::{
    Invalidations,
    composition::{
        fences::origin::{
            Origin,
            Refusal::{Indeterminate, Superseded},
        },
        pending_repair::RepairCause::{self, InDoubt, InFlight, Unconfirmed},
    },
};
use hitbox_core::{
    CompositionLayer::{self, L1, L2},
    Stamp,
};

type Key = KeyState<u32>;

/// What has been done to a key.
#[derive(Clone, Copy, Debug)]
enum Event {
    /// Gets the next id, from 1 on.
    Begin(Stamped),
    End,
    SetOut(CompositionLayer),
    Confirm(CompositionLayer, u64),
    Refill(CompositionLayer, u64, Stamp),
    Doubt(CompositionLayer, u32),
    Lapse(CompositionLayer, u32),
    GiveUp(CompositionLayer, Stamp),
    Pin,
    Unpin,
    Expire(Stamp),
}
use Event::{Begin, Confirm, Doubt, End, Expire, GiveUp, Lapse, Pin, Refill, SetOut, Unpin};

fn at(micros: u64) -> Stamp {
    Stamp::from_micros(micros)
}

/// Of which nothing has been forgotten.
fn unknown() -> Key {
    Key::after(Invalidations::default())
}

fn after(events: &[Event]) -> Key {
    let mut key = unknown();
    let (mut ids, mut ends) = (0, 0);
    for event in events {
        match *event {
            Begin(operation) => {
                let admitted = key.admit(operation, Origin::Load);
                assert_eq!(admitted, Ok(()), "{event:?} of {events:?}");
                ids += 1;
                key.begin(operation, Origin::Load, ids);
            }
            Pin => key.pin(),
            Unpin => key.unpin(),
            Expire(stamp) => {
                ends += 1;
                key.expire(stamp, ends);
            }
            End => {
                ends += 1;
                key.end(ends);
            }
            SetOut(layer) => key.set_out(layer),
            Confirm(layer, id) => key.confirm(layer, id),
            Refill(layer, id, created) => key.confirm_refill(layer, id, created),
            Doubt(layer, until) => _ = key.doubt(layer, until),
            Lapse(layer, now) => _ = key.lapse(layer, now),
            GiveUp(layer, whole_layer) => _ = key.give_up(layer, whole_layer),
        }
    }
    key
}

#[test]
fn something_newer_refuses_a_write_or_remove() {
    let w5 = Begin(Write(at(5)));
    let r5 = Begin(Remove(at(5)));
    let table = [
        (&[][..], Write(at(1)), true),
        (&[], Remove(at(1)), true),
        (&[w5], Write(at(4)), false),
        // Written twice.
        (&[w5], Write(at(5)), true),
        (&[w5], Write(at(6)), true),
        (&[w5], Remove(at(5)), false),
        (&[w5], Remove(at(6)), true),
        (&[r5], Write(at(5)), false),
        (&[r5], Write(at(6)), true),
        (&[r5], Remove(at(5)), false),
        (&[r5], Remove(at(6)), true),
    ];
    for (events, operation, admitted) in table {
        let key = after(events);
        let admitted = if admitted { Ok(()) } else { Err(Superseded) };
        for origin in [Origin::Load, Origin::Fill, Origin::OtherLayer] {
            let found = key.admit(operation, origin);
            assert_eq!(found, admitted, "{operation:?}, {origin:?}, {events:?}");
        }
    }
}

#[test]
fn what_is_older_than_a_forgotten_remove_cannot_be_proved_as_long_as_nothing_newer_is_remembered() {
    let forgotten = Invalidations {
        hard: at(5),
        soft: at(6),
    };
    let mut key = Key::after(forgotten);
    let vouched = key.admit(Write(at(5)), Origin::OtherLayer);
    assert_eq!(
        (vouched, key.admit(Remove(at(5)), Origin::Load)),
        (Ok(()), Ok(()))
    );
    for origin in [Origin::Load, Origin::Fill] {
        assert_eq!(key.admit(Write(at(5)), origin), Err(Indeterminate));
        assert_eq!(key.admit(Write(at(6)), origin), Ok(()));
    }
    assert!(key.is_empty() && !key.concerns_reads());
    assert_eq!((key.invalidations(), key.soft_expiry()), (forgotten, at(6)));
    key.begin(Write(at(6)), Origin::Fill, 1);
    assert_eq!(key.admit(Write(at(4)), Origin::Fill), Err(Superseded));
}

#[test]
fn removes_and_inserts_invalidate_and_what_is_loaded_does_not() {
    let table = [
        (Remove(at(5)), Origin::Load, at(5)),
        (Write(at(5)), Origin::Load, at(4)),
        (Write(at(5)), Origin::Fill, at(0)),
        (Write(at(5)), Origin::OtherLayer, at(0)),
    ];
    for (operation, origin, hard) in table {
        let mut key = unknown();
        key.begin(operation, origin, 1);
        assert_eq!(key.invalidations().hard, hard, "{operation:?}, {origin:?}");
        key.begin(Write(at(9)), Origin::Fill, 2);
        assert_eq!(key.invalidations().hard, hard, "{operation:?}, {origin:?}");
    }
}

#[test]
fn a_soft_expiry_stands_until_something_newer_is_written_or_removed() {
    let e5 = Expire(at(5));
    let table: &[(&[Event], u64)] = &[
        (&[e5], 5),
        (&[e5, Expire(at(4))], 5),
        (&[e5, Expire(at(7))], 7),
        (&[Begin(Write(at(3))), e5, End], 5),
        // Loaded before it was expired.
        (&[e5, Begin(Write(at(3))), End], 5),
        (&[e5, Begin(Write(at(5)))], 5),
        (&[e5, Begin(Write(at(6)))], 0),
        (&[e5, Begin(Remove(at(6)))], 0),
        (&[Begin(Write(at(6))), e5], 0),
        (&[e5, Begin(Write(at(6))), End, Expire(at(7))], 7),
    ];
    for &(events, stands) in table {
        let key = after(events);
        assert_eq!(key.soft_expiry(), at(stands), "{events:?}");
        assert_eq!(
            key.concerns_reads(),
            stands > 0 || key.is_fenced(),
            "{events:?}"
        );
        // What a load is judged by does not go.
        assert!(key.invalidations().soft >= at(5), "{events:?}");
    }
    assert!(after(&[e5]).is_idle() && !after(&[e5]).is_empty());
    let ends = after(&[Begin(Write(at(1))), End, e5]).ended();
    assert_eq!(ends, 2, "among the last to be forgotten");
}

#[test]
fn a_pinned_key_is_not_idle() {
    assert!(!after(&[Pin]).is_idle() && !after(&[Pin]).is_empty());
    assert!(!after(&[Pin, Pin, Unpin]).is_idle());
    assert!(after(&[Pin, Pin, Unpin, Unpin]).is_empty());
    let confirmed = [
        Begin(Write(at(1))),
        Confirm(L1, 1),
        Confirm(L2, 1),
        End,
        Pin,
    ];
    assert!(!after(&confirmed).is_idle());
    assert!(after(&confirmed[..4]).is_idle());
}

#[test]
fn a_layer_respects_a_fence_until_it_confirms() {
    let w5 = Begin(Write(at(5)));
    let r5 = Begin(Remove(at(5)));
    let none = Stamp::ZERO;
    // The fence of L1, the fence where the whole layer has one at 9, and the cause.
    let table: &[(&[Event], Stamp, Stamp, Option<RepairCause>)] = &[
        (&[], none, at(9), None),
        (&[w5], at(5), at(9), Some(InFlight)),
        (&[w5, End], at(5), at(9), Some(Unconfirmed)),
        (&[w5, Confirm(L1, 1)], none, at(4), None),
        (&[r5, Confirm(L1, 1), End], none, at(5), None),
        (&[w5, Confirm(L2, 1), End], at(5), at(9), Some(Unconfirmed)),
        // Overtaken: it says nothing about the newer one.
        (
            &[w5, Begin(Write(at(7))), Confirm(L1, 1)],
            at(7),
            at(9),
            Some(InFlight),
        ),
        (
            &[w5, Begin(Write(at(7))), Confirm(L1, 2)],
            none,
            at(6),
            None,
        ),
        // An equal stamp does not lower the fence of the one before.
        (
            &[r5, Begin(Write(at(7))), Confirm(L1, 1)],
            at(7),
            at(9),
            Some(InFlight),
        ),
    ];
    for (events, own, under, cause) in table {
        let key = after(events);
        assert_eq!(key.fence(L1, none), *own, "{events:?}");
        assert_eq!(key.fence(L1, at(9)), *under, "{events:?}");
        assert_eq!(key.cause(L1), *cause, "{events:?}");
        assert_eq!(key.is_fenced(), cause.is_some() || key.cause(L2).is_some());
    }
}

#[test]
fn a_doubt_lowers_the_fence_to_what_is_confirmed_and_asks_for_a_look() {
    let w5 = Begin(Write(at(5)));
    let confirmed = [w5, Confirm(L1, 1), Confirm(L2, 1), End];
    let with = |more: &[Event]| after(&[&confirmed[..], more].concat());
    // The fence of L1, whether it is in doubt, and whether it is repairable.
    let table: &[(&[Event], Stamp, bool, bool)] = &[
        (&[Doubt(L1, 60)], at(4), true, false),
        (&[Doubt(L1, 60), Lapse(L1, 59)], at(4), true, false),
        (&[Doubt(L1, 60), Lapse(L1, 60)], at(4), false, true),
        (
            &[Doubt(L1, 60), Doubt(L1, 70), Lapse(L1, 60)],
            at(4),
            true,
            false,
        ),
        (&[Doubt(L2, 60), Lapse(L1, 60)], Stamp::ZERO, false, false),
        // A later operation has put there what is asked for.
        (
            &[Doubt(L1, 60), Lapse(L1, 60), SetOut(L1), Confirm(L1, 1)],
            Stamp::ZERO,
            false,
            false,
        ),
        // It had set out before the doubt ended.
        (
            &[Doubt(L1, 60), SetOut(L1), Lapse(L1, 60), Confirm(L1, 1)],
            at(4),
            false,
            true,
        ),
        (
            &[SetOut(L1), Confirm(L1, 1), Doubt(L1, 60)],
            at(4),
            true,
            false,
        ),
    ];
    for (events, fence, in_doubt, repairable) in table {
        let key = with(events);
        assert_eq!(key.fence(L1, Stamp::ZERO), *fence, "{events:?}");
        assert_eq!(key.is_in_doubt(L1), *in_doubt, "{events:?}");
        assert_eq!(key.is_repairable(L1), *repairable, "{events:?}");
        let unsure = *in_doubt || *repairable;
        assert_eq!(key.cause(L1), unsure.then_some(InDoubt), "{events:?}");
        assert!(!key.is_repairable(L2) && key.is_idle() != (unsure || key.is_in_doubt(L2)));
    }
    assert_eq!(with(&[Doubt(L1, 60)]).doubt(L1, 70), Some(60));
    assert_eq!(with(&[Doubt(L1, 60)]).lapse(L1, 59), Some(60));
    assert_eq!(with(&[]).lapse(L1, 59), None);
}

#[test]
fn a_key_that_is_not_remembered_has_nothing_to_look_at() {
    let key = after(&[Refill(L1, 0, at(5)), Doubt(L1, 60), Lapse(L1, 60)]);
    assert!(key.is_idle() && !key.is_in_doubt(L1) && !key.is_repairable(L1));
    let key = after(&[SetOut(L1), Doubt(L1, 60), Lapse(L1, 60), Confirm(L1, 0)]);
    assert!(!key.is_repairable(L1));
}

#[test]
fn a_refill_stands_for_the_newest_operation_that_it_knows_of() {
    let w5 = Begin(Write(at(5)));
    let r5 = Begin(Remove(at(5)));
    // The fence of L1, and the fence where the whole layer has one at 9.
    let table: &[(&[Event], Stamp, Stamp)] = &[
        (&[Refill(L1, 0, at(3))], Stamp::ZERO, at(2)),
        (&[w5, End, Refill(L1, 1, at(5))], Stamp::ZERO, at(4)),
        (&[r5, End, Refill(L1, 1, at(8))], Stamp::ZERO, at(7)),
        (&[w5, Refill(L1, 0, at(3))], at(5), at(9)),
    ];
    for (events, own, under) in table {
        let key = after(events);
        assert_eq!(key.fence(L1, Stamp::ZERO), *own, "{events:?}");
        assert_eq!(key.fence(L1, at(9)), *under, "{events:?}");
    }
}

#[test]
fn a_refill_looks_at_what_has_ended_since() {
    assert!(after(&[]).is_untouched_since(0));
    let w5 = Begin(Write(at(5)));
    assert!(!after(&[w5]).is_untouched_since(9));
    let key = after(&[w5, Begin(Write(at(6))), End, End]);
    assert!(!key.is_untouched_since(1) && key.is_untouched_since(2));
    // Ends may come out of order.
    let mut key = after(&[w5, Begin(Write(at(6)))]);
    key.end(8);
    key.end(7);
    assert_eq!(key.ended(), 8);
}

#[test]
fn a_repair_is_due_where_the_newest_operation_is_missing() {
    let w5 = Begin(Write(at(5)));
    let r7 = Begin(Remove(at(7)));
    let table: &[(&[Event], Option<Asked>)] = &[
        (&[], None),
        (&[w5], None),
        (&[w5, End], Some(Asked::Value)),
        (&[w5, End, r7], None),
        (&[w5, End, r7, End], Some(Asked::Nothing)),
        (&[w5, r7, End], None),
        (&[w5, End, Confirm(L1, 1)], None),
    ];
    for (events, asked) in table {
        assert_eq!(after(events).asked(L1), *asked, "{events:?}");
    }
    let mut key = after(&[w5, End]);
    assert_eq!(key.begin_verifying(L1), Some(Asked::Value));
    assert_eq!(key.begin_verifying(L1), None);
    assert_eq!(key.begin_verifying(L2), Some(Asked::Value));
    key.end_verifying(L1);
    assert_eq!(key.begin_verifying(L1), Some(Asked::Value));
    key.note_attempt(L1);
    assert_eq!((key.attempts(L1), key.attempts(L2)), (1, 0));
    assert_eq!(after(&[w5, End, r7]).attempts(L1), 0);
}

#[test]
fn what_is_given_up_is_what_a_fence_of_the_layer_stands_for() {
    let w5 = Begin(Write(at(5)));
    let doubt = |in_doubt_until| Some(GivenUp { in_doubt_until });
    let table: &[(&[Event], Option<GivenUp<u32>>)] = &[
        (&[], None),
        (&[w5], None),
        (&[w5, Confirm(L1, 1), End], None),
        (&[w5, End], doubt(None)),
        (&[w5, End, Doubt(L1, 60)], doubt(Some(60))),
        (&[Doubt(L1, 60)], doubt(Some(60))),
        // Newer than the fence.
        (&[w5, Begin(Write(at(10))), End, End], None),
    ];
    for (events, given_up) in table {
        let mut key = after(events);
        assert_eq!(key.give_up(L1, at(9)), *given_up, "{events:?}");
        assert_eq!(key.give_up(L1, at(9)), None, "{events:?}");
        if given_up.is_some() {
            // The whole layer's fence is all there is, until something is confirmed.
            assert_eq!(key.cause(L1), None, "{events:?}");
            assert_eq!(key.fence(L1, at(9)), at(9), "{events:?}");
            assert_eq!(key.fence(L1, Stamp::ZERO), Stamp::ZERO, "{events:?}");
        }
    }
    let newer = [
        w5,
        End,
        GiveUp(L1, at(9)),
        Begin(Write(at(10))),
        Confirm(L1, 2),
        End,
    ];
    assert_eq!(after(&newer).fence(L1, at(9)), at(9));
    let loaded_before = [
        w5,
        End,
        GiveUp(L1, at(9)),
        Begin(Write(at(7))),
        Confirm(L1, 2),
        End,
    ];
    assert_eq!(after(&loaded_before).fence(L1, at(9)), at(6));
}

#[test]
fn what_is_pending_idle_and_empty() {
    let r5 = Begin(Remove(at(5)));
    let table: &[(&[Event], [bool; 3])] = &[
        (&[], [false, true, true]),
        (&[r5], [false, false, false]),
        (&[r5, End], [true, false, false]),
        (&[r5, Confirm(L1, 1), End], [true, false, false]),
        (&[r5, Confirm(L1, 1), Confirm(L2, 1)], [false, false, false]),
        (
            &[r5, Confirm(L1, 1), Confirm(L2, 1), End],
            [false, true, false],
        ),
        (&[Refill(L1, 0, at(3))], [false, true, false]),
        (&[Doubt(L1, 60)], [true, false, false]),
        (&[Doubt(L1, 60), Lapse(L1, 60)], [false, true, true]),
    ];
    for (events, expected) in table {
        let key = after(events);
        let found = [key.is_pending(), key.is_idle(), key.is_empty()];
        assert_eq!(found, *expected, "{events:?}");
    }
}
