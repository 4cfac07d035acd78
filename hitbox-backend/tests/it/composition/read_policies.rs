//! Which step follows from what is known of the layers: the table of read policies, row by row.

use chrono::{DateTime, TimeDelta, Utc};
use hitbox_backend::{
    CompositionLayer::{L1, L2},
    CompositionReadPolicy, Observed,
    Observed::{Failed, Hit, Miss, NotAsked, Pending},
    ParallelReadPolicy, RaceLoserPolicy, RaceReadPolicy, ReadStep,
    ReadStep::{Answer, Ask, NoHit, Wait},
    SequentialReadPolicy,
};
use hitbox_core::Expiry;

const HIT: Observed = Hit(Expiry::NEVER);

fn check(policy: &impl CompositionReadPolicy, table: [[ReadStep; 5]; 5]) {
    let states = [NotAsked, Pending, HIT, Miss, Failed];
    for (l1, row) in states.into_iter().zip(table) {
        for (l2, step) in states.into_iter().zip(row) {
            let next = policy.next_step(l1, l2);
            assert_eq!(next, Some(step), "L1 {l1:?}, L2 {l2:?}");
        }
    }
}

#[test]
fn a_sequential_read_asks_l2_for_what_l1_has_not() {
    //          L2: not asked   pending     hit         miss        failed
    check(
        &SequentialReadPolicy::new(),
        [
            /* not asked */ [Ask(L1), Ask(L1), Ask(L1), Ask(L1), Ask(L1)],
            /* pending   */ [Wait, Wait, Wait, Wait, Wait],
            /* hit       */ [Answer(L1), Answer(L1), Answer(L1), Answer(L1), Answer(L1)],
            /* miss      */ [Ask(L2), Wait, Answer(L2), NoHit, NoHit],
            /* failed    */ [Ask(L2), Wait, Answer(L2), NoHit, NoHit],
        ],
    );
}

#[test]
fn a_race_takes_the_first_hit() {
    for loser in [RaceLoserPolicy::Offload, RaceLoserPolicy::Drop] {
        let race = RaceReadPolicy::new().loser(loser);
        check(
            &race,
            [
                /* not asked */ [Ask(L1), Ask(L1), Ask(L1), Ask(L1), Ask(L1)],
                /* pending   */ [Ask(L2), Wait, Answer(L2), Wait, Wait],
                /* hit       */ [Answer(L1), Answer(L1), Answer(L1), Answer(L1), Answer(L1)],
                /* miss      */ [Ask(L2), Wait, Answer(L2), NoHit, NoHit],
                /* failed    */ [Ask(L2), Wait, Answer(L2), NoHit, NoHit],
            ],
        );
        assert_eq!(CompositionReadPolicy::if_left_behind(&race), loser);
    }
}

#[test]
fn a_parallel_read_waits_for_both_layers() {
    check(
        &ParallelReadPolicy::new(),
        [
            /* not asked */ [Ask(L1), Ask(L1), Ask(L1), Ask(L1), Ask(L1)],
            /* pending   */ [Ask(L2), Wait, Wait, Wait, Wait],
            /* hit       */ [Ask(L2), Wait, Answer(L1), Answer(L1), Answer(L1)],
            /* miss      */ [Ask(L2), Wait, Answer(L2), NoHit, NoHit],
            /* failed    */ [Ask(L2), Wait, Answer(L2), NoHit, NoHit],
        ],
    );
}

#[test]
fn a_parallel_read_takes_the_value_that_lives_longest() {
    let policy = ParallelReadPolicy::new();
    let early: DateTime<Utc> = DateTime::UNIX_EPOCH;
    let (early, late) = (
        Hit(Expiry::at(early)),
        Hit(Expiry::at(early + TimeDelta::milliseconds(1))),
    );
    let never = Hit(Expiry::NEVER);
    for (l1, l2, layer) in [
        (early, late, L2),
        (late, early, L1),
        (early, early, L1),
        (never, late, L1),
        (late, never, L2),
        (never, never, L1),
    ] {
        let next = policy.next_step(l1, l2);
        assert_eq!(next, Some(Answer(layer)), "{l1:?} {l2:?}");
    }
}
