//! Operations of hitbox beside the same operations of other caches, measured by the harness of the
//! `benches` crate: a subject and the floor of its operation in turn, in one process.
//!
//! `README.md` tells what is and what is not the same between the subjects.

mod operations;
mod subjects;
pub mod table;

use std::alloc::System;

use hitbox_benches::{Case, Failure};
use stats_alloc::StatsAlloc;
use test_servers::redis::SharedRedis;

/// What happens within this process, where allocations can be counted.
#[must_use]
pub fn in_process() -> Vec<Case> {
    let mut cases = operations::hit::cases();
    cases.extend(operations::get_or_load::cases());
    cases.extend(operations::parallel::cases());
    cases.extend(operations::set::cases());
    cases.extend(operations::sled::cases());
    cases
}

/// What entries take of memory. `allocator` is the one that the program runs with.
#[must_use]
pub fn memory(allocator: &'static StatsAlloc<System>) -> Vec<Case> {
    operations::memory::cases(allocator)
}

/// What needs a Redis server: the one that `REDIS_URL` names, or one that is started when the first of
/// the cases is measured, and ended with the last of them.
#[must_use]
pub fn with_server() -> Vec<Case> {
    operations::redis::cases()
}

/// The server of the cases that need one.
pub(crate) fn server() -> Result<SharedRedis, Failure> {
    let runtime = tokio::runtime::Builder::new_current_thread()
        .enable_all()
        .build()?;
    Ok(runtime.block_on(SharedRedis::open())?)
}
