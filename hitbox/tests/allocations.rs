//! What making a key asks of the allocator. A program of its own, since the allocator counts for the whole process.

use std::{alloc::System, hint::black_box};

use hitbox::{Key, Keyspace};
use stats_alloc::{INSTRUMENTED_SYSTEM, Region, StatsAlloc};

#[global_allocator]
static ALLOCATOR: &StatsAlloc<System> = &INSTRUMENTED_SYSTEM;

const USERS: Keyspace<u64, String> = Keyspace::new("users", 1);
const NAMES: Keyspace<str, String> = Keyspace::new("names", 1);
const PAIRS: Keyspace<(u64, (bool, Option<&str>)), String> = Keyspace::new("pairs", 1);

fn allocations(make: impl Fn() -> Key<String>) -> usize {
    // The first key of a process draws the seed of hashes.
    black_box(make());
    let region = Region::new(ALLOCATOR);
    let key = black_box(make());
    let made = region.change();
    drop(key);
    made.allocations + made.reallocations
}

/// One test: what another one allocates would be counted too.
#[test]
fn a_key_is_two_allocations_and_a_clone_none() {
    assert_eq!(allocations(|| USERS.key(42)), 2);
    assert_eq!(
        allocations(|| NAMES.key("a name that no small string has inline")),
        2
    );
    assert_eq!(allocations(|| PAIRS.key((42, (true, Some("en"))))), 2);
    let key = USERS.key(42);
    assert_eq!(allocations(|| key.clone()), 0);
}
