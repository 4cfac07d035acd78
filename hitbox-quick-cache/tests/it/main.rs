//! What the adapter promises, by its public interface.

#![allow(clippy::unwrap_used, reason = "a failing test panics")]

use hitbox_quick_cache::{QuickCache as TestedStore, QuickCacheBackend as Tested};

#[path = "../../../hitbox-backend/tests/in_process/mod.rs"]
mod in_process;
mod scan;
