//! The thread that gives back the memory of what has expired or was cleared.

use std::{
    sync::{Arc, Weak},
    thread,
    time::{Duration, Instant},
};

use chrono::TimeDelta;
use hitbox_backend::{Attempt, Backend};
use hitbox_core::{
    CacheContext, CacheKey, CacheValue, Raw, Stamp, TypeOf,
    clock::{Moment, VirtualTime},
};

use crate::Tested;

const EVERY: Option<Duration> = Some(Duration::from_millis(10));
const SHORT: Duration = Duration::from_millis(5);

fn cache(sweep_every: Option<Duration>) -> Tested {
    Tested::builder()
        .count_evictions()
        .max_entries(1_000_000)
        .sweep_every(sweep_every)
        .build()
        .unwrap()
}

fn until(what: &str, holds: impl Fn() -> bool) {
    let began = Instant::now();
    while !holds() {
        assert!(began.elapsed() < Duration::from_secs(60), "in vain: {what}");
        thread::yield_now();
    }
}

fn key(number: usize) -> CacheKey {
    CacheKey::from_pair("id", number.to_string())
}

fn write(cache: &Tested, number: usize, value: CacheValue<Raw>) {
    match cache.try_write(&key(number), value) {
        Attempt::Ready(written) => written.unwrap(),
        Attempt::Pending(_) | Attempt::WouldBlock(_) => panic!("waits"),
    }
}

fn is_there(cache: &Tested, number: usize) -> bool {
    let context = &mut CacheContext::default().boxed();
    match cache.try_read(&key(number), context, &Moment::default()) {
        Attempt::Ready(read) => read.unwrap().is_some(),
        Attempt::Pending(_) | Attempt::WouldBlock(()) => panic!("waits"),
    }
}

/// An object in the cache that nobody else holds.
fn cached_object(cache: &Tested, number: usize, life: Option<Duration>) -> Weak<u8> {
    let object = Arc::new(1_u8);
    let observer = Arc::downgrade(&object);
    static TYPE: TypeOf<u8> = TypeOf::with_codec(&());
    let raw = Raw::of_object(object, &TYPE);
    let value = CacheValue::loaded(raw, Stamp::now());
    write(
        cache,
        number,
        match life {
            Some(life) => value.ttl(life),
            None => value,
        },
    );
    observer
}

#[test]
fn expired_entries_go_without_traffic_and_without_a_runtime() {
    let cache = cache(EVERY);
    let clone = cache.clone();
    drop(cache);
    cached_object(&clone, 1, Some(SHORT));
    until("the entry is dropped", || {
        clone.statistics().evicted_expired == Some(1)
    });
    // Again and again.
    cached_object(&clone, 2, Some(SHORT));
    until("the next entry is dropped", || {
        clone.statistics().evicted_expired == Some(2)
    });
}

#[test]
fn the_entries_go_with_the_last_handle() {
    for _ in 0..100 {
        let cache = cache(Some(Duration::from_millis(1)));
        let object = cached_object(&cache, 1, None);
        cached_object(&cache, 2, Some(Duration::ZERO));
        assert!(object.upgrade().is_some());
        drop(cache);
        assert!(object.upgrade().is_none());
    }
}

/// What the next reads and writes do about it themselves is nothing.
#[test]
fn entries_that_expire_or_are_cleared_together_hold_up_no_caller() {
    const ENTRIES: usize = 50_000;
    // No value expires before it has been written.
    let clock = VirtualTime::start(hitbox_core::clock::now());
    for expire in [true, false] {
        let cache = cache(None);
        for number in 0..ENTRIES {
            cached_object(&cache, number, expire.then_some(SHORT));
        }
        if expire {
            clock.advance(TimeDelta::from_std(SHORT).unwrap());
        } else {
            cache.clear();
        }
        for number in 0..1_000 {
            assert!(!is_there(&cache, number));
            write(
                &cache,
                ENTRIES + number,
                CacheValue::loaded(Raw::from(vec![1]), Stamp::now()),
            );
        }
        assert_eq!(cache.statistics().evicted_expired, Some(0));
        let entries = cache.statistics().entries;
        assert!(entries >= ENTRIES as u64, "{entries} entries");

        // The last may have a moment to go: what sweeps goes by a clock of its own.
        until("all but the new ones are swept", || {
            cache.run_pending_tasks();
            cache.statistics().entries == 1_000
        });
        let expired = if expire { ENTRIES as u64 } else { 0 };
        assert_eq!(cache.statistics().evicted_expired, Some(expired));
    }
}

/// The moment at which an entry expires is the one at which it is written anew.
#[test]
fn what_is_written_anew_is_not_swept_with_what_was_over() {
    let cache = cache(Some(Duration::from_millis(1)));
    let began = Instant::now();
    let mut round = 0;
    while began.elapsed() < Duration::from_millis(300) {
        round += 1;
        for number in 0..200 {
            cached_object(&cache, number, Some(Duration::from_millis(1)));
        }
        for number in 0..200 {
            cached_object(&cache, number, None);
        }
        for number in 0..200 {
            assert!(is_there(&cache, number), "round {round}, key {number}");
        }
    }
}
