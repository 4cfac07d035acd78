//! What a composition knows about what its layers hold: the mechanism behind G3 and G4.
//!
//! Every write and remove of a key raises the key's *fence* to its own stamp before it touches a
//! layer. From then on a value of that key found in a layer is trusted only if its `created` stamp
//! is above the fence, unless the layer has *confirmed*: unless the newest operation on the key has
//! succeeded there. So whatever arrives late (a refill in flight, a race's loser, a write that timed
//! out and was applied after all) and whatever a failed layer still holds is not served. A layer
//! that has not confirmed is both bypassed and on record as dirty.
//!
//! One operation at a time changes a key in a layer: the one that holds the *permit*. One that has been overtaken
//! passes, so each layer ends at the newest. `docs/fences.md` has the argument in full.

mod counts;
mod effect;
mod entry;
mod forgotten;
mod help;
mod idle;
mod key_state;
mod layer_fence;
mod origin;
mod pending;
mod permit;
mod pin;
mod records;
mod repairable;
mod shard;
mod share;
mod snapshot;
mod verifying;
mod waiters;

pub(super) use effect::Effect;
pub(super) use entry::{Permits, TryPermit};
pub(super) use key_state::Asked;
pub(super) use layer_fence::CannotLift;
pub(super) use origin::{Origin, Refusal};
pub(super) use pending::{Job, JobLease};
pub(super) use permit::Permit;
pub(super) use pin::Pin;
pub(super) use records::Fences;
pub(super) use share::Share;
pub(super) use snapshot::FenceSnapshot;
pub(super) use verifying::Verifying;
