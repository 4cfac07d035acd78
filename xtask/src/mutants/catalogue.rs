//! The breaks, by what they break.

mod around;
mod coherence;
mod fences;
mod fleet;
mod flights;
mod joined_reads;
mod leases;
mod life;
mod loads;
mod repairs;
mod tags;

use super::{Check, Mutant};

const SCENARIOS: Check = Check::Tests("hitbox-scenarios", "composition");
/// From one seed: what it finds there once, it finds always.
const MODEL: Check = Check::Model {
    seed: 1,
    operations: 20_000,
};
const MODEL_OF_CACHE: Check = Check::ModelOfCache {
    seed: 1,
    operations: 20_000,
};
/// All schedules of what the model meets rarely: an operation at the one moment that matters.
const FAILS_AGAIN: Check = Check::Test(
    "hitbox-backend",
    "it",
    "the_layer_fails_again_while_it_is_repaired",
);
const FENCES: Check = Check::Test("hitbox-backend", "it", "composition::fences::");
const READY_LAYERS: Check = Check::Test("hitbox-backend", "it", "composition::ready_layers::");
const EXPIRED_LAYERS: Check = Check::Test("hitbox-backend", "it", "composition::expired_layers::");
const BEGUN_LAYERS: Check = Check::Test("hitbox-backend", "it", "composition::begun_layers::");
const WAITING_FOR_L2: Check = Check::Test("hitbox-backend", "it", "composition::waiting_for_l2::");
const LATE_EFFECTS: Check = Check::Test("hitbox-backend", "it", "composition::late_effects::");
const REPEATED: Check = Check::Test("hitbox-backend", "it", "composition::repeated::");
const FORGOTTEN_KEYS: Check = Check::Test("hitbox-backend", "it", "composition::forgotten_keys::");
const LAYER_FENCES: Check = Check::Test("hitbox-backend", "it", "composition::layer_fences::");
const FENCED: Check = Check::Test("hitbox-backend", "it", "composition::fenced::");
const LEASES: Check = Check::Test("hitbox-backend", "it", "composition::loads::");
const LEASES_IN_REDIS: Check = Check::Test("hitbox-redis", "it", "leases::");
const FLEET: Check = Check::Test("hitbox", "it", "fleet::");
const JOINED_READS: Check = Check::Test("hitbox-backend", "it", "composition::joined_reads::");
const COHERENCE: Check = Check::Test("hitbox-backend", "it", "coherence::");
const SCHEDULED_COHERENCE: Check = Check::Schedules("coherence");
const SOFT_EXPIRY: Check = Check::Test("hitbox-backend", "it", "composition::soft_expiry::");
const WRAPPERS: Check = Check::Test("hitbox-backend", "it", "wrapper::");
const STORED_FORM: Check = Check::Test("hitbox-backend", "it", "stored_form::");
const OFFLOAD_CLOSE: Check = Check::Test("hitbox-backend", "it", "offload::close::");
const KEY_FORM: Check = Check::Test("hitbox-core", "it", "key_form::");
const HOSTILE: Check = Check::Test("hitbox-backend", "allocator", "hostile_payloads::");
const INTERLEAVINGS: Check = Check::Test("hitbox-backend", "it", "composition::interleavings::");
const OFFLOAD_DEFERRED: Check = Check::Test("hitbox-backend", "it", "offload::deferred::");
/// What depends on the order of single steps at locks and atomics.
const SCHEDULED_FENCES: Check = Check::Schedules("fences");
const SCHEDULED_REPAIRS: Check = Check::Schedules("repairs");
const SCHEDULED_PERMITS: Check = Check::Schedules("permits");
const SCHEDULED_BREAKER: Check = Check::Schedules("breaker");
const SCHEDULED_OFFLOAD: Check = Check::Schedules("offload");
const CORE: Check = Check::UnitTests("hitbox-core");
const LOADS: Check = Check::UnitTests("hitbox");
const TAGS: Check = Check::Test("hitbox", "it", "tags::");
const FLEET_TAGS: Check = Check::Test("hitbox", "it", "fleet_tags::");
const RESTART: Check = Check::Test("hitbox", "it", "restart::");
/// Also random orders of all that can happen to the flights of a key.
const FLIGHT_MODEL: Check = Check::UnitTests("hitbox-backend");
const SCHEDULED_FLIGHTS: Check = Check::Schedules("flights");

/// Every break, in the order of the guarantees.
pub(super) fn all() -> impl Iterator<Item = &'static Mutant> {
    let all = [
        life::MUTANTS,
        fences::MUTANTS,
        repairs::MUTANTS,
        joined_reads::MUTANTS,
        coherence::MUTANTS,
        fleet::MUTANTS,
        leases::MUTANTS,
        around::MUTANTS,
        loads::MUTANTS,
        flights::MUTANTS,
        tags::MUTANTS,
    ];
    all.into_iter().flatten()
}
