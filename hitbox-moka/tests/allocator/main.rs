//! What is asked of the allocator. A program of its own, since the allocator counts for the whole process.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

#[path = "../../../hitbox-backend/tests/allocator/counted.rs"]
mod counted;
#[path = "../../../hitbox-backend/tests/in_process/hits.rs"]
mod hits;
#[path = "../../../hitbox-backend/tests/in_process/memory.rs"]
mod memory;

use std::ops::RangeInclusive;

use counted::{ALLOCATOR, one_at_a_time};
use hitbox_moka::{Moka as TestedStore, MokaBackend as Tested};

/// What is asked for an entry beside what its key and its value say they weigh, in bytes.
const OVERHEAD: RangeInclusive<usize> = 240..=340;
