//! Compositions of two layers and more.

mod asked_once;
mod at_once;
mod begun_in_place;
mod bulk_expiry;
mod bulk_in_order;
mod bulk_races;
mod cooperation;
mod edges;
mod failures;
mod fences;
mod foreign_policies;
mod forgotten_keys;
mod interleavings;
mod l1_first;
mod late_effects;
mod layer_fences;
mod namespaces;
mod read_policies;
mod repair;
mod repair_limits;
mod repeated;
mod settings;
mod wants;
mod write_policies;
