//! What does a hit cost while repairs are pending?
//!
//! In an outage most of what is read was written before it, and both layers have it; what is written
//! meanwhile is a pending repair. A hit of a key that has a pending repair itself is a question of its own.

use std::{num::NonZeroUsize, rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, Compose, CompositionPolicy, RepairPolicy};
use hitbox_core::DisabledOffload;
use tokio::runtime::Runtime;

use crate::{
    Case, Contest, Counts, Failure, Runner,
    bodies::{self, Body, Size, Text},
    keys::{self, Order},
    questions::{
        arrangement::{background, fill, hits, moka, typed_hits},
        failing::Switched,
    },
    runtime,
};

/// How many repairs may be pending.
const CAPACITY: NonZeroUsize = NonZeroUsize::new(1 << 21).expect("not zero");

/// Of L1, which evicts nothing.
const ROOM: u64 = 4 << 20;

/// Writes this many keys that nobody reads.
fn write_others(runtime: &Runtime, cache: &impl Backend, others: usize) -> Result<(), Failure> {
    runtime.block_on(async {
        for (id, index) in (0..).zip(0..others) {
            let body = Arc::new(Text::new(id, Size(64)));
            let value = bodies::value(&body, bodies::expiry());
            cache.set(&keys::key(keys::HOT + index), value).await?;
        }
        Ok(())
    })
}

fn check(pending: usize, expected: usize) -> Result<(), Failure> {
    if pending == expected {
        return Ok(());
    }
    Err(format!("{pending} repairs of L2 are pending, not {expected}").into())
}

/// Hits of keys that both layers have confirmed, while L2 fails, and so many others have pending repairs. Repairs are
/// tried in the background, by default settings, and fail.
fn hits_in_outage(runtime: &Rc<Runtime>, others: usize) -> Result<Runner, Failure> {
    let l2 = Switched::new(moka(10_000)?);
    let policy = CompositionPolicy::new().record_capacity(CAPACITY);
    let cache = moka(ROOM)?.compose_with(l2.clone(), background(runtime)?, policy);
    fill::<Text>(runtime, &cache, keys::HOT, Size::ONE_KB)?;
    l2.switch_off();
    write_others(runtime, &cache, others)?;
    check(cache.pending_repair_count(), others)?;
    let (keys, order) = (keys::keys(keys::HOT), Order::even(keys::HOT));
    Ok(hits::<Text>(runtime, cache, keys, order))
}

/// Hits of keys in L1 whose repairs in L2 are pending, and so many others with them. Nothing is repaired.
fn hits_of_pending(runtime: &Rc<Runtime>, others: usize) -> Result<Runner, Failure> {
    let policy = CompositionPolicy::new()
        .repair(RepairPolicy::Never)
        .record_capacity(CAPACITY);
    let l2 = Switched::new(moka(1)?);
    l2.switch_off();
    let cache = moka(ROOM)?.compose_with(l2, DisabledOffload, policy);
    write_others(runtime, &cache, others)?;
    check(cache.pending_repair_count(), others)?;
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

/// Hits in a composition without pending repairs.
fn healthy_hits(runtime: &Rc<Runtime>) -> Result<Runner, Failure> {
    let cache = moka(10_000)?.compose(moka(10_000)?, DisabledOffload);
    typed_hits::<Text>(runtime, cache, Size::ONE_KB)
}

type Hits = fn(&Rc<Runtime>, usize) -> Result<Runner, Failure>;

/// With so many others, beside the same with none.
fn beside_none(what: &str, hits: Hits, others: usize) -> Case {
    let name = format!("scale_repairs/{what}/{others} other repairs pending, against none");
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let floor = hits(&runtime, 0)?;
        Ok(Contest::between(hits(&runtime, others)?, floor))
    });
    if others <= 10_000 { case.quick() } else { case }
}

/// An outage with more and more pending; hits of keys that have a pending repair themselves.
#[must_use]
pub fn cases() -> Vec<Case> {
    let in_outage = "hit of confirmed keys, L2 down";
    let of_pending = "hit of keys with a pending repair";
    let pending = Case::contest(
        format!("scale_repairs/{of_pending}/against none pending"),
        || {
            let runtime = runtime()?;
            let floor = healthy_hits(&runtime)?;
            Ok(Contest::between(hits_of_pending(&runtime, 0)?, floor))
        },
    );
    // None against none: by how much two that are the same differ.
    let others = [0, 100, 10_000, 100_000];
    let mut cases: Vec<_> = others
        .map(|others| beside_none(in_outage, hits_in_outage, others))
        .into();
    cases.push(pending.quick());
    let others = [100, 1_000, 10_000, 100_000, 1_000_000];
    cases.extend(others.map(|others| beside_none(of_pending, hits_of_pending, others)));
    let uncounted = cases.into_iter().map(|case| case.counts(Counts::Nothing));
    uncounted.collect()
}
