//! What does a miss in L1 cost that L2 answers, L1 being filled with the answer?

use std::{rc::Rc, sync::Arc};

use hitbox_backend::{Backend, CacheBackend, Compose};
use hitbox_core::{CacheContext, CacheKey, DisabledOffload, Offload};
use hitbox_moka::MokaBackend;
use tokio::runtime::Runtime;

use super::arrangement::{background, fill, fill_raw, moka};
use crate::{
    Case, Contest, Failure, Runner, Target,
    bodies::{Binary, Body, Size, Text},
    floor::raw_moka,
    keys::{self, Order},
    runtime,
};

const ENTRIES: u64 = 10_000;

/// As many reads as there are keys, each a miss in L1 the first time.
fn typed<T: Body, O: Offload<'static> + 'static>(
    runtime: &Rc<Runtime>,
    offload: O,
    size: Size,
    settle: impl AsyncFn() + 'static,
) -> Result<Runner, Failure> {
    let cache = moka(ENTRIES)?.compose(moka(ENTRIES)?, offload);
    fill::<T>(runtime, &cache, &keys::keys(keys::HOT), size)?;
    let (l1, emptying) = (cache.l1().clone(), Rc::clone(runtime));
    let keys: Rc<[_]> = keys::keys(keys::HOT).into();
    let emptied = Rc::clone(&keys);
    let mut order = Order::sequential(keys::HOT);
    let runner = Runner::repeating(runtime, async move || {
        let mut context = CacheContext::default().boxed();
        let found = cache.get::<T>(&keys[order.advance()], &mut context).await?;
        std::hint::black_box(&found.ok_or("a miss")?);
        Ok(())
    });
    Ok(runner.prepared(keys::HOT as u64, move || {
        emptying.block_on(async {
            settle().await;
            empty(&l1, &emptied).await
        })
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
    fill_raw::<T>(runtime, &l2, &keys::texts(keys::HOT), size)?;
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
        let ours = typed::<T, _>(&runtime, DisabledOffload, size, async || {})?;
        Ok(Contest::between(ours, raw::<T>(&runtime, size)?))
    });
    case.target(Target::at_most(1.5))
}

/// What the caller waits for where there is a background: it fills L1 between the chunks.
fn in_background<T: Body>(size: Size) -> Case {
    let name = format!(
        "refill/L1 miss, L2 hit, to the background/{size} {}",
        T::NAME
    );
    let case = Case::contest(name, move || {
        let runtime = runtime()?;
        let background = background(&runtime)?;
        let draining = background.clone();
        let settle = async move || draining.drain().await;
        let ours = typed::<T, _>(&runtime, background, size, settle)?;
        Ok(Contest::between(ours, raw::<T>(&runtime, size)?))
    });
    case.target(Target::at_most(1.5))
}

/// Every size and type of body.
#[must_use]
pub fn cases() -> Vec<Case> {
    let mut cases = Vec::new();
    for size in Size::USUAL {
        let text = case::<Text>(size);
        cases.push(if size == Size::ONE_KB {
            text.quick()
        } else {
            text
        });
        cases.push(case::<Binary>(size));
    }
    cases.push(in_background::<Text>(Size::ONE_KB));
    cases
}
