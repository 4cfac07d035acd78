//! Compositions of two layers and more.

mod asked_once;
mod begun_layers;
mod bulk_expiry;
mod bulk_races;
mod bulk_reads;
mod cooperation;
mod edges;
mod expired_layers;
mod failures;
mod fences;
mod foreign_policies;
mod forgotten_keys;
mod interleavings;
mod late_effects;
mod layer_fences;
mod namespaces;
mod read_policies;
mod ready_layers;
mod repair;
mod repair_limits;
mod repeated;
mod settings;
mod waiting_for_l2;
pub(crate) mod wants;
mod write_policies;
