//! Bulk calls meet faults key by key.

use std::slice;

use hitbox_backend::{
    Backend, BackendErrorKind,
    chaos::{Failure, Fault, Late, Script},
};
use hitbox_core::{BoxContext, CacheKey, CacheStatus, CacheValue, Raw};

use crate::chaos::{found, keys, once, scripted, value, within};

fn entries(keys: &[CacheKey]) -> Vec<(CacheKey, CacheValue<Raw>)> {
    keys.iter().map(|key| (key.clone(), value(1))).collect()
}

#[tokio::test]
async fn one_key_fails_and_the_others_do_not() {
    let keys = keys::<3>();
    let steps = [None, Some(Fault::Fail(Failure::Full)), None];
    let (subject, handle) = scripted(Script::writes(steps));
    let outcomes = subject.write_many(entries(&keys)).await;
    let failed: Vec<bool> = outcomes.iter().map(Result::is_err).collect();
    assert_eq!(failed, [false, true, false]);
    for (key, failed) in keys.iter().zip(failed) {
        assert_eq!(within(&subject, key).await.is_none(), failed);
    }

    let script = Script::reads(once(Fault::LoseAnswer)).for_key(keys[2].clone());
    handle.script(script).unwrap();
    let mut contexts = vec![BoxContext::default(); 3];
    let outcomes = subject.read_many_with(&keys, &mut contexts).await;
    assert!(outcomes[0].is_ok() && outcomes[1].is_ok() && outcomes[2].is_err());
    let statuses: Vec<_> = contexts.iter().map(BoxContext::status).collect();
    let (hit, miss) = (CacheStatus::Hit, CacheStatus::Miss);
    assert_eq!(statuses, [hit, miss, miss]);
}

#[tokio::test]
async fn a_break_leaves_the_keys_before_it_done_and_nobody_knows() {
    let keys = keys::<4>();
    let steps = || [None, None, Some(Fault::BreakOff)];
    let (subject, handle) = scripted(Script::writes(steps()));
    let outcomes = subject.refill_many(entries(&keys)).await;
    assert_eq!(outcomes.len(), 4);
    for outcome in outcomes {
        let error = outcome.unwrap_err();
        assert_eq!(error.kind(), BackendErrorKind::Unavailable);
        assert!(!error.is_definite());
    }
    let mut there = Vec::new();
    for key in &keys {
        there.push(within(&subject, key).await.is_some());
    }
    assert_eq!(there, [true, true, false, false]);

    handle.script(Script::reads(steps())).unwrap();
    let mut contexts = vec![BoxContext::default(); 4];
    let outcomes = subject.read_many_with(&keys, &mut contexts).await;
    assert!(outcomes.len() == 4 && outcomes.iter().all(Result::is_err));
    assert!(contexts.iter().all(|one| one.status() == CacheStatus::Miss));

    handle.script(Script::removes(steps())).unwrap();
    let outcomes = subject.remove_many(&keys).await;
    assert!(outcomes.len() == 4 && outcomes.iter().all(Result::is_err));
    assert_eq!(found(&subject, &keys[1]).await, None);
    // What the break kept from being reached is not numbered among the calls, nor scripted.
    assert!(subject.remove_many(&keys).await.iter().all(Result::is_ok));
}

#[tokio::test]
async fn a_late_write_comes_after_a_bulk_call_too() {
    let [key] = keys();
    let late = Fault::Late(Late::AFTER_THE_NEXT_CALL);
    let (subject, handle) = scripted(Script::writes(once(late)));
    assert!(subject.write_many(entries(slice::from_ref(&key))).await[0].is_err());
    assert!(subject.write_many(vec![(key.clone(), value(2))]).await[0].is_ok());
    assert_eq!(within(&subject, &key).await, Some(1));
    assert_eq!(handle.late(), 0);
}

#[tokio::test]
async fn of_two_entries_with_one_key_the_later_wins_around_a_fault() {
    let [one, two] = keys();
    let (subject, _handle) = scripted(Script::writes(once(Fault::LoseAnswer)).for_key(two.clone()));
    let entries = vec![
        (one.clone(), value(1)),
        (two, value(9)),
        (one.clone(), value(2)),
    ];
    let outcomes = subject.write_many(entries).await;
    assert!(outcomes[0].is_ok() && outcomes[1].is_err() && outcomes[2].is_ok());
    assert_eq!(found(&subject, &one).await, Some(2));
}
