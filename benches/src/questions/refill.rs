//! What does a miss in L1 cost that L2 answers, L1 being filled with the answer?
//!
//! moka takes writes at once, so the caller fills L1 itself: there is nothing for a background.

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, Compose};
use hitbox_core::{CacheKey, DisabledOffload};
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use super::arrangement::{fill, fill_raw, hits, moka};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{Binary, Body, Size, Text},
    floor::raw_moka,
    keys::{self, Order},
    runtime,
};

const ENTRIES: u64 = 10_000;

/// As many reads as there are keys, each a miss in L1 the first time.
fn typed<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, DisabledOffload);
    fill::<T>(runtime, &cache, keys::HOT, size)?;
    let (l1, emptying) = (cache.l1().clone(), Rc::clone(runtime));
    let (keys, order) = (keys::keys(keys::HOT), Order::sequential(keys::HOT));
    let emptied = keys.clone();
    let runner = hits::<T>(runtime, cache, keys, order);
    Ok(runner.prepared(keys::HOT as u64, move || {
        emptying.block_on(empty(&l1, &emptied))
    }))
}

async fn empty(l1: &MokaBackend, keys: &[CacheKey]) -> Result<(), Failure> {
    for key in keys {
        l1.remove(key).await?;
    }
    l1.run_pending_tasks();
    Ok(())
}

fn raw<T: Body>(runtime: &Rc<Runtime>, size: Size) -> Result<Runner, Failure> {
    let (l1, l2) = (raw_moka(ENTRIES), raw_moka(ENTRIES));
    fill_raw::<T>(runtime, &l2, keys::HOT, size)?;
    let (emptied, emptying) = (l1.clone(), Rc::clone(runtime));
    let keys = keys::texts(keys::HOT);
    let mut order = Order::sequential(keys::HOT);
    let runner = Runner::repeating(runtime, async move || {
        let key = &keys[order.advance()];
        if l1.get(key).await.is_some() {
            return Err("a hit in L1".into());
        }
        let found = l2.get(key).await.ok_or("a miss")?;
        l1.insert(Arc::clone(key), found.clone()).await;
        std::hint::black_box(&found);
        Ok(())
    });
    let texts = keys::texts(keys::HOT);
    Ok(runner.prepared(keys::HOT as u64, move || {
        emptying.block_on(async {
            for key in &texts {
                emptied.invalidate(key).await;
            }
            emptied.run_pending_tasks().await;
        });
        Ok(())
    }))
}

fn case<T: Body>(size: Size) -> Case {
    let name = format!("refill/L1 miss, L2 hit/{size} {}", T::NAME);
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let ours = typed::<T>(&runtime, size)?;
        Ok(Contest::between(ours, raw::<T>(&runtime, size)?))
    });
    case.target(Target::at_most(1.5))
}

/// Every size and type of body.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        cases.push(case::<Text>(size).quick_at(size));
        cases.push(case::<Binary>(size));
    }
    cases
}
